package dev.shortcut.bindings.dlpack;

import java.util.ArrayList;
import java.util.List;

/**
 * What and where a tensor is ({@code DLTensor}); it owns nothing. Immutable and safe for use by any
 * thread.
 *
 * @param data the address that {@code byteOffset} counts from; on a GPU, one that the host must not
 *     touch
 * @param shape elements in each dimension, at most 32 of them
 * @param strides how many elements further the next one of each dimension lies
 */
public record DlTensor(
    long data,
    DlDevice device,
    DlType type,
    List<Long> shape,
    List<Long> strides,
    long byteOffset) {
  /** More dimensions than anybody has. */
  static final int MOST_DIMENSIONS = 32;

  /**
   * Checks the numbers.
   *
   * @throws IllegalArgumentException if a size is negative, sizes and strides differ in number, or
   *     the bytes cannot be counted with 63 bits
   */
  public DlTensor {
    shape = List.copyOf(shape);
    strides = List.copyOf(strides);
    if (shape.size() != strides.size() || shape.size() > MOST_DIMENSIONS) {
      throw new IllegalArgumentException(
          "a tensor with %d sizes and %d strides".formatted(shape.size(), strides.size()));
    }
    if (byteOffset < 0 || shape.stream().anyMatch(size -> size < 0)) {
      throw new IllegalArgumentException(
          "a tensor of shape %s at offset %d".formatted(shape, byteOffset));
    }
    try {
      long bytes = type.bytes();
      for (long size : shape) {
        bytes = Math.multiplyExact(bytes, Math.max(1, size));
      }
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException("a tensor of shape %s is too large".formatted(shape), e);
    }
  }

  /**
   * A tensor whose elements lie one behind the other, the last dimension's closest.
   *
   * @param address where the first one lies
   */
  public static DlTensor compact(long address, DlDevice device, DlType type, long... shape) {
    List<Long> sizes = new ArrayList<>();
    for (long size : shape) {
      sizes.add(size);
    }
    return new DlTensor(address, device, type, sizes, compactStrides(sizes), 0);
  }

  /** Where the first element lies. */
  public long address() {
    return data + byteOffset;
  }

  /** How many elements there are. */
  public long elements() {
    long elements = 1;
    for (long size : shape) {
      elements *= size;
    }
    return elements;
  }

  /** Bytes of all elements. */
  public long bytes() {
    return elements() * type.bytes();
  }

  /** Whether the elements lie one behind the other, the last dimension's closest. */
  public boolean isCompact() {
    List<Long> compact = compactStrides(shape);
    for (int i = 0; i < shape.size(); i++) {
      // The stride of a dimension that nobody steps along may be anything.
      if (shape.get(i) > 1 && !strides.get(i).equals(compact.get(i)) && elements() > 0) {
        return false;
      }
    }
    return true;
  }

  /**
   * The same elements with the dimensions in another order: {@code permute(0, 2, 3, 1)} of an NCHW
   * tensor that lies as NHWC, PyTorch's {@code channels_last}, is compact.
   *
   * @param order the old number of each new dimension
   * @throws IllegalArgumentException if not each dimension is named once
   */
  public DlTensor permute(int... order) {
    List<Long> newShape = new ArrayList<>();
    List<Long> newStrides = new ArrayList<>();
    long seen = 0;
    for (int old : order) {
      if (old < 0 || old >= shape.size() || (seen >> old & 1) == 1) {
        throw new IllegalArgumentException("not an order of the dimensions of " + this);
      }
      seen |= 1L << old;
      newShape.add(shape.get(old));
      newStrides.add(strides.get(old));
    }
    if (order.length != shape.size()) {
      throw new IllegalArgumentException("not an order of all dimensions of " + this);
    }
    return new DlTensor(data, device, type, newShape, newStrides, byteOffset);
  }

  /**
   * This, if it is what is needed: compact, on that device, of that type and shape.
   *
   * @throws IllegalArgumentException if not, with all that differs
   */
  public DlTensor require(DlDevice device, DlType type, long... shape) {
    DlTensor wanted = compact(data, device, type, shape);
    List<String> wrong = new ArrayList<>();
    if (!this.device.equals(device)) {
      wrong.add("it lies on %s and is needed on %s".formatted(this.device, device));
    }
    if (!this.type.equals(type)) {
      wrong.add("its elements are %s and %s is needed".formatted(this.type, type));
    }
    if (!this.shape.equals(wanted.shape)) {
      wrong.add("its shape is %s and %s is needed".formatted(this.shape, wanted.shape));
    }
    if (!isCompact()) {
      wrong.add(
          "its strides are %s, so that it is not compact: copy it, or permute its dimensions"
              .formatted(strides));
    }
    if (address() == 0 && elements() > 0) {
      wrong.add("its address is null");
    }
    if (!wrong.isEmpty()) {
      throw new IllegalArgumentException("a tensor cannot be used: " + String.join("; ", wrong));
    }
    return this;
  }

  static List<Long> compactStrides(List<Long> shape) {
    var strides = new ArrayList<Long>(shape);
    long stride = 1;
    for (int i = shape.size() - 1; i >= 0; i--) {
      strides.set(i, stride);
      stride *= Math.max(1, shape.get(i));
    }
    return strides;
  }
}
