package dev.shortcut.engine.backend.onednn;

import dev.shortcut.bindings.library.Attempt;
import dev.shortcut.bindings.library.LibraryBundle;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.LibraryReport;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Finding oneDNN: the file that the options name, the one that a property or an environment
 * variable names, the bundled one, what the system has. Any 3.x of at least 3.4 that runs its
 * threads through OpenMP will do.
 */
final class OneDnnLibrary {
  /** The system property that names a library. */
  static final String PROPERTY = "shortcut.onednn.library";

  /** The environment variable that names a library. */
  static final String VARIABLE = "SHORTCUT_ONEDNN_LIBRARY";

  private static final Logger LOG = System.getLogger(OneDnnLibrary.class.getName());
  private static final String NAME = "oneDNN";
  private static final String NATIVES = "dev/shortcut/engine/natives/linux_x86_64/";
  private static final int MAJOR = 3;
  private static final int FIRST_MINOR = 4;

  /** Libraries stay open for good, so that each needs to be searched for once. */
  private static final Map<String, OneDnn> OPENED = new ConcurrentHashMap<>();

  private OneDnnLibrary() {}

  /**
   * Opens oneDNN.
   *
   * @param file the one to use instead of searching, or null
   * @throws DeviceUnavailableException if there is none that can be used; it lists what was tried
   */
  static OneDnn open(@Nullable Path file) {
    String key =
        String.join(
            "\0",
            String.valueOf(file),
            String.valueOf(System.getProperty(PROPERTY)),
            String.valueOf(System.getenv(VARIABLE)));
    return OPENED.computeIfAbsent(key, _ -> search(file));
  }

  /** What a search finds: the library, or why there is none that can be used. */
  static LibraryReport examine() {
    try {
      OneDnn oneDnn = open(null);
      NativeLibrary library = oneDnn.library();
      return new LibraryReport(
          NAME,
          true,
          "version %s, %s".formatted(oneDnn.version(), library.location()),
          words(library.attempts()));
    } catch (DeviceUnavailableException e) {
      List<Attempt> tried =
          e.getCause() instanceof LibraryException search ? search.attempts() : List.of();
      return new LibraryReport(NAME, false, String.valueOf(e.getMessage()), words(tried));
    }
  }

  private static List<String> words(List<Attempt> attempts) {
    return attempts.stream().map(Attempt::toString).toList();
  }

  private static OneDnn search(@Nullable Path file) {
    try {
      NativeLibrary library =
          NativeLibrary.find(NAME, "dnnl_version")
              .file("the library in the options", file)
              .property(PROPERTY)
              .environment(VARIABLE)
              .bundled(bundle())
              .sonames("libdnnl.so.3")
              .load();
      // First, since another version may lack functions that we bind.
      checkVersion(library, OneDnn.version(library));
      return new OneDnn(library);
    } catch (LibraryException e) {
      throw new DeviceUnavailableException("the CPU backend cannot run: " + e.getMessage(), e);
    }
  }

  /** The libraries in our own jar. */
  static LibraryBundle bundle() {
    return new LibraryBundle(
        "libdnnl.so.3",
        file ->
            Optional.ofNullable(OneDnnLibrary.class.getClassLoader())
                .map(loader -> loader.getResourceAsStream(NATIVES + file))
                .orElse(null));
  }

  private static void checkVersion(NativeLibrary library, OneDnn.Version version) {
    String found = "%s is version %s".formatted(library, version);
    if (version.major() != MAJOR || version.minor() < FIRST_MINOR) {
      throw new DeviceUnavailableException(
          "the CPU backend cannot run: %s, but %d.%d or a later %d.x is needed; leave out -D%s to use the bundled one"
              .formatted(found, MAJOR, FIRST_MINOR, MAJOR, PROPERTY));
    }
    if (version.cpuRuntime() != OneDnnConstants.RUNTIME_OMP) {
      throw new DeviceUnavailableException(
          "the CPU backend cannot run: %s and was built for another threading runtime than OpenMP; leave out -D%s to use the bundled one"
              .formatted(found, PROPERTY));
    }
    LOG.log(Level.DEBUG, found);
  }
}
