package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.graph.Weights;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import jcuda.Pointer;
import jcuda.driver.CUfunction;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;
import jcuda.jcudnn.JCudnn;
import jcuda.jcudnn.cudnnConvolutionDescriptor;
import jcuda.jcudnn.cudnnConvolutionFwdAlgo;
import jcuda.jcudnn.cudnnFilterDescriptor;
import jcuda.jcudnn.cudnnHandle;
import jcuda.jcudnn.cudnnTensorDescriptor;

/** What all slots of one device share. Made by the compiling thread, with the context current. */
final class JCudnnDevice {
  /** The one algorithm that a fused convolution may have with and without an activation. */
  static final int ALGORITHM =
      cudnnConvolutionFwdAlgo.CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;

  /** Captures of different threads are kept apart, since libraries below may share streams. */
  private static final ReentrantLock CAPTURE = new ReentrantLock();

  private final String name;
  private final Arithmetic arithmetic;
  private final Closer owner;
  private final Health health;
  private final Descriptors descriptors;
  private final Constants constants = new Constants();
  private final CUmodule module;
  private final Map<String, CUfunction> functions = new HashMap<>();
  private final cudnnHandle handle;
  private DeviceAddress constantsAt = new DeviceAddress();

  /**
   * Opens the libraries on a device.
   *
   * @param kernels our own, compiled for this kind of device
   */
  JCudnnDevice(String name, Arithmetic arithmetic, byte[] kernels, Closer owner) {
    this.name = name;
    this.arithmetic = arithmetic;
    this.owner = owner;
    this.health = new Health(name);
    this.descriptors = new Descriptors(arithmetic, owner);
    this.module = Driver.load(kernels, owner);
    this.handle = newHandle(owner);
  }

  String name() {
    return name;
  }

  Arithmetic arithmetic() {
    return arithmetic;
  }

  Health health() {
    return health;
  }

  Descriptors descriptors() {
    return descriptors;
  }

  Constants constants() {
    return constants;
  }

  /** Where the constants begin. */
  DeviceAddress constantsAt() {
    return constantsAt;
  }

  /** One of our own kernels. */
  CUfunction function(String function) {
    return functions.computeIfAbsent(function, named -> Driver.function(module, named));
  }

  /** cuDNN for one thread and stream at a time. */
  static cudnnHandle newHandle(Closer owner) {
    var handle = new cudnnHandle();
    Call.cudnn("cudnnCreate", () -> JCudnn.cudnnCreate(handle)).run();
    owner.own(Driver.quietly(Call.cudnn("cudnnDestroy", () -> JCudnn.cudnnDestroy(handle))));
    return handle;
  }

  /**
   * Bytes that a convolution needs beside its tensors.
   *
   * @throws JCudaException if cuDNN does not do it
   */
  long workspace(
      cudnnTensorDescriptor x,
      cudnnFilterDescriptor filters,
      cudnnConvolutionDescriptor convolution,
      cudnnTensorDescriptor y) {
    var bytes = new long[1];
    Call.cudnn(
            "cudnnGetConvolutionForwardWorkspaceSize",
            () ->
                JCudnn.cudnnGetConvolutionForwardWorkspaceSize(
                    handle, x, filters, convolution, y, ALGORITHM, bytes))
        .run();
    return bytes[0];
  }

  /** Computes and uploads everything that has been given a place among the constants. */
  void upload(Weights weights) {
    constantsAt =
        upload(constants.bytes(), host -> constants.write(weights, host), "the weights", owner);
  }

  /**
   * A block of the device's memory with something in it.
   *
   * @param write is given that many zeroed bytes
   * @param what it is, for messages
   */
  DeviceAddress upload(long bytes, Consumer<MemorySegment> write, String what, Closer blockOwner) {
    long room = Math.max(1, bytes);
    DeviceAddress at = Driver.allocate(room, blockOwner);
    try (Arena frame = Arena.ofConfined();
        var streams = new Closer()) {
      MemorySegment block = frame.allocate(room, Constants.ALIGNMENT);
      write.accept(block);
      CUstream stream = Driver.stream(streams);
      try {
        // A buffer holds no more than an int counts.
        for (long from = 0; from < room; from += 1 << 30) {
          long size = Math.min(room - from, 1 << 30);
          DeviceAddress to = at.plus(from);
          Pointer content = Pointer.to(block.asSlice(from, size).asByteBuffer());
          Call.driver(
                  "cuMemcpyHtoDAsync",
                  () -> JCudaDriver.cuMemcpyHtoDAsync(to, content, size, stream))
              .run();
        }
        Driver.synchronize(stream);
      } catch (JCudaException e) {
        // The host's copy must stay until the device has it, come what may.
        throw health.failed("copying %s to the device".formatted(what), e, stream);
      }
    }
    return at;
  }

  /** Records work as a CUDA graph and makes that ready to be launched. */
  CUgraphExec capture(CUstream stream, Runnable work, Closer slotOwner) {
    CAPTURE.lock();
    try (var graphs = new Closer()) {
      CUgraph graph = record(stream, work, graphs);
      var executable = new CUgraphExec();
      Driver.make(
          "cuGraphInstantiateWithFlags",
          () -> JCudaDriver.cuGraphInstantiate(executable, graph, 0),
          "cuGraphExecDestroy",
          () -> JCudaDriver.cuGraphExecDestroy(executable),
          slotOwner);
      return executable;
    } finally {
      CAPTURE.unlock();
    }
  }

  private static CUgraph record(CUstream stream, Runnable work, Closer graphs) {
    int mode = CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    Call.driver("cuStreamBeginCapture", () -> JCudaDriver.cuStreamBeginCapture(stream, mode)).run();
    try {
      work.run();
      return end(stream, graphs);
    } catch (Throwable t) {
      // A stream that is left recording would refuse everything else.
      try {
        end(stream, graphs);
      } catch (JCudaException e) {
        t.addSuppressed(e);
      }
      throw t;
    }
  }

  private static CUgraph end(CUstream stream, Closer graphs) {
    var graph = new CUgraph();
    Driver.make(
        "cuStreamEndCapture",
        () -> JCudaDriver.cuStreamEndCapture(stream, graph),
        "cuGraphDestroy",
        () -> JCudaDriver.cuGraphDestroy(graph),
        graphs);
    return graph;
  }
}
