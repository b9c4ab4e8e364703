package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;
import org.jspecify.annotations.Nullable;

/**
 * {@code y = relu(convolution(x, w) + z + bias)}, dense and with channels last; a test's example of
 * a graph.
 *
 * @param channels of x
 * @param size of x, rows and columns
 * @param features of y
 * @param kernel rows and columns of the filter; padding is half of it
 * @param residual whether z is added
 */
record FusedConvolution(
    int batch,
    int channels,
    int size,
    int features,
    int kernel,
    int stride,
    boolean residual,
    boolean relu) {
  static final long X = 1;
  static final long W = 2;
  static final long BIAS = 3;
  static final long Z = 4;
  static final long Y = 5;
  private static final long FIRST_VIRTUAL = 100;

  /** What is promised of every pointer, in bytes. */
  private static final long ALIGNMENT = 16;

  /** Every distinct convolution of ResNet-50, stem channels padded to 8. */
  static SequencedSet<FusedConvolution> ofResNet50(int batch) {
    SequencedSet<FusedConvolution> all = new LinkedHashSet<>();
    all.add(new FusedConvolution(batch, 8, 224, 64, 7, 2, false, true));
    int in = 64;
    int size = 56;
    for (int stage = 0; stage < 4; stage++) {
      int width = 64 << stage;
      int out = 4 * width;
      for (int block = 0; block < 2; block++) {
        int stride = stage > 0 && block == 0 ? 2 : 1;
        all.add(new FusedConvolution(batch, in, size, width, 1, 1, false, true));
        all.add(new FusedConvolution(batch, width, size, width, 3, stride, false, true));
        if (block == 0) {
          all.add(new FusedConvolution(batch, in, size, out, 1, stride, false, false));
        }
        size /= stride;
        all.add(new FusedConvolution(batch, width, size, out, 1, 1, true, true));
        in = out;
      }
    }
    return all;
  }

  int outputSize() {
    return (size + 2 * (kernel / 2) - kernel) / stride + 1;
  }

  /** The tensors that are in memory, in the order in which {@link #graph} takes them. */
  long[] uids() {
    return residual ? new long[] {X, W, BIAS, Z, Y} : new long[] {X, W, BIAS, Y};
  }

  /**
   * The graph.
   *
   * @param type of every tensor in memory
   * @param residualFirst whether z is added before the bias
   */
  OperationGraph graph(
      Cudnn cudnn,
      Closer owner,
      DataType type,
      boolean residualFirst,
      @Nullable CudnnHandle handle) {
    long[] yShape = {batch, features, outputSize(), outputSize()};
    Tensor x = tensor(cudnn, owner, X, type, false, batch, channels, size, size);
    Tensor w = tensor(cudnn, owner, W, type, false, features, channels, kernel, kernel);
    Tensor bias = tensor(cudnn, owner, BIAS, type, false, 1, features, 1, 1);
    Tensor y = tensor(cudnn, owner, Y, type, false, yShape);
    List<Tensor> addends = new ArrayList<>(List.of(bias));
    if (residual) {
      addends.add(residualFirst ? 0 : 1, tensor(cudnn, owner, Z, type, false, yShape));
    }
    List<Operation> operations = new ArrayList<>();
    long[] padding = {kernel / 2, kernel / 2};
    Convolution convolution =
        Convolution.of(
            cudnn,
            owner,
            DataType.FLOAT,
            padding,
            padding,
            new long[] {stride, stride},
            new long[] {1, 1});
    long uid = FIRST_VIRTUAL;
    Tensor current = tensor(cudnn, owner, uid++, DataType.FLOAT, true, yShape);
    operations.add(Operation.convolutionForward(cudnn, owner, convolution, x, w, current, 1, 0));
    Pointwise add = Pointwise.of(cudnn, owner, PointwiseMode.ADD, DataType.FLOAT);
    for (Tensor addend : addends) {
      boolean last = !relu && addend == addends.getLast();
      Tensor sum = last ? y : tensor(cudnn, owner, uid++, DataType.FLOAT, true, yShape);
      operations.add(Operation.pointwise(cudnn, owner, add, current, addend, sum));
      current = sum;
    }
    if (relu) {
      Pointwise rectify = Pointwise.of(cudnn, owner, PointwiseMode.RELU_FWD, DataType.FLOAT);
      operations.add(Operation.pointwise(cudnn, owner, rectify, current, null, y));
    }
    return OperationGraph.of(cudnn, owner, operations, handle);
  }

  private static Tensor tensor(
      Cudnn cudnn, Closer owner, long uid, DataType type, boolean virtual, long... shape) {
    return Tensor.of(
        cudnn, owner, uid, type, shape, Tensor.channelsLast(shape), ALIGNMENT, virtual);
  }
}
