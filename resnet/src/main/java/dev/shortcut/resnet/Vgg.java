package dev.shortcut.resnet;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import java.util.List;

/**
 * A VGG network, which the residual networks are compared with: five stages of 3x3 convolutions,
 * each ended by a max pool, and three linear layers (Simonyan and Zisserman 2014, "Very Deep
 * Convolutional Networks", table 1).
 *
 * @param name what {@link Architecture#parse} knows it by
 * @param depths convolutions in each stage
 * @param batchNorm whether a batch norm follows each convolution, as in torchvision's {@code _bn}
 *     twins
 */
public record Vgg(String name, List<Integer> depths, boolean batchNorm) implements Architecture {
  private static final int[] CHANNELS = {64, 128, 256, 512, 512};

  static final List<Vgg> FAMILY =
      List.of(
          new Vgg("vgg11", List.of(1, 1, 2, 2, 2), false),
          new Vgg("vgg13", List.of(2, 2, 2, 2, 2), false),
          new Vgg("vgg16", List.of(2, 2, 3, 3, 3), false),
          new Vgg("vgg19", List.of(2, 2, 4, 4, 4), false),
          new Vgg("vgg11_bn", List.of(1, 1, 2, 2, 2), true),
          new Vgg("vgg13_bn", List.of(2, 2, 2, 2, 2), true),
          new Vgg("vgg16_bn", List.of(2, 2, 3, 3, 3), true),
          new Vgg("vgg19_bn", List.of(2, 2, 4, 4, 4), true));

  /** Checks the number of stages. */
  public Vgg {
    depths = List.copyOf(depths);
    if (depths.size() != CHANNELS.length || depths.stream().anyMatch(depth -> depth < 1)) {
      throw new IllegalArgumentException(
          "%s needs five stages of at least one convolution, but has %s".formatted(name, depths));
    }
  }

  @Override
  public int imageSize() {
    return 224;
  }

  @Override
  public int classes() {
    return 1000;
  }

  @Override
  public Architecture withShortcut(Shortcut shortcut) {
    if (shortcut == Shortcut.NONE) {
      return this;
    }
    throw new IllegalArgumentException(name + " has no residual units to have shortcuts past them");
  }

  @Override
  public Graph graph(int classes, int height, int width) {
    var g = new GraphBuilder(name, new Shape(3, height, width));
    Node x = g.input();
    int index = 0; // torchvision numbers the layers of its nn.Sequential
    for (int stage = 0; stage < CHANNELS.length; stage++) {
      g.stage("conv%d_x".formatted(stage + 1));
      for (int i = 0; i < depths.get(stage); i++) {
        var conv = new Layer.Convolution(CHANNELS[stage], 3, 1, 1).withBias();
        x = g.add("features." + index++, conv, x);
        if (batchNorm) {
          x = g.add("features." + index++, Layer.BatchNorm.DEFAULT, x);
        }
        x = g.add("features." + index++, new Layer.Relu(), x);
      }
      x = g.add("features." + index++, new Layer.MaxPool(2, 2, 0), x);
    }
    g.stage("fc");
    x = g.add("avgpool", new Layer.AdaptiveAveragePool(7), x);
    x = g.add("flatten", new Layer.Flatten(), x);
    x = g.add("classifier.0", new Layer.Linear(4096, true), x);
    x = g.add("classifier.1", new Layer.Relu(), x);
    x = g.add("classifier.2", new Layer.Dropout(), x);
    x = g.add("classifier.3", new Layer.Linear(4096, true), x);
    x = g.add("classifier.4", new Layer.Relu(), x);
    x = g.add("classifier.5", new Layer.Dropout(), x);
    return g.build(g.add("classifier.6", new Layer.Linear(classes, true), x));
  }
}
