package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;

/** What is done to each element. */
public final class Pointwise {
  private final PointwiseMode mode;
  private final Descriptor descriptor;

  private Pointwise(PointwiseMode mode, Descriptor descriptor) {
    this.mode = mode;
    this.descriptor = descriptor;
  }

  /**
   * Describes an operation on elements.
   *
   * @param compute what it is computed in, FLOAT or INT32
   * @throws CudnnException if cuDNN refuses it
   */
  public static Pointwise of(Cudnn cudnn, Closer owner, PointwiseMode mode, DataType compute) {
    return new Pointwise(
        mode,
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_POINTWISE_DESCRIPTOR)
            .setInts(
                CudnnConstants.ATTR_POINTWISE_MODE, CudnnConstants.TYPE_POINTWISE_MODE, mode.code())
            .setType(CudnnConstants.ATTR_POINTWISE_MATH_PREC, compute)
            .complete());
  }

  /** What it does. */
  public PointwiseMode mode() {
    return mode;
  }

  Descriptor descriptor() {
    return descriptor;
  }
}
