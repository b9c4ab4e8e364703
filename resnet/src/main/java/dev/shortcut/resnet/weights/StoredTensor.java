package dev.shortcut.resnet.weights;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A tensor as it lies in a file: a view of bytes that were checked to hold it.
 *
 * @param typeName the file's own word for the element type, for messages
 * @param type what the elements are, or null if this library cannot convert them
 * @param storage the bytes that the offset and the strides refer to
 * @param order byte order of the elements
 * @param offset elements before the first one
 * @param dims extents, outermost first
 * @param strides elements from one index to the next, for each extent
 */
record StoredTensor(
    String typeName,
    @Nullable ElementType type,
    MemorySegment storage,
    ByteOrder order,
    long offset,
    List<Integer> dims,
    List<Long> strides) {

  StoredTensor {
    dims = List.copyOf(dims);
    strides = List.copyOf(strides);
  }

  /** The tensor whose elements fill {@code storage} in row-major order, little endian. */
  static StoredTensor rowMajor(
      String typeName, @Nullable ElementType type, MemorySegment storage, List<Integer> dims) {
    return new StoredTensor(
        typeName, type, storage, ByteOrder.LITTLE_ENDIAN, 0, dims, rowMajorStrides(dims));
  }

  private static List<Long> rowMajorStrides(List<Integer> dims) {
    var strides = new ArrayList<Long>();
    long stride = 1;
    for (int dim : dims.reversed()) {
      strides.addFirst(stride);
      stride *= dim;
    }
    return strides;
  }

  /** Number of elements. */
  long elements() {
    return elements(dims);
  }

  /**
   * Number of elements of a tensor with these extents.
   *
   * @throws ArithmeticException if it does not fit into 63 bits
   */
  static long elements(List<Integer> dims) {
    return dims.stream().mapToLong(Integer::longValue).reduce(1, Math::multiplyExact);
  }

  /**
   * Writes the elements to the start of {@code target} as floats in native byte order, row-major.
   *
   * @throws IllegalStateException if the type cannot be converted
   */
  void read(MemorySegment target) {
    if (type == null) {
      throw new IllegalStateException("no conversion from " + typeName);
    }
    long elements = elements();
    if (elements == 0) {
      return;
    }
    int inner = dims.size();
    long run = 1;
    while (inner > 0 && (dims.get(inner - 1) == 1 || strides.get(inner - 1) == run)) {
      run *= dims.get(--inner);
    }
    long stride = 1;
    if (run == 1 && inner > 0) {
      // A transposed tensor: no two elements lie side by side, so walk the last extent with its
      // stride.
      inner--;
      run = dims.get(inner);
      stride = strides.get(inner);
    }
    int[] index = new int[inner];
    long from = offset;
    for (long done = 0; done < elements; done += run) {
      type.toFloats(storage, order, from * type.bytes(), stride, target, done * Float.BYTES, run);
      for (int d = inner - 1; d >= 0; d--) {
        from += strides.get(d);
        if (++index[d] < dims.get(d)) {
          break;
        }
        from -= strides.get(d) * index[d];
        index[d] = 0;
      }
    }
  }
}
