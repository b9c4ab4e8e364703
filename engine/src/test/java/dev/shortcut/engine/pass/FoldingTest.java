package dev.shortcut.engine.pass;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.testing.TestSeed;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

class FoldingTest {
  private static Node fused(Shape image, Layer main) {
    var g = new GraphBuilder("test", image);
    Node y = g.add("bn", Layer.BatchNorm.DEFAULT, g.add("conv", main, g.input()));
    return Passes.apply(g.build(y), Passes.all(Layout.NCHW)).output();
  }

  private record Folded(float[] filter, float[] bias) {
    static Folded of(Node node, MapWeights weights) {
      Parameter weight = node.parameter(Parameter.Role.WEIGHT).orElseThrow();
      var folded =
          new Folded(
              new float[Math.toIntExact(weight.elements())], new float[weight.dims().getFirst()]);
      Folding.fold(
          node, weights, MemorySegment.ofArray(folded.filter), MemorySegment.ofArray(folded.bias));
      return folded;
    }
  }

  /** Two channels: scale 6 / sqrt(4) = 3 and -2 / sqrt(0.25) = -4, epsilon too small to be seen. */
  private static MapWeights byHand() {
    return new MapWeights()
        .put("conv.weight", List.of(2, 2, 1, 1), 1, 2, 3, 4)
        .put("bn.weight", List.of(2), 6, -2)
        .put("bn.bias", List.of(2), 10, 20)
        .put("bn.running_mean", List.of(2), 1, -1)
        .put("bn.running_var", List.of(2), 4, 0.25f);
  }

  private static Node nodeByHand(boolean bias) {
    var g = new GraphBuilder("test", new Shape(2, 1, 1));
    Node y = g.add("conv", new Layer.Convolution(2, 1, 1, 0, 1, 1, bias), g.input());
    y = g.add("bn", new Layer.BatchNorm(1e-30), y);
    return Passes.apply(g.build(y), Passes.all(Layout.NCHW)).output();
  }

  @Test
  void scaleAndShiftAreAsComputedByHand() {
    Folded folded = Folded.of(nodeByHand(false), byHand());

    assertArrayEquals(new float[] {3, 6, -12, -16}, folded.filter);
    assertArrayEquals(new float[] {10 - 1 * 3, 20 - -1 * -4}, folded.bias);
  }

  @Test
  void theConvolutionsOwnBiasIsScaledToo() {
    MapWeights weights = byHand().put("conv.bias", List.of(2), 5, 7);

    assertArrayEquals(
        new float[] {10 + (5 - 1) * 3, 20 + (7 + 1) * -4},
        Folded.of(nodeByHand(true), weights).bias);
  }

  @Test
  void aConvolutionWithoutBatchNormIsLeftAsItIs() {
    var g = new GraphBuilder("test", new Shape(1, 1, 1));
    Graph graph = g.build(g.add("conv", new Layer.Convolution(2, 1, 1, 0), g.input()));
    MapWeights weights = new MapWeights().put("conv.weight", List.of(2, 1, 1, 1), 0.1f, -0f);
    Folded folded = Folded.of(graph.output(), weights);

    assertArrayEquals(new float[] {0.1f, -0f}, folded.filter);
    assertArrayEquals(new float[2], folded.bias);
  }

  @Test
  void aBatchNormAloneIsAFactorAndASummand() {
    var g = new GraphBuilder("test", new Shape(2, 3, 3));
    Node node = g.build(g.add("bn", new Layer.BatchNorm(1e-30), g.input())).output();
    float[] scale = new float[2];
    float[] shift = new float[2];
    Folding.affine(node, byHand(), MemorySegment.ofArray(scale), MemorySegment.ofArray(shift));

    assertArrayEquals(new float[] {3, -4}, scale);
    assertArrayEquals(new float[] {7, 16}, shift);
  }

