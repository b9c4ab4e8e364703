package dev.shortcut.engine.testing;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Weights;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.Set;

/** Weights that a test writes down. */
public final class MapWeights implements Weights {
  /**
   * A variance so large that a batch norm's epsilon is lost beside it, even in doubles: a scale of
   * {@link #DEVIATION} times n makes the batch norm multiply by exactly n.
   */
  public static final float VARIANCE = 0x1p40f;

  /** The square root of {@link #VARIANCE}. */
  public static final float DEVIATION = 0x1p20f;

  private record Tensor(List<Integer> dims, float[] values) {}

  private final Map<String, Tensor> tensors = new LinkedHashMap<>();

  /** Adds a tensor, or replaces it. */
  public MapWeights put(String name, List<Integer> dims, float... values) {
    long elements = dims.stream().mapToLong(Integer::longValue).reduce(1, Math::multiplyExact);
    if (elements != values.length) {
      throw new IllegalArgumentException(
          "%s of %s needs %d values, not %d".formatted(name, dims, elements, values.length));
    }
    tensors.put(name, new Tensor(List.copyOf(dims), values.clone()));
    return this;
  }

  /**
   * Every tensor of {@code graph} with small integers, -3 to 3, which are the factors of a batch
   * norm, too.
   */
  public static MapWeights integers(Graph graph, Random random) {
    var weights = new MapWeights();
    for (Parameter parameter : graph.parameters()) {
      float[] values = new float[Math.toIntExact(parameter.elements())];
      for (int i = 0; i < values.length; i++) {
        values[i] =
            switch (parameter.role()) {
              case WEIGHT, BIAS, SHIFT, RUNNING_MEAN -> random.nextInt(-3, 4);
              case SCALE -> random.nextInt(-3, 4) * DEVIATION;
              case RUNNING_VARIANCE -> VARIANCE;
            };
      }
      weights.put(parameter.name(), parameter.dims(), values);
    }
    return weights;
  }

  @Override
  public String description() {
    return "test weights";
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(tensors.keySet());
  }

  @Override
  public List<Integer> dims(String name) {
    return tensor(name).dims;
  }

  @Override
  public void read(String name, MemorySegment target) {
    float[] values = tensor(name).values;
    MemorySegment.copy(values, 0, target, ValueLayout.JAVA_FLOAT_UNALIGNED, 0, values.length);
  }

  private Tensor tensor(String name) {
    Tensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new NoSuchElementException(name);
    }
    return tensor;
  }

  @Override
  public void close() {}
}
