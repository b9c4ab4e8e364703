package dev.shortcut.bindings.cublas;

import static dev.shortcut.bindings.library.CTypes.POINTER;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * cuBLASLt on one context, which must be current on the calling thread in every call that takes the
 * handle. May be used by several threads.
 */
public final class CublasLtHandle implements AutoCloseable {
  private static final Logger LOG = System.getLogger(CublasLtHandle.class.getName());

  private final CublasLtFunctions functions;
  private @Nullable MemorySegment handle;

  CublasLtHandle(CublasLtFunctions functions) {
    this.functions = functions;
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      functions.create(out);
      handle = out.get(POINTER, 0);
    }
  }

  CublasLtFunctions functions() {
    return functions;
  }

  MemorySegment handle() {
    if (handle == null) {
      throw new IllegalStateException("a cuBLASLt handle is used after it was closed");
    }
    return handle;
  }

  /** Destroys the handle; a second time does nothing. What cuBLAS says to it is logged. */
  @Override
  public void close() {
    MemorySegment closing = handle;
    handle = null;
    if (closing == null) {
      return;
    }
    try {
      functions.destroy(closing);
    } catch (CublasException e) {
      LOG.log(Level.WARNING, "destroying a cuBLASLt handle failed: {0}", e.getMessage());
    }
  }
}
