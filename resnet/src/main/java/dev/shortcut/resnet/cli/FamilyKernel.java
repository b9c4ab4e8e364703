package dev.shortcut.resnet.cli;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Tolerance;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.ResNet;
import dev.shortcut.resnet.Shortcut;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/**
 * One operation that occurs in the family once its networks are fused, on images of the size that
 * it gets there.
 *
 * @param image what it reads, for one image
 * @param layer what it computes
 * @param residual whether a second input is added to that
 * @param relu whether what is below zero is cut off in the end
 */
record FamilyKernel(Shape image, Layer layer, boolean residual, boolean relu) {
  /** One for a quick look: a convolution with all that can be fused to it. */
  static final FamilyKernel SAMPLE =
      new FamilyKernel(
          new Shape(64, 14, 14), new Layer.Convolution(64, 3, 1, 1).withBias(), true, true);

  private static final int IMAGES = 2;

  /** All distinct ones of all networks, projections as shortcuts in every unit included. */
  static List<FamilyKernel> all() {
    List<Graph> graphs = new ArrayList<>();
    for (Architecture network : Architecture.all()) {
      graphs.add(network.graph());
      if (network instanceof ResNet resnet && resnet.shortcut() != Shortcut.NONE) {
        graphs.add(network.withShortcut(Shortcut.C).graph());
      }
    }
    return graphs.stream().flatMap(graph -> of(graph).stream()).distinct().toList();
  }

  /**
   * The distinct ones that are left on images of at most so many pixels a side and without layers
   * of more weights than that.
   */
  static List<FamilyKernel> small(int pixels, long weights) {
    return all().stream()
        .map(kernel -> kernel.onAtMost(pixels))
        .distinct()
        .filter(kernel -> kernel.weights() <= weights)
        .toList();
  }

  private FamilyKernel onAtMost(int pixels) {
    var small =
        new Shape(
            image.channels(), Math.min(image.height(), pixels), Math.min(image.width(), pixels));
    return new FamilyKernel(small, layer, residual, relu);
  }

  private long weights() {
    return graph().parameters().stream().mapToLong(Parameter::elements).sum();
  }

  private static List<FamilyKernel> of(Graph graph) {
    List<FamilyKernel> kernels = new ArrayList<>();
    for (Node node : graph.nodes()) {
      switch (node.layer()) {
        case Layer.Convolution convolution ->
            kernels.add(fused(graph, node, convolution.withBias()));
        case Layer.Linear linear -> kernels.add(fused(graph, node, linear));
        case Layer.MaxPool _,
            Layer.AveragePool _,
            Layer.GlobalAveragePool _,
            Layer.AdaptiveAveragePool _,
            Layer.Subsample _ ->
            kernels.add(new FamilyKernel(node.input().shape(), node.layer(), false, false));
        case Layer.Input _,
            Layer.BatchNorm _,
            Layer.Relu _,
            Layer.Add _,
            Layer.Flatten _,
            Layer.Dropout _,
            Layer.Softmax _,
            Layer.TopK _,
            Layer.Fused _ -> {}
      }
    }
    return kernels;
  }

  /** With what follows it up to the next activation; batch norm ends in weights and bias. */
  private static FamilyKernel fused(Graph graph, Node node, Layer layer) {
    boolean residual = false;
    Node last = node;
    Optional<Node> next = onlyReader(graph, last);
    if (next.isPresent() && next.get().layer() instanceof Layer.BatchNorm) {
      last = next.get();
      next = onlyReader(graph, last);
    }
    // The sum is fused into the last convolution of the unit's body, not into a projection.
    if (next.isPresent()
        && next.get().layer() instanceof Layer.Add
        && next.get().input().equals(last)) {
      residual = true;
      last = next.get();
      next = onlyReader(graph, last);
    }
    boolean relu = next.isPresent() && next.get().layer() instanceof Layer.Relu;
    return new FamilyKernel(node.input().shape(), layer, residual, relu);
  }

  private static Optional<Node> onlyReader(Graph graph, Node node) {
    return graph.readers(node) != 1
        ? Optional.empty()
        : graph.nodes().stream().filter(other -> other.inputs().contains(node)).findFirst();
  }

  /** A network of this alone; a second input is a projection of the first. */
  Graph graph() {
    var g = new GraphBuilder("kernel", image);
    Node result = g.add("kernel", layer, g.input());
    if (residual) {
      var convolution = (Layer.Convolution) layer;
      var projection = new Layer.Convolution(convolution.outChannels(), 1, convolution.stride(), 0);
      result = g.add("add", new Layer.Add(), result, g.add("shortcut", projection, g.input()));
    }
    return g.build(relu ? g.add("relu", new Layer.Relu(), result) : result);
  }

  /**
   * Small integers through it, whose sums are exact in every order and of which only what is stored
   * is rounded, against the reference.
   */
  Comparison compare(Options options) throws InterruptedException {
    Graph graph = graph();
    float[] images = new float[Math.toIntExact(IMAGES * image.elements())];
    var random = new Random(images.length);
    for (int i = 0; i < images.length; i++) {
      images[i] = random.nextInt(7) - 3;
    }
    Options own = options.withMaxBatch(IMAGES);
    try (Weights weights = new IntegerWeights(graph);
        Engine tested = OpenEngine.of(Model.of(graph, weights), own);
        Engine judge = OpenEngine.of(Model.of(graph, weights), Comparison.reference(own))) {
      return Comparison.of(
          tested.run(images), judge.run(images), Tolerance.ofLayers(options.precision()));
    }
  }

  @Override
  public String toString() {
    return "%s%s%s of %s"
        .formatted(
            layer.description(), residual ? " + residual" : "", relu ? " + relu" : "", image);
  }
}
