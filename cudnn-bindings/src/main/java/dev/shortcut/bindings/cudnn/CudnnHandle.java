package dev.shortcut.bindings.cudnn;

import static dev.shortcut.bindings.library.CTypes.POINTER;

import dev.shortcut.bindings.cuda.Stream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * cuDNN on one context. Executes plans on its stream. For one thread at a time; the context must be
 * current on the calling thread in every call.
 */
public final class CudnnHandle implements AutoCloseable {
  private static final Logger LOG = System.getLogger(CudnnHandle.class.getName());

  private final CudnnFunctions functions;
  private final boolean owned;
  private @Nullable MemorySegment handle;

  CudnnHandle(CudnnFunctions functions) {
    this.functions = functions;
    this.owned = true;
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      functions.create(out);
      handle = out.get(POINTER, 0);
    }
  }

  /** A handle that somebody else made. */
  CudnnHandle(CudnnFunctions functions, long cudnnHandle, boolean owned) {
    if (cudnnHandle == 0) {
      throw new IllegalArgumentException("a null pointer is no cuDNN handle");
    }
    this.functions = functions;
    this.owned = owned;
    this.handle = MemorySegment.ofAddress(cudnnHandle);
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
    long detached = live().address();
    if (!owned) {
      throw new IllegalStateException("a borrowed cuDNN handle cannot be handed over");
    }
    handle = null;
    return detached;
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
    if (handle == null) {
      throw new IllegalStateException("a cuDNN handle is used after it was closed");
    }
    return handle;
  }

  /**
   * Destroys the handle, unless it is borrowed; a second time does nothing. What cuDNN says to it
   * is logged.
   */
  @Override
  public void close() {
    MemorySegment closing = handle;
    handle = null;
    if (closing == null || !owned) {
      return;
    }
    try {
      functions.destroy(closing);
    } catch (CudnnException e) {
      LOG.log(Level.WARNING, "destroying a cuDNN handle failed: {0}", e.getMessage());
    }
  }
}
