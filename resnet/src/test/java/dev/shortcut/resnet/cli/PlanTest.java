package dev.shortcut.resnet.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.cost.CostReport;
import dev.shortcut.engine.cost.Prediction;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.batch.NpyType;
import dev.shortcut.resnet.batch.NpyWriter;
import dev.shortcut.testing.VendorLibraries;
import dev.shortcut.testing.device.SoftwareDevice;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlanTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  private static Cli.Result plan(String... arguments) {
    return Cli.run(command(arguments));
  }

  /** Plans of earlier runs must not matter here. */
  private static String[] command(String... arguments) {
    List<String> command = new ArrayList<>(List.of("plan"));
    command.addAll(List.of(arguments));
    if (!command.contains("--plan-cache")) {
      command.addAll(List.of("--plan-cache", "none"));
    }
    return command.toArray(String[]::new);
  }

  /** In a process of its own, for which libraries are missing that this one may have opened. */
  private Cli.Result planWithout(String property, String... arguments) throws Exception {
    ProcessBuilder builder = Cli.process(command(arguments));
    Path out = folder.resolve("out");
    Path err = folder.resolve("err");
    String missing = folder.resolve("missing.so").toString();
    builder
        .environment()
        .put(
            "JAVA_TOOL_OPTIONS",
            "-D%s=%s -D%s=%s"
                .formatted(
                    NvidiaLibrary.FOLDER_PROPERTY,
                    System.getProperty(NvidiaLibrary.FOLDER_PROPERTY, folder.toString()),
                    property,
                    missing));
    int status = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start().waitFor();
    return new Cli.Result(
        status,
        Files.readString(out, StandardCharsets.UTF_8),
        Files.readString(err, StandardCharsets.UTF_8));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--gpu v100 | neither a file nor a GPU that is known: t4",
        "--gpu ../devices/h100.json | neither a file nor a GPU",
        "--gpu h100 --driver 535.261 | no version of CUDA such as 12.4",
        "--gpu h100 --model resnet51 | no network is called resnet51",
        "--gpu h100 --batch 0 | is not a whole number above 0",
        "--gpu h100 --precision fp24 | --precision",
        "--gpu h100 --model vgg16 --size 3 | vgg16 cannot take images of 3x3",
        "--model resnet50 | Missing required option",
      })
  void wrongUsageIsExplained(String arguments, String message) {
    Cli.Result result = plan(arguments.split(" "));
    assertEquals(ExitCodes.USAGE, result.status(), result.err());
    assertTrue(result.err().contains(message), result.err());
    assertEquals("", result.out());
  }

  @Test
  void aFileThatDescribesNoGpuIsNamedWithWhatIsWrong() throws IOException {
    for (String content :
        new String[] {"", "[]", "{\"deviceVer\": 900}", "\u0000".repeat(100_000), "{\"a\": 1}"}) {
      Path file = Files.writeString(folder.resolve("gpu.json"), content);
      Cli.Result result = plan("--gpu", file.toString());
      assertEquals(ExitCodes.USAGE, result.status(), result.err());
      assertTrue(result.err().contains(file + " is no description of a GPU"), result.err());
    }
    assertEquals(ExitCodes.USAGE, plan("--gpu", folder.toString()).status());
  }

  @Test
  void withoutCudnnTheStatusAndTheMessageSaySo() throws Exception {
    Path output = folder.resolve("plans.json");
    Cli.Result result =
        planWithout("shortcut.cudnn.library", "--gpu", "h100", "-o", output.toString());
    assertEquals(ExitCodes.NO_DEVICE, result.status(), result.err());
    assertTrue(result.err().contains("planning for a GPU needs cuDNN"), result.err());
    assertTrue(result.err().contains("pip install nvidia-cudnn-cu12"), result.err());
    assertTrue(result.err().contains("missing.so"), result.err());
    assertFalse(Files.exists(output));
  }

  @Test
  void aPrecisionThatNoGpuIsPlannedInHasItsReason() {
    Cli.Result result = plan("--gpu", "h100", "--precision", "int8");
    assertEquals(ExitCodes.NO_DEVICE, result.status(), result.err());
    assertTrue(result.err().contains("int8"), result.err());
  }

  /** How many plans a command made on the software device. */
  private static long made(String... command) {
    int before = SoftwareDevice.log().size();
    Cli.Result result = Cli.run(command);
    assertEquals(ExitCodes.OK, result.status(), result.err());
    List<String> log = SoftwareDevice.log();
    return log.subList(before, log.size()).stream()
        .filter(line -> line.startsWith("cudnn planning"))
        .count();
  }

  private Path oneImage() {
    Path input = folder.resolve("x.npy");
    try (Arena arena = Arena.ofConfined();
        NpyWriter writer = NpyWriter.create(input, NpyType.FLOAT32, List.of(3L, 32L, 32L))) {
      writer.write(arena.allocate(3 * 32 * 32 * Float.BYTES));
      writer.finish();
    }
    return input;
  }

  @Tag("native")
  @Test
  void whatIsPlannedForAnExportedDeviceIsTakenByAnEngineThere() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    Path gpu = folder.resolve("gpu.json");
    assertEquals(0, made("doctor", "--export-device", gpu.toString()));
    Path cache = folder.resolve("plans");
    assertTrue(
        made(
                "plan --gpu %s --model resnet20 --batch 1 --plan-cache %s"
                    .formatted(gpu, cache)
                    .split(" "))
            > 0);
    String there =
        "run --model resnet20 --weights random:1 --backend cuda --input %s -o %s --plan-cache %s"
            .formatted(oneImage(), folder.resolve("y.npy"), cache);
    assertEquals(0, made(there.split(" ")));
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  @Tag("native")
  @Test
  void aNetworkWithoutPlansRunsOnceTheOlderCallIsAllowed() {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().refuseToPlanConvolutions(3));
    String command =
        "run --model resnet20 --weights random:1 --backend cuda --explain --plan-cache none --input %s -o %s"
            .formatted(oneImage(), folder.resolve("y.npy"));
    Cli.Result refused = Cli.run(command.split(" "));
    assertEquals(ExitCodes.BAD_MODEL, refused.status(), refused.err());
    assertTrue(refused.err().contains("--legacy-convolutions"), refused.err());
    Cli.Result allowed = Cli.run((command + " --legacy-convolutions").split(" "));
    assertEquals(ExitCodes.OK, allowed.status(), allowed.err());
    assertTrue(
        allowed.err().contains("cudnnConvolutionBiasActivationForward IMPLICIT_PRECOMP_GEMM"),
        allowed.err());
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
    SoftwareDevice.reset(); // others take the device as they find it
  }

  @Tag("native")
  @Test
  void aCommandTakesThePlansThatAnEarlierOneLeft() throws IOException {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    Path output = folder.resolve("y.npy");
    Path cache = folder.resolve("plans");
    String arguments =
        "run --model resnet20 --weights random:1 --backend cuda --input %s -o %s --plan-cache "
            .formatted(oneImage(), output);
    long without = made((arguments + "none").split(" "));
    byte[] expected = Files.readAllBytes(output);
    assertTrue(without > 0);
    assertFalse(Files.exists(cache));
    assertEquals(without, made((arguments + cache).split(" ")));
    assertEquals(0, made((arguments + cache).split(" ")));
    assertArrayEquals(expected, Files.readAllBytes(output));
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  /** With NVIDIA's own cuDNN. */
  @Nested
  @Tag("vendor")
  class WithCudnn {
    @BeforeEach
    void useFetchedLibraries() {
      VendorLibraries.library("libcudnn.so.9");
      System.setProperty(NvidiaLibrary.FOLDER_PROPERTY, VendorLibraries.folder().toString());
    }

    @Test
    void everyKernelOfResNet50HasAPlanOnAnH100() throws Exception {
      Path output = folder.resolve("new").resolve("plans.json");
      String arguments =
          "--gpu h100 --model resnet50 --precision fp16 --batch 32 --format json --report -o ";
      Cli.Result result = plan((arguments + output).split(" "));
      assertEquals(ExitCodes.OK, result.status(), result.err());
      assertEquals("", result.out());
      JsonNode network = JSON.readTree(output.toFile()).at("/networks/0");
      assertEquals("sm_90", network.get("architecture").textValue());
      int convolutions = 0;
      int poolings = 0;
      List<String> others = new ArrayList<>();
      double predicted = 0;
      double share = 0;
      for (JsonNode kernel : network.get("kernels")) {
        switch (kernel.get("kind").textValue()) {
          case "convolution" -> convolutions++;
          case "pooling" -> poolings++;
          default -> others.add(kernel.get("kernel").textValue());
        }
        assertEquals(!kernel.get("kernel").textValue().equals("fc"), kernel.has("engine"));
        if (kernel.has("engine")) {
          assertTrue(kernel.get("plan_bytes").intValue() > 0, kernel.toString());
          assertTrue(
              List.of("precompiled", "compiled").contains(kernel.get("code").textValue()),
              kernel.toString());
          assertFalse(kernel.get("numerical_notes").toString().contains("NONDETERMINISTIC"));
        }
        predicted += kernel.get("predicted_us").doubleValue();
        share += kernel.get("predicted_share_percent").doubleValue();
      }
      assertEquals(53, convolutions);
      assertEquals(2, poolings);
      assertEquals(List.of("fc"), others);
      assertEquals(100, share, 1e-6);

      var peaks = GpuDescription.known("h100").peaks();
      var costs = CostReport.of(Architecture.parse("resnet50").graph(), Precision.FP16);
      var expected = Prediction.of(costs, peaks.roofline(Precision.FP16).orElseThrow(), 32);
      assertEquals(1e6 * expected.seconds(), predicted, 1e-6);
      JsonNode prediction = network.at("/predictions/0");
      assertEquals(1e3 * expected.seconds(), prediction.get("predicted_ms").doubleValue(), 1e-9);
      double byStage = 0;
      double byBlock = 0;
      for (JsonNode part : prediction.get("parts")) {
        switch (part.get("by").textValue()) {
          case "stage" -> byStage += part.get("predicted_us").doubleValue();
          case "block" -> byBlock += part.get("predicted_us").doubleValue();
          default -> {}
        }
      }
      assertEquals(predicted, byStage, 1e-6);
      assertEquals(predicted, byBlock, 1e-6);

      JsonNode memory = network.get("memory");
      // Folded weights and biases in half precision, but for the stem's three channels, of which
      // there are eight, and what alignment adds.
      long weights = costs.total().weightBytes();
      assertTrue(memory.get("weights_bytes").longValue() >= weights, memory.toString());
      assertTrue(memory.get("weights_bytes").longValue() < 1.01 * weights, memory.toString());
      assertTrue(memory.get("fits").booleanValue());
      assertEquals(
          memory.get("weights_bytes").longValue() + memory.get("arena_bytes_per_slot").longValue(),
          memory.get("device_bytes").longValue());
    }

    @Test
    void severalOfEachAreTablesOfAllKernels() throws Exception {
      Path file =
          Files.writeString(
              folder.resolve("mine.json"), GpuDescription.known("l4").withMemoryBusWidth(0).json());
      Cli.Result result =
          plan(
              "--gpu",
              "a100," + file,
              "--model",
              "resnet20",
              "--precision",
              "fp16,tf32",
              "--batch",
              "2",
              "--all-sizes",
              "--driver",
              "12.4",
              "--format",
              "csv");
      assertEquals(ExitCodes.OK, result.status(), result.err());
      List<String> lines = result.lines();
      assertTrue(lines.getFirst().startsWith("gpu,model,precision,batch,kernel,kind,engine,code,"));
      // The same kernels on two devices, in two precisions, in two sizes.
      int kernels = (lines.size() - 1) / (2 * 2 * 2);
      assertEquals(2 * 2 * 2 * kernels, lines.size() - 1);
      assertEquals(
          4L * kernels, lines.stream().filter(line -> line.startsWith("a100,resnet20,")).count());
      assertEquals(
          2L * kernels,
          lines.stream().filter(line -> line.startsWith(file + ",resnet20,tf32,")).count());
      assertEquals(
          kernels, lines.stream().filter(line -> line.startsWith("a100,resnet20,fp16,1,")).count());
    }

    @Test
    void textIsForPeople() {
      Cli.Result result =
          plan("--gpu", "h100", "--model", "resnet20", "--precision", "fp16", "--batch", "1");
      assertEquals(ExitCodes.OK, result.status(), result.err());
      assertTrue(
          result
              .out()
              .startsWith("resnet20 in fp16, batch 1, for NVIDIA H100 80GB HBM3 (sm_90, 132"),
          result.out());
      for (String word :
          List.of("\nplans: ", "\nmemory: ", "\npredicted: ", "nothing of this was measured")) {
        assertTrue(result.out().contains(word), result.out());
      }
      Cli.Result report = plan("--gpu", "h100", "--model", "resnet20", "--batch", "1", "--report");
      assertEquals(ExitCodes.OK, report.status(), report.err());
      assertTrue(report.out().contains("\npredicted for a batch of 1:\n"), report.out());
      assertTrue(report.lines().stream().anyMatch(line -> line.startsWith("stage ")), report.out());
    }

    @Test
    void whatAGpuCannotDoIsListedWithTheReason() throws Exception {
      Cli.Result result =
          plan(
              "--gpu",
              "t4",
              "--model",
              "resnet20",
              "--precision",
              "bf16",
              "--batch",
              "1",
              "--format",
              "json");
      assertEquals(ExitCodes.INPUTS_FAILED, result.status(), result.err());
      assertTrue(result.err().contains("there is no plan for"), result.err());
      JsonNode network = JSON.readTree(result.out()).at("/networks/0");
      assertEquals(0, network.get("predictions").size());
      assertFalse(network.has("memory"));
      JsonNode conv1 = network.at("/kernels/0");
      assertEquals("none", conv1.get("kind").textValue());
      assertFalse(conv1.has("engine"));
      assertTrue(conv1.get("implementation").textValue().contains("no implementation of conv1"));
    }

    private List<String> sources(String... more) throws IOException {
      List<String> arguments =
          new ArrayList<>(
              List.of("--gpu", "h100", "--model", "resnet20", "--precision", "fp16", "--batch"));
      arguments.addAll(List.of("2", "--format", "json"));
      arguments.addAll(List.of(more));
      Cli.Result result = plan(arguments.toArray(String[]::new));
      assertEquals(ExitCodes.OK, result.status(), result.err());
      List<String> sources = new ArrayList<>();
      for (JsonNode kernel : JSON.readTree(result.out()).at("/networks/0/kernels")) {
        if (kernel.has("source")) {
          sources.add(kernel.get("source").textValue());
        }
      }
      return sources.stream().distinct().toList();
    }

    @Test
    void aCacheIsMadeAndServesOtherDrivers() throws Exception {
      String cache = folder.resolve("plans").toString();
      assertEquals(List.of("heuristics"), sources("--plan-cache", cache));
      assertEquals(List.of("cached-plan"), sources("--plan-cache", cache));
      assertEquals(List.of("engine-and-knobs"), sources("--plan-cache", cache, "--driver", "13"));
      assertEquals(List.of("heuristics"), sources("--plan-cache", "none"));
    }

    /**
     * While cuDNN compiles for the first time in a process, NVRTC would have the process end at
     * once, with other threads inside of cuDNN.
     */
    @ParameterizedTest
    @CsvSource({"TERM, 143", "INT, 130"})
    void toldToEndItMakesNoMorePlansAndSaysSo(String signal, int status) throws Exception {
      for (int round = 0; round < 3; round++) {
        Path cache = folder.resolve("plans-" + round);
        Path messages = folder.resolve("messages");
        ProcessBuilder builder =
            Cli.process(
                "plan --gpu h100 --model resnet152 --precision fp16 --threads 2 --plan-cache %s"
                    .formatted(cache)
                    .split(" "));
        builder
            .environment()
            .put(NvidiaLibrary.FOLDER_VARIABLE, VendorLibraries.folder().toString());
        Process process =
            builder
                .directory(folder.toFile())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(messages.toFile())
                .start();
        try {
          while (process.isAlive() && !isKept(cache)) {
            Thread.sleep(1);
          }
          new ProcessBuilder("kill", "-" + signal, String.valueOf(process.pid())).start().waitFor();
          String said = "signal %s: ".formatted(signal);
          assertTrue(
              process.waitFor(60, TimeUnit.SECONDS), () -> said + "it goes on: " + read(messages));
          assertEquals(status, process.exitValue(), () -> said + read(messages));
          assertTrue(read(messages).contains("interrupted; the plan cache has what was made"));
        } finally {
          process.destroyForcibly();
        }
      }
    }

    private static boolean isKept(Path cache) throws IOException {
      if (!Files.exists(cache)) {
        return false;
      }
      try (Stream<Path> files = Files.list(cache)) {
        return files.anyMatch(file -> file.toString().endsWith(".plan"));
      }
    }

    private static String read(Path file) {
      try {
        return Files.readString(file);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    /** cuDNN leaves engines out then, also of the rankings of what it does offer. */
    @Test
    void whatIsPlannedWithoutTheDriversLibraryIsNotKept() throws Exception {
      String cache = folder.resolve("plans").toString();
      String arguments =
          "--gpu h100 --model resnet20 --precision fp16 --batch 2 --format json --plan-cache ";
      Cli.Result without = planWithout("shortcut.cuda.library", (arguments + cache).split(" "));
      assertEquals(ExitCodes.OK, without.status(), without.err());
      assertTrue(
          without.err().contains("cuDNN offers less without the CUDA driver"), without.err());
      try (Stream<Path> files = Files.list(Path.of(cache))) {
        assertEquals(List.of(), files.toList());
      }
      assertEquals(List.of("heuristics"), sources("--plan-cache", cache));
      // What a whole set of libraries chose is taken as far as it can be.
      Cli.Result later = planWithout("shortcut.cuda.library", (arguments + cache).split(" "));
      assertEquals(ExitCodes.OK, later.status(), later.err());
      assertTrue(later.out().contains("\"cached-plan\""), later.out());
      assertEquals(List.of("cached-plan"), sources("--plan-cache", cache));
    }

    @Test
    void aCacheThatOthersMayWriteIsRefused() throws Exception {
      Path cache =
          Files.createDirectory(
              folder.resolve("plans"),
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      Files.setPosixFilePermissions(cache, PosixFilePermissions.fromString("rwxrwxrwx"));
      Cli.Result result =
          plan("--gpu", "h100", "--model", "resnet20", "--plan-cache", cache.toString());
      assertEquals(ExitCodes.INPUTS_FAILED, result.status(), result.err());
      assertTrue(result.err().contains("others could put anything there"), result.err());
    }

    /** It would end the process when it ranks engines. */
    @Test
    void withoutCublasLtCudnnIsNotAsked() throws Exception {
      Cli.Result result = planWithout("shortcut.cublaslt.library", "--gpu", "h100");
      assertEquals(ExitCodes.NO_DEVICE, result.status(), result.err());
      assertTrue(result.err().contains("cannot be used here: cuBLASLt."), result.err());
      assertTrue(result.err().contains("needed for what cuDNN asks of it"), result.err());
      assertTrue(result.err().contains("pip install nvidia-cublas-cu12"), result.err());
    }

    @Test
    void withoutTheDriversLibraryOnlyWhatIsPrecompiledIsPlanned() throws Exception {
      Cli.Result result =
          planWithout(
              "shortcut.cuda.library",
              "--gpu",
              "h100",
              "--model",
              "resnet18",
              "--precision",
              "fp16",
              "--batch",
              "32",
              "--format",
              "json");
      assertEquals(ExitCodes.OK, result.status(), result.err());
      assertTrue(result.err().contains("missing for compiling: the CUDA driver"), result.err());
      assertTrue(result.err().contains("left out"), result.err());
      assertTrue(result.err().contains("maxpool, avgpool"), result.err());
      for (JsonNode kernel : JSON.readTree(result.out()).at("/networks/0/kernels")) {
        assertFalse(
            kernel.has("code") && kernel.get("code").textValue().equals("compiled"),
            kernel.toString());
      }
    }
  }
}
