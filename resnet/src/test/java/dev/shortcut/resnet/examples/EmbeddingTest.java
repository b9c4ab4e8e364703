package dev.shortcut.resnet.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.image.Picture;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.ProgramOnDevice;
import dev.shortcut.testing.device.SoftwareDevice;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * CUDA programs that call the network: each is compiled as its author would, and run by a virtual
 * machine of its own, in an empty folder and with an empty folder for temporary files, on the
 * software device. JCuda's own native libraries stand between.
 */
@Tag("native")
class EmbeddingTest {
  private static final Path SOURCES = Path.of("src", "it", "embedding").toAbsolutePath();

  private static final Pattern WAIT = Pattern.compile("Synchronize|EventQuery|StreamQuery");
  private static final Pattern ALLOCATION = Pattern.compile("Alloc|Create|Instantiate");

  @TempDir private Path folder;

  @BeforeEach
  void needsTheDevice() {
    SoftwareDevice.install();
  }

  /**
   * What a program did.
   *
   * @param lines that it printed
   * @param calls of NVIDIA's libraries, in order: library, function, detail
   */
  private record Run(List<String> lines, List<String> calls) {}

  /** The class path of this test: all that the programs may need, and JCuda. */
  private static Set<String> classPath() {
    return paths("jdk.module.path", "java.class.path");
  }

  private static Set<String> paths(String... properties) {
    var entries = new LinkedHashSet<String>();
    for (String property : properties) {
      entries.addAll(Arrays.asList(System.getProperty(property, "").split(File.pathSeparator)));
    }
    entries.removeIf(String::isBlank);
    return entries;
  }

  private Run run(String program, String... arguments) throws IOException, InterruptedException {
    return run(program, classPath(), arguments);
  }

  private Run run(String program, Set<String> classPath, String... arguments)
      throws IOException, InterruptedException {
    return run(
        program, Set.of(), classPath, List.of("--enable-native-access=ALL-UNNAMED"), arguments);
  }

  /**
   * With Shortcut and what it depends on as modules beside the program's class path, by a virtual
   * machine that refuses native code to whoever was not allowed it.
   */
  private Run runOnTheModulePath(
      String program, boolean withJCuda, List<String> options, String... arguments)
      throws IOException, InterruptedException {
    Set<String> modules = paths("jdk.module.path");
    modules.removeIf(entry -> isJCuda(entry) && !withJCuda);
    Set<String> classPath = classPath();
    classPath.removeAll(modules);
    List<String> all =
        new ArrayList<>(List.of("--module-path", String.join(File.pathSeparator, modules)));
    all.addAll(List.of("--add-modules=dev.shortcut.resnet", "--illegal-native-access=deny"));
    all.addAll(options);
    return run(program, modules, classPath, all, arguments);
  }

