package dev.shortcut.engine.backend.jcudnn;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.shortcut.bindings.library.Closer;
import java.lang.foreign.Arena;
import jcuda.Pointer;
import jcuda.driver.CUstream;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import jcuda.jcudnn.JCudnn;
import jcuda.jcudnn.cudnnHandle;
import jcuda.runtime.cudaStream_t;

/**
 * Where programs run: an arena, a stream, handles that enqueue on it, and memory of the host for
 * what is passed by address. Used by one thread at a time, with the device's context current.
 */
final class Lane {
  private final JCudnnDevice device;
  private final DeviceAddress arena;
  private final Arena memory;
  private final cudnnHandle cudnn;
  private final cublasHandle cublas = new cublasHandle();
  private final Pointer one;
  private final Pointer zero;
  private final Call leadCudnn;
  private final Call leadCublas;

  private CUstream stream;

  // As cuDNN and cuBLAS want it; not made for each call.
  private cudaStream_t runtimeStream;

  /** Opens the handles. */
  Lane(JCudnnDevice device, CUstream stream, DeviceAddress arena, Arena memory, Closer owner) {
    this.device = device;
    this.arena = arena;
    this.memory = memory;
    this.stream = stream;
    runtimeStream = new cudaStream_t(stream);
    one = number(1, memory);
    zero = number(0, memory);
    cudnn = JCudnnDevice.newHandle(owner);
    Call.cublas("cublasCreate", () -> JCublas2.cublasCreate(cublas)).run();
    owner.own(Driver.quietly(Call.cublas("cublasDestroy", () -> JCublas2.cublasDestroy(cublas))));
    leadCudnn = Call.cudnn("cudnnSetStream", () -> JCudnn.cudnnSetStream(cudnn, runtimeStream));
    leadCublas =
        Call.cublas("cublasSetStream", () -> JCublas2.cublasSetStream(cublas, runtimeStream));
    leadHandles();
  }

  /** Outside of the Java heap: an array would be locked for the length of a call. */
  private static Pointer number(float value, Arena memory) {
    return Pointer.to(memory.allocateFrom(JAVA_FLOAT, value).asByteBuffer());
  }

  /** Takes another stream for what is enqueued from now on; handles follow when they are led. */
  void moveTo(CUstream other) {
    stream = other;
    runtimeStream = new cudaStream_t(other);
  }

  /** Makes the handles enqueue on the stream, which a launch of a CUDA graph has no need of. */
  void leadHandles() {
    leadCudnn.run();
    leadCublas.run();
  }

  JCudnnDevice device() {
    return device;
  }

  DeviceAddress arena() {
    return arena;
  }

  /** Memory of the host that stays while the lane does. */
  Arena memory() {
    return memory;
  }

  CUstream stream() {
    return stream;
  }

  cudnnHandle cudnn() {
    return cudnn;
  }

  cublasHandle cublas() {
    return cublas;
  }

  /** The factor 1. */
  Pointer one() {
    return one;
  }

  /** The factor 0. */
  Pointer zero() {
    return zero;
  }
}
