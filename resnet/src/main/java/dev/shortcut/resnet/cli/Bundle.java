package dev.shortcut.resnet.cli;

import dev.shortcut.engine.DeviceUnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.lang.module.ModuleReference;
import java.net.URI;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * A folder that runs on a machine with neither Java nor network: the modules that this program runs
 * with, but for the CPU's library, and a Java that holds no more than they need.
 */
final class Bundle {
  /** Brings oneDNN, which is larger than all the rest and of no use to a GPU. */
  private static final String CPU_LIBRARY = "dev.shortcut.engine.natives.linux";

  /** Windows, sound and fonts, which decoding pictures needs nothing of. */
  private static final List<String> UNUSED_FILES =
      List.of(
          "libawt_xawt.so",
          "libfontmanager.so",
          "libfreetype.so",
          "libjsound.so",
          "libsplashscreen.so");

  /** Translations of the Java libraries' own messages, and what draws windows. */
  private static final List<String> UNUSED_CLASSES =
      List.of(
          "regex:.*_(ca|cs|de|es|fr|it|ja|ko|pt|pt_BR|sk|sv|tr|zh|zh_CN|zh_HK|zh_TW)\\.(class|properties)",
          "regex:.*/nimbus/.*Painter.*\\.class",
          "regex:.*/sun/awt/X11/X[A-Z].*\\.class");

  private final Console console;

  Bundle(Console console) {
    this.console = console;
  }

  /**
   * Makes the folder, whole or not at all.
   *
   * @param folder which must not exist yet
   * @throws DeviceUnavailableException if this Java cannot make another one
   */
  void make(Path folder) throws IOException {
    if (Files.exists(folder)) {
      throw new FileAlreadyExistsException(
          folder + " exists already; name a folder that does not, or remove it");
    }
    Path parent = folder.toAbsolutePath().getParent();
    Files.createDirectories(parent);
    Path part = Files.createTempDirectory(parent, folder.getFileName() + ".part");
    try {
      Path lib = Files.createDirectory(part.resolve("lib"));
      copyModules(lib);
      link(lib, part.resolve("runtime"));
      write("shortcut.sh", part.resolve("shortcut"), "rwxr-xr-x");
      write("README.txt", part.resolve("README.txt"), "rw-r--r--");
      Files.setPosixFilePermissions(part, PosixFilePermissions.fromString("rwxr-xr-x"));
      Files.move(part, folder, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      remove(part);
    }
    console.message(
        "%s: %.1f MiB; README.txt in it says how to use it"
            .formatted(folder, bytes(folder) / (double) (1 << 20)));
    console.print(folder + "\n");
  }

  private void copyModules(Path lib) throws IOException {
    for (Map.Entry<String, Path> module : modules().entrySet()) {
      Path from = module.getValue();
      if (module.getKey().equals(CPU_LIBRARY)) {
        continue;
      }
      if (Files.isDirectory(from)) {
        String jar = lib.resolve(module.getKey() + ".jar").toString();
        run("jar", "--create", "--file", jar, "-C", from.toString(), ".");
      } else {
        Files.copy(from, lib.resolve(from.getFileName()));
      }
    }
  }

  /** The modules that this program runs with, without Java's own. */
  private static Map<String, Path> modules() {
    Map<String, Path> modules = new TreeMap<>();
    ModuleLayer layer = Bundle.class.getModule().getLayer();
    if (layer == null) {
      throw new DeviceUnavailableException(
          "a bundle is made of modules, but this program runs on the class path; start it with ./shortcut");
    }
    layer
        .configuration()
        .modules()
        .forEach(module -> {
          ModuleReference reference = module.reference();
          Optional<URI> location = reference.location();
          if (location.isPresent() && location.get().getScheme().equals("file")) {
            modules.put(module.name(), Path.of(location.get()));
          }
        });
    return modules;
  }

  private void link(Path lib, Path runtime) throws IOException {
    console.message("looking for the parts of Java that are needed");
    String modules = neededModules(lib);
    console.message("linking a Java of " + modules);
    List<String> unused =
        UNUSED_FILES.stream().map(file -> "glob:/java.desktop/lib/" + file).toList();
    run(
        "jlink",
        "--add-modules",
        modules,
        "--strip-java-debug-attributes",
        "--no-header-files",
        "--no-man-pages",
        "--compress",
        "zip-9",
        "--exclude-files",
        String.join(",", unused),
        "--exclude-resources",
        String.join(",", UNUSED_CLASSES),
        "--output",
        runtime.toString());
    stripSymbols(runtime.resolve("lib").resolve("server").resolve("libjvm.so"));
  }

  private static String neededModules(Path lib) throws IOException {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "--ignore-missing-deps",
                "--multi-release",
                Integer.toString(Runtime.version().feature()),
                "--print-module-deps",
                "--module-path",
                lib.toString()));
    try (Stream<Path> jars = Files.list(lib)) {
      jars.sorted().map(Path::toString).forEach(arguments::add);
    }
    String output = run("jdeps", arguments.toArray(String[]::new));
    // Warnings may come first.
    return output.strip().lines().toList().getLast();
  }

  private static String run(String tool, String... arguments) {
    ToolProvider provider =
        ToolProvider.findFirst(tool)
            .orElseThrow(() ->
                new DeviceUnavailableException(
                    "%s is missing from %s, which is no whole JDK; set JAVA_HOME to one"
                        .formatted(tool, System.getProperty("java.home"))));
    var out = new StringWriter();
    var err = new StringWriter();
    int status = provider.run(new PrintWriter(out), new PrintWriter(err), arguments);
    if (status != 0) {
      throw new UncheckedIOException(
          new IOException("%s failed: %s%s".formatted(tool, out, err).strip()));
    }
    return out.toString();
  }

  /**
   * The names of the virtual machine's inner functions, which are 5 MB and of use to its own
   * developers; they stay where binutils are missing.
   */
  private void stripSymbols(Path library) throws IOException {
    try {
      Process strip =
          new ProcessBuilder("strip", "--strip-unneeded", library.toString())
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      if (!strip.waitFor(1, TimeUnit.MINUTES) || strip.exitValue() != 0) {
        console.message("strip failed; the bundle is 5 MB larger");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    } catch (IOException _) {
      console.message("strip (of binutils) is not installed; the bundle is 5 MB larger");
    }
  }

  private static void write(String resource, Path file, String permissions) throws IOException {
    try (InputStream content = Bundle.class.getResourceAsStream("bundle/" + resource)) {
      if (content == null) {
        throw new IllegalStateException(resource + " is missing from the jar");
      }
      Files.copy(content, file);
    }
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
  }

  private static long bytes(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(Files::isRegularFile).mapToLong(file -> file.toFile().length()).sum();
    }
  }

  private static void remove(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path one : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(one);
      }
    }
  }
}
