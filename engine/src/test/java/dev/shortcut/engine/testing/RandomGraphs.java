package dev.shortcut.engine.testing;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Small graphs with branches that live on, sums of whatever has the same shape, and every layer but
 * softmax, for property tests.
 */
public final class RandomGraphs {
  private RandomGraphs() {}

  /** A graph of up to {@code layers} layers; nodes that its output does not need are left out. */
  public static Graph next(Random random, int layers) {
    int size = random.nextInt(4, 10);
    var builder = new GraphBuilder("random", new Shape(random.nextInt(1, 5), size, size));
    List<Node> nodes = new ArrayList<>(List.of(builder.input()));
    for (int i = 0; i < layers; i++) {
      Node x = pick(random, nodes);
      List<Node> peers = nodes.stream().filter(n -> n.shape().equals(x.shape())).toList();
      String name = "n" + i;
      Node node =
          peers.size() > 1 && random.nextInt(3) == 0
              ? builder.add(name, new Layer.Add(), x, pick(random, peers))
              : builder.add(name, layer(random, x.shape()), x);
      nodes.add(node);
    }
    // A sum of means keeps several branches alive to the end.
    Node result = builder.add("mean", new Layer.GlobalAveragePool(), nodes.getLast());
    result = builder.add("fc", new Layer.Linear(5, true), result);
    for (int branch = 0; branch < 3; branch++) {
      Node other = builder.add("branch" + branch, new Layer.Linear(5, false), pick(random, nodes));
      result = builder.add("sum" + branch, new Layer.Add(), result, other);
    }
    return builder.build(result);
  }

  /** Half of the time one of the last three nodes, so that graphs become deep as well as wide. */
  private static Node pick(Random random, List<Node> nodes) {
    int from = random.nextBoolean() ? Math.max(0, nodes.size() - 3) : 0;
    return nodes.get(random.nextInt(from, nodes.size()));
  }

  private static Layer layer(Random random, Shape x) {
    int window = Math.min(3, Math.min(x.height(), x.width()));
    return switch (random.nextInt(12)) {
      case 0, 1 -> convolution(random, x, window);
      case 2 -> new Layer.Convolution(random.nextInt(1, 9), 1, 1, 0).withBias();
      case 3, 4 -> Layer.BatchNorm.DEFAULT;
      case 5, 6 -> new Layer.Relu();
      case 7 -> new Layer.MaxPool(window, random.nextInt(1, 3), random.nextInt(0, window / 2 + 1));
      case 8 -> new Layer.AveragePool(window, 1, window / 2);
      case 9 -> new Layer.Dropout();
      case 10 ->
          random.nextBoolean()
              ? new Layer.Subsample(1, random.nextInt(0, 3), random.nextInt(0, 3))
              : new Layer.AdaptiveAveragePool(random.nextInt(1, 5));
      default -> random.nextInt(4) == 0 ? new Layer.Flatten() : new Layer.Relu();
    };
  }

  /** Often one that keeps the shape, so that there is something to add. */
  private static Layer convolution(Random random, Shape x, int window) {
    if (window == 3 && random.nextBoolean()) {
      return new Layer.Convolution(x.channels(), 3, 1, 1);
    }
    int groups = random.nextInt(3) == 0 ? x.channels() : 1;
    int dilation = window == 3 && x.height() >= 5 && x.width() >= 5 ? random.nextInt(1, 3) : 1;
    return new Layer.Convolution(
        groups * random.nextInt(1, 4),
        window,
        random.nextInt(1, 3),
        random.nextInt(0, 3),
        dilation,
        groups,
        random.nextBoolean());
  }
}
