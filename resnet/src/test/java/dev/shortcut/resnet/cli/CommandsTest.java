package dev.shortcut.resnet.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.shortcut.bindings.library.CacheFolder;
import dev.shortcut.engine.DeviceReport;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.batch.NpyReader;
import dev.shortcut.resnet.batch.NpyType;
import dev.shortcut.resnet.batch.NpyWriter;
import dev.shortcut.resnet.image.Picture;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The commands as a user calls them, on the plain-Java backend, which every machine has. */
class CommandsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path folder;

  private static Cli.Result run(String... args) {
    return Cli.run(
        Stream.concat(Stream.of(args), Stream.of("--backend", "reference")).toArray(String[]::new));
  }

  private Path pictures() throws IOException {
    Path pictures = Files.createDirectories(folder.resolve("pictures"));
    for (String name : BundledPictures.names()) {
      Files.write(pictures.resolve(name), BundledPictures.read(name));
    }
    return pictures;
  }

  @Test
  void classifyWithoutArgumentsLabelsTheBundledPicturesRightly() {
    Cli.Result result = run("classify");
    assertEquals(0, result.status(), result.err());
    assertEquals(BundledPictures.names().size(), result.lines().size());
    for (String line : result.lines()) {
      String label = line.substring(0, line.indexOf('-'));
      assertTrue(line.contains(".jpg  " + label + " "), line);
    }
    assertTrue(result.err().contains("reference: plain Java"), result.err());
  }

  @Test
  void aBadPictureIsARowAndTheStatusSaysSo() throws Exception {
    Path pictures = pictures();
    Files.writeString(pictures.resolve("bird-text.jpg"), "I am no picture");
    Files.write(pictures.resolve("bird-empty.png"), new byte[0]);
    Cli.Result result =
        run(
            "classify",
            pictures.toString(),
            folder.resolve("gone.jpg").toString(),
            "--format",
            "json");
    assertEquals(1, result.status(), result.err());
    assertEquals(BundledPictures.names().size() + 3, result.lines().size());
    int errors = 0;
    for (String line : result.lines()) {
      JsonNode row = JSON.readTree(line);
      String name = Path.of(row.get("id").textValue()).getFileName().toString();
      if (row.has("error")) {
        errors++;
        assertTrue(List.of("bird-text.jpg", "bird-empty.png", "gone.jpg").contains(name), line);
        assertFalse(row.get("error").textValue().contains("Exception"), line);
      } else {
        assertEquals(5, row.get("top").size());
        assertTrue(name.startsWith(row.get("top").get(0).get("label").textValue()), line);
      }
    }
    assertEquals(3, errors);
    assertTrue(result.err().contains("3 failed"), result.err());
  }

  @Test
  void csvAndFilesHaveTheSameRows() throws Exception {
    Path pictures = pictures();
    Path file = folder.resolve("labels.csv");
    Cli.Result stream = run("classify", pictures.toString(), "--format", "csv", "--top", "2");
    Cli.Result toFile = run("classify", pictures.toString(), "--top", "2", "-o", file.toString());
    assertEquals(0, toFile.status(), toFile.err());
    assertEquals("", toFile.out());
    assertEquals(stream.out(), Files.readString(file));
    assertEquals("id,label_1,probability_1,label_2,probability_2,error", stream.lines().getFirst());
    assertTrue(Files.exists(folder.resolve("labels.csv.manifest.json")));
    assertFalse(Files.exists(folder.resolve("labels.csv.part")));
  }

  @Test
  void listsAndPatternsNamePictures() throws Exception {
    Path pictures = pictures();
    Path list = folder.resolve("list.txt");
    Files.writeString(
        list, pictures.resolve("cat-0001.jpg") + "\n" + pictures.resolve("dog-0001.jpg") + "\n");
    assertEquals(2, run("classify", "@" + list).lines().size());
    assertEquals(2, run("classify", "--list", list.toString()).lines().size());
    assertEquals(2, run("classify", pictures + "/*-0002.jpg").lines().size());
  }

  @Test
  void embedWritesPartsAndIds() throws Exception {
    Path vectors = folder.resolve("vectors");
    Cli.Result result = run("embed", pictures().toString(), "-o", vectors.toString());
    assertEquals(0, result.status(), result.err());
    try (var part = NpyReader.open(vectors.resolve("part-00000.npy"))) {
      assertEquals(List.of((long) BundledPictures.names().size(), 64L), part.dims());
    }
    List<String> ids = Files.readAllLines(vectors.resolve("ids.jsonl"));
    assertEquals(BundledPictures.names().size(), ids.size());
    assertEquals(2, JSON.readTree(ids.get(2)).get("row").intValue());
  }

  @Test
  void embedWritesTheFeaturesThatAnEngineGives() throws Exception {
    Cli.Result result = run("embed");
    JsonNode row = JSON.readTree(result.lines().getFirst());
    try (ImageModel model = ImageModel.bundled();
        Engine engine =
            Engine.open(
                model,
                Options.defaults()
                    .withBackend(Options.BackendChoice.REFERENCE)
                    .withInput(model.inputFormat())
                    .withOutput(Options.Output.FEATURES))) {
      String name = BundledPictures.names().getFirst();
      float[] features =
          engine.run(model.preprocessing().apply(Picture.decode(BundledPictures.read(name))).rgb());
      float[] found = new float[features.length];
      for (int i = 0; i < found.length; i++) {
        found[i] = row.get("features").get(i).floatValue();
      }
      assertArrayEquals(features, found);
    }
  }

  @Test
  void evaluateCountsErrors() throws Exception {
    Path data = folder.resolve("data");
    int wrong = 0;
    for (String name : BundledPictures.names()) {
      // The dog's picture goes to the cats.
      String label = name.startsWith("dog") ? "cat" : name.substring(0, name.indexOf('-'));
      wrong += name.startsWith("dog") ? 1 : 0;
      Files.createDirectories(data.resolve(label));
      Files.write(data.resolve(label).resolve(name), BundledPictures.read(name));
    }
    Cli.Result result = run("evaluate", data.toString(), "--format", "json");
    assertEquals(0, result.status(), result.err());
    JsonNode found = JSON.readTree(result.out());
    int all = BundledPictures.names().size();
    assertEquals(all, found.get("pictures").intValue());
    assertEquals(100.0 * wrong / all, found.get("top1_error_percent").doubleValue(), 1e-9);
    assertEquals(
        0, found.get("top5_error_percent").doubleValue(), 1e-9); // a cat is among a dog's five
    assertEquals(1, found.get("confusion").get(3).get(5).intValue());
    assertEquals(1, run("evaluate", folder.resolve("gone").toString()).status());
    Files.createDirectories(data.resolve("zebra"));
    Cli.Result unknown = run("evaluate", data.toString());
    assertEquals(1, unknown.status());
    assertTrue(unknown.err().contains("zebra"), unknown.err());
  }

  @Test
  void runGivesForPixelsWhatItGivesForTheNormalisedTensor() throws Exception {
    Path bytes = folder.resolve("bytes.npy");
    Path floats = folder.resolve("floats.npy");
    try (ImageModel model = ImageModel.bundled();
        var u8 = NpyWriter.create(bytes, NpyType.UINT8, List.of(32L, 32L, 3L));
        var f32 = NpyWriter.create(floats, NpyType.FLOAT32, List.of(3L, 32L, 32L))) {
      var format = (dev.shortcut.engine.InputFormat.Uint8Nhwc) model.inputFormat();
      for (String name : BundledPictures.names()) {
        byte[] rgb = Picture.decode(BundledPictures.read(name)).rgb();
        float[] normalised = new float[rgb.length];
        for (int i = 0; i < rgb.length; i++) {
          normalised[i % 3 * 1024 + i / 3] = format.normalise(i % 3, Byte.toUnsignedInt(rgb[i]));
        }
        u8.write(MemorySegment.ofArray(rgb));
        f32.write(MemorySegment.ofArray(normalised));
      }
      u8.finish();
      f32.finish();
    }
    float[] fromBytes = runTensor(bytes);
    assertArrayEquals(fromBytes, runTensor(floats));
    assertEquals(10 * BundledPictures.names().size(), fromBytes.length);
  }

  private float[] runTensor(Path input) {
    Path output = folder.resolve("y.npy");
    Cli.Result result =
        run("run", "--input", input.toString(), "--output", output.toString(), "--batch", "5");
    assertEquals(0, result.status(), result.err());
    try (var reader = NpyReader.open(output)) {
      float[] values = new float[Math.toIntExact(reader.dims().getFirst() * reader.rowBytes() / 4)];
      reader.readAll(MemorySegment.ofArray(values));
      return values;
    }
  }

  @Test
  void aTensorOfTheWrongRankIsRefusedAndLeavesNothing() throws Exception {
    Path input = folder.resolve("x.npy");
    try (var writer = NpyWriter.create(input, NpyType.FLOAT32, List.of(32L))) {
      writer.write(MemorySegment.ofArray(new float[64]));
      writer.finish();
    }
    Path output = folder.resolve("y.npy");
    Cli.Result result = run("run", "--input", input.toString(), "--output", output.toString());
    assertEquals(1, result.status());
    assertTrue(result.err().contains("float32 (N, 3, height, width)"), result.err());
    assertFalse(Files.exists(output));
  }

  @Test
  void aTensorOfNoImagesIsRefused() throws Exception {
    Path input = folder.resolve("x.npy");
    try (var writer = NpyWriter.create(input, NpyType.FLOAT32, List.of(3L, 32L, 32L))) {
      writer.finish();
    }
    Path output = folder.resolve("y.npy");
    Cli.Result result = run("run", "--input", input.toString(), "--output", output.toString());
    assertEquals(1, result.status());
    assertTrue(result.err().contains("has no images"), result.err());
    assertFalse(Files.exists(output));
  }

  @Test
  void vectorsThatAreNotOverwrittenStayAsTheyWere() throws Exception {
    Path vectors = folder.resolve("vectors");
    String pictures = pictures().toString();
    assertEquals(0, run("embed", pictures, "-o", vectors.toString()).status());
    Set<Path> before = children(vectors);
    Cli.Result refused = run("embed", pictures, "-o", vectors.toString());
    assertEquals(2, refused.status());
    assertTrue(refused.err().contains("--overwrite"), refused.err());
    assertEquals(before, children(vectors));
    Cli.Result finished = run("embed", pictures, "-o", vectors.toString(), "--resume");
    assertTrue(finished.err().contains("12 rows from before"), finished.err());
    assertEquals(0, run("embed", pictures, "-o", vectors.toString(), "--overwrite").status());
    assertEquals(before, children(vectors));
  }

  private static Set<Path> children(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.collect(Collectors.toSet());
    }
  }

  static Stream<List<String>> failures() {
    return Stream.of(
        List.of("2", "a command is missing"),
        List.of("2", "Unmatched argument", "clasify"),
        List.of("2", "resnet50", "classify", "--model", "resnet51"),
        List.of("2", "--weights", "classify", "--model", "resnet50"),
        List.of("2", "needs --model", "classify", "--weights", "random:1"),
        List.of("2", "--shortcut needs --model", "classify", "--shortcut", "A"),
        List.of("2", "--shortcut needs --model", "flops", "--shortcut", "A"),
        List.of("2", "--shortcut A: ", "flops", "--model", "vgg16", "--shortcut", "A"),
        List.of("2", "--shortcut A: ", "embed", "--model", "vgg16", "--shortcut", "A"),
        List.of("2", "standard output", "classify", "--format", "text", "-o", "/gone/labels.txt"),
        List.of("2", "standard output", "embed", "--format", "text"),
        List.of("2", "mutually exclusive", "embed", "-o", "/gone/f", "--resume", "--overwrite"),
        List.of("2", "need --output", "classify", "--resume"),
        List.of("2", "whole number", "classify", "--batch", "0"),
        List.of("2", "500m", "classify", "--memory-limit", "much"),
        List.of("2", "three numbers", "classify", "--mean", "1,2"),
        List.of("2", "needs --model", "flops", "--by", "stage"),
        List.of("2", "cannot take images", "flops", "--model", "vgg16", "--size", "8"),
        List.of(
            "3", "No such file", "classify", "--backend", "cpu", "--library", "/gone/libdnnl.so.3"),
        List.of("4", "there is no such file", "classify", "--weights", "/gone/weights.pth"),
        List.of("4", "labels", "classify", "--labels", "/dev/null"),
        List.of(
            "5",
            "may take 1,024 bytes",
            "classify",
            "--backend",
            "reference",
            "--memory-limit",
            "1k"),
        List.of("1", "no such file", "classify", "--backend", "reference", "/gone/picture.jpg"),
        List.of(
            "1", "cannot be read", "classify", "--backend", "reference", "--list", "/gone/list"));
  }

  @ParameterizedTest
  @MethodSource("failures")
  void aFailureHasItsStatusAndAMessageWithoutAStack(List<String> failure) {
    Cli.Result result = Cli.run(failure.subList(2, failure.size()).toArray(String[]::new));
    assertEquals(failure.getFirst(), String.valueOf(result.status()), result.err());
    assertTrue(result.err().contains(failure.get(1)), result.err());
    assertFalse(result.err().contains("\tat "), result.err());
    assertEquals("", result.out());
  }

  @Test
  void anEmptyFolderIsNamed() throws Exception {
    Path empty = Files.createDirectories(folder.resolve("empty"));
    Files.writeString(empty.resolve("notes.txt"), "no picture");
    Cli.Result result = run("classify", empty.toString());
    assertEquals(1, result.status());
    assertTrue(result.err().contains("no pictures in " + empty), result.err());
  }

  @Test
  void damagedWeightsAreRefused() throws Exception {
    Path weights = folder.resolve("weights.safetensors");
    Files.write(weights, new byte[] {-1, -1, -1, -1, -1, -1, -1, 127, '{'});
    assertEquals(4, run("classify", "--weights", weights.toString()).status());
    Files.writeString(folder.resolve("weights.json"), "{\"model\": \"resnet20\", \"classes\": 10}");
    assertEquals(4, run("classify", "--weights", weights.toString()).status());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "classify",
        "embed",
        "evaluate",
        "run",
        "flops",
        "bench",
        "plan",
        "doctor",
        "selftest"
      })
  void everyCommandHasAManual(String command) {
    Cli.Result result = Cli.run(command, "--help");
    assertEquals(0, result.status());
    assertTrue(result.out().contains("Usage: shortcut " + command), result.out());
    assertTrue(result.out().contains("Examples:"), result.out());
    assertTrue(result.out().contains("Exit status:"), result.out());
    assertTrue(result.out().lines().allMatch(line -> line.length() <= 100), result.out());
  }

  @Test
  void aCompletionScriptIsGenerated() {
    Cli.Result result = Cli.run("generate-completion");
    assertEquals(0, result.status());
    assertTrue(result.out().contains("complete -F"), result.out());
    assertTrue(result.out().contains("classify"), result.out());
  }

  @Test
  void flopsAreTheGoldenNumbers() throws Exception {
    JsonNode table = JSON.readTree(Cli.run("flops", "--format", "json").out());
    List<String> golden =
        List.of(
            "resnet18 1814073344 11689512 11684712 68 23",
            "resnet34 3663761408 21797672 21789160 124 39",
            "resnet50 4089184256 25557032 25530472 174 56",
            "resnet101 7801405440 44549160 44496488 344 107",
            "resnet152 11513626624 60192808 60117096 514 158",
            "resnet50-v1 3857973248 25557032 25530472 174 56",
            "resnet101-v1 7570194432 44549160 44496488 344 107",
            "resnet152-v1 11282415616 60192808 60117096 514 158");
    for (String line : golden) {
      String name = line.substring(0, line.indexOf(' '));
      JsonNode row = null;
      for (JsonNode candidate : table) {
        row = candidate.get("network").textValue().equals(name) ? candidate : row;
      }
      assertEquals(
          line,
          "%s %d %d %d %d %d"
              .formatted(
                  name,
                  row.get("macs").longValue(),
                  row.get("parameters").longValue(),
                  row.get("folded_parameters").longValue(),
                  row.get("kernels").longValue(),
                  row.get("fused_kernels").longValue()));
      assertEquals(2 * row.get("macs").longValue(), row.get("flops").longValue());
    }
    assertTrue(Cli.run("flops", "--model", "resnet50", "--by", "stage").out().contains("35.81"));
    assertEquals(
        2 + 53 + 53 + 49 + 16
            + 3, // header and input; convs, norms, ReLUs, sums; pools and fc; flatten
        Cli.run("flops", "--model", "resnet50", "--by", "layer", "--format", "csv").lines().size()
            - 1);
  }

  @Test
  void benchMeasures() throws Exception {
    Cli.Result result =
        run("bench", "--model", "resnet20", "--batch", "1,2", "--seconds", "1", "--format", "json");
    assertEquals(0, result.status(), result.err());
    JsonNode found = JSON.readTree(result.out());
    assertEquals(2, found.get("measurements").size());
    for (JsonNode line : found.get("measurements")) {
      assertTrue(line.get("images_per_second").doubleValue() > 0);
      assertTrue(
          line.get("latency_p50_ms").doubleValue() <= line.get("latency_max_ms").doubleValue());
      assertEquals(
          line.get("images_per_second").doubleValue() * 81_102_080 / 1e9,
          line.get("gflops_per_second").doubleValue(),
          1e-6);
    }
  }

  @Test
  void doctorTellsOfEveryBackendAndOfEveryPlaceThatWasTried() throws Exception {
    JsonNode findings = JSON.readTree(Cli.run("doctor", "--format", "json").out());
    Map<String, String> details = new HashMap<>();
    findings.forEach(
        row -> details.put(row.get("what").textValue(), row.get("detail").textValue()));
    for (String what :
        List.of(
            "Java",
            "processor",
            "memory",
            "backend auto",
            "libwebp",
            "libwebp, place 1",
            "oneDNN",
            "oneDNN, place 4")) {
      assertTrue(details.containsKey(what), findings.toString());
    }
    if (DeviceReport.all().isEmpty()) {
      assertTrue(details.get("backend cuda").contains("CUDA"), findings.toString());
    }
    CacheFolder used = CacheFolder.candidates().getFirst();
    assertTrue(
        findings.toString().contains(used.path() + ", from " + used.origin()), findings.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"first", "0,first", "0,all", "-1"})
  void aDeviceThatIsNoneIsWrongUsage(String device) {
    Cli.Result result = Cli.run("classify", "--device=" + device);
    assertEquals(ExitCodes.USAGE, result.status(), result.err());
    assertTrue(result.err().contains("--device"), result.err());
  }

  @Test
  void aGpuThatWasNamedIsNotReplacedByTheCpu() {
    for (String[] devices :
        new String[][] {{"--device", "GPU-12345678", "--device", "1"}, {"--device", "all"}}) {
      List<String> command = new ArrayList<>(List.of("classify", "--backend", "cpu"));
      command.addAll(List.of(devices));
      Cli.Result result = Cli.run(command.toArray(String[]::new));
      assertEquals(ExitCodes.NO_DEVICE, result.status(), result.err());
      assertTrue(result.err().contains("runs on the CPU"), result.err());
    }
  }

  @Test
  void twoWaysToLaunchAreWrongUsage() {
    assertEquals(ExitCodes.USAGE, Cli.run("classify", "--eager", "--debug-sync").status());
    assertEquals(ExitCodes.OK, run("classify", "--debug-sync").status());
  }

  @Test
  void explainPrintsPassesAndKernels() {
    Cli.Result result = run("classify", "--explain");
    assertTrue(result.err().contains("layer1.0.conv1"), result.err());
    assertEquals(
        new String(result.out().getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8),
        run("classify").out());
  }
}