  /** One output element of the folded layer and of the two layers apart, all sums in double. */
  @RepeatedTest(20)
  void foldedGivesWhatTheTwoLayersGive() {
    Random random = TestSeed.random();
    int groups = random.nextInt(1, 4);
    var conv =
        new Layer.Convolution(
            groups * random.nextInt(1, 5), 3, 1, 0, 1, groups, random.nextBoolean());
    Node node = fused(new Shape(groups * random.nextInt(1, 5), 3, 3), conv);
    var weights = new MapWeights();
    for (Parameter parameter : node.parameters()) {
      float[] values = new float[Math.toIntExact(parameter.elements())];
      for (int i = 0; i < values.length; i++) {
        boolean variance = parameter.role() == Parameter.Role.RUNNING_VARIANCE;
        values[i] = variance ? random.nextFloat(0.1f, 3) : random.nextFloat(-2, 2);
      }
      weights.put(parameter.name(), parameter.dims(), values);
    }
    float[] x = new float[node.input().shape().channels() * 9];
    for (int i = 0; i < x.length; i++) {
      x[i] = random.nextFloat(-2, 2);
    }
    Folded folded = Folded.of(node, weights);
    float[] bias = conv.bias() ? weights.read("conv.bias") : new float[conv.outChannels()];
    for (int channel = 0; channel < conv.outChannels(); channel++) {
      double apart = dot(weights.read("conv.weight"), x, channel, conv) + bias[channel];
      double gamma = weights.read("bn.weight")[channel];
      double beta = weights.read("bn.bias")[channel];
      double mean = weights.read("bn.running_mean")[channel];
      double variance = weights.read("bn.running_var")[channel];
      apart = gamma * (apart - mean) / Math.sqrt(variance + 1e-5) + beta;
      double together = dot(folded.filter, x, channel, conv) + folded.bias[channel];
      // Each folded weight is rounded to a float once: 2^-24 of at most 36 products of up to 26.
      assertEquals(apart, together, 1e-4, "channel " + channel + " of " + conv);
    }
  }

  /** The 3x3 filter of one output channel over a 3x3 image, which it covers exactly once. */
  private static double dot(float[] filter, float[] x, int channel, Layer.Convolution conv) {
    int perChannel = filter.length / conv.outChannels();
    int group = channel / (conv.outChannels() / conv.groups());
    double sum = 0;
    for (int i = 0; i < perChannel; i++) {
      sum += (double) filter[channel * perChannel + i] * x[group * perChannel + i];
    }
    return sum;
  }

  @Test
  void aNegativeVarianceIsRefusedByName() {
    MapWeights weights = byHand().put("bn.running_var", List.of(2), 1, -1);

    ModelException e =
        assertThrows(ModelException.class, () -> Folded.of(nodeByHand(false), weights));
    assertEquals(
        "test weights: bn.running_var of channel 1 is -1.0, which is no variance; the weights are"
            + " damaged",
        e.getMessage());
  }

  @Test
  void aMissingTensorIsNamed() {
    MapWeights weights = new MapWeights().put("conv.weight", List.of(2, 2, 1, 1), 1, 2, 3, 4);

    ModelException e =
        assertThrows(ModelException.class, () -> Folded.of(nodeByHand(false), weights));
    assertEquals("test weights has no tensor called bn.weight", e.getMessage());
  }

  @Test
  void aTensorOfOtherExtentsIsNamed() {
    MapWeights weights = new MapWeights().put("conv.weight", List.of(2, 1, 1, 1), 1, 2);

    ModelException e =
        assertThrows(ModelException.class, () -> Folded.of(nodeByHand(false), weights));
    assertEquals(
        "test weights: conv.weight is [2, 1, 1, 1], but conv (Convolution 2 1x1+Bias) needs [2, 2,"
            + " 1, 1]",
        e.getMessage());
  }

  @Test
  void aLayerWithoutWeightsIsAMistakeOfTheCaller() {
    var g = new GraphBuilder("test", new Shape(2, 3, 3));
    Node node = g.build(g.add("relu", new Layer.Relu(), g.input())).output();
    MemorySegment none = MemorySegment.ofArray(new float[0]);

    assertThrows(IllegalArgumentException.class, () -> Folding.fold(node, byHand(), none, none));
    assertThrows(IllegalArgumentException.class, () -> Folding.affine(node, byHand(), none, none));
  }
}
