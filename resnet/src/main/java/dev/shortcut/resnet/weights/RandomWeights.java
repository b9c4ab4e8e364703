package dev.shortcut.resnet.weights;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;

/**
 * Reproducible weights for any graph, for tests and benchmarks: the same seed gives the same bits
 * on every machine and in every language that follows this description, and activations keep their
 * size through a network of any depth.
 *
 * <p>Each tensor is a stream of SplitMix64 of its own, whose state begins at {@code seed XOR
 * fnv1a64(name in UTF-8)}. With {@code u = (next >>> 40) * 2^-24}, a multiple of 2^-24 in [0, 1),
 * its elements in row-major order are, computed in double and then rounded to float,
 *
 * <ul>
 *   <li>weight of a convolution or linear layer: {@code (2u - 1) * sqrt(6 / fanIn)}, of variance 2
 *       / fanIn (He et al. 2015, "Delving deep into rectifiers", section 2.2), fanIn being the
 *       product of all extents but the first
 *   <li>bias of a convolution or linear layer: {@code (2u - 1) * 0.1}
 *   <li>scale of a batch norm: {@code 0.75 + 0.5u}; of the last one in a residual unit: {@code
 *       (0.75 + 0.5u) / sqrt(units)}, with the number of residual units in the whole graph
 *   <li>shift and running mean of a batch norm: {@code (2u - 1) * 0.25}
 *   <li>running variance of a batch norm: {@code 0.75 + 0.75u}
 * </ul>
 *
 * <p>The last batch norm of a residual unit is one whose output is the first input of an {@link
 * Layer.Add}. Nothing is the identity, so that a mistake in folding shows.
 *
 * <p>Immutable but for being closed; safe for use by several threads.
 */
public final class RandomWeights implements WeightsSource {
  private final long seed;
  private final Map<String, Tensor> tensors;
  private volatile boolean closed;

  private record Tensor(Parameter parameter, double divisor) {}

  /** Weights for every tensor that {@code graph}, as defined and before any pass, needs. */
  public RandomWeights(Graph graph, long seed) {
    this.seed = seed;
    Map<String, Double> divisors = new HashMap<>();
    List<Node> sums =
        graph.nodes().stream().filter(node -> node.layer() instanceof Layer.Add).toList();
    for (Node sum : sums) {
      Node residual = sum.input();
      if (residual.layer() instanceof Layer.BatchNorm) {
        divisors.put(
            residual.parameter(Parameter.Role.SCALE).orElseThrow().name(), Math.sqrt(sums.size()));
      }
    }
    Map<String, Tensor> byName = new LinkedHashMap<>();
    for (Parameter parameter : graph.parameters()) {
      double divisor = divisors.getOrDefault(parameter.name(), 1.0);
      byName.put(parameter.name(), new Tensor(parameter, divisor));
    }
    tensors = Collections.unmodifiableMap(byName);
  }

  @Override
  public String description() {
    return "random:" + seed;
  }

  @Override
  public Set<String> names() {
    checkOpen();
    return tensors.keySet();
  }

  @Override
  public List<Integer> dims(String name) {
    return tensor(name).parameter.dims();
  }

  @Override
  public void read(String name, MemorySegment target) {
    Tensor tensor = tensor(name);
    long elements = tensor.parameter.elements();
    if (target.byteSize() < elements * Float.BYTES) {
      throw new IllegalArgumentException(
          "%s takes %d bytes, but the target has %d"
              .formatted(name, elements * Float.BYTES, target.byteSize()));
    }
    var random = new SplitMix64(seed, name);
    double bound = bound(tensor.parameter);
    for (long i = 0; i < elements; i++) {
      double u = random.uniform();
      double value =
          switch (tensor.parameter.role()) {
            case WEIGHT, BIAS, SHIFT, RUNNING_MEAN -> (2 * u - 1) * bound;
            case SCALE -> (0.75 + 0.5 * u) / tensor.divisor;
            case RUNNING_VARIANCE -> 0.75 + 0.75 * u;
          };
      target.set(ValueLayout.JAVA_FLOAT_UNALIGNED, i * Float.BYTES, (float) value);
    }
  }

  /** The largest magnitude of a tensor that is symmetric around zero. */
  private static double bound(Parameter parameter) {
    return switch (parameter.role()) {
      case WEIGHT -> Math.sqrt(6.0 / ((double) parameter.elements() / parameter.dims().getFirst()));
      case BIAS -> 0.1;
      case SHIFT, RUNNING_MEAN -> 0.25;
      case SCALE, RUNNING_VARIANCE -> Double.NaN; // not symmetric
    };
  }

  /** The SHA-256 of the seed and of every tensor's name, meaning and extents. */
  @Override
  public String fingerprint() {
    checkOpen();
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
    var recipe = new StringBuilder(description());
    tensors.values().forEach(tensor -> recipe.append('\n').append(tensor));
    return HexFormat.of()
        .formatHex(digest.digest(recipe.toString().getBytes(StandardCharsets.UTF_8)));
  }

  private Tensor tensor(String name) {
    checkOpen();
    Tensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new NoSuchElementException("%s has no tensor called %s".formatted(description(), name));
    }
    return tensor;
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException(description() + " is closed");
    }
  }

  /** Ends the use of this source, which holds nothing; idempotent. */
  @Override
  public void close() {
    closed = true;
  }
}
