package dev.shortcut.engine;

import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EngineTest {
  private static final Graph GRAPH = residualUnit();
  private static final MapWeights WEIGHTS =
      MapWeights.integers(GRAPH, TestSeed.random("EngineTest weights"));
  private static final int IMAGE = 2 * 6 * 6;

  /** A residual unit with a projection, and a head with a second linear layer behind it. */
  private static Graph residualUnit() {
    var g = new GraphBuilder("unit", new Shape(2, 6, 6));
    Node x = g.add("conv1", new Layer.Convolution(4, 3, 2, 1), g.input());
    x = g.add("conv2", new Layer.Convolution(4, 3, 1, 1), g.add("relu1", new Layer.Relu(), x));
    Node shortcut = g.add("down", new Layer.Convolution(4, 1, 2, 0), g.input());
    x = g.addRelu("add", "relu2", x, shortcut);
    x = g.add("pool", new Layer.MaxPool(3, 3, 0), x);
    return g.build(g.add("fc", new Layer.Linear(3, true), g.add("flat", new Layer.Flatten(), x)));
  }

  private static Options reference() {
    return Options.defaults().withBackend(BackendChoice.REFERENCE).withMaxBatch(6);
  }

  private static Engine open(Options options) {
    return Engine.open(Model.of(GRAPH, WEIGHTS), options);
  }

  private static float[] images(int count) {
    return Tensors.integers(TestSeed.random("EngineTest images"), count * IMAGE, 3);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 6, 7, 13, 33})
  void aRequestOfAnySizeGivesWhatItsImagesGiveAlone(int count) throws InterruptedException {
    float[] images = images(count);
    try (Engine engine = open(reference())) {
      float[] together = engine.run(images);
      for (int i = 0; i < count; i++) {
        float[] alone = engine.run(Arrays.copyOfRange(images, i * IMAGE, (i + 1) * IMAGE));
        assertSameValues(alone, Arrays.copyOfRange(together, i * 3, (i + 1) * 3));
      }
    }
  }

  @Test
  void memoryOfEveryKindGivesTheSame() throws InterruptedException {
    float[] images = images(7);
    try (Engine engine = open(reference());
        Arena confined = Arena.ofConfined();
        Arena shared = Arena.ofShared()) {
      float[] expected = engine.run(images);
      for (Arena arena : List.of(confined, shared)) {
        MemorySegment in = arena.allocateFrom(JAVA_FLOAT, images);
        MemorySegment out = arena.allocate(JAVA_FLOAT, 7 * 3);
        engine.run(in, out, 7);
        assertSameValues(expected, out.toArray(JAVA_FLOAT));
      }
      MemorySegment odd = shared.allocate(7 * IMAGE * Float.BYTES + 1).asSlice(1);
      MemorySegment.copy(MemorySegment.ofArray(images), 0, odd, 0, odd.byteSize());
      MemorySegment oddOut = shared.allocate(7 * 3 * Float.BYTES + 1).asSlice(1);
      engine.run(odd.asReadOnly(), oddOut, 7);
      float[] copy = new float[7 * 3];
      MemorySegment.copy(oddOut, 0, MemorySegment.ofArray(copy), 0, oddOut.byteSize());
      assertSameValues(expected, copy);
    }
  }

  @Test
  void everyInputFormatBringsTheSamePixels() throws InterruptedException {
    Random random = TestSeed.random();
    byte[] nhwc = new byte[2 * IMAGE];
    random.nextBytes(nhwc);
    var bytes = new InputFormat.Uint8Nhwc(List.of(0.25, 0.5), List.of(0.5, 0.125));
    float[] floatsNhwc = new float[nhwc.length];
    float[] floatsNchw = new float[nhwc.length];
    for (int i = 0; i < nhwc.length; i++) {
      int channel = i % 2;
      int pixel = i / 2 % 36;
      int image = i / IMAGE;
      floatsNhwc[i] = bytes.normalise(channel, Byte.toUnsignedInt(nhwc[i]));
      floatsNchw[image * IMAGE + channel * 36 + pixel] = floatsNhwc[i];
    }
    float[] expected;
    try (Engine engine = open(reference())) {
      expected = engine.run(floatsNchw);
    }
    try (Engine engine = open(reference().withInput(new InputFormat.Float32Nhwc()))) {
      assertSameValues(expected, engine.run(floatsNhwc));
    }
    try (Engine engine = open(reference().withInput(bytes))) {
      assertSameValues(expected, engine.run(nhwc));
      assertThrows(IllegalArgumentException.class, () -> engine.run(floatsNhwc));
    }
  }

  @Test
  void outputsAreLogitsProbabilitiesOrFeatures() throws InterruptedException {
    float[] image = images(1);
    float[] logits;
    try (Engine engine = open(reference())) {
      logits = engine.run(image);
      assertEquals(Shape.features(3), engine.outputShape());
    }
    try (Engine engine = open(reference().withOutput(Options.Output.PROBABILITIES))) {
      float[] probabilities = engine.run(image);
      float largest = Math.max(logits[0], Math.max(logits[1], logits[2]));
      double sum = 0;
      for (float logit : logits) {
        sum += Math.exp(logit - largest);
      }
      for (int i = 0; i < 3; i++) {
        assertEquals(Math.exp(logits[i] - largest) / sum, probabilities[i], 1e-7);
      }
    }
    try (Engine engine = open(reference().withOutput(Options.Output.FEATURES))) {
      assertEquals(4, engine.outputElements());
      float[] features = engine.run(image);
      float[] weights = WEIGHTS.read("fc.weight");
      double first = WEIGHTS.read("fc.bias")[0];
      for (int i = 0; i < 4; i++) {
        first += weights[i] * features[i];
      }
      assertEquals(logits[0], (float) first);
    }
  }

  @Test
  void segmentsThatDoNotFitAreNamedWithBothSizes() {
    try (Engine engine = open(reference());
        Arena arena = Arena.ofShared()) {
      MemorySegment in = arena.allocate(2 * IMAGE * Float.BYTES);
      MemorySegment out = arena.allocate(2 * 3 * Float.BYTES);
      var e = assertThrows(IllegalArgumentException.class, () -> engine.run(in, out, 3));
      assertTrue(
          e.getMessage().contains("576 bytes") && e.getMessage().contains("864"), e::getMessage);
      assertThrows(IllegalArgumentException.class, () -> engine.run(in, out.asSlice(0, 20), 2));
      assertThrows(IllegalArgumentException.class, () -> engine.run(in, out.asReadOnly(), 2));
      assertThrows(IllegalArgumentException.class, () -> engine.run(in, out, -1));
      assertThrows(IllegalArgumentException.class, () -> engine.run(new float[IMAGE + 1]));
    }
  }

  @Test
  void aSegmentWhoseArenaIsClosedIsRefused() {
    try (Engine engine = open(reference())) {
      MemorySegment gone;
      try (Arena arena = Arena.ofShared()) {
        gone = arena.allocate(JAVA_FLOAT, IMAGE);
      }
      var out = MemorySegment.ofArray(new float[3]);
      assertThrows(IllegalStateException.class, () -> engine.run(gone, out, 1));
    }
  }

  @Test
  void noImagesAreNoWork() throws InterruptedException {
    try (Engine engine = open(reference())) {
      assertEquals(0, engine.run(new float[0]).length);
    }
  }

  @Test
  void missingAndMisshapenTensorsAreListedTogether() {
    var weights =
        new MapWeights()
            .put("conv1.weight", List.of(4, 2, 1, 1), new float[8])
            .put("conv2.weight", List.of(4, 4, 3, 3), new float[144])
            .put("fc.weight", List.of(3, 4), new float[12])
            .put("fc.bias", List.of(3), new float[3]);
    var e =
        assertThrows(
            ModelException.class, () -> Engine.open(Model.of(GRAPH, weights), reference()));
    assertTrue(e.getMessage().contains("conv1.weight"), e::getMessage);
    assertTrue(e.getMessage().contains("down.weight"), e::getMessage);
  }

  @Test
  void aMemoryLimitRefusesAndSaysWhichBatchFits() {
    long six;
    try (Engine engine = open(reference())) {
      six = engine.memory().total();
    }
    var e =
        assertThrows(MemoryLimitException.class, () -> open(reference().withMemoryLimit(six - 1)));
    assertTrue(e.getMessage().contains("batches of up to 4 fit"), e::getMessage);
    open(reference().withMemoryLimit(six)).close();
    e = assertThrows(MemoryLimitException.class, () -> open(reference().withMemoryLimit(100)));
    assertTrue(e.getMessage().contains("not even batches of 1 fit"), e::getMessage);
  }

  @Test
  void withoutAGpuAskingForOneFailsWithWhatWasTried() {
    Assumptions.assumeTrue(DeviceReport.all().isEmpty(), "there is a GPU here");
    var e =
        assertThrows(
            DeviceUnavailableException.class,
            () -> open(reference().withBackend(BackendChoice.CUDA)));
    assertTrue(e.getMessage().contains("CUDA"), e::getMessage);
    assertEquals(1, e.summary().lines().count(), e::getMessage);
  }

  @Test
  void theAutomaticChoiceSaysInOneLineWhatItTookAndWhy() {
    Options automatic = reference().withBackend(BackendChoice.AUTO);
    try (Engine engine = open(automatic)) {
      assertEquals(1, engine.choice().lines().count(), engine.choice());
      if (DeviceReport.all().isEmpty()) {
        assertTrue(engine.choice().startsWith("cpu: "), engine::choice);
        assertTrue(engine.choice().contains("CUDA"), engine::choice);
        assertTrue(engine.backend().startsWith("onednn: oneDNN 3."), engine::backend);
      } else {
        assertEquals("cuda: the first choice", engine.choice());
      }
    } catch (DeviceUnavailableException e) {
      Assumptions.abort(e.getMessage());
    }
  }

  @Test
  void theAutomaticChoiceDoesNotFallBackToPlainJava() {
    Options broken =
        reference().withBackend(BackendChoice.AUTO).withLibrary(Path.of("no-such-library.so"));
    var e = assertThrows(DeviceUnavailableException.class, () -> open(broken));
    assertTrue(e.getMessage().contains("no-such-library.so"), e::getMessage);
    assertTrue(e.getMessage().contains("reference"), e::getMessage);
    assertEquals(2, e.getSuppressed().length);
  }

  @Test
  void aPrecisionThatTheBackendLacksIsAnErrorWithItsReason() {
    var e =
        assertThrows(
            DeviceUnavailableException.class,
            () -> open(reference().withPrecision(Precision.FP16)));
    assertTrue(e.getMessage().contains("fp16"), e::getMessage);
  }

  @Test
  void afterCloseRunningIsRefusedAndClosingDoesNothing() throws InterruptedException {
    Engine engine = open(reference());
    engine.run(images(1));
    engine.close();
    engine.close();
    assertThrows(IllegalStateException.class, () -> engine.run(images(1)));
    var in = MemorySegment.ofArray(images(1));
    var out = MemorySegment.ofArray(new float[3]);
    assertThrows(IllegalStateException.class, () -> engine.run(in, out, 1, Duration.ofSeconds(1)));
  }

  @Test
  void theExplanationShowsPassesArenaAndImplementations() {
    try (Engine engine = open(reference())) {
      String text = engine.explain();
      assertTrue(text.contains("as defined: unit"), text);
      assertTrue(text.contains("fold batch norm: "), text);
      assertTrue(text.contains("+ conv2 = Convolution 4 3x3 pad 1+Add+ReLU"), text);
      assertTrue(text.contains("kernels for batches of 6"), text);
      assertTrue(text.contains("java"), text);
      assertTrue(text.contains("reference: as asked for"), text);
    }
  }
}
