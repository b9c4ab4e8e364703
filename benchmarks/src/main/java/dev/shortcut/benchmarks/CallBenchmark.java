package dev.shortcut.benchmarks;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Event;
import dev.shortcut.bindings.cuda.Graph;
import dev.shortcut.bindings.cuda.GraphExec;
import dev.shortcut.bindings.cuda.Kernel;
import dev.shortcut.bindings.cuda.KernelArguments;
import dev.shortcut.bindings.cuda.PinnedMemory;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.jcuda.FromJCuda;
import dev.shortcut.bindings.jcuda.ToJCuda;
import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.List;
import java.util.concurrent.TimeUnit;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUfunction;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import jcuda.jcudnn.JCudnn;
import jcuda.jcudnn.cudnnBackendDescriptor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The same calls through our bindings (FFM) and through JCuda's (JNI), on the same objects of the
 * software device with its work switched off. What the stand-in itself takes, some checks and an
 * entry in a log under one lock, is in both and in {@code nothing...} nearly alone. With {@code
 * -prof gc}, the garbage.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class CallBenchmark {
  private static final int CALLS = 100;
  private static final int BYTES = 4096;
  private static final int INT64 = 3;
  private static final int TENSOR_DESCRIPTOR = 17;
  private static final int TENSOR_UNIQUE_ID = 906;

  private static final String KERNEL =
      """
      extern "C" __global__ void scale(float* y, float a, int n) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n) y[i] *= a;
      }
      """;

  private final Closer owner = new Closer();
  private final Arena arena = Arena.ofShared();

  private Stream stream;
  private Event event;
  private DeviceMemory memory;
  private PinnedMemory host;
  private Kernel kernel;
  private KernelArguments arguments;
  private GraphExec graph;
  private MethodHandle setAttribute;
  private MemorySegment tensor;
  private MemorySegment number;

  private CUstream jStream;
  private CUevent jEvent;
  private CUdeviceptr jMemory;
  private Pointer jHost;
  private CUfunction jKernel;
  private Pointer jArguments;
  private Pointer jNull;
  private CUgraphExec jGraph;
  private cudnnBackendDescriptor jTensor;
  private Pointer jNumber;

  /** Makes what the calls are about, once, and lends it to JCuda where that can be lent. */
  @Setup
  public void open() {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().eagerness(0).work(false));
    NvidiaLibraries libraries = NvidiaLibraries.open();
    Cuda cuda = libraries.cuda();
    Context context = owner.own(cuda.devices().getFirst().retainPrimary());
    context.push();
    owner.own(context::pop);
    stream = owner.own(context.newStream());
    event = owner.own(context.newEvent());
    memory = owner.own(context.allocate(BYTES));
    host = owner.own(context.allocatePinned(BYTES));
    MemorySegment code =
        libraries
            .nvrtc()
            .compile("scale.cu", KERNEL, cuda.currentDevice().computeCapability(), List.of())
            .image(arena);
    openFfm(context, libraries, code);
    openJCuda(code.toArray(CTypes.CHAR));
  }

  private void openFfm(Context context, NvidiaLibraries libraries, MemorySegment code) {
    kernel = owner.own(context.load(code)).function("scale");
    arguments = KernelArguments.of(3, arena);
    arguments.setLong(0, memory.address());
    arguments.setFloat(1, 2);
    arguments.setInt(2, BYTES / 4);
    launchOnce();
    stream.synchronize();
    stream.beginCapture();
    launchOnce();
    try (Graph recorded = stream.endCapture()) {
      graph = owner.own(recorded.instantiate());
    }
    NativeLibrary cudnn = libraries.cudnn().library();
    setAttribute =
        cudnn.function(
            "cudnnBackendSetAttribute",
            CTypes.INT,
            CTypes.POINTER,
            CTypes.INT,
            CTypes.INT,
            CTypes.LONG,
            CTypes.POINTER);
    number = arena.allocateFrom(CTypes.LONG, 7);
  }

  private void openJCuda(byte[] code) {
    jStream = ToJCuda.stream(stream);
    jEvent = ToJCuda.event(event);
    jMemory = ToJCuda.pointer(memory);
    jHost = ToJCuda.pointer(host);
    jNull = new Pointer();
    CUmodule module = new CUmodule();
    check(JCudaDriver.cuModuleLoadData(module, code));
    owner.own(() -> check(JCudaDriver.cuModuleUnload(module)));
    jKernel = new CUfunction();
    check(JCudaDriver.cuModuleGetFunction(jKernel, module, "scale"));
    jArguments =
        Pointer.to(
            Pointer.to(jMemory), Pointer.to(new float[] {2}), Pointer.to(new int[] {BYTES / 4}));
    launchOnceJCuda();
    check(JCudaDriver.cuStreamSynchronize(jStream));
    CUgraph recorded = new CUgraph();
    check(JCudaDriver.cuStreamBeginCapture(jStream, 1));
    launchOnceJCuda();
    check(JCudaDriver.cuStreamEndCapture(jStream, recorded));
    jGraph = new CUgraphExec();
    check(JCudaDriver.cuGraphInstantiate(jGraph, recorded, 0));
    check(JCudaDriver.cuGraphDestroy(recorded));
    owner.own(() -> check(JCudaDriver.cuGraphExecDestroy(jGraph)));
    jTensor = new cudnnBackendDescriptor();
    check(JCudnn.cudnnBackendCreateDescriptor(TENSOR_DESCRIPTOR, jTensor));
    owner.own(() -> check(JCudnn.cudnnBackendDestroyDescriptor(jTensor)));
    tensor = MemorySegment.ofAddress(FromJCuda.nativePointer(jTensor));
    jNumber = ToJCuda.pointer(number);
  }

  private static void check(int status) {
    if (status != 0) {
      throw new IllegalStateException("JCuda returned " + status);
    }
  }

  private void launchOnce() {
    stream.launch(kernel, BYTES / 4 / 128, 1, 1, 128, 1, 1, 0, arguments);
  }

  private void launchOnceJCuda() {
    check(
        JCudaDriver.cuLaunchKernel(
            jKernel, BYTES / 4 / 128, 1, 1, 128, 1, 1, 0, jStream, jArguments, jNull));
  }

  /** Whether an event was reached, through FFM. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public boolean queryFfm() {
    boolean done = true;
    for (int i = 0; i < CALLS; i++) {
      done &= event.done();
    }
    return done;
  }

  /** Whether an event was reached, through JCuda. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public int queryJCuda() {
    int status = 0;
    for (int i = 0; i < CALLS; i++) {
      status |= JCudaDriver.cuEventQuery(jEvent);
    }
    return status;
  }

  /** A copy from pinned memory, through FFM. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public void copyFfm() {
    MemorySegment source = host.segment();
    for (int i = 0; i < CALLS; i++) {
      stream.copyToDevice(memory.address(), source, BYTES);
    }
    stream.synchronize();
  }

  /** A copy from pinned memory, through JCuda. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public void copyJCuda() {
    for (int i = 0; i < CALLS; i++) {
      check(JCudaDriver.cuMemcpyHtoDAsync(jMemory, jHost, BYTES, jStream));
    }
    stream.synchronize();
  }

  /** A kernel with three arguments, through FFM. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public void launchFfm() {
    for (int i = 0; i < CALLS; i++) {
      launchOnce();
    }
    stream.synchronize();
  }

  /** A kernel with three arguments, through JCuda. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public void launchJCuda() {
    for (int i = 0; i < CALLS; i++) {
      launchOnceJCuda();
    }
    stream.synchronize();
  }

  /** A CUDA graph of one kernel, through FFM. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public void graphFfm() {
    for (int i = 0; i < CALLS; i++) {
      stream.launch(graph);
    }
    stream.synchronize();
  }

  /** A CUDA graph of one kernel, through JCuda. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public void graphJCuda() {
    for (int i = 0; i < CALLS; i++) {
      check(JCudaDriver.cuGraphLaunch(jGraph, jStream));
    }
    stream.synchronize();
  }

  /** An attribute of a cuDNN descriptor, through FFM. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public void attributeFfm() throws Throwable {
    for (int i = 0; i < CALLS; i++) {
      check((int) setAttribute.invokeExact(tensor, TENSOR_UNIQUE_ID, INT64, 1L, number));
    }
  }

  /** An attribute of a cuDNN descriptor, through JCudnn. */
  @Benchmark
  @OperationsPerInvocation(CALLS)
  public void attributeJCuda() {
    for (int i = 0; i < CALLS; i++) {
      check(JCudnn.cudnnBackendSetAttribute(jTensor, TENSOR_UNIQUE_ID, INT64, 1, jNumber));
    }
  }

  /** Frees it all. */
  @TearDown
  public void close() {
    owner.close();
    arena.close();
  }
}
