package dev.shortcut.testing.device;

import dev.shortcut.testing.TestCache;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/**
 * Builds the libraries of the software CUDA device from the sources beside this class, as {@code
 * device.properties} lists them, with the system's C++ compiler. What was built before from the
 * same content is taken from {@code ${XDG_CACHE_HOME:-~/.cache}/shortcut/software-device}.
 */
final class DeviceBuild {
  private static final List<String> COMPILE =
      List.of(
          "-std=c++17",
          "-O2",
          "-g",
          "-Wall",
          "-Wextra",
          "-Werror",
          "-fPIC",
          "-fvisibility=hidden",
          "-pthread");

  /** What was not used for so long is deleted at the next build. */
  private static final Duration KEPT = Duration.ofDays(14);

  private final String compiler;
  private final String compilerVersion;
  private final Path cache;
  private final Properties list;

  private DeviceBuild(String compiler, String compilerVersion, Path cache, Properties list) {
    this.compiler = compiler;
    this.compilerVersion = compilerVersion;
    this.cache = cache;
    this.list = list;
  }

  /**
   * What was built.
   *
   * @param folder holds all libraries, and the headers
   * @param libraries the files by their name in the list
   * @param properties the system properties by which the bindings find them
   */
  record Built(
      String compiler, Path folder, Map<String, Path> libraries, Map<String, String> properties) {}

  /** The name of the C++ compiler, {@code CXX} or g++. */
  static String compiler() {
    String chosen = System.getenv("CXX");
    return chosen == null || chosen.isBlank() ? "g++" : chosen;
  }

  /**
   * Builds what is not there yet.
   *
   * @throws IOException if there is no such compiler, or no place to write to
   * @throws IllegalStateException if the sources do not compile, with the compiler's words
   */
  static Built build() throws IOException {
    String compiler = compiler();
    String version = run(Path.of("/"), List.of(compiler, "--version"));
    Path cache = Files.createDirectories(TestCache.folder("software-device"));
    var list = new Properties();
    list.load(new StringReader(text("device.properties")));
    try (FileChannel channel =
            FileChannel.open(
                cache.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock lock = channel.lock()) {
      return new DeviceBuild(compiler, version + processor(), cache, list).buildSet(lock);
    }
  }

  private Built buildSet(FileLock lock) throws IOException {
    assert lock.isValid();
    var sources = new LinkedHashMap<String, String>();
    for (String name : names("libraries")) {
      for (String kind : List.of(".sources", ".headers", ".traps")) {
        for (String file : names(name + kind)) {
          sources.put(file, text(file));
        }
      }
    }
    for (String file : names("headers")) {
      sources.put(file, text(file));
    }
    var identity = new ArrayList<>(List.of(compilerVersion, text("device.properties")));
    identity.addAll(COMPILE);
    sources.forEach((file, text) -> identity.addAll(List.of(file, text)));
    Path folder = cache.resolve("sets").resolve(hash(identity));
    if (!Files.isDirectory(folder)) {
      prune();
      Path partial = Files.createTempDirectory(cache, "partial-");
      try {
        for (var source : sources.entrySet()) {
          Files.writeString(partial.resolve(source.getKey()), source.getValue());
        }
        compileAll(partial, sources);
        Files.createDirectories(folder.getParent());
        Files.move(partial, folder, StandardCopyOption.ATOMIC_MOVE);
      } finally {
        delete(partial);
      }
    }
    Files.setLastModifiedTime(folder, FileTime.from(Instant.now()));
    var libraries = new LinkedHashMap<String, Path>();
    var properties = new LinkedHashMap<String, String>();
    for (String name : names("libraries")) {
      Path file = folder.resolve(required(name + ".file"));
      libraries.put(name, file);
      String property = list.getProperty(name + ".property");
      if (property != null) {
        properties.put(property, file.toString());
      }
    }
    return new Built(compiler, folder, libraries, properties);
  }

  private void compileAll(Path folder, Map<String, String> sources) throws IOException {
    var objects = new LinkedHashMap<String, List<Future<Path>>>();
    try (ExecutorService workers =
        Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors())) {
      for (String name : names("libraries")) {
        var headers = new LinkedHashSet<String>(names("headers"));
        headers.addAll(names(name + ".headers"));
        List<Callable<Path>> compilations = new ArrayList<>();
        for (String source : names(name + ".sources")) {
          compilations.add(() -> compile(folder, name, source, sources, headers));
        }
        if (list.containsKey(name + ".traps")) {
          String generated = name + "_traps.cpp";
          Files.writeString(folder.resolve(generated), traps(name, sources));
          sources.put(generated, traps(name, sources));
          compilations.add(() -> compile(folder, name, generated, sources, headers));
        }
        objects.put(name, compilations.stream().map(workers::submit).toList());
      }
    }
    for (String name : names("libraries")) {
      List<Path> ready = new ArrayList<>();
      for (Future<Path> object : objects.getOrDefault(name, List.of())) {
        ready.add(result(object));
      }
      link(folder, name, ready);
    }
  }

