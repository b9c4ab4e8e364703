package dev.shortcut.engine.backend.jcudnn;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.pass.Folding;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Weights, biases and the like, in the order in which the kernels read them. Lowering gives each a
 * place in one block; when the size of that is known and allowed, all are computed into it. Batch
 * sizes share them.
 *
 * <p>Not thread-safe.
 */
final class Constants {
  /** Bytes; cuDNN and cuBLAS are fastest with it. */
  static final long ALIGNMENT = 256;

  private final List<Pair> pairs = new ArrayList<>();
  private long bytes;

  /** How the two tensors of a node lie, and how they come about. */
  sealed interface Form {
    long firstBytes();

    long secondBytes();

    void write(Node node, Weights weights, MemorySegment first, MemorySegment second);
  }

  /**
   * The two tensors of a node, each by its offset in the block.
   *
   * @param node whose they are
   * @param form how they lie
   * @param first filter, matrix, scale or mean
   * @param second bias, shift or deviation
   */
  record Pair(Node node, Form form, long first, long second) {}

  /** The place of a node's tensors, the same whenever it is asked for. */
  Pair pair(Node node, Form form) {
    for (Pair pair : pairs) {
      if (pair.node == node && pair.form.equals(form)) {
        return pair;
      }
    }
    long first = reserve(form.firstBytes());
    long second = reserve(form.secondBytes());
    var pair = new Pair(node, form, first, second);
    pairs.add(pair);
    return pair;
  }

  private long reserve(long size) {
    long offset = bytes;
    bytes += Math.ceilDiv(size, ALIGNMENT) * ALIGNMENT;
    return offset;
  }

  /** Bytes of all, alignment included. */
  long bytes() {
    return bytes;
  }

  /**
   * Computes all.
   *
   * @param block that many zeroed {@link #bytes}
   */
  void write(Weights weights, MemorySegment block) {
    for (Pair pair : pairs) {
      Form form = pair.form;
      form.write(
          pair.node,
          weights,
          block.asSlice(pair.first, form.firstBytes()),
          block.asSlice(pair.second, form.secondBytes()));
    }
  }

  /**
   * A convolution's filters, each row, column, channel, and its biases.
   *
   * @param outputs filters
   * @param inputs channels of the graph that enter, those of all groups
   * @param area rows times columns
   * @param groups groups of the graph
   * @param depth channels of a filter in memory: more than the graph's where images are filled up,
   *     and all groups' where one filter reads all of them
   */
  record Filters(Arithmetic arithmetic, int outputs, int inputs, int area, int groups, int depth)
      implements Form {
    @Override
    public long firstBytes() {
      return (long) outputs * area * depth * arithmetic.bytes();
    }

    @Override
    public long secondBytes() {
      return (long) outputs * arithmetic.bytes();
    }

    @Override
    public void write(Node node, Weights weights, MemorySegment first, MemorySegment second) {
      int perGroup = inputs / groups;
      boolean together = groups > 1 && depth == inputs;
      try (Arena frame = Arena.ofConfined()) {
        MemorySegment filters = frame.allocate(JAVA_FLOAT, (long) outputs * perGroup * area);
        MemorySegment biases = frame.allocate(JAVA_FLOAT, outputs);
        Folding.fold(node, weights, filters, biases);
        long from = 0;
        for (int k = 0; k < outputs; k++) {
          int begin = together ? k / (outputs / groups) * perGroup : 0;
          for (int c = begin; c < begin + perGroup; c++) {
            for (int tap = 0; tap < area; tap++) {
              long to = ((long) k * area + tap) * depth + c;
              arithmetic.write(first, to, filters.getAtIndex(JAVA_FLOAT, from++));
            }
          }
          arithmetic.write(second, k, biases.getAtIndex(JAVA_FLOAT, k));
        }
      }
    }
  }

  /**
   * A linear layer's rows, each in the order pixel, channel, and its biases, which are floats.
   *
   * @param outputs rows
   * @param pixels of the input
   * @param channels of the input
   */
  record Rows(Arithmetic arithmetic, int outputs, int pixels, int channels) implements Form {
    @Override
    public long firstBytes() {
      return (long) outputs * pixels * channels * arithmetic.bytes();
    }

    @Override
    public long secondBytes() {
      return (long) outputs * Float.BYTES;
    }

    @Override
    public void write(Node node, Weights weights, MemorySegment first, MemorySegment second) {
      try (Arena frame = Arena.ofConfined()) {
        MemorySegment rows = frame.allocate(JAVA_FLOAT, (long) outputs * pixels * channels);
        Folding.fold(node, weights, rows, second);
        long from = 0;
        for (long row = 0; row < outputs; row++) {
          for (int c = 0; c < channels; c++) {
            for (int pixel = 0; pixel < pixels; pixel++) {
              long to = (row * pixels + pixel) * channels + c;
              arithmetic.write(first, to, rows.getAtIndex(JAVA_FLOAT, from++));
            }
          }
        }
      }
    }
  }

  /** What is left of a batch norm that stands alone: scales and shifts, as floats. */
  record Scales(int channels) implements Form {
    @Override
    public long firstBytes() {
      return (long) channels * Float.BYTES;
    }

    @Override
    public long secondBytes() {
      return firstBytes();
    }

    @Override
    public void write(Node node, Weights weights, MemorySegment first, MemorySegment second) {
      Folding.affine(node, weights, first, second);
    }
  }

  /** Means and standard deviations of an image's channels, as floats. */
  record Normalisation(List<Double> mean, List<Double> std) implements Form {
    /** Copies the lists. */
    Normalisation {
      mean = List.copyOf(mean);
      std = List.copyOf(std);
    }

    @Override
    public long firstBytes() {
      return (long) mean.size() * Float.BYTES;
    }

    @Override
    public long secondBytes() {
      return firstBytes();
    }

    @Override
    public void write(Node node, Weights weights, MemorySegment first, MemorySegment second) {
      write(first, second);
    }

    /** Writes them, which needs no weights. */
    void write(MemorySegment first, MemorySegment second) {
      for (int c = 0; c < mean.size(); c++) {
        first.setAtIndex(JAVA_FLOAT, c, mean.get(c).floatValue());
        second.setAtIndex(JAVA_FLOAT, c, std.get(c).floatValue());
      }
    }
  }
}
