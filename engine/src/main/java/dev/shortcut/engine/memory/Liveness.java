package dev.shortcut.engine.memory;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;

/**
 * From which step to which step each node's output is needed, a step being a node's index in {@link
 * Graph#nodes()}. The graph's output is needed to the end. Immutable.
 */
public final class Liveness {
  private final List<Node> nodes;
  private final Map<Node, Integer> steps = new IdentityHashMap<>();
  private final int[] last;

  private Liveness(Graph graph) {
    nodes = graph.nodes();
    last = new int[nodes.size()];
    for (int step = 0; step < last.length; step++) {
      Node node = nodes.get(step);
      steps.put(node, step);
      last[step] = step;
      for (Node input : node.inputs()) {
        last[step(input)] = step;
      }
    }
    last[step(graph.output())] = last.length - 1;
  }

  /** The liveness of every node of that graph. */
  public static Liveness of(Graph graph) {
    return new Liveness(graph);
  }

  /** The step that computes this node: its index in the schedule. */
  public int step(Node node) {
    Integer step = steps.get(node);
    if (step == null) {
      throw new IllegalArgumentException(node.name() + " is not in this schedule");
    }
    return step;
  }

  /** The last step that reads this node's output. */
  public int lastRead(Node node) {
    return last[step(node)];
  }

  /**
   * One buffer for each node's output, in the order of the schedule. An output may take the place
   * of an input where that input is not needed any more, is as large, and is read by the kernel
   * only where it writes: element by element, or as the residual that it adds.
   *
   * @param bytes the size of a node's output in the caller's layout; 0 where it needs no place in
   *     the arena, as a caller's own input does
   */
  public List<Buffer> buffers(ToLongFunction<Node> bytes) {
    long[] sizes = nodes.stream().mapToLong(bytes).toArray();
    List<Buffer> buffers = new ArrayList<>(sizes.length);
    for (int step = 0; step < sizes.length; step++) {
      int inPlaceOf = inPlaceOf(step, sizes);
      buffers.add(new Buffer(nodes.get(step).name(), sizes[step], step, last[step], inPlaceOf));
    }
    return List.copyOf(buffers);
  }

  private int inPlaceOf(int step, long[] sizes) {
    return overwritable(nodes.get(step)).stream()
        .mapToInt(this::step)
        .filter(input -> last[input] == step && sizes[input] == sizes[step] && sizes[step] > 0)
        .findFirst()
        .orElse(Buffer.NOWHERE);
  }

  /**
   * The inputs of which a kernel needs no more than the element that it is about to write, the best
   * one first.
   */
  private static List<Node> overwritable(Node node) {
    return switch (node.layer()) {
      case Layer.Relu _, Layer.BatchNorm _, Layer.Dropout _ -> node.inputs();
      case Layer.Add _ -> node.inputs().reversed(); // the shortcut first, as a fused kernel does
      case Layer.Fused fused when fused.residual() && node.inputs().getLast() != node.input() ->
          List.of(node.inputs().getLast());
      case Layer.Fused _, Layer.Convolution _, Layer.Linear _ -> List.of();
      case Layer.MaxPool _, Layer.AveragePool _, Layer.GlobalAveragePool _ -> List.of();
      case Layer.AdaptiveAveragePool _, Layer.Subsample _ -> List.of();
      case Layer.Flatten _, Layer.Softmax _, Layer.TopK _, Layer.Input _ -> List.of();
    };
  }

  /** The steps and their last readers, for debugging. */
  @Override
  public String toString() {
    return Arrays.toString(last);
  }
}
