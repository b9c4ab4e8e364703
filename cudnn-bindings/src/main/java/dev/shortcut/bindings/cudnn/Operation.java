package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;
import org.jspecify.annotations.Nullable;

/** One operation of a graph, from tensors to a tensor. */
public final class Operation {
  private final Descriptor descriptor;

  private Operation(Descriptor descriptor) {
    this.descriptor = descriptor;
  }

  /**
   * {@code y = alpha * convolution(x, w) + beta * y}. A graph has at most one.
   *
   * @throws CudnnException if cuDNN refuses it, for instance because shapes do not fit
   */
  public static Operation convolutionForward(
      Cudnn cudnn,
      Closer owner,
      Convolution convolution,
      Tensor x,
      Tensor w,
      Tensor y,
      float alpha,
      float beta) {
    return new Operation(
        Descriptor.create(
                cudnn, owner, CudnnConstants.BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
            .setDescriptors(
                CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                convolution.descriptor())
            .setDescriptors(CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_X, x.descriptor())
            .setDescriptors(CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_W, w.descriptor())
            .setDescriptors(CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y.descriptor())
            .setFloat(CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, alpha)
            .setFloat(CudnnConstants.ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, beta)
            .complete());
  }

  /**
   * {@code y = mode(x, b)}.
   *
   * @param x after a convolution, the convolution's way: what is broadcast must be {@code b}
   * @param b the second operand, of x's shape or broadcast (1 in any dimension); null for a mode
   *     with one operand
   * @throws IllegalArgumentException if the mode's number of operands is another one
   * @throws CudnnException if cuDNN refuses it, for instance because shapes do not fit
   */
  public static Operation pointwise(
      Cudnn cudnn, Closer owner, Pointwise pointwise, Tensor x, @Nullable Tensor b, Tensor y) {
    if (pointwise.mode().isBinary() != (b != null)) {
      throw new IllegalArgumentException(
          pointwise.mode() + " takes " + (pointwise.mode().isBinary() ? "two operands" : "one"));
    }
    Descriptor descriptor =
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_OPERATION_POINTWISE_DESCRIPTOR)
            .setDescriptors(
                CudnnConstants.ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pointwise.descriptor())
            .setDescriptors(CudnnConstants.ATTR_OPERATION_POINTWISE_XDESC, x.descriptor());
    if (b != null) {
      descriptor.setDescriptors(CudnnConstants.ATTR_OPERATION_POINTWISE_BDESC, b.descriptor());
    }
    return new Operation(
        descriptor
            .setDescriptors(CudnnConstants.ATTR_OPERATION_POINTWISE_YDESC, y.descriptor())
            .complete());
  }

  /**
   * A pooling of x to y.
   *
   * @throws CudnnException if cuDNN refuses it, for instance because shapes do not fit
   */
  public static Operation resampleForward(
      Cudnn cudnn, Closer owner, Resample resample, Tensor x, Tensor y) {
    return new Operation(
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_OPERATION_RESAMPLE_FWD_DESCRIPTOR)
            .setDescriptors(CudnnConstants.ATTR_OPERATION_RESAMPLE_FWD_XDESC, x.descriptor())
            .setDescriptors(CudnnConstants.ATTR_OPERATION_RESAMPLE_FWD_YDESC, y.descriptor())
            .setDescriptors(CudnnConstants.ATTR_OPERATION_RESAMPLE_FWD_DESC, resample.descriptor())
            .complete());
  }

  Descriptor descriptor() {
    return descriptor;
  }
}
