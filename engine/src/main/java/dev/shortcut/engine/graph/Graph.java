package dev.shortcut.engine.graph;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;

/**
 * A network as nodes in the order in which they run: one input, one output, no batch size and no
 * bytes. Immutable.
 *
 * <p>Graphs are made by a {@link GraphBuilder} and changed by {@link #rewrite}. Nothing here
 * recurses, so that a net of a thousand layers costs what its length says.
 */
public final class Graph {
  private final String name;
  private final List<Node> nodes;
  private final Map<String, Node> byName;
  private final Map<Node, Integer> readers;
  private final Node output;

  Graph(String name, List<Node> schedule, Node output) {
    this.name = name;
    this.output = output;
    this.nodes = reachable(schedule, output);
    this.byName = new HashMap<>();
    this.readers = new IdentityHashMap<>();
    int inputs = 0;
    for (Node node : nodes) {
      if (byName.put(node.name(), node) != null) {
        throw new IllegalArgumentException(
            "%s has two nodes called %s".formatted(name, node.name()));
      }
      for (Node input : node.inputs()) {
        if (byName.get(input.name()) != input) {
          throw new IllegalArgumentException(
              "%s reads %s, which does not run before it in %s"
                  .formatted(node.name(), input.name(), name));
        }
        readers.merge(input, 1, Integer::sum);
      }
      if (node.layer() instanceof Layer.Input) {
        inputs++;
      }
    }
    if (inputs != 1 || !(nodes.getFirst().layer() instanceof Layer.Input)) {
      throw new IllegalArgumentException(
          "%s must begin with its one input, but has %d".formatted(name, inputs));
    }
  }

  private static List<Node> reachable(List<Node> schedule, Node output) {
    Set<Node> needed = new HashSet<>();
    needed.add(output);
    for (Node node : schedule.reversed()) {
      if (needed.contains(node)) {
        needed.addAll(node.inputs());
      }
    }
    return schedule.stream().filter(needed::contains).toList();
  }

  /** The network's name, such as {@code resnet50}. */
  public String name() {
    return name;
  }

  /** All nodes; each one comes after those that it reads. */
  public List<Node> nodes() {
    return nodes;
  }

  /** Where the images enter. */
  public Node input() {
    return nodes.getFirst();
  }

  /** The node whose values are the result. */
  public Node output() {
    return output;
  }

  /** How many inputs of other nodes read this one; the graph's own output is not counted. */
  public int readers(Node node) {
    return readers.getOrDefault(node, 0);
  }

  /**
   * The node with this name.
   *
   * @throws NoSuchElementException if there is none
   */
  public Node node(String nodeName) {
    Node node = byName.get(nodeName);
    if (node == null) {
      throw new NoSuchElementException("%s has no node called %s".formatted(name, nodeName));
    }
    return node;
  }

  /**
   * The nodes for which a backend runs something: all but the input and what does nothing at
   * inference.
   */
  public List<Node> kernels() {
    return nodes.stream().filter(node -> node.layer().isKernel()).toList();
  }

  /** Every tensor that the graph needs, in the order of the nodes. */
  public List<Parameter> parameters() {
    return nodes.stream().flatMap(node -> node.parameters().stream()).toList();
  }

  /** The part of this graph that ends with the node of that name. */
  public Graph upTo(String nodeName) {
    return new Graph(name, nodes, node(nodeName));
  }

  /** This graph with one more node behind its output. */
  public Graph append(String nodeName, Layer layer) {
    List<Node> extended = new ArrayList<>(nodes);
    Node last = new Node(nodeName, layer, List.of(output), "", output.stage(), output.layout());
    extended.add(last);
    return new Graph(name, extended, last);
  }

  /**
   * A graph in which every node has been replaced by what {@code rule} returns for it; nodes that
   * nothing reads any more disappear.
   */
  public Graph rewrite(Rule rule) {
    Map<Node, Node> replaced = new IdentityHashMap<>();
    Set<Node> schedule = new LinkedHashSet<>();
    for (Node node : nodes) {
      List<Node> inputs = node.inputs().stream().map(replaced::get).toList();
      Node current = inputs.equals(node.inputs()) ? node : node.with(node.layer(), inputs);
      Node result = rule.apply(node, current);
      replaced.put(node, result);
      schedule.add(result);
    }
    return new Graph(
        name, List.copyOf(schedule), Objects.requireNonNull(replaced.get(output), output.name()));
  }

  /** One rewriting rule, applied to every node in the order of the schedule. */
  @FunctionalInterface
  public interface Rule {
    /**
     * What takes the node's place: {@code current} itself, one of its inputs (which removes the
     * node), or a node made with {@link Node#with}.
     *
     * @param original the node as it is in the graph being rewritten; ask {@link Graph#readers}
     *     about its inputs
     * @param current the same node, its inputs already replaced
     */
    Node apply(Node original, Node current);
  }

  /** One line for each node. */
  @Override
  public String toString() {
    return name + "\n" + String.join("\n", nodes.stream().map(node -> "  " + node).toList());
  }
}
