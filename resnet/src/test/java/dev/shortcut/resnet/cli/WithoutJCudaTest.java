package dev.shortcut.resnet.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** JCuda is optional: without it everything works that does not name it. */
class WithoutJCudaTest {
  /** This process's paths, without JCuda's jars. */
  private static String paths(String... properties) {
    return Stream.of(properties)
        .flatMap(
            property -> Arrays.stream(System.getProperty(property, "").split(File.pathSeparator)))
        .filter(
            path -> !path.isEmpty() && !Path.of(path).getFileName().toString().startsWith("jcu"))
        .collect(Collectors.joining(File.pathSeparator));
  }

  private static Cli.Result run(boolean onModulePath, String... args) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    if (onModulePath) {
      command.add("--enable-native-access=dev.shortcut.bindings,dev.shortcut.engine");
      command.addAll(List.of("--module-path", paths("jdk.module.path")));
      command.addAll(List.of("--add-modules", "ALL-MODULE-PATH"));
      command.addAll(List.of("--module", "dev.shortcut.resnet/" + Main.class.getName()));
    } else {
      command.add("--enable-native-access=ALL-UNNAMED");
      command.addAll(List.of("-cp", paths("java.class.path", "jdk.module.path")));
      command.add(Main.class.getName());
    }
    command.addAll(List.of(args));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Cli.Result(process.waitFor(), output, "");
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void askingForItTellsWhatToAdd(boolean onModulePath) throws Exception {
    Cli.Result result = run(onModulePath, "classify", "--backend", "jcuda");
    assertEquals(ExitCodes.NO_DEVICE, result.status(), result.out());
    for (String part :
        List.of("org.jcuda:jcuda:", "org.jcuda:jcublas:", "org.jcuda:jcudnn:", "jcudnn-natives")) {
      assertTrue(result.out().contains(part), result.out());
    }
    for (String part : List.of("ALL-UNNAMED", "--add-modules=jcuda", "--enable-native-access")) {
      assertEquals(onModulePath, result.out().contains(part), result.out());
    }
    assertFalse(result.out().contains("\tat "), result.out());
  }

  @Test
  void theDoctorListsItAsMissing() throws Exception {
    Cli.Result result = run(false, "doctor");
    assertEquals(ExitCodes.OK, result.status(), result.out());
    assertTrue(
        result.lines().stream().anyMatch(line -> line.matches("JCuda +missing .*optional.*")),
        result.out());
  }

  @Test
  void whatDoesNotNameItWorks() throws Exception {
    Cli.Result result = run(true, "classify", "--backend", "reference", "--top", "1");
    assertEquals(ExitCodes.OK, result.status(), result.out());
    assertTrue(result.out().contains("truck"), result.out());
  }
}
