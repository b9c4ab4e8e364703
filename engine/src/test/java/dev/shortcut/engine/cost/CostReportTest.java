package dev.shortcut.engine.cost;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.shortcut.engine.Precision;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.pass.Passes;
import dev.shortcut.engine.testing.RandomGraphs;
import dev.shortcut.testing.TestSeed;
import java.util.List;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

class CostReportTest {
  private final GraphBuilder g = new GraphBuilder("test", new Shape(6, 8, 8));

  private Cost cost(Layer layer) {
    Graph graph = g.build(g.add("layer", layer, g.input()));
    return CostReport.of(graph, Precision.FP32).layers().getLast().cost();
  }

  @Test
  void aConvolutionMultipliesOncePerTapChannelAndOutput() {
    Cost cost = cost(new Layer.Convolution(10, 3, 2, 1));
    assertEquals(10 * 4 * 4 * 6 * 3 * 3, cost.macs());
    assertEquals(2 * cost.macs(), cost.flops());
    assertEquals(10 * 6 * 3 * 3, cost.parameters());
    assertEquals(10 * 4 * 4, cost.convolutionOutputs());
    assertEquals(0, cost.elementwiseOps());
  }

  @Test
  void aGroupSeesItsShareOfTheChannels() {
    assertEquals(
        9 * 8 * 8 * 2 * 3 * 3, cost(new Layer.Convolution(9, 3, 1, 1, 1, 3, false)).macs());
  }

  @Test
  void aBiasIsOneAdditionPerOutput() {
    Cost cost = cost(new Layer.Linear(5, true));
    assertEquals(5 * 6 * 8 * 8, cost.macs());
    assertEquals(5 * 6 * 8 * 8 + 5, cost.parameters());
    assertEquals(5, cost.elementwiseOps());
  }

  @Test
  void everyLayersElementwiseOperationsAreAsDocumented() {
    int all = 6 * 8 * 8;
    Node bn = g.add("bn", Layer.BatchNorm.DEFAULT, g.input());
    Node relu = g.add("relu", new Layer.Relu(), bn);
    Node add = g.add("add", new Layer.Add(), relu, bn);
    Node max = g.add("max", new Layer.MaxPool(2, 2, 0), add);
    Node average = g.add("average", new Layer.AveragePool(3, 1, 1), max);
    Node adaptive = g.add("adaptive", new Layer.AdaptiveAveragePool(3), average);
    Node global = g.add("global", new Layer.GlobalAveragePool(), adaptive);
    CostReport report =
        CostReport.of(g.build(g.add("softmax", new Layer.Softmax(), global)), Precision.FP32);
    assertEquals(
        List.of(
            0L,
            2L * all,
            (long) all,
            (long) all,
            6L * 16 * 4,
            6L * 16 * 9,
            // 4 rows in 3 windows: 0-1, 1-2, 2-3.
            6L * 6 * 6,
            6L * 9,
            5L * 6),
        report.layers().stream().map(layer -> layer.cost().elementwiseOps()).toList());
    assertEquals(0, report.total().macs());
    assertEquals(12, report.total().parameters());
  }

  @Test
  void aKernelReadsItsInputAndWritesItsOutput() {
    Cost every = cost(new Layer.Convolution(1, 1, 1, 0));
    assertEquals(4 * (6 * 8 * 8 + 8 * 8), every.unfusedBytes());
  }

  @Test
  void aStridedShortcutReadsAQuarter() {
    assertEquals(4 * (6 * 4 * 4 + 4 * 4), cost(new Layer.Convolution(1, 1, 2, 0)).fusedBytes());
  }

  @Test
  void dilatedTapsThatMissAreNotRead() {
    // Two taps four apart, every third row: 0 and 4, 3 and 7.
    assertEquals(
        4 * (6 * 4 * 4 + 2 * 2), cost(new Layer.Convolution(1, 2, 3, 0, 4, 1, false)).fusedBytes());
  }

  @Test
  void aSubsampledShortcutReadsAQuarterAndWritesItsZerosToo() {
    assertEquals(4 * (6 * 4 * 4 + 10 * 4 * 4), cost(new Layer.Subsample(2, 1, 3)).fusedBytes());
  }

  @Test
  void rowsBehindTheLastWindowAreNotRead() {
    assertEquals(4 * (6 * 6 * 6 + 6 * 2 * 2), cost(new Layer.MaxPool(3, 3, 0)).fusedBytes());
  }

