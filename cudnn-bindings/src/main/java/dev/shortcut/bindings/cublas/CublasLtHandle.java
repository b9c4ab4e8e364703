package dev.shortcut.bindings.cublas;

import dev.shortcut.bindings.library.NativeHandle;
import java.lang.foreign.MemorySegment;

/**
 * cuBLASLt on one context, which must be current on the calling thread in every call that takes the
 * handle. May be used by several threads.
 */
public final class CublasLtHandle implements AutoCloseable {
  private final CublasLtFunctions functions;
  private final NativeHandle handle;

  CublasLtHandle(CublasLtFunctions functions) {
    this.functions = functions;
    handle = NativeHandle.create("cuBLASLt handle", functions::create, functions::destroy);
  }

  CublasLtFunctions functions() {
    return functions;
  }

  MemorySegment handle() {
    return handle.get();
  }

  /** Destroys the handle; a second time does nothing. What cuBLAS says to it is logged. */
  @Override
  public void close() {
    handle.close();
  }
}