  private Path compile(
      Path folder, String library, String source, Map<String, String> sources, Set<String> headers)
      throws IOException {
    List<String> command = new ArrayList<>(List.of(compiler));
    command.addAll(COMPILE);
    command.addAll(names(library + ".flags"));
    List<String> identity = new ArrayList<>(command);
    identity.add(compilerVersion);
    identity.add(sources.get(source));
    for (String header : headers) {
      identity.addAll(List.of(header, sources.getOrDefault(header, "")));
    }
    Path object = cache.resolve("objects").resolve(hash(identity) + ".o");
    if (!Files.exists(object)) {
      Files.createDirectories(object.getParent());
      Path partial = folder.resolve(source + ".o");
      command.addAll(List.of("-c", source, "-o", partial.getFileName().toString()));
      run(folder, command);
      Files.move(partial, object, StandardCopyOption.ATOMIC_MOVE);
    }
    Files.setLastModifiedTime(object, FileTime.from(Instant.now()));
    return object;
  }

  private void link(Path folder, String name, List<Path> objects) throws IOException {
    String file = required(name + ".file");
    List<String> command = new ArrayList<>(List.of(compiler, "-o", file, "-pthread"));
    if (!list.getProperty(name + ".kind", "library").equals("program")) {
      command.addAll(List.of("-shared", "-Wl,-soname," + file, "-Wl,-z,defs"));
    }
    command.add("-Wl,-rpath,$ORIGIN");
    String node = list.getProperty(name + ".node");
    if (node != null) {
      Path script = folder.resolve(name + ".version");
      Files.writeString(script, node + " { global: *; };\n");
      command.add("-Wl,--version-script=" + script.getFileName());
    }
    objects.forEach(object -> command.add(object.toString()));
    for (String needed : names(name + ".needs")) {
      command.add(required(needed + ".file"));
    }
    command.add("-ldl");
    run(folder, command);
  }

  /** A weak definition of each name: the sources' own definitions win. */
  private String traps(String library, Map<String, String> sources) {
    String status = required(library + ".trap.status");
    var text =
        new StringBuilder("#include \"device.h\"\n#define TRAP(name) \\\n")
            .append(
                "  extern \"C\" __attribute__((visibility(\"default\"), weak)) int name(void) { \\\n")
            .append("    return swd_trap(\"")
            .append(library)
            .append("\", #name, ")
            .append(status)
            .append("); }\n");
    for (String file : names(library + ".traps")) {
      sources
          .get(file)
          .lines()
          .map(String::strip)
          .filter(name -> !name.isEmpty() && !name.startsWith("#"))
          .forEach(name -> text.append("TRAP(").append(name).append(")\n"));
    }
    return text.toString();
  }

  private List<String> names(String key) {
    String value = list.getProperty(key, "").strip();
    return value.isEmpty() ? List.of() : Arrays.asList(value.split("\\s+"));
  }

  private String required(String key) {
    String value = list.getProperty(key);
    if (value == null) {
      throw new IllegalStateException("device.properties lacks " + key);
    }
    return value.strip();
  }

  private static String text(String resource) throws IOException {
    try (InputStream in = DeviceBuild.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalStateException(
            "the test jar lacks " + resource + ", which device.properties names");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static Path result(Future<Path> future) throws IOException {
    try {
      return future.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException io) {
        throw io;
      }
      if (e.getCause() instanceof RuntimeException unchecked) {
        throw unchecked;
      }
      throw new IllegalStateException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while compiling", e);
    }
  }

  private static String run(Path folder, List<String> command) throws IOException {
    Process process =
        new ProcessBuilder(command).directory(folder.toFile()).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    try {
      if (process.waitFor() != 0) {
        throw new IllegalStateException(String.join(" ", command) + " failed:\n" + output);
      }
    } catch (InterruptedException e) {
      process.destroy();
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while compiling", e);
    }
    return output;
  }

  /** Some sources are compiled for the very processor, whose cache may be on a shared disk. */
  private static String processor() throws IOException {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines.filter(line -> line.matches("(flags|Features)\\s.*")).findFirst().orElse("");
    }
  }

  private static String hash(List<String> parts) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (String part : parts) {
        byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
        digest.update((bytes.length + ":").getBytes(StandardCharsets.UTF_8));
        digest.update(bytes);
      }
      return HexFormat.of().formatHex(digest.digest(), 0, 16);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private void prune() throws IOException {
    Instant oldest = Instant.now().minus(KEPT);
    for (String kind : List.of("objects", "sets", "kernels")) {
      Path folder = cache.resolve(kind);
      if (!Files.isDirectory(folder)) {
        continue;
      }
      List<Path> old;
      try (Stream<Path> entries = Files.list(folder)) {
        old = entries.filter(entry -> modified(entry).isBefore(oldest)).toList();
      }
      for (Path entry : old) {
        delete(entry);
      }
    }
  }

  private static Instant modified(Path entry) {
    try {
      return Files.getLastModifiedTime(entry).toInstant();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void delete(Path tree) throws IOException {
    if (!Files.exists(tree)) {
      return;
    }
    List<Path> found;
    try (Stream<Path> entries = Files.walk(tree)) {
      found = entries.sorted((a, b) -> b.compareTo(a)).toList();
    }
    for (Path entry : found) {
      Files.deleteIfExists(entry);
    }
  }
}
