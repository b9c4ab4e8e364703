package dev.shortcut.resnet.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.shortcut.engine.DeviceReport;
import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.Tolerance;
import dev.shortcut.engine.cost.CostReport;
import dev.shortcut.engine.cost.Roofline;
import dev.shortcut.engine.cost.Traffic;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.testing.device.SoftwareDevice;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SelftestTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  private JsonNode report() throws Exception {
    return JSON.readTree(folder.resolve("report.json").toFile());
  }

  private Cli.Result selftest(String... arguments) {
    List<String> command = new ArrayList<>(List.of("selftest"));
    command.addAll(List.of("--report", folder.resolve("report.json").toString()));
    command.addAll(List.of(arguments));
    return Cli.run(command.toArray(String[]::new));
  }

  private static List<String> stages(JsonNode report) {
    List<String> names = new ArrayList<>();
    report.get("stages").forEach(stage -> names.add(stage.get("stage").textValue()));
    return names;
  }

  @Test
  void stagesRunInTheirOrderAndAreInTheReport() throws Exception {
    Cli.Result result =
        selftest("--backend", "reference", "--only", "memory limit,convolution,foreign capture");
    assertEquals(ExitCodes.OK, result.status(), result.err());
    JsonNode report = report();
    assertEquals(
        List.of("libraries", "convolution", "foreign capture", "memory limit"), stages(report));
    assertTrue(report.get("finished").booleanValue());
    assertTrue(report.get("well").booleanValue());
    assertEquals(
        "skipped", report.at("/stages/2/checks/0/state").textValue(), report.toPrettyString());
    assertEquals(
        "equal to the reference",
        report.at("/stages/1/checks/0/detail").textValue(),
        report.toPrettyString());
    assertTrue(result.out().contains("foreign capture"), result.out());
  }

  @Test
  void aBackendThatCannotRunEndsIt() throws Exception {
    Cli.Result result = selftest("--backend", "reference", "--device", "0");
    assertEquals(ExitCodes.NO_DEVICE, result.status(), result.err());
    JsonNode report = report();
    assertEquals(List.of("libraries"), stages(report));
    assertEquals("WRONG", report.at("/stages/0/state").textValue());
    assertTrue(result.err().contains("--only 'libraries'"), result.err());
  }

  @Test
  void aStageThatIsNoneIsWrongUsage() {
    Cli.Result result = selftest("--only", "convolution,everything");
    assertEquals(ExitCodes.USAGE, result.status(), result.err());
    assertTrue(result.err().contains("there is no stage 'everything'"), result.err());
    assertFalse(Files.exists(folder.resolve("report.json")));
  }

  /** What a crash leaves: the stages before, and the name of the one that ran. */
  @Test
  void theFileIsWholeWhileAStageRuns() throws Exception {
    var report =
        new SelftestReport(
            folder.resolve("report.json"),
            new Console(
                OutputStream.nullOutputStream(),
                new PrintWriter(new StringWriter()),
                false,
                false));
    report.begin("first");
    report.check("one", true, "well");
    report.end();
    report.begin("second");
    report.check("two", false, "not well");
    JsonNode written = report();
    assertEquals(List.of("first", "second"), stages(written));
    assertEquals("ok", written.at("/stages/0/state").textValue());
    assertEquals("running", written.at("/stages/1/state").textValue());
    assertEquals("not well", written.at("/stages/1/checks/0/detail").textValue());
    assertFalse(written.get("finished").booleanValue());
    report.failed(new IllegalStateException("it broke"));
    assertFalse(report.end());
    report.finish();
    assertTrue(report().at("/stages/1/checks/1/detail").textValue().contains("it broke"));
    assertFalse(report.allWell());
    assertEquals(List.of("report.json"), List.of(folder.toFile().list()));
  }

  @Test
  void aValueThatIsNoNumberIsFarAway() {
    float[] expected = {1, 2};
    Tolerance wide = Tolerance.ofNetwork(Precision.BF16);
    assertFalse(Comparison.of(new float[] {1, Float.NaN}, expected, wide).well());
    Tolerance narrow = Tolerance.ofNetwork(Precision.FP32);
    assertFalse(Comparison.of(new float[] {1, 2.1f}, expected, narrow).well());
    Comparison equal = Comparison.of(expected, expected, narrow);
    Comparison far = Comparison.of(new float[] {9, 2}, expected, narrow);
    assertTrue(equal.well());
    assertEquals(far, equal.worse(far));
    assertEquals(far, far.worse(equal));
  }

  @Test
  void theFamilyHasKernelsOfEveryKind() {
    List<FamilyKernel> all = FamilyKernel.all();
    assertTrue(all.size() > 100, () -> all.size() + " kernels");
    assertTrue(all.stream().anyMatch(kernel -> kernel.residual() && kernel.relu()));
    assertTrue(all.stream().anyMatch(kernel -> !kernel.residual() && !kernel.relu()));
    assertEquals(all.size(), all.stream().distinct().count());
  }

  @Tag("native")
  @ParameterizedTest
  @EnumSource(
      value = Precision.class,
      names = {"FP32", "TF32", "FP16", "BF16"})
  void theStagesForGpusPassOnTheSoftwareDevice(Precision precision) throws Exception {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().devices(2));
    Cli.Result result =
        selftest(
            "--backend",
            "cuda",
            "--device",
            "all",
            "--precision",
            precision.toString(),
            "--only",
            "copy,own kernels,plans,convolution,foreign capture,pictures");
    JsonNode report = report();
    assertEquals(ExitCodes.OK, result.status(), report.toPrettyString());
    // On each of the two devices.
    assertEquals(2, report.at("/stages/1/checks").size(), report.toPrettyString());
    assertEquals(2, report.at("/stages/6/checks").size(), report.toPrettyString());
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  @Tag("native")
  @Test
  void everyStagePassesOnTheSoftwareDevice() throws Exception {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    Cli.Result result = selftest("--backend", "cuda", "--precision", "fp16", "--quick");
    JsonNode report = report();
    assertEquals(ExitCodes.OK, result.status(), report.toPrettyString());
    assertTrue(report.get("finished").booleanValue());
    assertEquals(
        List.of(
            "libraries",
            "copy",
            "own kernels",
            "plans",
            "convolution",
            "kernels",
            "networks",
            "pictures",
            "threads",
            "foreign capture",
            "lifetimes",
            "memory limit",
            "throughput",
            "two ways"),
        stages(report));
    int eager = 0;
    for (JsonNode stage : report.get("stages")) {
      for (JsonNode check : stage.get("checks")) {
        assertNotEquals("skipped", check.get("state").textValue(), stage.toPrettyString());
        eager += check.get("check").textValue().endsWith(", eager") ? 1 : 0;
      }
    }
    assertEquals(3, eager, report.toPrettyString());
    String kernels = report.at("/stages/5/checks/0/check").textValue();
    assertTrue(kernels.matches("\\d{2,} kernels"), kernels);
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  @Tag("native")
  @Test
  void aDeviceThatComputesWronglyIsFound() throws Exception {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().work(false));
    Cli.Result result =
        selftest(
            "--backend", "cuda", "--only", "copy,own kernels,plans,convolution,foreign capture");
    assertEquals(ExitCodes.BUG, result.status(), result.err());
    JsonNode report = report();
    for (int stage = 1; stage <= 5; stage++) {
      assertEquals(
          "WRONG", report.at("/stages/" + stage + "/state").textValue(), report.toPrettyString());
    }
    assertTrue(report.get("finished").booleanValue());
  }

  @Tag("native")
  @Test
  void doctorTellsOfEachGpuAndTriesIt() throws Exception {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().devices(4));
    Cli.Result result = Cli.run("doctor", "--format", "json");
    assertEquals(ExitCodes.OK, result.status(), result.err());
    int works = 0;
    for (JsonNode row : JSON.readTree(result.out())) {
      if (row.get("what").textValue().matches("GPU [0-3], one layer")) {
        assertEquals("works", row.get("state").textValue(), row.toString());
        works++;
      }
    }
    assertEquals(4, works, result.out());
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @Tag("native")
  @Test
  void doctorWritesTheDescriptionOfAGpuThatPlansCanBeMadeFor() throws Exception {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().devices(2));
    Path file = folder.resolve("gpu.json");
    Cli.Result result = Cli.run("doctor", "--export-device", file.toString(), "--device", "1");
    assertEquals(ExitCodes.OK, result.status(), result.err());
    assertEquals("", result.out());
    GpuDescription gpu = GpuDescription.read(file);
    DeviceReport device = DeviceReport.all().get(1);
    assertEquals(device.name(), gpu.name());
    assertEquals(device.architecture(), gpu.architecture());
    assertEquals(device.peaks(), gpu.peaks());
    assertTrue(gpu.peaks().roofline(Precision.FP16).isPresent(), gpu::json);
    assertEquals(List.of("gpu.json"), List.of(folder.toFile().list()));
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());

    Cli.Result none = Cli.run("doctor", "--export-device", file.toString(), "--device", "7");
    assertEquals(ExitCodes.NO_DEVICE, none.status(), none.err());
    assertEquals(gpu, GpuDescription.read(file));
    assertEquals(
        ExitCodes.USAGE,
        Cli.run("doctor", "--export-device", file.toString(), "--device", "all").status());
    assertEquals(ExitCodes.USAGE, Cli.run("doctor", "--device", "0").status());
  }

  @Tag("native")
  @Test
  void benchComparesAGpuWithItsFigures() throws Exception {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().devices(2).work(false));
    Cli.Result result =
        Cli.run(
            "bench",
            "--plan-cache",
            "none",
            "--backend",
            "cuda",
            "--device",
            "all",
            "--precision",
            "fp16",
            "--model",
            "resnet20",
            "--batch",
            "1",
            "--seconds",
            "1",
            "--format",
            "json");
    assertEquals(ExitCodes.OK, result.status(), result.err());
    JsonNode bench = JSON.readTree(result.out());
    double flops = 0;
    double bytes = 0;
    for (DeviceReport device : DeviceReport.all()) {
      flops += device.peaks().flopsPerSecond(Precision.FP16).orElseThrow();
      bytes += device.peaks().bytesPerSecond().orElseThrow();
    }
    assertEquals(flops, 1e9 * bench.get("peak_gflops_per_second").doubleValue(), 1e-6 * flops);
    assertEquals(bytes, 1e9 * bench.get("peak_gigabytes_per_second").doubleValue(), 1e-6 * bytes);
    JsonNode line = bench.at("/measurements/0");
    var report = CostReport.of(Architecture.parse("resnet20").graph(), Precision.FP16);
    double most = new Roofline(flops, bytes).imagesPerSecond(report, Traffic.FUSED, 1);
    assertEquals(
        100 * line.get("images_per_second").doubleValue() / most,
        line.get("percent_of_roofline").doubleValue(),
        1e-9);
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  @Tag("native")
  @Test
  void fourGpusLabelPicturesAsOneDoes() {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().devices(4));
    String[] all = {
      "classify",
      "--backend",
      "cuda",
      "--device",
      "all",
      "--slots",
      "4",
      "--batch",
      "2",
      "--top",
      "1",
      "--plan-cache",
      "none"
    };
    Cli.Result many = Cli.run(all);
    assertEquals(ExitCodes.OK, many.status(), many.err());
    all[4] = "2";
    assertEquals(Cli.run(all).out(), many.out());
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }
}
