package dev.shortcut.resnet.cli;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Weights;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.Set;

/**
 * Integers from -2 to 2, the same ones for one graph every time: every type holds them, and sums of
 * their products are exact in whatever order they are added.
 */
final class IntegerWeights implements Weights {
  private final Map<String, List<Integer>> dims = new LinkedHashMap<>();

  /** For every tensor of the graph. */
  IntegerWeights(Graph graph) {
    for (Parameter parameter : graph.parameters()) {
      dims.put(parameter.name(), parameter.dims());
    }
  }

  @Override
  public String description() {
    return "small integers";
  }

  @Override
  public Set<String> names() {
    return dims.keySet();
  }

  @Override
  public List<Integer> dims(String name) {
    List<Integer> found = dims.get(name);
    if (found == null) {
      throw new NoSuchElementException(name);
    }
    return found;
  }

  @Override
  public void read(String name, MemorySegment target) {
    var random = new Random(name.hashCode());
    long elements = dims(name).stream().mapToLong(Integer::longValue).reduce(1, (a, b) -> a * b);
    for (long i = 0; i < elements; i++) {
      target.setAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i, random.nextInt(5) - 2);
    }
  }

  @Override
  public void close() {}
}
