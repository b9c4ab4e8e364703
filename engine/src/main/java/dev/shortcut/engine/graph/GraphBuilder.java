package dev.shortcut.engine.graph;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Collects nodes in the order in which they run and gives them scoped names.
 *
 * <pre>{@code
 * var g = new GraphBuilder("tiny", new Shape(3, 32, 32));
 * Node x = g.convBnRelu("conv1", "bn1", "relu", g.input(), new Layer.Convolution(16, 3, 1, 1));
 * x = g.add("avgpool", new Layer.GlobalAveragePool(), x);
 * Graph graph = g.build(g.add("fc", new Layer.Linear(10, true), x));
 * }</pre>
 *
 * <p>Not thread-safe; used by one thread, once.
 */
public final class GraphBuilder {
  private final String name;
  private final List<Node> nodes = new ArrayList<>();
  private final Set<String> names = new HashSet<>();
  private final Node input;
  private String block = "";
  private String stage = "";

  /**
   * Begins a graph of that name whose images have that shape; the input node is called {@code
   * input}.
   */
  public GraphBuilder(String name, Shape image) {
    this.name = name;
    this.input = add("input", new Layer.Input(image));
  }

  /** The node where images enter. */
  public Node input() {
    return input;
  }

  /**
   * Nodes added from now on belong to this stage, the paper's word for the groups conv2_x to
   * conv5_x.
   */
  public GraphBuilder stage(String newStage) {
    stage = newStage;
    return this;
  }

  /**
   * Nodes added from now on belong to this residual unit, and their names begin with it; empty ends
   * the unit.
   */
  public GraphBuilder block(String newBlock) {
    block = newBlock;
    return this;
  }

  /**
   * Adds a node. Its name is the current block's, a dot and {@code localName}, or {@code localName}
   * alone outside of blocks.
   *
   * @throws IllegalArgumentException if the name is taken or the layer cannot take these inputs
   */
  public Node add(String localName, Layer layer, Node... inputs) {
    String fullName = block.isEmpty() ? localName : block + "." + localName;
    Node node = new Node(fullName, layer, List.of(inputs), block, stage, Layout.NCHW);
    if (!names.add(fullName)) {
      throw new IllegalArgumentException(
          "%s already has a node called %s".formatted(name, fullName));
    }
    nodes.add(node);
    return node;
  }

  /** Adds a convolution, its batch norm (PyTorch's epsilon) and a ReLU. */
  public Node convBnRelu(String conv, String bn, String relu, Node x, Layer.Convolution layer) {
    return add(relu, new Layer.Relu(), convBn(conv, bn, x, layer));
  }

  /** Adds a convolution and its batch norm (PyTorch's epsilon). */
  public Node convBn(String conv, String bn, Node x, Layer.Convolution layer) {
    return add(bn, Layer.BatchNorm.DEFAULT, add(conv, layer, x));
  }

  /**
   * Ends a residual unit: {@code relu(residual + shortcut)}, the nodes being called {@code add} and
   * {@code relu}.
   */
  public Node addRelu(String add, String relu, Node residual, Node shortcut) {
    return add(relu, new Layer.Relu(), add(add, new Layer.Add(), residual, shortcut));
  }

  /**
   * The graph that computes {@code output}; nodes that it does not need are left out.
   *
   * @throws IllegalArgumentException if {@code output} is not a node of this builder
   */
  public Graph build(Node output) {
    return new Graph(name, nodes, output);
  }
}
