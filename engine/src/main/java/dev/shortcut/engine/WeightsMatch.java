package dev.shortcut.engine;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Weights;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.function.Function;

/**
 * How the tensors of a source compare with those that a graph needs: everything that is wrong at
 * once, so that a wrong file is understood from one message.
 *
 * @param graph the name of the graph
 * @param source the description of the weights
 * @param missing what the graph needs and the source lacks
 * @param misshapen what both have, with different extents
 * @param surplus what the source has and the graph does not need
 */
public record WeightsMatch(
    String graph,
    String source,
    List<Parameter> missing,
    List<Misshapen> misshapen,
    List<String> surplus) {
  private static final int LISTED = 8;
  private static final int LONGEST_NAME = 200;

  /**
   * A tensor whose extents are not those that the graph needs.
   *
   * @param needed what the graph needs
   * @param found the extents in the source
   */
  public record Misshapen(Parameter needed, List<Integer> found) {
    /** Copies the extents. */
    public Misshapen {
      found = List.copyOf(found);
    }
  }

  /** Copies the lists. */
  public WeightsMatch {
    missing = List.copyOf(missing);
    misshapen = List.copyOf(misshapen);
    surplus = List.copyOf(surplus);
  }

  /** Compares names and extents; reads no tensor. */
  public static WeightsMatch of(Graph graph, Weights weights) {
    var missing = new ArrayList<Parameter>();
    var misshapen = new ArrayList<Misshapen>();
    SequencedSet<String> surplus = new LinkedHashSet<>(weights.names());
    for (Parameter parameter : graph.parameters()) {
      if (!weights.names().contains(parameter.name())) {
        missing.add(parameter);
        continue;
      }
      surplus.remove(parameter.name());
      List<Integer> found = weights.dims(parameter.name());
      if (!found.equals(parameter.dims())) {
        misshapen.add(new Misshapen(parameter, found));
      }
    }
    return new WeightsMatch(
        graph.name(), weights.description(), missing, misshapen, List.copyOf(surplus));
  }

  /** Whether every tensor that the graph needs is there with the right extents. */
  public boolean isSufficient() {
    return missing.isEmpty() && misshapen.isEmpty();
  }

  /** Whether the source holds what the graph needs and nothing else. */
  public boolean isExact() {
    return isSufficient() && surplus.isEmpty();
  }

  /**
   * Ends here if the graph cannot be run with these weights.
   *
   * @throws ModelException if they are not sufficient, with {@link #describe}
   */
  public void requireSufficient() {
    if (!isSufficient()) {
      throw new ModelException(describe());
    }
  }

  /**
   * Ends here if these are not the weights of this very graph. A deeper network of the same kind
   * may hold all that a shallower one needs, so for weights that somebody names this is the check
   * to make.
   *
   * @param advice what to do, to be put below the message; may be empty
   * @throws ModelException if they are not exact, with {@link #describe}
   */
  public void requireExact(String advice) {
    if (!isExact()) {
      throw new ModelException(advice.isEmpty() ? describe() : describe() + "\n" + advice);
    }
  }

  /** The first of what is missing, misshapen and surplus, one line each, with nearest names. */
  public String describe() {
    if (isExact()) {
      return "%s fits %s".formatted(source, graph);
    }
    var lines = new ArrayList<String>();
    lines.add("%s does not fit %s:".formatted(source, graph));
    list(
        lines,
        "missing",
        missing,
        parameter ->
            "%s %s%s"
                .formatted(
                    parameter.name(),
                    parameter.dims(),
                    nearest(parameter.name(), surplus)
                        .map(name -> ", is it %s?".formatted(name))
                        .orElse("")));
    list(
        lines,
        "misshapen",
        misshapen,
        tensor ->
            "%s is %s, and %s is needed"
                .formatted(tensor.needed.name(), tensor.found, tensor.needed.dims()));
    list(lines, "surplus", surplus, Function.identity());
    return String.join("\n", lines);
  }

  private static <T> void list(
      List<String> lines, String what, List<T> items, Function<T, String> line) {
    items.stream()
        .limit(LISTED)
        .forEach(item -> lines.add("  %s: %s".formatted(what, line.apply(item))));
    if (items.size() > LISTED) {
      lines.add("  %s: and %d more".formatted(what, items.size() - LISTED));
    }
  }

  /** The candidate with the fewest edits, if they are fewer than a third of the name. */
  private static Optional<String> nearest(String name, List<String> candidates) {
    int fewest = Math.max(2, name.length() / 3);
    String nearest = null;
    for (String candidate : candidates) {
      if (Math.abs(candidate.length() - name.length()) < fewest
          && candidate.length() <= LONGEST_NAME) {
        int edits = NearestNames.distance(name, candidate);
        if (edits < fewest) {
          fewest = edits;
          nearest = candidate;
        }
      }
    }
    return Optional.ofNullable(nearest);
  }
}
