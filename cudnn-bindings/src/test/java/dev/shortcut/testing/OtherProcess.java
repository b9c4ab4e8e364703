package dev.shortcut.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.File;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A program of the tests in a process of its own, on the class path: what a native library does
 * once it does not do again, and libraries of the same soname cannot be in one process.
 */
public final class OtherProcess {
  private OtherProcess() {}

  /**
   * What the program printed, to both streams; fails unless it ended well.
   *
   * @param environment set beside what is set already; nothing of cuDNN's own is inherited
   */
  public static String run(Class<?> program, Map<String, String> environment, String... arguments)
      throws Exception {
    Process process = start(program, environment, arguments);
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    return output;
  }

  /**
   * The same while it runs; what it prints to both streams is the process's input stream.
   *
   * @param environment set beside what is set already; nothing of cuDNN's own is inherited
   */
  public static Process start(
      Class<?> program, Map<String, String> environment, String... arguments) throws Exception {
    var builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-XX:-CreateCoredumpOnCrash",
            "-cp",
            String.join(File.pathSeparator, classPath(program)),
            program.getName());
    builder.command().addAll(List.of(arguments));
    builder.environment().keySet().removeIf(name -> name.startsWith("CUDNN_"));
    builder.environment().putAll(environment);
    return builder.redirectErrorStream(true).start();
  }

  /** What this JVM runs, whether it found it on the class path or on the module path. */
  private static Set<String> classPath(Class<?> program) throws URISyntaxException {
    Set<String> paths = new LinkedHashSet<>();
    // A module that is patched with its tests has them on neither path.
    paths.add(folderOf(program));
    for (String property : List.of("jdk.module.path", "java.class.path")) {
      Arrays.stream(System.getProperty(property, "").split(File.pathSeparator))
          .filter(path -> !path.isEmpty())
          .forEach(paths::add);
    }
    return paths;
  }

  private static String folderOf(Class<?> type) throws URISyntaxException {
    String file = type.getName().replace('.', '/') + ".class";
    Path path = Path.of(type.getResource("/" + file).toURI());
    return path.getRoot()
        .resolve(path.subpath(0, path.getNameCount() - Path.of(file).getNameCount()))
        .toString();
  }
}
