package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.library.NativeHandle;
import java.lang.foreign.MemorySegment;

/**
 * cuDNN on one context. Executes plans on its stream. For one thread at a time; the context must be
 * current on the calling thread in every call.
 */
public final class CudnnHandle implements AutoCloseable {
  private static final String WHAT = "cuDNN handle";

  private final CudnnFunctions functions;
  private final NativeHandle handle;

  CudnnHandle(CudnnFunctions functions) {
    this.functions = functions;
    handle = NativeHandle.create(WHAT, functions::create, functions::destroy);
  }

  /** A handle that somebody else made. */
  CudnnHandle(CudnnFunctions functions, long cudnnHandle, boolean owned) {
    if (cudnnHandle == 0) {
      throw new IllegalArgumentException("a null pointer is no cuDNN handle");
    }
    this.functions = functions;
    MemorySegment pointer = MemorySegment.ofAddress(cudnnHandle);
    handle =
        owned
            ? NativeHandle.owned(WHAT, pointer, functions::destroy)
            : NativeHandle.borrowed(WHAT, pointer);
  }

  /** The {@code cudnnHandle_t}. */
  public long handle() {
    return live().address();
  }

  /**
   * Hands the handle over: whoever takes it destroys it. This object is closed then.
   *
   * @return the {@code cudnnHandle_t}
   * @throws IllegalStateException if it is closed, or borrowed and so nobody's to give
   */
  public long detach() {
    return handle.detach().address();
  }

  /**
   * Chooses the stream that plans are executed on from now on; without it they go to the default
   * stream.
   *
   * @param stream of the handle's context
   * @throws CudnnException if cuDNN refuses it
   */
  public void setStream(Stream stream) {
    functions.setStream(live(), stream.handle());
  }

  /**
   * Enqueues a plan; allocates nothing.
   *
   * @throws CudnnException if cuDNN refuses it or the launch failed
   */
  public void execute(ExecutionPlan plan, VariantPack pack) {
    functions.backendExecute(live(), plan.descriptor().handle(), pack.descriptor().handle());
  }

  MemorySegment live() {
    return handle.get();
  }

  /**
   * Destroys the handle, unless it is borrowed; a second time does nothing. What cuDNN says to it
   * is logged.
   */
  @Override
  public void close() {
    handle.close();
  }
}
