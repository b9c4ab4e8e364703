package dev.shortcut.engine.cost;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.shortcut.engine.Precision;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import java.util.List;
import org.junit.jupiter.api.Test;

class PredictionTest {
  /** A stem, and a residual unit in a stage; with numbers that can be followed by hand. */
  private static Graph graph() {
    var g = new GraphBuilder("test", new Shape(4, 8, 8));
    Node x =
        g.stage("one")
            .convBnRelu("conv1", "bn1", "relu1", g.input(), new Layer.Convolution(16, 3, 1, 1));
    g.stage("two").block("two.0");
    Node y = g.convBn("conv2", "bn2", x, new Layer.Convolution(16, 1, 1, 0));
    Node sum = g.addRelu("add", "relu2", y, x);
    g.stage("three").block("");
    return g.build(g.add("pool", new Layer.GlobalAveragePool(), sum));
  }

  private static final int BATCH = 10;

  private static Prediction predict(double flopsPerSecond, double bytesPerSecond) {
    return Prediction.of(
        CostReport.of(graph(), Precision.FP16),
        new Roofline(flopsPerSecond, bytesPerSecond),
        BATCH);
  }

  @Test
  void aKernelTakesComputingOrMovingAndItsLaunch() {
    Prediction prediction = predict(1e9, 1e9);
    List<KernelPrediction> kernels = prediction.kernels();
    assertEquals(
        List.of("conv1", "two.0.conv2", "pool"),
        kernels.stream().map(k -> k.node().name()).toList());

    // 2 x 64 places x 16 channels x 4 channels x 9 taps; 16 x 4 x 9 weights and 16 biases.
    KernelPrediction conv1 = kernels.get(0);
    assertEquals(BATCH * 73_728, conv1.flops());
    assertEquals(2 * (592 + BATCH * (4 * 64 + 16 * 64)), conv1.bytes());
    assertEquals(737_280e-9, conv1.computingSeconds(), 1e-15);
    assertEquals(26_784e-9, conv1.movingSeconds(), 1e-15);
    assertEquals(739_280e-9, conv1.seconds(), 1e-15);
    assertEquals(KernelPrediction.Bound.COMPUTE, conv1.bound());

    // The input, the shortcut and the output are of one shape.
    KernelPrediction conv2 = kernels.get(1);
    assertEquals(BATCH * 32_768, conv2.flops());
    assertEquals(2 * (272 + BATCH * 3 * 16 * 64), conv2.bytes());
    assertEquals(329_680e-9, conv2.seconds(), 1e-15);

    KernelPrediction pool = kernels.get(2);
    assertEquals(0, pool.flops());
    assertEquals(2 * BATCH * (16 * 64 + 16), pool.bytes());
    assertEquals(20_800e-9 + 2000e-9, pool.seconds(), 1e-15);
    assertEquals(KernelPrediction.Bound.MEMORY, pool.bound());

    assertEquals((739_280 + 329_680 + 22_800) * 1e-9, prediction.seconds(), 1e-15);
    assertEquals(BATCH / prediction.seconds(), prediction.imagesPerSecond());
  }

  @Test
  void whatIsQuickElsewhereSpendsItsTimeOnTheLaunch() {
    for (KernelPrediction kernel : predict(1e15, 1e15).kernels()) {
      assertEquals(KernelPrediction.Bound.LAUNCH, kernel.bound());
      assertEquals(2e-6, kernel.seconds(), 1e-9);
    }
  }

  @Test
  void partsAddUpToTheWhole() {
    Prediction prediction = predict(1e9, 1e9);
    List<KernelPrediction> kernels = prediction.kernels();
    assertEquals(
        List.of("one", "two", "three"), List.copyOf(prediction.byStage().sequencedKeySet()));
    assertEquals(
        kernels,
        prediction.byStage().values().stream().flatMap(stage -> stage.kernels().stream()).toList());
    assertEquals(
        List.of("one", "two.0", "three"), List.copyOf(prediction.byBlock().sequencedKeySet()));
    assertEquals(
        prediction.seconds(),
        prediction.byBlock().values().stream().mapToDouble(Prediction::seconds).sum(),
        1e-12);
    assertEquals(BATCH * (73_728 + 32_768), prediction.flops());
    assertEquals(26_784 + 2 * (272 + BATCH * 3072) + 20_800, prediction.bytes());
  }

  @Test
  void noImagesCannotBePredicted() {
    var report = CostReport.of(graph(), Precision.FP32);
    var roofline = new Roofline(1, 1);
    assertThrows(IllegalArgumentException.class, () -> Prediction.of(report, roofline, 0));
  }
}