  private Run run(
      String program,
      Set<String> modules,
      Set<String> classPath,
      List<String> options,
      String... arguments)
      throws IOException, InterruptedException {
    Path classes = Files.createDirectories(folder.resolve("classes"));
    Set<String> all = new LinkedHashSet<>(modules);
    all.addAll(classPath);
    compile(program, classes, all);
    Path empty = Files.createDirectories(folder.resolve("empty"));
    Path temporary = Files.createDirectories(folder.resolve("temporary"));
    Path calls = folder.resolve("calls");
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Path output = folder.resolve("output");
    List<String> command = new ArrayList<>(List.of(java));
    command.addAll(options);
    command.addAll(
        List.of(
            "-Djava.io.tmpdir=" + temporary,
            "-Dtest.seed=" + TestSeed.value(),
            "-cp",
            classes + File.pathSeparator + String.join(File.pathSeparator, classPath),
            ProgramOnDevice.class.getName(),
            calls.toString(),
            program));
    command.addAll(List.of(arguments));
    Process process =
        new ProcessBuilder(command)
            .directory(empty.toFile())
            .redirectOutput(output.toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    assertEquals(0, process.waitFor(), program);
    assertEquals(List.of(), list(empty), "files in the folder that it ran in");
    return new Run(Files.readAllLines(output), Files.readAllLines(calls));
  }

  private static void compile(String program, Path classes, Set<String> classPath) {
    var errors = new ByteArrayOutputStream();
    List<String> command =
        new ArrayList<>(
            List.of(
                "-Xlint:all",
                "-Werror",
                "-d",
                classes.toString(),
                "-sourcepath",
                SOURCES.toString(),
                "-cp",
                String.join(File.pathSeparator, classPath),
                SOURCES.resolve(program + ".java").toString()));
    int status =
        ToolProvider.findFirst("javac")
            .orElseThrow()
            .run(
                new PrintWriter(errors, true, StandardCharsets.UTF_8),
                new PrintWriter(errors, true, StandardCharsets.UTF_8),
                command.toArray(String[]::new));
    assertEquals(0, status, () -> errors.toString(StandardCharsets.UTF_8));
  }

  private static List<Path> list(Path folder) throws IOException {
    try (var files = Files.list(folder)) {
      return files.toList();
    }
  }

  /** What the CPU makes of the bundled pictures. */
  private static List<String> labels(List<String> names) throws InterruptedException {
    try (ImageModel model = ImageModel.bundled();
        Engine engine =
            Engine.open(
                model,
                Options.defaults()
                    .withBackend(Options.BackendChoice.CPU)
                    .withInput(model.inputFormat()))) {
      List<String> lines = new ArrayList<>();
      for (String name : names) {
        Picture picture = model.preprocessing().apply(Picture.decode(BundledPictures.read(name)));
        float[] logits = engine.run(picture.rgb());
        int best = 0;
        for (int c = 1; c < logits.length; c++) {
          best = logits[c] > logits[best] ? c : best;
        }
        lines.add(name + " " + model.labels().get(best));
      }
      return lines;
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"CUDA", "JCUDA"})
  void aJCudaProgramCallsTheNetworkBetweenItsKernelsAndWaitsOnce(String backend) throws Exception {
    Run run = run("OwnKernels", backend);
    assertEquals(labels(BundledPictures.names()), run.lines());
    List<String> calls = run.calls();
    List<String> batch =
        calls.subList(calls.indexOf("cuda cuLaunchKernel frames_to_rgb"), calls.size());
    assertEquals(
        1, batch.stream().filter("cuda cuGraphLaunch"::equals).count(), () -> "calls: " + batch);
    int firstWait = indexOf(batch, WAIT);
    assertEquals("cuda cuStreamSynchronize", batch.get(firstWait), () -> "calls: " + batch);
    int back = batch.indexOf("cuda cuMemcpyDtoHAsync_v2");
    assertTrue(batch.indexOf("cuda cuLaunchKernel best_class") < back, () -> "calls: " + batch);
    assertEquals(firstWait, back + 1, () -> "calls: " + batch);
    assertEquals(-1, indexOf(batch.subList(0, firstWait), ALLOCATION), () -> "calls: " + batch);
  }

  @ParameterizedTest
  @ValueSource(strings = {"CUDA", "JCUDA"})
  void aGraphOfTheProgramsIsReplayedForOtherPictures(String backend) throws Exception {
    Run run = run("OwnGraph", backend);
    assertEquals(labels(BundledPictures.names()), run.lines());
    int captured = run.calls().lastIndexOf("cuda cuStreamEndCapture");
    List<String> replays = run.calls().subList(captured, run.calls().size());
    replays = replays.subList(0, replays.indexOf("cuda cuGraphExecDestroy"));
    // One for each three pictures, and nothing else is launched.
    assertEquals(4, replays.stream().filter("cuda cuGraphLaunch"::equals).count());
    assertEquals(-1, indexOf(replays, Pattern.compile("LaunchKernel|cudnn|cublas")));
    assertEquals(
        2, run.calls().stream().filter("cuda cuLaunchKernel frames_to_rgb"::equals).count());
  }

  @Test
  void twoThreadsWithTwoStreamsShareAnEngine() throws Exception {
    assertEquals(labels(BundledPictures.names()), run("TwoThreads").lines());
  }

  @Test
  void closingTheEngineLeavesTheProgramsThingsAlone() throws Exception {
    List<String> lines = run("WhoOwnsWhat").lines();
    assertTrue(lines.getFirst().startsWith("refused: cannot close an execution"), lines::toString);
    assertTrue(lines.getFirst().contains("1 CUDA graphs"), lines::toString);
    assertEquals(
        List.of(
            labels(BundledPictures.names().subList(0, 1)).getFirst(),
            "same context: true",
            "same memory: true",
            "same stream: usable"),
        lines.subList(1, lines.size()));
    // JCuda takes a library that lies there already, whatever it is: these came out of its jar.
    assertEquals(
        2,
        list(folder.resolve("temporary")).stream()
            .filter(file -> file.getFileName().toString().startsWith("libJ"))
            .count());
  }

  @Test
  void aProgramWithoutJCudaCallsTheNetwork() throws Exception {
    Set<String> classPath = classPath();
    assertTrue(classPath.removeIf(EmbeddingTest::isJCuda), classPath::toString);
    assertEquals(labels(List.of("cat-0001.jpg")), run("PanamaOnly", classPath).lines());
  }

  @Test
  void pointersOfJavaCppsAreAddressesToo() throws Exception {
    assertEquals(labels(List.of("cat-0001.jpg")), run("JavaCppPointers").lines());
  }

  /** The options are the README's. */
  @ParameterizedTest
  @ValueSource(strings = {"CUDA", "JCUDA"})
  void aJCudaProgramCallsTheNetworkOnTheModulePath(String backend) throws Exception {
    Run run =
        runOnTheModulePath(
            "OwnKernels",
            false,
            List.of("--enable-native-access=dev.shortcut.bindings,dev.shortcut.engine,ALL-UNNAMED"),
            backend);
    assertEquals(labels(BundledPictures.names()), run.lines());
  }

  @Test
  void theBackendJcudaRunsOnTheModulePath() throws Exception {
    Run run =
        runOnTheModulePath(
            "JCudaBackend",
            false,
            List.of(
                "--enable-native-access=dev.shortcut.bindings,dev.shortcut.engine,ALL-UNNAMED"));
    assertEquals(labels(List.of("cat-0001.jpg")), run.lines());
  }

  @Test
  void theBackendJcudaRunsWithJCudaOnTheModulePathAsWell() throws Exception {
    Run run =
        runOnTheModulePath(
            "JCudaBackend",
            true,
            List.of(
                "--enable-native-access=dev.shortcut.bindings,dev.shortcut.engine,jcuda,jcublas,jcudnn",
                "--add-modules=jcuda,jcublas,jcudnn"));
    assertEquals(labels(List.of("cat-0001.jpg")), run.lines());
  }

  private static boolean isJCuda(String entry) {
    return Path.of(entry).getFileName().toString().startsWith("jcu");
  }

  private static int indexOf(List<String> calls, Pattern pattern) {
    for (int i = 0; i < calls.size(); i++) {
      if (pattern.matcher(calls.get(i)).find()) {
        return i;
      }
    }
    return -1;
  }
}
