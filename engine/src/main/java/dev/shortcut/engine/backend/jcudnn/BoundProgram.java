package dev.shortcut.engine.backend.jcudnn;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.shortcut.engine.backend.jcudnn.Program.Place;
import dev.shortcut.engine.backend.jcudnn.Program.Step;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import jcuda.Pointer;
import jcuda.cudaDataType;
import jcuda.driver.CUfunction;
import jcuda.driver.JCudaDriver;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasOperation;
import jcuda.jcudnn.JCudnn;
import jcuda.jcudnn.cudnnSoftmaxAlgorithm;
import jcuda.jcudnn.cudnnSoftmaxMode;

/**
 * A program with addresses: every call with its arguments, made once. Enqueueing makes no object.
 * Used by one thread at a time, with the device's context current.
 */
final class BoundProgram {
  private static final int THREADS = 256;

  /** Enough to fill every GPU; kernels walk over the rest. */
  private static final int MOST_BLOCKS = 1 << 14;

  /** {@code CUBLAS_GEMM_DEFAULT}. */
  private static final int GEMM_DEFAULT = -1;

  private final Program program;
  private final Lane lane;
  private final Call[][] steps;

  // What kernels are given as the addresses of what is the caller's.
  private final MemorySegment callersImages;
  private final MemorySegment callersResults;

  /** What was begun last, for messages. */
  private String attempted = "nothing";

  BoundProgram(Program program, Lane lane) {
    this.program = program;
    this.lane = lane;
    callersImages = lane.memory().allocate(JAVA_LONG);
    callersResults = lane.memory().allocate(JAVA_LONG);
    List<Call[]> bound = new ArrayList<>();
    for (Step step : program.steps()) {
      bound.add(bind(step.work()).toArray(Call[]::new));
    }
    steps = bound.toArray(Call[][]::new);
  }

  private List<Call> bind(Program.Work work) {
    return switch (work) {
      case Program.Convolution c -> List.of(convolution(c));
      case Program.Pooling p -> {
        DeviceAddress x = address(p.x());
        DeviceAddress y = address(p.y());
        yield List.of(
            Call.cudnn(
                "cudnnPoolingForward",
                () ->
                    JCudnn.cudnnPoolingForward(
                        lane.cudnn(),
                        p.pooling(),
                        lane.one(),
                        p.xLayout(),
                        x,
                        lane.zero(),
                        p.yLayout(),
                        y)));
      }
      case Program.Softmax s -> {
        DeviceAddress x = address(s.x());
        DeviceAddress y = address(s.y());
        yield List.of(
            Call.cudnn(
                "cudnnSoftmaxForward",
                () ->
                    JCudnn.cudnnSoftmaxForward(
                        lane.cudnn(),
                        cudnnSoftmaxAlgorithm.CUDNN_SOFTMAX_ACCURATE,
                        cudnnSoftmaxMode.CUDNN_SOFTMAX_MODE_CHANNEL,
                        lane.one(),
                        s.layout(),
                        x,
                        lane.zero(),
                        s.layout(),
                        y)));
      }
      case Program.Product p -> product(p);
      case Program.Launch launch -> List.of(launch(launch));
    };
  }

  private Call convolution(Program.Convolution c) {
    DeviceAddress x = address(c.x());
    DeviceAddress filters = address(c.filters());
    DeviceAddress workspace = address(c.workspace());
    DeviceAddress bias = address(c.bias());
    DeviceAddress y = address(c.y());
    boolean adds = !(c.z() instanceof Place.Nowhere);
    // With a factor of 0 z is not read, but has to be named.
    DeviceAddress z = adds ? address(c.z()) : y;
    Pointer factor = adds ? lane.one() : lane.zero();
    return Call.cudnn(
        "cudnnConvolutionBiasActivationForward",
        () ->
            JCudnn.cudnnConvolutionBiasActivationForward(
                lane.cudnn(),
                lane.one(),
                c.xLayout(),
                x,
                c.filterLayout(),
                filters,
                c.convolution(),
                JCudnnDevice.ALGORITHM,
                workspace,
                c.workspaceBytes(),
                factor,
                c.yLayout(),
                z,
                c.biasLayout(),
                bias,
                c.activation(),
                c.yLayout(),
                y));
  }

