package dev.shortcut.resnet.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The folder for a GPU machine, run where no Java can be found. */
class BundleTest {
  private static final long LARGEST = 60L << 20;

  @TempDir Path folder;

  private String run(int status, String... command) throws IOException, InterruptedException {
    var builder =
        new ProcessBuilder(command)
            .directory(Files.createTempDirectory(folder, "elsewhere").toFile());
    builder.environment().clear();
    builder.environment().put("PATH", "/nowhere");
    builder.redirectErrorStream(true);
    Process process = builder.start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(status, process.waitFor(), output);
    return output;
  }

  /** This one's modules are patched with the tests, which jlink does not take. */
  private static void makeInAProcessOfItsOwn(Path bundle) throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=dev.shortcut.bindings,dev.shortcut.engine",
                "--module-path",
                System.getProperty("jdk.module.path"),
                "--add-modules",
                "ALL-MODULE-PATH",
                "--module",
                "dev.shortcut.resnet/" + Main.class.getName(),
                "selftest",
                "--bundle",
                bundle.toString())
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(ExitCodes.OK, process.waitFor(), output);
  }

  @Test
  void aBundleRunsWhereThereIsNoJava() throws Exception {
    Path bundle = folder.resolve("some where").resolve("bundle");
    makeInAProcessOfItsOwn(bundle);
    try (Stream<Path> siblings = Files.list(bundle.getParent())) {
      assertEquals(List.of(bundle), siblings.toList());
    }
    try (Stream<Path> all = Files.walk(bundle)) {
      long bytes = all.filter(Files::isRegularFile).mapToLong(file -> file.toFile().length()).sum();
      assertTrue(bytes <= LARGEST, () -> "%,d bytes".formatted(bytes));
    }
    String program = bundle.resolve("shortcut").toString();
    String pictures =
        run(ExitCodes.OK, program, "classify", "--backend", "reference", "--top", "1");
    assertTrue(pictures.contains("truck"), pictures);
    // JCuda is not in the package, so that this test is the same on all machines.
    Path report = folder.resolve("report.json");
    String refused =
        run(
            ExitCodes.NO_DEVICE,
            program,
            "selftest",
            "--backend",
            "jcuda",
            "--report",
            report.toString());
    assertTrue(refused.contains("libraries"), refused);
    assertTrue(Files.readString(report).contains("cuDNN"), refused);
  }

  @Test
  void aFolderThatExistsIsLeftAsItIs() throws Exception {
    Path there = Files.writeString(folder.resolve("there"), "mine");
    Cli.Result result = Cli.run("selftest", "--bundle", there.toString());
    assertEquals(ExitCodes.INPUTS_FAILED, result.status(), result.err());
    assertTrue(result.err().contains("exists already"), result.err());
    assertEquals("mine", Files.readString(there));
  }
}
