package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cudnn.Convolution;
import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.cudnn.DataType;
import dev.shortcut.bindings.cudnn.Operation;
import dev.shortcut.bindings.cudnn.OperationGraph;
import dev.shortcut.bindings.cudnn.PaddingMode;
import dev.shortcut.bindings.cudnn.Pointwise;
import dev.shortcut.bindings.cudnn.PointwiseMode;
import dev.shortcut.bindings.cudnn.Resample;
import dev.shortcut.bindings.cudnn.ResampleMode;
import dev.shortcut.bindings.cudnn.Tensor;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.backend.cudnn.CudnnKernel.Stage;
import dev.shortcut.engine.graph.Shape;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Kernels in cuDNN's words. Graphs are made without a handle wherever that is enough, so that they
 * are the same whether the device is there or only described.
 */
final class CudnnGraphs {
  /** Unique id of a kernel's input. */
  static final long X = 1;

  /** Unique id of a convolution's filter. */
  static final long W = 2;

  /** Unique id of the values added to each channel. */
  static final long BIAS = 3;

  /** Unique id of the tensor that is added. */
  static final long SHORTCUT = 4;

  /** Unique id of a kernel's output. */
  static final long Y = 5;

  /** What lies between two operations has ids from here on. */
  private static final long FIRST_VIRTUAL = 10;

  /** What every address is a multiple of, in bytes: what tensor cores read at a time. */
  private static final long TENSOR_ALIGNMENT = 16;

  private final Cudnn cudnn;
  private final Closer owner;
  private final DataType storage;
  private final List<Operation> operations = new ArrayList<>();
  private long nextVirtual = FIRST_VIRTUAL;

  private CudnnGraphs(Cudnn cudnn, Closer owner, DataType storage) {
    this.cudnn = cudnn;
    this.owner = owner;
    this.storage = storage;
  }

  /** The graph of a kernel, for whatever device. */
  static OperationGraph build(Cudnn cudnn, Closer owner, CudnnKernel kernel) {
    return build(cudnn, owner, kernel, null);
  }

  /** The graph of a kernel for a handle's device, or without one for whatever device. */
  static OperationGraph build(
      Cudnn cudnn, Closer owner, CudnnKernel kernel, @Nullable CudnnHandle handle) {
    var graphs = new CudnnGraphs(cudnn, owner, kernel.arithmetic().type());
    switch (kernel) {
      case CudnnKernel.Convolution convolution -> graphs.add(convolution);
      case CudnnKernel.Pooling pooling -> graphs.add(pooling);
    }
    return OperationGraph.of(cudnn, owner, graphs.operations, handle);
  }

  private void add(CudnnKernel.Convolution kernel) {
    Shape x = kernel.x();
    Shape y = kernel.y();
    int batch = kernel.batch();
    Tensor filter =
        tensor(W, y.channels(), x.channels() / kernel.groups(), kernel.kernel(), kernel.kernel());
    var both = new long[] {kernel.padding(), kernel.padding()};
    Convolution convolution =
        Convolution.of(
            cudnn,
            owner,
            DataType.FLOAT,
            both,
            both,
            new long[] {kernel.stride(), kernel.stride()},
            new long[] {kernel.dilation(), kernel.dilation()});
    List<Stage> stages = kernel.stages();
    Tensor value = stages.isEmpty() ? image(Y, batch, y) : between(batch, y);
    operations.add(
        Operation.convolutionForward(
            cudnn, owner, convolution, image(X, batch, x), filter, value, 1, 0));
    for (int i = 0; i < stages.size(); i++) {
      Tensor next = i == stages.size() - 1 ? image(Y, batch, y) : between(batch, y);
      // The convolution's result must be the first operand of each.
      switch (stages.get(i)) {
        case SHORTCUT -> pointwise(PointwiseMode.ADD, value, image(SHORTCUT, batch, y), next);
        case BIAS -> pointwise(PointwiseMode.ADD, value, tensor(BIAS, 1, y.channels(), 1, 1), next);
        case RELU -> pointwise(PointwiseMode.RELU_FWD, value, null, next);
      }
      value = next;
    }
  }

  private void add(CudnnKernel.Pooling kernel) {
    var both = new long[] {kernel.padding(), kernel.padding()};
    Resample resample =
        Resample.of(
            cudnn,
            owner,
            kernel.mean() ? ResampleMode.AVGPOOL_INCLUDE_PADDING : ResampleMode.MAXPOOL,
            DataType.FLOAT,
            kernel.mean() ? PaddingMode.ZERO_PAD : PaddingMode.NEG_INF_PAD,
            new long[] {kernel.windowHeight(), kernel.windowWidth()},
            both,
            both,
            new long[] {kernel.strideHeight(), kernel.strideWidth()},
            false);
    operations.add(
        Operation.resampleForward(
            cudnn,
            owner,
            resample,
            image(X, kernel.batch(), kernel.x()),
            image(Y, kernel.batch(), kernel.y())));
  }

  private void pointwise(PointwiseMode mode, Tensor x, @Nullable Tensor b, Tensor y) {
    Pointwise pointwise = Pointwise.of(cudnn, owner, mode, DataType.FLOAT);
    operations.add(Operation.pointwise(cudnn, owner, pointwise, x, b, y));
  }

  private Tensor image(long uid, int batch, Shape shape) {
    return tensor(uid, batch, shape.channels(), shape.height(), shape.width());
  }

  private Tensor tensor(long uid, long... dimensions) {
    return tensor(uid, storage, false, dimensions);
  }

  private Tensor between(int batch, Shape shape) {
    return tensor(
        nextVirtual++,
        DataType.FLOAT,
        true,
        batch,
        shape.channels(),
        shape.height(),
        shape.width());
  }

  private Tensor tensor(long uid, DataType type, boolean virtual, long... dimensions) {
    return Tensor.of(
        cudnn,
        owner,
        uid,
        type,
        dimensions,
        Tensor.channelsLast(dimensions),
        TENSOR_ALIGNMENT,
        virtual);
  }
}
