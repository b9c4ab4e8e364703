package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.library.Attempt;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.LibraryReport;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import jcuda.JCudaVersion;
import jcuda.LibUtils;
import org.jspecify.annotations.Nullable;

/**
 * JCuda, which is optional: whether it is there, and loading it so that it gets the libraries that
 * our own search has found. Its native parts link against NVIDIA's by soname, and the loader gives
 * them what is open already.
 *
 * <p>JCuda unpacks its native parts into the temporary folder and takes whatever lies there under
 * their names, also what somebody else or a half-done copy has left. So they are put into a folder
 * of our own, which JCuda is shown as the temporary one while it starts, and which is deleted then.
 */
final class JCudaLibrary {
  private static final String TEMPORARY = "java.io.tmpdir";

  /** JCuda 12.6 links against the libraries of this generation. */
  private static final int CUDA_MAJOR = 12;

  private static final String CUBLAS = "libcublas.so.12";

  private static final String NEEDED =
      "org.jcuda:jcuda:12.6.0, org.jcuda:jcublas:12.6.0, org.jcuda:jcudnn:11.7.0 without what it"
          + " depends on, and org.jcuda:jcudnn-natives:12.6.0:linux-x86_64";

  private static volatile @Nullable NvidiaLibraries opened;

  private JCudaLibrary() {}

  /**
   * What is used of JCuda.
   *
   * @param type a class that loads the native part when it is initialised
   * @param nativePart its name without version and platform
   */
  private record Part(String type, String nativePart) {
    static final List<Part> ALL =
        List.of(
            new Part("jcuda.driver.JCudaDriver", "JCudaDriver"),
            new Part("jcuda.nvrtc.JNvrtc", "JNvrtc"),
            new Part("jcuda.jcublas.JCublas2", "JCublas2"),
            new Part("jcuda.jcudnn.JCudnn", "JCudnn"));

    Optional<Class<?>> find() {
      try {
        return Optional.of(Class.forName(type, false, JCudaLibrary.class.getClassLoader()));
      } catch (ClassNotFoundException _) {
        return Optional.empty();
      }
    }

    String file() {
      return LibUtils.createLibraryFileName(
          LibUtils.createPlatformLibraryName(nativePart + "-" + JCudaVersion.get()));
    }
  }

  /**
   * Opens NVIDIA's libraries and then JCuda on top of them, once for the process; a failure is not
   * remembered.
   *
   * @throws DeviceUnavailableException if JCuda is missing or cannot be loaded; it says what to add
   * @throws LibraryException if one of NVIDIA's libraries is missing
   */
  static synchronized NvidiaLibraries open() {
    NvidiaLibraries libraries = opened;
    if (libraries == null) {
      requireClasses();
      libraries = NvidiaLibraries.open();
      requireGeneration(libraries);
      load();
      opened = libraries;
    }
    return libraries;
  }

  /**
   * What cuDNN says of the last failure on this thread. Takes no lock, at which a virtual thread
   * could be parked and go on as another one to cuDNN.
   */
  static String lastErrorOfCudnn() {
    NvidiaLibraries libraries = opened;
    return libraries == null ? "" : libraries.cudnn().lastError();
  }

  /** Whether JCuda is there; loads nothing of it that is native. */
  static LibraryReport examine() {
    try {
      requireClasses();
      for (Part part : Part.ALL) {
        resource(part).close();
      }
      return new LibraryReport(
          "JCuda", true, "version %s, for the backend jcuda".formatted(version()), List.of());
    } catch (DeviceUnavailableException e) {
      return new LibraryReport("JCuda", false, e.summary(), List.of());
    } catch (IOException e) {
      return new LibraryReport("JCuda", false, "its native parts: " + e.getMessage(), List.of());
    }
  }

  private static String version() {
    return JCudaVersion.get();
  }

  private static void requireClasses() {
    for (Part part : Part.ALL) {
      Class<?> type =
          part.find()
              .orElseThrow(() ->
                  new DeviceUnavailableException(
                      "the backend jcuda needs JCuda, which is optional, and there is no class %s: add %s to the class path%s"
                          .formatted(part.type(), NEEDED, onTheModulePath())));
      // On the class path it is in the unnamed module, which a named one does not read by itself.
      JCudaLibrary.class.getModule().addReads(type.getModule());
    }
  }

  private static String onTheModulePath() {
    return JCudaLibrary.class.getModule().isNamed()
        ? " (-cp, beside the module path) and ALL-UNNAMED to --enable-native-access; where its jars are on the module path, add --add-modules=jcuda,jcublas,jcudnn and these three to --enable-native-access"
        : "";
  }

  private static void requireGeneration(NvidiaLibraries libraries) {
    int major = Math.toIntExact(libraries.cudnn().cudartVersion() / 1000);
    if (major != CUDA_MAJOR) {
      throw new DeviceUnavailableException(
          "JCuda %s links against the libraries of CUDA %d, but those that were found are of CUDA %d: use the backend cuda, or install cuDNN for CUDA %d"
              .formatted(version(), CUDA_MAJOR, major, CUDA_MAJOR));
    }
    List<Attempt> tried = libraries.cublasLt().library().openPart(CUBLAS);
    if (!tried.getLast().succeeded()) {
      throw new DeviceUnavailableException(
          "the backend jcuda needs %s, which comes with cuBLASLt. Tried, in this order:%n%s"
              .formatted(
                  CUBLAS, String.join("\n", tried.stream().map(Attempt::toString).toList())));
    }
  }

  private static void load() {
    try {
      Path folder = Files.createTempDirectory("shortcut-jcuda-");
      List<Path> files = new ArrayList<>();
      try {
        for (Part part : Part.ALL) {
          Path file = folder.resolve(part.file());
          files.add(file);
          try (InputStream content = resource(part)) {
            Files.copy(content, file);
          }
        }
        initialise(folder);
      } finally {
        // What the loader has mapped stays.
        for (Path file : files) {
          Files.deleteIfExists(file);
        }
        Files.delete(folder);
      }
    } catch (IOException e) {
      throw new DeviceUnavailableException(
          "JCuda's native parts cannot be unpacked: %s; name another temporary folder with -D%s=FOLDER"
              .formatted(e, TEMPORARY),
          e);
    }
  }

  private static void initialise(Path folder) {
    String temporary = System.getProperty(TEMPORARY);
    System.setProperty(TEMPORARY, folder.toString());
    try {
      for (Part part : Part.ALL) {
        Class.forName(part.type(), true, JCudaLibrary.class.getClassLoader());
      }
    } catch (ClassNotFoundException | LinkageError e) {
      throw new DeviceUnavailableException(
          "JCuda %s cannot be loaded: %s".formatted(version(), reason(e)), e);
    } finally {
      System.setProperty(TEMPORARY, temporary);
    }
  }

  /** The loader's own words, which JCuda puts into the middle of two stack traces. */
  private static String reason(Throwable e) {
    String message = String.valueOf(e.getMessage());
    return message
        .lines()
        .filter(line -> line.contains(".so: "))
        .findFirst()
        .orElse(message.lines().findFirst().orElse(""))
        .strip();
  }

  /** A native part, to be closed. */
  private static InputStream resource(Part part) {
    String name = "lib/" + part.file();
    InputStream content = JCudaLibrary.class.getClassLoader().getResourceAsStream(name);
    if (content == null) {
      throw new DeviceUnavailableException(
          "JCuda %s is there, but not its native part %s for this system: add %s to the class path"
              .formatted(version(), name, NEEDED));
    }
    return content;
  }
}