  /** input 6x8x8 -> conv 8x8x8 -> pool 8x4x4 -> unit of two convolutions and a sum -> fc. */
  private CostReport residual() {
    Node x = g.convBnRelu("conv", "bn", "relu", g.input(), new Layer.Convolution(8, 3, 1, 1));
    x = g.stage("stem").add("pool", new Layer.MaxPool(2, 2, 0), x);
    g.stage("body").block("unit");
    Node y = g.convBnRelu("conv1", "bn1", "relu1", x, new Layer.Convolution(8, 3, 1, 1));
    y = g.convBn("conv2", "bn2", y, new Layer.Convolution(8, 3, 1, 1));
    x = g.addRelu("add", "relu", y, x);
    g.block("").stage("");
    return CostReport.of(g.build(g.add("fc", new Layer.Linear(4, true), x)), Precision.FP16);
  }

  @Test
  void fusedTrafficIsWhatTheKernelsReadAndWrite() {
    Cost cost = residual().total();
    assertEquals(5, cost.fusedKernels());
    assertEquals(12, cost.kernels());
    int conv = 384 + 512;
    int pool = 512 + 128;
    int first = 128 + 128;
    int second = 128 + 128 + 128; // its input, the shortcut, its output
    int linear = 128 + 4;
    assertEquals(2L * (conv + pool + first + second + linear), cost.fusedBytes());
  }

  @Test
  void aUnitAsOneKernelReadsItsInputOnce() {
    CostReport report = residual();
    assertEquals(2 * (128 + 128), report.byBlock().get("unit").blockBytes());
    int stem = 384 + 128; // the pool is one kernel with the convolution
    assertEquals(2L * (stem + 128 + 128 + 128 + 4), report.total().blockBytes());
  }

  @Test
  void foldedBatchNormsLeaveOneBiasPerChannel() {
    Cost cost = residual().total();
    int weights = 8 * 6 * 9 + 2 * 8 * 8 * 9 + 4 * 128 + 4;
    assertEquals(weights + 3 * 2 * 8, cost.parameters());
    assertEquals(weights + 3 * 8, cost.foldedParameters());
    assertEquals(2 * cost.foldedParameters(), cost.weightBytes());
  }

  @Test
  void intensityGrowsWithTheBatchSinceWeightsAreReadOnce() {
    Cost cost = residual().total();
    double one = (double) cost.flops() / (cost.weightBytes() + cost.fusedBytes());
    double many = 100.0 * cost.flops() / (cost.weightBytes() + 100 * cost.fusedBytes());
    assertEquals(one, cost.intensity(Traffic.FUSED, 1));
    assertEquals(many, cost.intensity(Traffic.FUSED, 100));
    assertEquals(0, Cost.NOTHING.intensity(Traffic.FUSED, 1));
  }

  @RepeatedTest(50)
  void partsAddUpToTheWhole() {
    CostReport report = CostReport.of(RandomGraphs.next(TestSeed.random(), 40), Precision.BF16);
    Cost stages = report.byStage().values().stream().reduce(Cost.NOTHING, Cost::plus);
    assertEquals(report.total(), stages);
    Graph fused = Passes.apply(report.graph(), Passes.all(Layout.NCHW));
    assertEquals(fused.kernels().size(), report.total().fusedKernels());
    assertEquals(report.graph().kernels().size(), report.total().kernels());
  }

  @Test
  void aGraphAfterPassesIsRefused() {
    Graph fused = Passes.apply(residual().graph(), Passes.all(Layout.NCHW));
    assertThrows(IllegalArgumentException.class, () -> CostReport.of(fused, Precision.FP32));
  }

  @Test
  void aRooflineTakesTheSlowerOfComputingAndMoving() {
    CostReport report = residual();
    Cost fc = report.layers().getLast().cost();
    var fast = new Roofline(1e30, 1000);
    assertEquals(
        (2 * (4 * 128 + 4) + 8 * 2 * (128 + 4)) / 1000.0, fast.seconds(fc, Traffic.FUSED, 8));
    var slow = new Roofline(1000, 1e30);
    assertEquals(8 * 2 * 4 * 128 / 1000.0, slow.seconds(fc, Traffic.FUSED, 8));
    assertEquals(
        1000.0 / report.total().flops(), slow.imagesPerSecond(report, Traffic.FUSED, 3), 1e-12);
    assertThrows(IllegalArgumentException.class, () -> new Roofline(0, 1));
    assertThrows(IllegalArgumentException.class, () -> new Roofline(1, Double.NaN));
  }
}
