package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.CublasLtHandle;
import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cuda.CudaModule;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Graph;
import dev.shortcut.bindings.cuda.GraphExec;
import dev.shortcut.bindings.cuda.Kernel;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.cudnn.DeviceProperties;
import dev.shortcut.bindings.cudnn.ExecutionPlan;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import dev.shortcut.bindings.nvrtc.CompiledProgram;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Weights;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * What all slots of one device share: context, kernels, weights, choices. Made by the compiling
 * thread, with the context current.
 */
final class CudnnDevice implements Choices {
  /** Captures of different threads are kept apart, since libraries below may share streams. */
  private static final ReentrantLock CAPTURE = new ReentrantLock();

  private final String name;
  private final Context context;
  private final Cudnn cudnn;
  private final CublasLtHandle blas;
  private final CudaModule module;
  private final DeviceKind kind;
  private final LegacyConvolutions legacy;
  private final Products products;
  private final Health health;
  private final Constants constants = new Constants();
  private final Map<String, Kernel> kernels = new HashMap<>();
  private long constantsAddress;

  /**
   * Opens the libraries on a device.
   *
   * @param context current on the calling thread
   * @param kernels our own, compiled for this kind of device
   * @param kinds which of the kinds of device it is of
   */
  CudnnDevice(
      String name,
      Context context,
      NvidiaLibraries libraries,
      CompiledProgram kernels,
      Function<DeviceProperties, DeviceKind> kinds,
      Closer owner) {
    this.name = name;
    this.context = context;
    this.cudnn = libraries.cudnn();
    this.health = new Health(name);
    try (Arena frame = Arena.ofConfined()) {
      module = owner.own(context.load(kernels.image(frame)));
    }
    blas = owner.own(libraries.cublasLt().newHandle());
    CudnnHandle handle = owner.own(cudnn.newHandle());
    kind = kinds.apply(DeviceProperties.of(cudnn, owner, handle));
    legacy = new LegacyConvolutions(cudnn, handle);
    products = new Products(blas, kind);
  }

  /** Its name for messages. */
  String name() {
    return name;
  }

  Context context() {
    return context;
  }

  Cudnn cudnn() {
    return cudnn;
  }

  CublasLtHandle blas() {
    return blas;
  }

  @Override
  public Planner.Outcome plan(CudnnKernel kernel) {
    return planner().plan(kernel);
  }

  @Override
  public LegacyConvolutions.Answer legacy(CudnnKernel.Convolution kernel) {
    return legacy.ask(kernel);
  }

  @Override
  public Products.Choice choose(MatrixProduct product) {
    return products.choose(product);
  }

  /** Built for a handle at once, as {@link Planner#straight}. */
  Optional<ExecutionPlan> straight(CudnnKernel kernel, Plan plan, CudnnHandle handle, Closer slot) {
    return planner().straight(kernel, plan, handle, slot);
  }

  Planner planner() {
    return kind.planner();
  }

  Products products() {
    return products;
  }

  @Override
  public RuntimeException failed(String attempted, RuntimeException cause) {
    return health.failed(attempted, cause);
  }

  @Override
  public void refused(Node node, int batch, ModelException why) {
    throw why;
  }

  @Override
  public Constants constants() {
    return constants;
  }

  Health health() {
    return health;
  }

  /** One of our own kernels. */
  Kernel kernel(String function) {
    return kernels.computeIfAbsent(function, module::function);
  }

  /** Reads, folds and uploads everything that has been given a place among the constants. */
  void upload(Weights weights, Closer owner) {
    constantsAddress =
        upload(constants.bytes(), host -> constants.write(weights, host), "the weights", owner);
  }

  /**
   * A block of device memory with something in it.
   *
   * @param write is given that many zeroed bytes
   * @param what it is, for messages
   * @return its address
   */
  long upload(long bytes, Consumer<MemorySegment> write, String what, Closer owner) {
    DeviceMemory block = owner.own(context.allocate(Math.max(1, bytes)));
    try (Arena frame = Arena.ofConfined();
        Stream stream = context.newStream()) {
      MemorySegment host = frame.allocate(Math.max(1, bytes), Constants.ALIGNMENT);
      write.accept(host);
      try {
        stream.copyToDevice(block.address(), host, bytes);
        stream.synchronize();
      } catch (CudaException e) {
        // The host's copy must stay until the device has it, come what may.
        throw health.failed("copying %s to the device".formatted(what), e, stream);
      }
    }
    return block.address();
  }

  /** Where the constants begin on the device. */
  long constantsAddress() {
    return constantsAddress;
  }

  /** Records work as a CUDA graph. */
  GraphExec capture(Stream stream, Consumer<Stream> work) {
    CAPTURE.lock();
    try {
      Graph graph = record(stream, work);
      try (graph) {
        return graph.instantiate();
      }
    } finally {
      CAPTURE.unlock();
    }
  }

  private static Graph record(Stream stream, Consumer<Stream> work) {
    stream.beginCapture();
    try {
      work.accept(stream);
      return stream.endCapture();
    } catch (Throwable t) {
      // A stream that is left recording would refuse everything else.
      try {
        stream.endCapture().close();
      } catch (RuntimeException e) {
        t.addSuppressed(e);
      }
      throw t;
    }
  }
}
