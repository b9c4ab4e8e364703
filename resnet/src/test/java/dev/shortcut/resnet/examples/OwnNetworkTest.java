package dev.shortcut.resnet.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.cost.CostReport;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.resnet.weights.RandomWeights;
import org.junit.jupiter.api.Test;

class OwnNetworkTest {
  @Test
  void anOwnNetworkRunsFusedLikeTheFamily() throws InterruptedException {
    Graph graph = OwnNetwork.digits();
    Options options =
        Options.defaults()
            .withBackend(BackendChoice.REFERENCE)
            .withOutput(Options.Output.PROBABILITIES)
            .withMaxBatch(2);
    float[] images = new float[2 * 28 * 28];
    images[28 * 28] = 3; // the second picture has one bright pixel
    try (var weights = new RandomWeights(graph, 7);
        Engine engine = Engine.open(Model.of(graph, weights), options)) {
      float[] probabilities = engine.run(images);

      assertEquals(20, probabilities.length);
      for (int image = 0; image < 2; image++) {
        double sum = 0;
        for (int i = 0; i < 10; i++) {
          sum += probabilities[10 * image + i];
        }
        assertEquals(1, sum, 1e-5);
      }
      assertTrue(probabilities[0] != probabilities[10], "a pixel that changes nothing");
    }
  }

  @Test
  void itsCostsAreCountedLikeTheFamilys() {
    CostReport report = CostReport.of(OwnNetwork.digits(), Precision.FP32);

    // The stem, two convolutions in each unit, two projections, the pool, the linear layer.
    assertEquals(1 + 3 * 2 + 2 + 1 + 1, report.total().fusedKernels());
    assertEquals(28 * 28 * 16 * 2 * 16 * 9, report.byBlock().get("unit1").macs());
  }

  @Test
  void aUnitThatChangesTheShapeNeedsItsProjection() {
    var g = new GraphBuilder("broken", new Shape(16, 8, 8));
    var conv = new Layer.Convolution(32, 3, 2, 1);
    var y = g.convBn("conv", "bn", g.input(), conv);
    var e =
        assertThrows(IllegalArgumentException.class, () -> g.addRelu("add", "relu", y, g.input()));
    assertTrue(e.getMessage().contains("a projection or a subsampling"), e::getMessage);
  }
}
