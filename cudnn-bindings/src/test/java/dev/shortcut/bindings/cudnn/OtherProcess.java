package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** A program of the tests in a process of its own: what cuDNN does once it does not do again. */
final class OtherProcess {
  private OtherProcess() {}

  /**
   * What the program printed; fails unless it ended well.
   *
   * @param environment set beside what is set already; nothing of cuDNN's own is inherited
   */
  static String run(Class<?> program, Map<String, String> environment, String... arguments)
      throws Exception {
    var builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-XX:-CreateCoredumpOnCrash",
            "-cp",
            String.join(
                ":",
                List.of(location(Cudnn.class), location(OtherProcess.class), location(Test.class))),
            program.getName());
    builder.command().addAll(List.of(arguments));
    builder.environment().keySet().removeIf(name -> name.startsWith("CUDNN_"));
    builder.environment().putAll(environment);
    Process process = builder.redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    return output;
  }

  private static String location(Class<?> type) throws Exception {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
  }
}
