package dev.shortcut.bindings.cudnn;

import static dev.shortcut.bindings.library.CTypes.FLOAT;
import static dev.shortcut.bindings.library.CTypes.LONG;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeHandle;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/**
 * A convolution with what follows it, made ready for {@code cudnnConvolutionBiasActivationForward}:
 * cuDNN's call from before the graph API, always by implicit precomputed GEMM, the one algorithm
 * that it takes with and without ReLU. It sums in the same order every time. For one thread at a
 * time.
 */
public final class LegacyConvolutionPlan {
  private static final int ALGORITHM = CudnnConstants.CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;

  private final LegacyFunctions functions;
  private final Closer owner;
  private final NativeHandle x;
  private final NativeHandle w;
  private final NativeHandle convolution;
  private final NativeHandle bias;
  private final NativeHandle activation;
  private final NativeHandle y;
  private final MemorySegment one;
  private final MemorySegment residualFactor;
  private final boolean residual;

  private LegacyConvolutionPlan(LegacyFunctions functions, Closer owner, LegacyConvolution c) {
    this.functions = functions;
    this.owner = owner;
    DataType type = c.type();
    x = tensor(type, c.batch(), c.channels(), c.height(), c.width());
    w = filter(type, c.features(), c.channels() / c.groups(), c.kernel());
    convolution = convolution(c);
    bias = tensor(type, 1, c.features(), 1, 1);
    activation = activation(c.relu());
    y = tensor(type, c.batch(), c.features(), c.outputHeight(), c.outputWidth());
    residual = c.residual();
    // Collected, not closed: nothing here may be freed while a run is under way on another thread.
    Arena arena = Arena.ofAuto();
    one = arena.allocateFrom(FLOAT, 1);
    residualFactor = arena.allocateFrom(FLOAT, c.residual() ? 1 : 0);
  }

  /**
   * Describes a convolution, which needs no GPU.
   *
   * @throws CudnnException if cuDNN refuses it
   * @throws LibraryException if cuDNN comes without its calls from before the graph API
   */
  public static LegacyConvolutionPlan of(Cudnn cudnn, Closer owner, LegacyConvolution convolution) {
    LegacyFunctions functions = cudnn.legacy();
    try {
      return new LegacyConvolutionPlan(functions, owner, convolution);
    } catch (CudnnException e) {
      throw new CudnnException("describing " + convolution, e);
    }
  }

  /**
   * Bytes of device memory that a run on the handle's device scribbles on; may be 0.
   *
   * @throws CudnnException if cuDNN has nothing there that computes it
   */
  public long workspaceBytes(CudnnHandle handle) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment bytes = frame.allocate(LONG);
      functions.getConvolutionForwardWorkspaceSize(
          handle.live(), x.get(), w.get(), convolution.get(), y.get(), ALGORITHM, bytes);
      return bytes.get(LONG, 0);
    }
  }

  /**
   * Enqueues the convolution on the handle's stream; allocates nothing. All addresses are in device
   * memory and aligned to 16 bytes.
   *
   * @param z what is added; ignored where the convolution has no residual
   * @param workspace for this run alone
   * @param workspaceBytes its size, at least {@link #workspaceBytes(CudnnHandle)}
   * @throws CudnnException if cuDNN refuses it or the launch failed
   */
  public void run(
      CudnnHandle handle,
      long x,
      long w,
      long bias,
      long z,
      long y,
      long workspace,
      long workspaceBytes) {
    functions.convolutionBiasActivationForward(
        handle.live(),
        one,
        this.x.get(),
        x,
        this.w.get(),
        w,
        convolution.get(),
        ALGORITHM,
        workspace,
        workspaceBytes,
        residualFactor,
        this.y.get(),
        // With a factor of 0 it is not read, but has to be somewhere.
        residual ? z : y,
        this.bias.get(),
        bias,
        activation.get(),
        this.y.get(),
        y);
  }

  private NativeHandle create(Consumer<MemorySegment> create, Consumer<MemorySegment> destroy) {
    return owner.own(NativeHandle.create("cuDNN descriptor", create, destroy));
  }

  private NativeHandle tensor(DataType type, int n, int c, int h, int w) {
    NativeHandle made =
        create(functions::createTensorDescriptor, functions::destroyTensorDescriptor);
    functions.setTensor4dDescriptor(
        made.get(), CudnnConstants.TENSOR_NHWC, type.code(), n, c, h, w);
    return made;
  }

  private NativeHandle filter(DataType type, int features, int depth, int kernel) {
    NativeHandle made =
        create(functions::createFilterDescriptor, functions::destroyFilterDescriptor);
    functions.setFilter4dDescriptor(
        made.get(), type.code(), CudnnConstants.TENSOR_NHWC, features, depth, kernel, kernel);
    return made;
  }

  private NativeHandle convolution(LegacyConvolution c) {
    NativeHandle made =
        create(functions::createConvolutionDescriptor, functions::destroyConvolutionDescriptor);
    functions.setConvolution2dDescriptor(
        made.get(),
        c.padding(),
        c.padding(),
        c.stride(),
        c.stride(),
        c.dilation(),
        c.dilation(),
        CudnnConstants.CROSS_CORRELATION,
        DataType.FLOAT.code());
    functions.setConvolutionMathType(
        made.get(), c.tensorCores() ? CudnnConstants.TENSOR_OP_MATH : CudnnConstants.FMA_MATH);
    functions.setConvolutionGroupCount(made.get(), c.groups());
    return made;
  }

  private NativeHandle activation(boolean relu) {
    NativeHandle made =
        create(functions::createActivationDescriptor, functions::destroyActivationDescriptor);
    functions.setActivationDescriptor(
        made.get(),
        relu ? CudnnConstants.ACTIVATION_RELU : CudnnConstants.ACTIVATION_IDENTITY,
        // The call takes no other.
        CudnnConstants.NOT_PROPAGATE_NAN,
        0);
    return made;
  }
}
