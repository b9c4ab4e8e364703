package dev.shortcut.resnet;

import static dev.shortcut.resnet.ResNet.Stem.CIFAR;
import static dev.shortcut.resnet.ResNet.Stem.IMAGENET;
import static dev.shortcut.resnet.ResNet.Unit.BASIC;
import static dev.shortcut.resnet.ResNet.Unit.BOTTLENECK;
import static dev.shortcut.resnet.ResNet.Unit.BOTTLENECK_V1;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layer.Convolution;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import java.util.List;

/**
 * A residual network, or its plain twin: a stem, stages of residual units, an average pool and one
 * linear layer (He et al. 2015, "Deep Residual Learning for Image Recognition", table 1 and section
 * 4.2). Each stage after the first halves the image and doubles the channels.
 *
 * @param name what {@link Architecture#parse} knows it by
 * @param stem what comes before the first stage
 * @param unit what its stages are made of
 * @param depths units in each stage
 * @param groups groups of the 3x3 convolution of a bottleneck, 1 but for ResNeXt
 * @param groupWidth channels of each of these groups in the first stage, 64 but for wide networks
 *     and ResNeXt
 * @param shortcut what runs past a unit
 */
public record ResNet(
    String name,
    Stem stem,
    Unit unit,
    List<Integer> depths,
    int groups,
    int groupWidth,
    Shortcut shortcut)
    implements Architecture {

  /** What comes before the first stage. */
  public enum Stem {
    /** A 7x7 convolution to 64 channels and a max pool, both of stride 2. */
    IMAGENET(64, 224, 1000),
    /** A 3x3 convolution to 16 channels of stride 1, for images of 32x32. */
    CIFAR(16, 32, 10);

    private final int channels;
    private final int imageSize;
    private final int classes;

    Stem(int channels, int imageSize, int classes) {
      this.channels = channels;
      this.imageSize = imageSize;
      this.classes = classes;
    }
  }

  /** What stages are made of. */
  public enum Unit {
    /** Two 3x3 convolutions; the first one has the stride. */
    BASIC(1),
    /** 1x1, 3x3, 1x1; the 3x3 has the stride, as in torchvision. */
    BOTTLENECK(4),
    /** 1x1, 3x3, 1x1; the first 1x1 has the stride, as in the paper. */
    BOTTLENECK_V1(4);

    private final int expansion;

    Unit(int expansion) {
      this.expansion = expansion;
    }
  }

  static final List<ResNet> FAMILY =
      List.of(
          imagenet("resnet18", BASIC, 2, 2, 2, 2),
          imagenet("resnet34", BASIC, 3, 4, 6, 3),
          imagenet("resnet50", BOTTLENECK, 3, 4, 6, 3),
          imagenet("resnet101", BOTTLENECK, 3, 4, 23, 3),
          imagenet("resnet152", BOTTLENECK, 3, 8, 36, 3),
          imagenet("resnet50-v1", BOTTLENECK_V1, 3, 4, 6, 3),
          imagenet("resnet101-v1", BOTTLENECK_V1, 3, 4, 23, 3),
          imagenet("resnet152-v1", BOTTLENECK_V1, 3, 8, 36, 3),
          imagenet("wide_resnet50_2", BOTTLENECK, 3, 4, 6, 3).grouped(1, 128),
          imagenet("wide_resnet101_2", BOTTLENECK, 3, 4, 23, 3).grouped(1, 128),
          imagenet("resnext50_32x4d", BOTTLENECK, 3, 4, 6, 3).grouped(32, 4),
          imagenet("resnext101_32x8d", BOTTLENECK, 3, 4, 23, 3).grouped(32, 8),
          imagenet("plain18", BASIC, 2, 2, 2, 2).withShortcut(Shortcut.NONE),
          imagenet("plain34", BASIC, 3, 4, 6, 3).withShortcut(Shortcut.NONE),
          cifar("resnet20", 3),
          cifar("resnet32", 5),
          cifar("resnet44", 7),
          cifar("resnet56", 9),
          cifar("resnet110", 18),
          cifar("resnet1202", 200),
          cifar("plain20", 3).withShortcut(Shortcut.NONE),
          cifar("plain32", 5).withShortcut(Shortcut.NONE),
          cifar("plain44", 7).withShortcut(Shortcut.NONE),
          cifar("plain56", 9).withShortcut(Shortcut.NONE),
          cifar("plain110", 18).withShortcut(Shortcut.NONE),
          cifar("plain1202", 200).withShortcut(Shortcut.NONE));

  private static ResNet imagenet(String name, Unit unit, Integer... depths) {
    return new ResNet(name, IMAGENET, unit, List.of(depths), 1, 64, Shortcut.B);
  }

  /** The paper's networks of 6n+2 layers for CIFAR-10. */
  private static ResNet cifar(String name, int n) {
    return new ResNet(name, CIFAR, BASIC, List.of(n, n, n), 1, 64, Shortcut.A);
  }

  private ResNet grouped(int newGroups, int newGroupWidth) {
    return new ResNet(name, stem, unit, depths, newGroups, newGroupWidth, shortcut);
  }

  /** Checks the numbers. */
  public ResNet {
    depths = List.copyOf(depths);
    if (depths.isEmpty() || depths.size() > 8 || depths.stream().anyMatch(depth -> depth < 1)) {
      throw new IllegalArgumentException(
          "%s needs one to eight stages of at least one unit, but has %s".formatted(name, depths));
    }
    if (groups < 1 || groupWidth < 1 || (unit == BASIC && (groups != 1 || groupWidth != 64))) {
      throw new IllegalArgumentException(
          "bad groups: %s has %d of width %d (units of two 3x3 convolutions have 1 of width 64)"
              .formatted(name, groups, groupWidth));
    }
  }

  @Override
  public ResNet withShortcut(Shortcut newShortcut) {
    return new ResNet(name, stem, unit, depths, groups, groupWidth, newShortcut);
  }

  @Override
  public int imageSize() {
    return stem.imageSize;
  }

  @Override
  public int classes() {
    return stem.classes;
  }

  @Override
  public Graph graph(int classes, int height, int width) {
    var g = new GraphBuilder(name, new Shape(3, height, width));
    Node x = stem(g.stage("conv1"));
    for (int stage = 0; stage < depths.size(); stage++) {
      g.stage("conv%d_x".formatted(stage + 2));
      for (int i = 0; i < depths.get(stage); i++) {
        g.block("layer%d.%d".formatted(stage + 1, i));
        int stride =
            stage > 0 && i == 0
                ? 2
                : 1; // each later stage halves the image once, at its first unit
        x = unit(g, x, stem.channels << stage, stride);
      }
    }
    g.block("").stage("fc");
    x = g.add("avgpool", new Layer.GlobalAveragePool(), x);
    x = g.add("flatten", new Layer.Flatten(), x);
    return g.build(g.add("fc", new Layer.Linear(classes, true), x));
  }

  private Node stem(GraphBuilder g) {
    return switch (stem) {
      case IMAGENET -> {
        Node x = g.convBnRelu("conv1", "bn1", "relu", g.input(), conv(stem.channels, 7, 2));
        yield g.stage("conv2_x").add("maxpool", new Layer.MaxPool(3, 2, 1), x);
      }
      case CIFAR -> g.convBnRelu("conv1", "bn1", "relu", g.input(), conv(stem.channels, 3, 1));
    };
  }

  private Node unit(GraphBuilder g, Node x, int planes, int stride) {
    Node y = unit == BASIC ? basic(g, x, planes, stride) : bottleneck(g, x, planes, stride);
    String relu = unit == BASIC ? "relu_1" : "relu_2";
    return switch (shortcut) {
      case NONE -> g.add(relu, new Layer.Relu(), y);
      case A -> g.addRelu("add", relu, y, sameShape(x, y) ? x : subsample(g, x, y, stride));
      case B -> g.addRelu("add", relu, y, sameShape(x, y) ? x : project(g, x, y, stride));
      case C -> g.addRelu("add", relu, y, project(g, x, y, stride));
    };
  }

  private static Node basic(GraphBuilder g, Node x, int planes, int stride) {
    Node y = g.convBnRelu("conv1", "bn1", "relu", x, conv(planes, 3, stride));
    return g.convBn("conv2", "bn2", y, conv(planes, 3, 1));
  }

  /** Reduce, convolve, expand. */
  private Node bottleneck(GraphBuilder g, Node x, int planes, int stride) {
    int width = planes * groupWidth / 64 * groups;
    boolean v1 = unit == BOTTLENECK_V1;
    var grouped = new Convolution(width, 3, v1 ? 1 : stride, 1, 1, groups, false);
    Node y = g.convBnRelu("conv1", "bn1", "relu", x, conv(width, 1, v1 ? stride : 1));
    y = g.convBnRelu("conv2", "bn2", "relu_1", y, grouped);
    return g.convBn("conv3", "bn3", y, conv(unit.expansion * planes, 1, 1));
  }

  private static boolean sameShape(Node x, Node y) {
    return x.shape().equals(y.shape());
  }

  private static Node project(GraphBuilder g, Node x, Node y, int stride) {
    return g.convBn("downsample.0", "downsample.1", x, conv(y.shape().channels(), 1, stride));
  }

  /** The new channels are zeros, half of them before the input's and half after. */
  private static Node subsample(GraphBuilder g, Node x, Node y, int stride) {
    int added = y.shape().channels() - x.shape().channels();
    return g.add("downsample", new Layer.Subsample(stride, added / 2, added - added / 2), x);
  }

  /** Padded so that a stride of 1 keeps the image's size. */
  private static Convolution conv(int outChannels, int kernel, int stride) {
    return new Convolution(outChannels, kernel, stride, kernel / 2);
  }
}
