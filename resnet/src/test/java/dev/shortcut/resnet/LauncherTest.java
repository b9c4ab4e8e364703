package dev.shortcut.resnet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs the launcher in a copy of the source tree's outline, with JDKs and a build that only say how
 * they were called.
 */
class LauncherTest {
  private static final String LIB = "resnet/target/lib";

  @TempDir private Path temp;
  private Path tree;
  private Path jdks;

  private record Result(int exit, String out, String err) {}

  @BeforeEach
  void makeTree() throws IOException {
    assumeTrue(Files.isExecutable(Path.of("/bin/sh")), "the launcher needs /bin/sh");
    tree = Files.createDirectories(temp.resolve("a tree with spaces"));
    jdks = Files.createDirectories(temp.resolve("jdks"));
    Files.copy(Path.of("..", "shortcut"), tree.resolve("shortcut"));
    executable(tree.resolve("shortcut"));
    for (String module : List.of("engine", "resnet")) {
      Files.createDirectories(tree.resolve(module).resolve("src/main"));
      Files.writeString(tree.resolve(module).resolve("pom.xml"), "<project/>");
    }
    Files.writeString(tree.resolve("pom.xml"), "<project/>");
    script(
        tree.resolve("mvnw"),
        "echo built with $JAVA_HOME; mkdir -p " + LIB + "; touch " + LIB + "/.built");
    built(Instant.now().plusSeconds(60));
  }

  @Test
  void theNewestInstalledJavaRunsTheMainClass() throws Exception {
    jdk("temurin-17", "17.0.15");
    jdk("temurin-25", "25.0.1");
    jdk("temurin-26", "26");
    jdk("broken", "");
    Result result = launch(tree.resolve("shortcut"), Map.of(), "flops", "two words", "");
    assertEquals(0, result.exit, result.err);
    List<String> lines = result.out.lines().toList();
    assertEquals("java of temurin-26", lines.getFirst());
    assertTrue(lines.contains("[" + tree.toRealPath().resolve(LIB) + "]"), result.out);
    assertTrue(result.out.contains("[--enable-native-access=dev.shortcut.bindings"), result.out);
    assertTrue(
        result.out.endsWith(
            "[dev.shortcut.resnet/dev.shortcut.resnet.cli.Main]\n[flops]\n[two words]\n[]\n"),
        result.out);
    assertEquals("", result.err);
  }

  @Test
  void aChainOfSymbolicLinksLeadsToTheTree() throws Exception {
    jdk("temurin-25", "25");
    Path bin = Files.createDirectories(temp.resolve("bin"));
    Path more = Files.createDirectories(temp.resolve("more links"));
    Files.createSymbolicLink(more.resolve("second"), Path.of("..", "a tree with spaces/shortcut"));
    Files.createSymbolicLink(bin.resolve("first"), Path.of("../more links/second"));
    Files.createSymbolicLink(bin.resolve("absolute"), bin.resolve("first"));
    Result result = launch(bin.resolve("absolute"), Map.of());
    assertEquals(0, result.exit, result.err);
    assertTrue(result.out.contains("[" + tree.toRealPath().resolve(LIB) + "]"), result.out);
  }

  @Test
  void openMpSpinsForAMomentOnlyUnlessTheUserSaysOtherwise() throws Exception {
    jdk("temurin-25", "25");
    Path launcher = tree.resolve("shortcut");
    assertTrue(launch(launcher, Map.of()).out.contains("spins <10000> waits <>"));
    assertTrue(launch(launcher, Map.of("GOMP_SPINCOUNT", "7")).out.contains("spins <7> waits <>"));
    assertTrue(
        launch(launcher, Map.of("OMP_WAIT_POLICY", "active"))
            .out
            .contains("spins <> waits <active>"));
  }

  @Test
  void javaHomeComesFirst() throws Exception {
    jdk("temurin-26", "26");
    Path own = jdk(temp.resolve("my own jdk"), "25.0.2");
    Result result = launch(tree.resolve("shortcut"), Map.of("JAVA_HOME", own.toString()));
    assertTrue(result.out.startsWith("java of my own jdk\n"), result.out);
  }

  @Test
  void theJavaOnThePathComesBeforeTheUsualFolders() throws Exception {
    jdk("temurin-26", "26");
    Path own = jdk(temp.resolve("on the path"), "25.0.2");
    Path bin = Files.createDirectories(temp.resolve("bin"));
    Files.createSymbolicLink(bin.resolve("java"), own.resolve("bin/java"));
    Result result =
        launch(tree.resolve("shortcut"), Map.of("PATH", bin + ":" + System.getenv("PATH")));
    assertTrue(result.out.startsWith("java of on the path\n"), result.out);
  }

  @Test
  void aJavaHomeThatIsTooOldIsNamedAndPassedOver() throws Exception {
    jdk("temurin-25", "25");
    Path old = jdk(temp.resolve("old"), "17.0.15");
    Result result = launch(tree.resolve("shortcut"), Map.of("JAVA_HOME", old.toString()));
    assertEquals(0, result.exit, result.err);
    assertTrue(result.out.startsWith("java of temurin-25\n"), result.out);
    assertTrue(result.err.contains(old.toString()), result.err);
  }

