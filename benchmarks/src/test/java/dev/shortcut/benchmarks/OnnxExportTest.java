package dev.shortcut.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnxruntime.OrtException;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.pass.Passes;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.RandomGraphs;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.Shortcut;
import dev.shortcut.resnet.weights.RandomWeights;
import dev.shortcut.testing.TestSeed;
import java.io.IOException;
import java.util.Random;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** ONNX Runtime, which nobody here wrote, computes of an exported graph what our backends do. */
class OnnxExportTest {
  private static final int IMAGES = 2;

  /** The smallest images at which every stage still has more than one pixel, or none but one. */
  @ParameterizedTest
  @CsvSource({
    "resnet18, 64",
    "resnet50, 64",
    "resnet50, 33",
    "resnet50-v1, 64",
    "wide_resnet50_2, 32",
    "resnext50_32x4d, 64",
    "plain34, 64",
    "vgg16, 32",
    "resnet20, 32",
    "plain20, 32",
  })
  void everyKindOfNetworkAgreesWithOnnxRuntime(String name, int size) throws Exception {
    agrees(Architecture.parse(name).graph(10, size, size + 6), TestSeed.random(name));
  }

  @Test
  void everyKindOfShortcutAgreesWithOnnxRuntime() throws Exception {
    for (Shortcut shortcut : Shortcut.values()) {
      Architecture resnet = Architecture.parse("resnet18").withShortcut(shortcut);
      agrees(resnet.graph(10, 32, 32), TestSeed.random(shortcut.name()));
    }
  }

  @RepeatedTest(60)
  void anyGraphAgreesWithOnnxRuntime() throws Exception {
    Random random = TestSeed.random();
    agrees(RandomGraphs.next(random, random.nextInt(1, 20)), random);
  }

  @Test
  void softmaxAndWhatReadsAVectorAsAnImageAgreeWithOnnxRuntime() throws Exception {
    var g = new GraphBuilder("odd", new Shape(3, 5, 4));
    var vector = g.add("fc", new Layer.Linear(6, true), g.input());
    var image = g.add("conv", new Layer.Convolution(6, 1, 1, 0).withBias(), vector);
    var sum = g.add("sum", new Layer.Add(), vector, image);
    var norm = g.add("bn", Layer.BatchNorm.DEFAULT, sum);
    agrees(g.build(g.add("softmax", new Layer.Softmax(), norm)), TestSeed.random());
  }

  @Test
  void aGraphAfterPassesIsRefused() {
    Graph graph = Architecture.parse("resnet20").graph();
    Graph fused = Passes.apply(graph, Passes.all(Layout.NCHW));
    var e =
        assertThrows(
            IllegalArgumentException.class,
            () -> OnnxExport.export(fused, new RandomWeights(graph, 7)));
    assertEquals(
        "cannot export resnet20 to ONNX: conv1 is Convolution+Bias+ReLU, which passes make; export the graph as defined",
        e.getMessage());
  }

  private static void agrees(Graph graph, Random random) throws IOException, OrtException {
    float[] images =
        Tensors.gaussians(random, Math.toIntExact(IMAGES * graph.input().shape().elements()));
    try (var weights = new RandomWeights(graph, random.nextLong());
        var peer = new OnnxSession(graph, weights, 1, null)) {
      float[] expected = peer.run(images);
      for (BackendUnderTest backend : BackendUnderTest.values()) {
        double error =
            Agreement.relativeError(expected, backend.run(graph, weights, IMAGES, images));
        assertTrue(
            error <= Agreement.BOUND,
            () -> "%s is %g off ONNX Runtime:%n%s".formatted(backend, error, graph));
      }
    }
  }
}
