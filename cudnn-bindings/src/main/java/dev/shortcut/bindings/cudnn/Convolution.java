package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;

/** How a filter moves over a picture; the order of two numbers is height, width. */
public final class Convolution {
  private final Descriptor descriptor;

  private Convolution(Descriptor descriptor) {
    this.descriptor = descriptor;
  }

  /**
   * Describes a convolution as networks mean it (cross-correlation).
   *
   * @param compute what sums are kept in: FLOAT for floats of every kind, INT32 for INT8
   * @param prePaddings above and left
   * @param postPaddings below and right
   * @param dilations distance between taps, 1 for a dense filter
   * @throws CudnnException if cuDNN refuses it
   */
  public static Convolution of(
      Cudnn cudnn,
      Closer owner,
      DataType compute,
      long[] prePaddings,
      long[] postPaddings,
      long[] strides,
      long[] dilations) {
    return new Convolution(
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_CONVOLUTION_DESCRIPTOR)
            .setType(CudnnConstants.ATTR_CONVOLUTION_COMP_TYPE, compute)
            .setInts(
                CudnnConstants.ATTR_CONVOLUTION_CONV_MODE,
                CudnnConstants.TYPE_CONVOLUTION_MODE,
                CudnnConstants.CROSS_CORRELATION)
            .setLongs(CudnnConstants.ATTR_CONVOLUTION_SPATIAL_DIMS, strides.length)
            .setLongs(CudnnConstants.ATTR_CONVOLUTION_PRE_PADDINGS, prePaddings)
            .setLongs(CudnnConstants.ATTR_CONVOLUTION_POST_PADDINGS, postPaddings)
            .setLongs(CudnnConstants.ATTR_CONVOLUTION_FILTER_STRIDES, strides)
            .setLongs(CudnnConstants.ATTR_CONVOLUTION_DILATIONS, dilations)
            .complete());
  }

  Descriptor descriptor() {
    return descriptor;
  }
}
