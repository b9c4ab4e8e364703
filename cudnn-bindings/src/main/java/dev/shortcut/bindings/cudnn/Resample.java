package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;

/** How a pooling window moves over a picture; the order of two numbers is height, width. */
public final class Resample {
  private final Descriptor descriptor;

  private Resample(Descriptor descriptor) {
    this.descriptor = descriptor;
  }

  /**
   * Describes a pooling.
   *
   * @param compute FLOAT for floats of every kind
   * @param padding NEG_INF_PAD for a maximum, ZERO_PAD for an average
   * @param prePaddings above and left
   * @param postPaddings below and right
   * @param propagateNan whether a window with a NaN gives NaN; otherwise it may be passed over
   * @throws CudnnException if cuDNN refuses it
   */
  public static Resample of(
      Cudnn cudnn,
      Closer owner,
      ResampleMode mode,
      DataType compute,
      PaddingMode padding,
      long[] window,
      long[] prePaddings,
      long[] postPaddings,
      long[] strides,
      boolean propagateNan) {
    return new Resample(
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_RESAMPLE_DESCRIPTOR)
            .setInts(
                CudnnConstants.ATTR_RESAMPLE_MODE, CudnnConstants.TYPE_RESAMPLE_MODE, mode.code())
            .setType(CudnnConstants.ATTR_RESAMPLE_COMP_TYPE, compute)
            .setInts(
                CudnnConstants.ATTR_RESAMPLE_NAN_PROPAGATION,
                CudnnConstants.TYPE_NAN_PROPOGATION,
                propagateNan ? CudnnConstants.PROPAGATE_NAN : CudnnConstants.NOT_PROPAGATE_NAN)
            .setInts(
                CudnnConstants.ATTR_RESAMPLE_PADDING_MODE,
                CudnnConstants.TYPE_PADDING_MODE,
                padding.code())
            .setLongs(CudnnConstants.ATTR_RESAMPLE_SPATIAL_DIMS, window.length)
            .setLongs(CudnnConstants.ATTR_RESAMPLE_WINDOW_DIMS, window)
            .setLongs(CudnnConstants.ATTR_RESAMPLE_PRE_PADDINGS, prePaddings)
            .setLongs(CudnnConstants.ATTR_RESAMPLE_POST_PADDINGS, postPaddings)
            .setLongs(CudnnConstants.ATTR_RESAMPLE_STRIDES, strides)
            .complete());
  }

  Descriptor descriptor() {
    return descriptor;
  }
}
