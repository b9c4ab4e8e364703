package dev.shortcut.engine;

import dev.shortcut.engine.backend.Backend;
import dev.shortcut.engine.backend.Backends;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.PlatformThread;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.pass.Passes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;

/**
 * Whether two backends compute the same, and if not, from which kernel on they differ. Two that
 * share nothing below the graph, such as {@code cuda} and {@code jcuda}, point at each other's
 * mistakes.
 *
 * <p>Where the results of a whole network differ, the network is run up to its first kernel, up to
 * its second one, and so on, on both; which is slow. A kernel whose output is overwritten before it
 * is read is seen at the kernel that reads it.
 */
public final class BackendComparison {
  private BackendComparison() {}

  /**
   * What is compared with another.
   *
   * @param model whose weights must stay open
   * @param options the backend and how it is opened
   */
  public record Side(Model model, Options options) {
    private Graph optimised(Backend backend) {
      Graph wanted = Engine.wanted(model.graph(), options);
      return Passes.trace(wanted, Passes.all(backend.layout())).getLast().after();
    }

    /** The names of its kernels, in the order in which they run. */
    private List<String> kernels() {
      try (Backend backend = Backends.open(options).backend()) {
        return optimised(backend).nodes().stream()
            .filter(node -> node.layer().isKernel())
            .map(Node::name)
            .toList();
      }
    }

    /** What comes out for one batch of the network up to a kernel. */
    private Outcome run(MemorySegment input, int images, String last) {
      try (Backend backend = Backends.open(options).backend()) {
        Graph graph = optimised(backend).upTo(last);
        try (CompiledModel compiled =
            backend.compile(graph, model.weights(), List.of(images), options)) {
          List<KernelReport> kernels = compiled.kernels();
          return new Outcome(
              PlatformThread.call(
                  "shortcut-comparison",
                  () -> run(compiled.slots().getFirst(), graph, input, images)),
              "%s: %s"
                  .formatted(
                      backend.name(),
                      kernels.isEmpty() ? "none" : kernels.getLast().implementation()));
        }
      }
    }

    private static float[] run(Slot slot, Graph graph, MemorySegment input, int images) {
      slot.attach();
      try (Arena arena = Arena.ofShared()) {
        MemorySegment in = arena.allocate(input.byteSize(), Float.BYTES).copyFrom(input);
        MemorySegment out =
            arena.allocate(ValueLayout.JAVA_FLOAT, images * graph.output().shape().elements());
        slot.run(images, in, out);
        return out.toArray(ValueLayout.JAVA_FLOAT);
      }
    }
  }

  /** Values, and what computed the last of them. */
  private record Outcome(float[] values, String implementation) {}

  /**
   * Where two backends begin to differ.
   *
   * @param kernel the name of the first kernel with another output
   * @param number its place among the kernels, from 1 on
   * @param kernels how many there are
   * @param nmse sum of the squared differences over the sum of the first side's squares
   * @param one what computes it on the first side
   * @param other what computes it on the other side
   */
  public record Difference(
      String kernel, int number, int kernels, double nmse, String one, String other) {
    /** In one line, for people. */
    @Override
    public String toString() {
      return "they differ from kernel %d of %d on, %s, by a normalised mean square error of %.3g (%s; %s)"
          .formatted(number, kernels, kernel, nmse, one, other);
    }
  }

  /**
   * The first difference, if there is one.
   *
   * @param input one batch, which both sides' options have the same format of
   * @param images how many make it up
   * @param bound the largest normalised mean square error that is none; with 0 all values must be
   *     equal
   * @throws IllegalArgumentException if the sides are of different networks
   * @throws DeviceUnavailableException if a backend cannot run here
   */
  public static Optional<Difference> first(
      Side one, Side other, MemorySegment input, int images, double bound) {
    List<String> kernels = one.kernels();
    if (!kernels.equals(other.kernels())) {
      throw new IllegalArgumentException(
          "%s and %s do not have the same kernels on both backends"
              .formatted(one.model.graph().name(), other.model.graph().name()));
    }
    if (kernels.isEmpty()
        || differ(one, other, input, images, bound, kernels, kernels.size()).isEmpty()) {
      return Optional.empty();
    }
    for (int count = 1; count < kernels.size(); count++) {
      Optional<Difference> found = differ(one, other, input, images, bound, kernels, count);
      if (found.isPresent()) {
        return found;
      }
    }
    return differ(one, other, input, images, bound, kernels, kernels.size());
  }

  /** Of the first {@code count} kernels. */
  private static Optional<Difference> differ(
      Side one,
      Side other,
      MemorySegment input,
      int images,
      double bound,
      List<String> kernels,
      int count) {
    String last = kernels.get(count - 1);
    Outcome expected = one.run(input, images, last);
    Outcome found = other.run(input, images, last);
    double nmse = nmse(expected.values, found.values);
    return nmse <= bound
        ? Optional.empty()
        : Optional.of(
            new Difference(
                last, count, kernels.size(), nmse, expected.implementation, found.implementation));
  }

  /** 0 where all are equal; not a number where one is none, or where zeros were expected. */
  private static double nmse(float[] expected, float[] found) {
    double error = 0;
    double square = 0;
    for (int i = 0; i < expected.length; i++) {
      double difference = (double) expected[i] - found[i];
      error += difference * difference;
      square += (double) expected[i] * expected[i];
    }
    return error == 0 ? 0 : error / square;
  }
}
