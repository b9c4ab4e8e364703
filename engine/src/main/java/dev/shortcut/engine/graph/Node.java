package dev.shortcut.engine.graph;

import java.util.List;
import java.util.Optional;

/**
 * A layer in a graph, with the nodes that it reads. Immutable; two nodes are equal only if they are
 * the same object, so that nothing ever walks a deep graph to compare two of them.
 */
public final class Node {
  private final String name;
  private final Layer layer;
  private final List<Node> inputs;
  private final String block;
  private final String stage;
  private final Layout layout;
  private final Shape shape;
  private final List<Parameter> parameters;

  /**
   * Puts a layer behind its inputs and infers the shape that comes out.
   *
   * @param name unique in its graph; weights are named after it
   * @param block the residual unit that this node belongs to, such as {@code layer1.0}, or an empty
   *     string
   * @param stage the paper's name of the stage, such as {@code conv2_x}, or an empty string
   * @param layout how its output lies in memory
   * @throws IllegalArgumentException if the layer cannot take these inputs, naming this node
   */
  Node(String name, Layer layer, List<Node> inputs, String block, String stage, Layout layout) {
    if (name.isBlank()) {
      throw new IllegalArgumentException("a node (%s) needs a name".formatted(layer.description()));
    }
    if (inputs.size() != layer.arity()) {
      throw new IllegalArgumentException(
          "%s (%s) takes %d inputs, but was given %d"
              .formatted(name, layer.kind(), layer.arity(), inputs.size()));
    }
    this.name = name;
    this.layer = layer;
    this.inputs = List.copyOf(inputs);
    this.block = block;
    this.stage = stage;
    this.layout = layout;
    List<Shape> shapes = this.inputs.stream().map(Node::shape).toList();
    try {
      this.shape = layer.outputShape(shapes);
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw new IllegalArgumentException(
          "%s (%s) cannot take %s: %s".formatted(name, layer.description(), shapes, e.getMessage()),
          e);
    }
    this.parameters = layer.parameters(name, shapes);
  }

  /**
   * Unique in its graph: torchvision's name of the layer where it has one, such as {@code
   * layer1.0.conv1}.
   */
  public String name() {
    return name;
  }

  /** What this node computes. */
  public Layer layer() {
    return layer;
  }

  /** The nodes that this one reads, in the layer's order. */
  public List<Node> inputs() {
    return inputs;
  }

  /** The first input. */
  public Node input() {
    return inputs.getFirst();
  }

  /**
   * The residual unit that this node belongs to, such as {@code layer1.0}; empty outside of units.
   */
  public String block() {
    return block;
  }

  /** The paper's name of the stage, such as {@code conv2_x}; empty outside of stages. */
  public String stage() {
    return stage;
  }

  /** How this node's output lies in memory. */
  public Layout layout() {
    return layout;
  }

  /** What comes out for one image. */
  public Shape shape() {
    return shape;
  }

  /** The tensors that this node needs, in a fixed order. */
  public List<Parameter> parameters() {
    return parameters;
  }

  /** The tensor that plays this role here, if the layer has one. */
  public Optional<Parameter> parameter(Parameter.Role role) {
    return parameters.stream().filter(p -> p.role() == role).findFirst();
  }

  /** This node with another layer and other inputs. */
  public Node with(Layer newLayer, List<Node> newInputs) {
    return new Node(name, newLayer, newInputs, block, stage, layout);
  }

  /** This node with its output laid out differently. */
  public Node with(Layout newLayout) {
    return new Node(name, layer, inputs, block, stage, newLayout);
  }

  /** Name, layer, inputs, shape and layout on one line. */
  @Override
  public String toString() {
    return "%s = %s (%s) -> %s %s"
        .formatted(
            name,
            layer.description(),
            String.join(", ", inputs.stream().map(Node::name).toList()),
            shape,
            layout);
  }
}
