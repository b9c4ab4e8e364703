package dev.shortcut.resnet.examples;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;

/** A network of one's own, from the parts that the family is made of. */
final class OwnNetwork {
  private OwnNetwork() {}

  // @start region="own-network"
  /** Three residual units for grey pictures of 28x28, ten classes. */
  static Graph digits() {
    var g = new GraphBuilder("digits", new Shape(1, 28, 28));
    Node x = g.convBnRelu("conv1", "bn1", "relu", g.input(), new Layer.Convolution(16, 3, 1, 1));
    x = residualUnit(g.block("unit1"), x, 16, 1);
    x = residualUnit(g.block("unit2"), x, 32, 2);
    x = residualUnit(g.block("unit3"), x, 64, 2);
    x = g.block("").add("avgpool", new Layer.GlobalAveragePool(), x);
    return g.build(g.add("fc", new Layer.Linear(10, true), x));
  }

  /** relu(F(x) + x): F is two 3x3 convolutions; a 1x1 projects x where the shape changes. */
  static Node residualUnit(GraphBuilder g, Node x, int channels, int stride) {
    var first = new Layer.Convolution(channels, 3, stride, 1);
    var second = new Layer.Convolution(channels, 3, 1, 1);
    Node y = g.convBnRelu("conv1", "bn1", "relu1", x, first);
    y = g.convBn("conv2", "bn2", y, second);
    boolean sameShape = x.shape().equals(y.shape());
    var projection = new Layer.Convolution(channels, 1, stride, 0);
    Node shortcut = sameShape ? x : g.convBn("shortcut", "shortcut_bn", x, projection);
    return g.addRelu("add", "relu2", y, shortcut);
  }
  // @end
}
