package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;
import java.util.Arrays;

/**
 * What a graph knows of one tensor. Dimensions are always in the order N, C, H, W (filters K, C, R,
 * S); the order in memory is in the strides alone.
 */
public final class Tensor {
  private final long uid;
  private final Descriptor descriptor;

  private Tensor(long uid, Descriptor descriptor) {
    this.uid = uid;
    this.descriptor = descriptor;
  }

  /**
   * Describes a tensor.
   *
   * @param uid its name in the variant pack, another one for each tensor of a graph
   * @param dimensions N, C, H, W
   * @param strides in elements, of the same order
   * @param alignment a promise about the pointer that will be passed, in bytes: too large a one is
   *     a fault on the device, and less than 16 loses the engines that use tensor cores
   * @param virtual between two operations of a graph, never in memory and not in the variant pack
   * @throws CudnnException if cuDNN refuses it
   */
  public static Tensor of(
      Cudnn cudnn,
      Closer owner,
      long uid,
      DataType type,
      long[] dimensions,
      long[] strides,
      long alignment,
      boolean virtual) {
    try {
      return new Tensor(
          uid,
          Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_TENSOR_DESCRIPTOR)
              .setType(CudnnConstants.ATTR_TENSOR_DATA_TYPE, type)
              .setLongs(CudnnConstants.ATTR_TENSOR_DIMENSIONS, dimensions)
              .setLongs(CudnnConstants.ATTR_TENSOR_STRIDES, strides)
              .setLongs(CudnnConstants.ATTR_TENSOR_UNIQUE_ID, uid)
              .setLongs(CudnnConstants.ATTR_TENSOR_BYTE_ALIGNMENT, alignment)
              .setBoolean(CudnnConstants.ATTR_TENSOR_IS_VIRTUAL, virtual)
              .complete());
    } catch (CudnnException e) {
      throw new CudnnException(
          "describing %s tensor %d of %s with strides %s"
              .formatted(type, uid, Arrays.toString(dimensions), Arrays.toString(strides)),
          e);
    }
  }

  /**
   * The strides of a dense tensor whose channels are next to one another in memory (NHWC, KRSC).
   *
   * @param dimensions N, C, H, W
   */
  public static long[] channelsLast(long... dimensions) {
    long c = dimensions[1];
    long h = dimensions[2];
    long w = dimensions[3];
    return new long[] {c * h * w, 1, c * w, c};
  }

  /** Its name in the variant pack. */
  public long uid() {
    return uid;
  }

  Descriptor descriptor() {
    return descriptor;
  }
}
