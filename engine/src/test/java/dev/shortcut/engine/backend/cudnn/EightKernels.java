package dev.shortcut.engine.backend.cudnn;

import static dev.shortcut.engine.testing.MapWeights.DEVIATION;
import static dev.shortcut.engine.testing.MapWeights.VARIANCE;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import java.util.Random;

/** A net of eight kernels, one of each kind that there is. */
public final class EightKernels {
  /** What it takes. */
  public static final Shape IMAGE = new Shape(3, 8, 8);

  /** How many values it gives. */
  public static final int CLASSES = 5;

  private EightKernels() {}

  /** Up to the linear layer: what is computed exactly from whole numbers. */
  public static Graph logits() {
    var g = new GraphBuilder("eight", IMAGE);
    Node x = g.add("conv1", new Layer.Convolution(8, 3, 1, 1), g.input());
    Node y = g.convBnRelu("conv2", "bn2", "relu2", x, new Layer.Convolution(16, 3, 2, 1));
    Node shortcut = g.add("skip", new Layer.Subsample(2, 4, 4), x);
    y = g.addRelu("add", "relu3", g.add("conv3", convolution(16).withBias(), y), shortcut);
    y = g.add("maxpool", new Layer.MaxPool(3, 2, 1), y);
    y = g.add("avgpool", new Layer.GlobalAveragePool(), y);
    return g.build(g.add("fc", new Layer.Linear(CLASSES, true), y));
  }

  /** All eight. */
  public static Graph probabilities() {
    return logits().append("softmax", new Layer.Softmax());
  }

  private static Layer.Convolution convolution(int channels) {
    return new Layer.Convolution(channels, 3, 1, 1);
  }

  /**
   * Filters with two whole numbers each and zeros else, so that everything computed from small
   * whole numbers has the eight bits that bfloat16 keeps.
   */
  public static MapWeights sparse(Graph graph, Random random) {
    var weights = new MapWeights();
    for (Parameter parameter : graph.parameters()) {
      float[] values = new float[Math.toIntExact(parameter.elements())];
      int outputs = parameter.dims().getFirst();
      int perOutput = values.length / outputs;
      for (int k = 0; k < outputs; k++) {
        switch (parameter.role()) {
          case WEIGHT -> {
            for (int i = 0; i < 2; i++) {
              values[k * perOutput + random.nextInt(perOutput)] = random.nextBoolean() ? 1 : -1;
            }
          }
          case BIAS, SHIFT, RUNNING_MEAN -> values[k] = random.nextInt(-1, 2);
          case SCALE -> values[k] = random.nextBoolean() ? DEVIATION : -DEVIATION;
          case RUNNING_VARIANCE -> values[k] = VARIANCE;
        }
      }
      weights.put(parameter.name(), parameter.dims(), values);
    }
    return weights;
  }

  /** Weights and statistics between 0.02 and 1 or so. */
  public static MapWeights realNumbers(Graph graph, Random random) {
    var weights = new MapWeights();
    for (Parameter parameter : graph.parameters()) {
      float[] values = Tensors.gaussians(random, Math.toIntExact(parameter.elements()));
      for (int i = 0; i < values.length; i++) {
        // Positive, since a variance is among them.
        values[i] = 0.02f + 0.2f * Math.abs(values[i]);
      }
      weights.put(parameter.name(), parameter.dims(), values);
    }
    return weights;
  }
}
