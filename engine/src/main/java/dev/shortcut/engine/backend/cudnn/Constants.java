package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Weights;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * What does not change from batch to batch: folded weights and biases as the kernels read them.
 * While the graph is lowered each tensor is given a place; once the size is known and allowed, all
 * are written into one block of memory, which is then copied to the device as it is. Batch sizes
 * share a tensor wherever they agree on its layout.
 *
 * <p>Not thread-safe.
 */
final class Constants {
  /** What cuDNN and cuBLAS promise to be fastest with, and a promise of every plan's. */
  static final long ALIGNMENT = 256;

  private final List<Entry> entries = new ArrayList<>();
  private final Map<Node, Entry> byNode = new IdentityHashMap<>();
  private long bytes;

  /** Writes a node's matrix and vector, as floats in row-major order. */
  interface Source {
    void write(Weights weights, MemorySegment matrix, MemorySegment vector);
  }

  /** How a matrix or a vector lies on the device; equal ones are stored once. */
  interface Layout {
    /** Bytes that it takes. */
    long bytes();

    /**
     * Writes it.
     *
     * @param matrix the node's matrix as floats in row-major order
     * @param vector the node's vector as floats
     * @param target that many zeroed {@link #bytes}
     */
    void write(MemorySegment matrix, MemorySegment vector, MemorySegment target);
  }

  /** A node's tensors: a matrix and a vector, each in one layout or several. */
  final class Entry {
    private final long matrixElements;
    private final long vectorElements;
    private final Source source;
    private final Map<Layout, Long> places = new HashMap<>();

    private Entry(long matrixElements, long vectorElements, Source source) {
      this.matrixElements = matrixElements;
      this.vectorElements = vectorElements;
      this.source = source;
    }

    /** Where the tensor lies in that layout, in bytes from the start of the block. */
    Program.Operand at(Layout layout) {
      return new Program.Operand.Constant(
          places.computeIfAbsent(
              layout,
              _ -> {
                long offset = bytes;
                bytes += Math.ceilDiv(layout.bytes(), ALIGNMENT) * ALIGNMENT;
                return offset;
              }));
    }

    private void write(Weights weights, MemorySegment block) {
      try (Arena frame = Arena.ofConfined()) {
        MemorySegment matrix = frame.allocate(ValueLayout.JAVA_FLOAT, matrixElements);
        MemorySegment vector = frame.allocate(ValueLayout.JAVA_FLOAT, vectorElements);
        source.write(weights, matrix, vector);
        places.forEach((layout, offset) ->
            layout.write(matrix, vector, block.asSlice(offset, layout.bytes())));
      }
    }
  }

  /**
   * The tensors of a node, the same for every batch size.
   *
   * @param matrixElements floats that {@code source} writes to the matrix
   * @param vectorElements floats that {@code source} writes to the vector
   */
  Entry entry(Node node, long matrixElements, long vectorElements, Source source) {
    return byNode.computeIfAbsent(
        node,
        _ -> {
          var entry = new Entry(matrixElements, vectorElements, source);
          entries.add(entry);
          return entry;
        });
  }

  /** Bytes of all tensors, alignment included. */
  long bytes() {
    return bytes;
  }

  /**
   * Reads, folds and writes all tensors.
   *
   * @param block that many zeroed {@link #bytes}
   */
  void write(Weights weights, MemorySegment block) {
    entries.forEach(entry -> entry.write(weights, block));
  }

  /**
   * A convolution's filter in the order output channel, row, column, input channel.
   *
   * @param outputs output channels of the graph
   * @param inputs input channels of the graph, those of all groups
   * @param kernel rows and columns
   * @param groups groups of the graph
   * @param dense whether the groups become one, with zeros between them
   */
  record Filter(
      Arithmetic arithmetic, int outputs, int inputs, int kernel, int groups, boolean dense)
      implements Layout {
    @Override
    public long bytes() {
      return (long) Arithmetic.padded(outputs) * kernel * kernel * depth() * arithmetic.bytes();
    }

    /** Input channels that each output channel reads, in memory. */
    int depth() {
      return dense ? Arithmetic.padded(inputs) : inputs / groups;
    }

    @Override
    public void write(MemorySegment matrix, MemorySegment vector, MemorySegment target) {
      int perGroup = inputs / groups;
      int outputsPerGroup = outputs / groups;
      long from = 0;
      for (int k = 0; k < outputs; k++) {
        int first = dense ? k / outputsPerGroup * perGroup : 0;
        for (int c = 0; c < perGroup; c++) {
          for (int tap = 0; tap < kernel * kernel; tap++) {
            long to = ((long) k * kernel * kernel + tap) * depth() + first + c;
            arithmetic.store(target, to, matrix.getAtIndex(ValueLayout.JAVA_FLOAT, from++));
          }
        }
      }
    }
  }

  /**
   * A linear layer's matrix, a row for each output, its columns in the order in which an image's
   * values lie: row, column, channel.
   *
   * @param outputs output features of the graph
   * @param channels input channels of the graph
   * @param plane input pixels
   */
  record Matrix(Arithmetic arithmetic, int outputs, int channels, int plane) implements Layout {
    @Override
    public long bytes() {
      return (long) Arithmetic.padded(outputs) * depth() * arithmetic.bytes();
    }

    /** Values of an image in memory. */
    int depth() {
      return Math.multiplyExact(Arithmetic.padded(channels), plane);
    }

    @Override
    public void write(MemorySegment matrix, MemorySegment vector, MemorySegment target) {
      int padded = Arithmetic.padded(channels);
      long from = 0;
      for (int output = 0; output < outputs; output++) {
        for (int c = 0; c < channels; c++) {
          for (int pixel = 0; pixel < plane; pixel++) {
            long to = (long) output * depth() + (long) pixel * padded + c;
            arithmetic.store(target, to, matrix.getAtIndex(ValueLayout.JAVA_FLOAT, from++));
          }
        }
      }
    }
  }

  /**
   * One value for each channel.
   *
   * @param arithmetic of the values in memory
   * @param channels channels of the graph
   * @param ofMatrix whether the values are the matrix's; else they are the vector's
   */
  record PerChannel(Arithmetic arithmetic, int channels, boolean ofMatrix) implements Layout {
    @Override
    public long bytes() {
      return (long) Arithmetic.padded(channels) * arithmetic.bytes();
    }

    @Override
    public void write(MemorySegment matrix, MemorySegment vector, MemorySegment target) {
      MemorySegment source = ofMatrix ? matrix : vector;
      for (int c = 0; c < channels; c++) {
        arithmetic.store(target, c, source.getAtIndex(ValueLayout.JAVA_FLOAT, c));
      }
    }
  }
}
