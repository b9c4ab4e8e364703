package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeHandle;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Loaded kernels. Any thread may use it; it must be closed by one only. */
public final class CudaModule implements AutoCloseable {
  private static final int LOG_BYTES = 8192;

  private final Context context;
  private final NativeHandle handle;

  private CudaModule(Context context, MemorySegment handle) {
    this.context = context;
    this.handle = context.owned("CUDA module", handle, context.functions()::moduleUnload);
  }

  static CudaModule load(Context context, MemorySegment image) {
    CudaFunctions functions = context.functions();
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment module = frame.allocate(CTypes.POINTER);
      MemorySegment log = frame.allocate(LOG_BYTES);
      MemorySegment options =
          frame.allocateFrom(
              CTypes.INT,
              CudaFunctions.JIT_ERROR_LOG_BUFFER,
              CudaFunctions.JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
      // The values are void pointers, and the size is one of them.
      MemorySegment values = frame.allocate(CTypes.POINTER, 2);
      values.setAtIndex(CTypes.POINTER, 0, log);
      values.setAtIndex(CTypes.POINTER, 1, MemorySegment.ofAddress(LOG_BYTES));
      int status = functions.moduleLoadDataEx(module, image, 2, options, values);
      if (status != 0) {
        log.set(CTypes.CHAR, LOG_BYTES - 1, (byte) 0);
        throw functions.failure("cuModuleLoadDataEx", status, log.getString(0).strip());
      }
      return new CudaModule(context, module.get(CTypes.POINTER, 0));
    }
  }

  /**
   * One of its kernels.
   *
   * @param name as it stands in the source, which declares it {@code extern "C"}
   * @throws CudaException with {@link CudaStatus#NOT_FOUND} if there is none of that name
   */
  public Kernel function(String name) {
    CudaFunctions functions = context.functions();
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment function = frame.allocate(CTypes.POINTER);
      functions.moduleGetFunction(function, live(), frame.allocateFrom(name));
      return new Kernel(this, name, function.get(CTypes.POINTER, 0));
    }
  }

  /** Unloads it, and its kernels with it. */
  @Override
  public void close() {
    handle.close();
  }

  CudaFunctions functions() {
    return context.functions();
  }

  MemorySegment live() {
    return handle.get();
  }
}