  /** cuBLAS counts by columns: what it is told is {@code sums^T = rows * x^T}. */
  private List<Call> product(Program.Product p) {
    Arithmetic arithmetic = lane.device().arithmetic();
    DeviceAddress rows = address(p.rows());
    DeviceAddress x = address(p.x());
    DeviceAddress sums = address(p.sums());
    DeviceAddress workspace = address(p.workspace());
    return List.of(
        Call.cublas(
            "cublasSetWorkspace",
            () -> JCublas2.cublasSetWorkspace(lane.cublas(), workspace, Lowering.CUBLAS_WORKSPACE)),
        Call.cublas(
            "cublasGemmEx",
            () ->
                // The one of that name without _new takes the compute types of CUDA 10.
                JCublas2.cublasGemmEx_new(
                    lane.cublas(),
                    cublasOperation.CUBLAS_OP_T,
                    cublasOperation.CUBLAS_OP_N,
                    p.outputs(),
                    program.batch(),
                    p.depth(),
                    lane.one(),
                    rows,
                    arithmetic.cublasType(),
                    p.depth(),
                    x,
                    arithmetic.cublasType(),
                    p.depth(),
                    lane.zero(),
                    sums,
                    cudaDataType.CUDA_R_32F,
                    p.outputs(),
                    arithmetic.computeType(),
                    GEMM_DEFAULT)));
  }

  /** A call that launches one of our own kernels. */
  private Call launch(Program.Launch launch) {
    List<Object> arguments = launch.arguments();
    MemorySegment values = lane.memory().allocate(JAVA_LONG, arguments.size());
    MemorySegment pointers = lane.memory().allocate(JAVA_LONG, arguments.size());
    for (int i = 0; i < arguments.size(); i++) {
      MemorySegment value = values.asSlice(i * JAVA_LONG.byteSize());
      switch (arguments.get(i)) {
        case Place.CallersImages _ -> value = callersImages;
        case Place.CallersResults _ -> value = callersResults;
        case Place place -> value.set(JAVA_LONG, 0, address(place).value());
        case Integer number -> value.set(JAVA_INT, 0, number);
        case Long number -> value.set(JAVA_LONG, 0, number);
        default -> throw new IllegalArgumentException("a kernel is given " + arguments.get(i));
      }
      pointers.setAtIndex(JAVA_LONG, i, value.address());
    }
    // JCuda would build this list of addresses anew for each launch from an array of pointers.
    Pointer parameters = Pointer.to(pointers.asByteBuffer());
    CUfunction function = lane.device().function(launch.function());
    int blocks = Math.toIntExact(Math.clamp(Math.ceilDiv(launch.count(), THREADS), 1, MOST_BLOCKS));
    return Call.driver(
        "cuLaunchKernel",
        () ->
            JCudaDriver.cuLaunchKernel(
                function, blocks, 1, 1, THREADS, 1, 1, 0, lane.stream(), parameters, null));
  }

  private DeviceAddress address(Place place) {
    return switch (place) {
      case Place.InArena(int buffer) -> lane.arena().plus(program.plan().offset(buffer));
      case Place.Constant(long offset) -> lane.device().constantsAt().plus(offset);
      case Place.Elsewhere(DeviceAddress address) -> address;
      case Place.Nowhere() -> new DeviceAddress();
      case Place.CallersImages _, Place.CallersResults _ ->
          throw new IllegalArgumentException("only kernels of ours are told " + place);
    };
  }

  /** What it runs. */
  Program program() {
    return program;
  }

  /** Where images are copied to. */
  DeviceAddress handedOver() {
    return lane.arena().plus(program.plan().offset(program.handedOver()));
  }

  /** Where results are copied from. */
  DeviceAddress handedBack() {
    return address(program.handedBack());
  }

  /** What was begun last, for messages. */
  String attempted() {
    return attempted;
  }

  /** Says what is begun now. */
  void attempt(String what) {
    attempted = what;
  }

  /** Says where the caller's images and results are from now on. */
  void serve(long images, long results) {
    callersImages.set(JAVA_LONG, 0, images);
    callersResults.set(JAVA_LONG, 0, results);
  }

  /** How many steps there are. */
  int steps() {
    return steps.length;
  }

  /** Enqueues one step. */
  void enqueue(int step) {
    attempted = program.steps().get(step).purpose();
    for (Call call : steps[step]) {
      call.run();
    }
  }

  /** Enqueues all steps. */
  void enqueueAll() {
    for (int step = 0; step < steps.length; step++) {
      enqueue(step);
    }
  }

  /** Enqueues all steps but the first and the last. */
  void enqueueInner() {
    for (int step = 1; step < steps.length - 1; step++) {
      enqueue(step);
    }
  }
}
