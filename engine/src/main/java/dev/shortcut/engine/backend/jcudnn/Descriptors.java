package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.graph.Shape;
import java.util.function.IntSupplier;
import jcuda.jcudnn.JCudnn;
import jcuda.jcudnn.cudnnActivationDescriptor;
import jcuda.jcudnn.cudnnActivationMode;
import jcuda.jcudnn.cudnnConvolutionDescriptor;
import jcuda.jcudnn.cudnnConvolutionMode;
import jcuda.jcudnn.cudnnDataType;
import jcuda.jcudnn.cudnnFilterDescriptor;
import jcuda.jcudnn.cudnnNanPropagation;
import jcuda.jcudnn.cudnnPoolingDescriptor;
import jcuda.jcudnn.cudnnPoolingMode;
import jcuda.jcudnn.cudnnTensorDescriptor;
import jcuda.jcudnn.cudnnTensorFormat;

/**
 * Makes cuDNN's descriptors, all in the order image, row, column, channel, which their owner
 * closes. Once made they are only read, so that all slots of a device share them.
 */
final class Descriptors {
  private static final int FORMAT = cudnnTensorFormat.CUDNN_TENSOR_NHWC;

  private final Arithmetic arithmetic;
  private final Closer owner;

  Descriptors(Arithmetic arithmetic, Closer owner) {
    this.arithmetic = arithmetic;
    this.owner = owner;
  }

  private void make(String kind, IntSupplier creation, IntSupplier destruction) {
    Call.cudnn("cudnnCreate" + kind, creation).run();
    owner.own(Driver.quietly(Call.cudnn("cudnnDestroy" + kind, destruction)));
  }

  cudnnTensorDescriptor tensor(int images, Shape shape) {
    return tensor(images, shape, FORMAT, arithmetic.dataType());
  }

  /** Of floats in the order image, channel, row, column. */
  cudnnTensorDescriptor floats(int images, Shape shape) {
    return tensor(
        images, shape, cudnnTensorFormat.CUDNN_TENSOR_NCHW, cudnnDataType.CUDNN_DATA_FLOAT);
  }

  private cudnnTensorDescriptor tensor(int images, Shape shape, int format, int dataType) {
    var tensor = new cudnnTensorDescriptor();
    make(
        "TensorDescriptor",
        () -> JCudnn.cudnnCreateTensorDescriptor(tensor),
        () -> JCudnn.cudnnDestroyTensorDescriptor(tensor));
    Call.cudnn(
            "cudnnSetTensor4dDescriptor",
            () ->
                JCudnn.cudnnSetTensor4dDescriptor(
                    tensor,
                    format,
                    dataType,
                    images,
                    shape.channels(),
                    shape.height(),
                    shape.width()))
        .run();
    return tensor;
  }

  cudnnFilterDescriptor filter(int outputs, int depth, int size) {
    var filter = new cudnnFilterDescriptor();
    make(
        "FilterDescriptor",
        () -> JCudnn.cudnnCreateFilterDescriptor(filter),
        () -> JCudnn.cudnnDestroyFilterDescriptor(filter));
    Call.cudnn(
            "cudnnSetFilter4dDescriptor",
            () ->
                JCudnn.cudnnSetFilter4dDescriptor(
                    filter, arithmetic.dataType(), FORMAT, outputs, depth, size, size))
        .run();
    return filter;
  }

  cudnnConvolutionDescriptor convolution(int padding, int stride, int dilation, int groups) {
    var convolution = new cudnnConvolutionDescriptor();
    make(
        "ConvolutionDescriptor",
        () -> JCudnn.cudnnCreateConvolutionDescriptor(convolution),
        () -> JCudnn.cudnnDestroyConvolutionDescriptor(convolution));
    Call.cudnn(
            "cudnnSetConvolution2dDescriptor",
            () ->
                JCudnn.cudnnSetConvolution2dDescriptor(
                    convolution,
                    padding,
                    padding,
                    stride,
                    stride,
                    dilation,
                    dilation,
                    cudnnConvolutionMode.CUDNN_CROSS_CORRELATION,
                    cudnnDataType.CUDNN_DATA_FLOAT))
        .run();
    Call.cudnn(
            "cudnnSetConvolutionMathType",
            () -> JCudnn.cudnnSetConvolutionMathType(convolution, arithmetic.mathType()))
        .run();
    if (groups > 1) {
      Call.cudnn(
              "cudnnSetConvolutionGroupCount",
              () -> JCudnn.cudnnSetConvolutionGroupCount(convolution, groups))
          .run();
    }
    return convolution;
  }

  /** What ends a fused convolution, which may not propagate NaN in the activation. */
  cudnnActivationDescriptor activation(boolean relu) {
    int mode =
        relu
            ? cudnnActivationMode.CUDNN_ACTIVATION_RELU
            : cudnnActivationMode.CUDNN_ACTIVATION_IDENTITY;
    var activation = new cudnnActivationDescriptor();
    make(
        "ActivationDescriptor",
        () -> JCudnn.cudnnCreateActivationDescriptor(activation),
        () -> JCudnn.cudnnDestroyActivationDescriptor(activation));
    Call.cudnn(
            "cudnnSetActivationDescriptor",
            () ->
                JCudnn.cudnnSetActivationDescriptor(
                    activation, mode, cudnnNanPropagation.CUDNN_NOT_PROPAGATE_NAN, 0))
        .run();
    return activation;
  }

  /** Maxima, or means in which padding counts as zeros. */
  cudnnPoolingDescriptor pooling(Window window) {
    int mode =
        window.mean()
            ? cudnnPoolingMode.CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING
            : cudnnPoolingMode.CUDNN_POOLING_MAX;
    var pooling = new cudnnPoolingDescriptor();
    make(
        "PoolingDescriptor",
        () -> JCudnn.cudnnCreatePoolingDescriptor(pooling),
        () -> JCudnn.cudnnDestroyPoolingDescriptor(pooling));
    Call.cudnn(
            "cudnnSetPooling2dDescriptor",
            () ->
                JCudnn.cudnnSetPooling2dDescriptor(
                    pooling,
                    mode,
                    cudnnNanPropagation.CUDNN_PROPAGATE_NAN,
                    window.height(),
                    window.width(),
                    window.padding(),
                    window.padding(),
                    window.rowStep(),
                    window.columnStep()))
        .run();
    return pooling;
  }

  /**
   * A pooling's numbers.
   *
   * @param mean whether it takes means; else maxima
   * @param height rows of the window
   * @param width columns of the window
   * @param rowStep rows from one window to the next
   * @param columnStep columns likewise
   * @param padding rows and columns on each side
   */
  record Window(boolean mean, int height, int width, int rowStep, int columnStep, int padding) {
    /** As layers have it. */
    static Window square(boolean mean, int size, int stride, int padding) {
      return new Window(mean, size, size, stride, stride, padding);
    }

    /** Means over windows that neither overlap nor leave anything out. */
    static Window tiles(int height, int width) {
      return new Window(true, height, width, height, width, 0);
    }
  }
}