  @Test
  void aMissingJdkEndsWithThreeAndSaysWhatToInstall() throws Exception {
    jdk("temurin-17", "17.0.15");
    Result result =
        launch(tree.resolve("shortcut"), Map.of("JAVA_HOME", temp.resolve("nowhere").toString()));
    assertEquals(3, result.exit);
    assertEquals("", result.out);
    assertTrue(result.err.contains("no JDK 25 or later was found"), result.err);
    assertTrue(result.err.contains("https://adoptium.net"), result.err);
  }

  @Test
  void whatIsNotBuiltYetIsBuiltOnceWithTheSameJdk() throws Exception {
    jdk("temurin-25", "25");
    Files.delete(tree.resolve(LIB).resolve(".built"));
    Result first = launch(tree.resolve("shortcut"), Map.of());
    assertEquals(0, first.exit, first.err);
    assertTrue(first.err.contains("built with " + jdks.resolve("temurin-25")), first.err);
    assertTrue(first.out.startsWith("java of temurin-25\n"), first.out);
    Result second = launch(tree.resolve("shortcut"), Map.of());
    assertEquals("", second.err);
  }

  @Test
  void aSourceNewerThanTheBuildIsBuiltAgain() throws Exception {
    jdk("temurin-25", "25");
    built(Instant.now().minusSeconds(600));
    Files.writeString(tree.resolve("engine/src/main/New.java"), "class New {}");
    Result result = launch(tree.resolve("shortcut"), Map.of());
    assertTrue(result.err.contains("built with"), result.err);
  }

  @Test
  void aRuntimeWithoutACompilerRunsButDoesNotBuild() throws Exception {
    Path runtime = jdk("runtime-25", "25");
    Files.delete(runtime.resolve("bin/javac"));
    assertEquals(0, launch(tree.resolve("shortcut"), Map.of()).exit);
    Files.delete(tree.resolve(LIB).resolve(".built"));
    assertEquals(3, launch(tree.resolve("shortcut"), Map.of()).exit);
  }

  @Test
  void aFailedBuildRunsNothing() throws Exception {
    jdk("temurin-25", "25");
    Files.delete(tree.resolve(LIB).resolve(".built"));
    script(tree.resolve("mvnw"), "echo no network; exit 1");
    Result result = launch(tree.resolve("shortcut"), Map.of());
    assertEquals(70, result.exit);
    assertEquals("", result.out);
    assertTrue(result.err.contains("no network"), result.err);
    assertFalse(result.err.contains("java of"), result.err);
  }

  private void built(Instant when) throws IOException {
    Path stamp = Files.createDirectories(tree.resolve(LIB)).resolve(".built");
    Files.writeString(stamp, "");
    Files.setLastModifiedTime(stamp, FileTime.from(when));
  }

  private Path jdk(String name, String version) throws IOException {
    return jdk(jdks.resolve(name), version);
  }

  private static Path jdk(Path home, String version) throws IOException {
    Files.createDirectories(home.resolve("bin"));
    Files.writeString(
        home.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"" + version + "\"\n");
    script(
        home.resolve("bin/java"),
        "echo java of '"
            + home.getFileName()
            + "'; echo \"spins <$GOMP_SPINCOUNT> waits <$OMP_WAIT_POLICY>\""
            + "; for a in \"$@\"; do echo \"[$a]\"; done");
    script(home.resolve("bin/javac"), "exit 0");
    return home;
  }

  private static void script(Path file, String body) throws IOException {
    Files.writeString(file, "#!/bin/sh\n" + body + "\n");
    executable(file);
  }

  private static void executable(Path file) throws IOException {
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private Result launch(Path launcher, Map<String, String> environment, String... arguments)
      throws IOException, InterruptedException {
    List<String> command =
        Stream.concat(Stream.of(launcher.toString()), Stream.of(arguments)).toList();
    Path out = temp.resolve("out");
    Path err = temp.resolve("err");
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(temp.toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    Map<String, String> variables = new HashMap<>(environment);
    variables.putIfAbsent("PATH", pathWithoutJava());
    variables.put("SHORTCUT_JDKS", jdks.toString());
    builder.environment().clear();
    builder.environment().putAll(variables);
    Process process = builder.start();
    assertTrue(process.waitFor(60, TimeUnit.SECONDS), "the launcher hangs");
    return new Result(
        process.exitValue(),
        Files.readString(out, StandardCharsets.UTF_8),
        Files.readString(err, StandardCharsets.UTF_8));
  }

  /** A PATH with the tools that the launcher uses, and with no Java. */
  private String pathWithoutJava() throws IOException {
    Path tools = Files.createDirectories(temp.resolve("tools"));
    for (String tool :
        List.of("sed", "find", "head", "dirname", "readlink", "rm", "mkdir", "touch", "sh")) {
      for (String folder : List.of("/usr/bin", "/bin")) {
        Path program = Path.of(folder, tool);
        if (Files.isExecutable(program) && !Files.exists(tools.resolve(tool))) {
          script(tools.resolve(tool), "exec " + program + " \"$@\"");
        }
      }
    }
    return tools.toString();
  }
}
