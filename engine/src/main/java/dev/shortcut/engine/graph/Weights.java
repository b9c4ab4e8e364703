package dev.shortcut.engine.graph;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Set;

/**
 * A read-only source of named tensors, such as a weights file. A graph names what it needs;
 * compiling it reads each tensor once, after which the source may be closed.
 *
 * <p>Implementations are safe for use by several threads at once until closed; use after close
 * throws {@link IllegalStateException}.
 */
public interface Weights extends AutoCloseable {
  /**
   * The same value for every parameter of a graph, for measuring and for trying out, where numbers
   * do not matter.
   */
  static Weights constant(Graph graph, float value) {
    return new ConstantWeights(graph, value);
  }

  /** What this source is, for messages: a file's name, or {@code random:7}. */
  String description();

  /** The names of all tensors, in the order of the source. */
  Set<String> names();

  /**
   * The extents of a tensor, outermost first; empty for a scalar.
   *
   * @throws java.util.NoSuchElementException if there is no such tensor
   */
  List<Integer> dims(String name);

  /**
   * Writes the whole tensor, converted to float in native byte order and in row-major order, to the
   * start of {@code target}.
   *
   * @param target at least four bytes for each element
   * @throws java.util.NoSuchElementException if there is no such tensor
   * @throws IllegalArgumentException if {@code target} is too small
   */
  void read(String name, MemorySegment target);

  /** The whole tensor as a new array, row-major. */
  default float[] read(String name) {
    long elements =
        dims(name).stream().mapToLong(Integer::longValue).reduce(1, Math::multiplyExact);
    float[] values = new float[Math.toIntExact(elements)];
    read(name, MemorySegment.ofArray(values));
    return values;
  }

  /** Releases the file or memory behind this source; idempotent. */
  @Override
  void close();
}
