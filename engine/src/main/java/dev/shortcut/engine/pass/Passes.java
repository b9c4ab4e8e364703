package dev.shortcut.engine.pass;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Node;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The one ordered list of passes, and running it. */
public final class Passes {
  private Passes() {}

  /**
   * All passes in the order in which they run. The order matters: batch norms are folded first
   * since nothing fuses across one, and sums before ReLUs since a kernel adds before it cuts off.
   *
   * @param interior the layout between the graph's input and its output
   */
  public static List<Pass> all(Layout interior) {
    return List.of(
        new RemoveIdentities(),
        new FoldBatchNorm(),
        new FuseResidual(),
        new FuseActivation(),
        new AssignLayout(interior));
  }

  /** The graph after {@code passes}, one behind another. */
  public static Graph apply(Graph graph, List<Pass> passes) {
    Graph result = graph;
    for (Pass pass : passes) {
      result = pass.apply(result);
    }
    return result;
  }

  /** As {@link #apply}, keeping what each pass was given and what it made of it. */
  public static List<Application> trace(Graph graph, List<Pass> passes) {
    List<Application> applications = new ArrayList<>();
    Graph current = graph;
    for (Pass pass : passes) {
      var application = new Application(pass, current, pass.apply(current));
      applications.add(application);
      current = application.after();
    }
    return List.copyOf(applications);
  }

  /**
   * One pass, applied.
   *
   * @param pass what was applied
   * @param before to this graph
   * @param after with this result
   */
  public record Application(Pass pass, Graph before, Graph after) {
    /**
     * What changed, for people: a heading with the pass's name and the numbers of kernels, then
     * every node as {@link Node#toString} shows it, marked {@code -} where it is gone, {@code +}
     * where it is new, else indented. Each line ends with a newline.
     */
    public String diff() {
      List<String> old = lines(before);
      List<String> current = lines(after);
      Set<String> inOld = new HashSet<>(old);
      Set<String> inCurrent = new HashSet<>(current);
      var text = new StringBuilder();
      text.append(
          "%s: %d kernels -> %d kernels\n"
              .formatted(pass.name(), before.kernels().size(), after.kernels().size()));
      int next = 0;
      for (String line : old) {
        if (!inCurrent.contains(line)) {
          text.append("- ").append(line).append('\n');
          continue;
        }
        // A pass never reorders the nodes that it leaves alone, so new ones precede the next common
        // one.
        for (; !current.get(next).equals(line); next++) {
          append(text, inOld, current.get(next));
        }
        append(text, inOld, current.get(next++));
      }
      for (; next < current.size(); next++) {
        append(text, inOld, current.get(next));
      }
      return text.toString();
    }

    private static void append(StringBuilder text, Set<String> inOld, String line) {
      text.append(inOld.contains(line) ? "  " : "+ ").append(line).append('\n');
    }

    private static List<String> lines(Graph graph) {
      return graph.nodes().stream().map(Node::toString).toList();
    }
  }
}
