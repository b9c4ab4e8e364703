package dev.shortcut.bindings.cudnn;

import static dev.shortcut.bindings.library.CTypes.CHAR;
import static dev.shortcut.bindings.library.CTypes.INT;
import static dev.shortcut.bindings.library.CTypes.LONG;
import static dev.shortcut.bindings.library.CTypes.POINTER;
import static dev.shortcut.bindings.library.CTypes.SIZE_T;

import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * cuDNN's C API, as much of it as is called: one C function is one handle and one typed method with
 * C's argument order that checks the status. Names are C's without the prefix {@code cudnn}.
 *
 * <p>Immutable and safe for use by any thread.
 */
final class CudnnFunctions {
  /** Reasons are cut here; chains of them reach about 2 KiB. */
  private static final long LONGEST_REASON = 8192;

  private static final int SUCCESS = 0;

  private final NativeLibrary library;
  private final MethodHandle getVersion;
  private final MethodHandle getCudartVersion;
  private final MethodHandle getLastErrorString;
  private final MethodHandle graphVersionCheck;
  private final MethodHandle create;
  private final MethodHandle destroy;
  private final MethodHandle setStream;
  private final MethodHandle backendCreateDescriptor;
  private final MethodHandle backendDestroyDescriptor;
  private final MethodHandle backendFinalize;
  private final MethodHandle backendSetAttribute;
  private final MethodHandle backendGetAttribute;
  private final MethodHandle backendExecute;

  /**
   * Buffers for cuDNN's reasons. Its text belongs to the OS thread, which a virtual thread may
   * leave wherever it can park, and allocating can park (it waits for the collector where memory is
   * short). So a buffer is at hand before anything fails.
   */
  private final ConcurrentLinkedQueue<MemorySegment> reasons = new ConcurrentLinkedQueue<>();

  CudnnFunctions(NativeLibrary library) {
    this.library = library;
    getVersion = library.function("cudnnGetVersion", SIZE_T);
    getCudartVersion = library.function("cudnnGetCudartVersion", SIZE_T);
    getLastErrorString = library.procedure("cudnnGetLastErrorString", POINTER, SIZE_T);
    graphVersionCheck = status("GraphVersionCheck");
    create = status("Create", POINTER);
    destroy = status("Destroy", POINTER);
    setStream = status("SetStream", POINTER, LONG);
    backendCreateDescriptor = status("BackendCreateDescriptor", INT, POINTER);
    backendDestroyDescriptor = status("BackendDestroyDescriptor", POINTER);
    backendFinalize = status("BackendFinalize", POINTER);
    backendSetAttribute = status("BackendSetAttribute", POINTER, INT, INT, LONG, POINTER);
    backendGetAttribute = status("BackendGetAttribute", POINTER, INT, INT, LONG, POINTER, POINTER);
    backendExecute = status("BackendExecute", POINTER, POINTER, POINTER);
    // Used once now: what a first call links and initializes must not stand before a reason either.
    reasons.add(Arena.ofAuto().allocate(LONGEST_REASON));
    lastErrorString();
  }

  NativeLibrary library() {
    return library;
  }

  /** {@code major * 10000 + minor * 100 + patch}. */
  static long getVersion(NativeLibrary library) {
    return NativeLibrary.number(library.function("cudnnGetVersion", SIZE_T));
  }

  /** The CUDA runtime inside a library whose other functions may not be there. */
  static long getCudartVersion(NativeLibrary library) {
    return NativeLibrary.number(library.function("cudnnGetCudartVersion", SIZE_T));
  }

  long getVersion() {
    return NativeLibrary.number(getVersion);
  }

  /** {@code major * 1000 + minor * 10} of the CUDA runtime inside. */
  long getCudartVersion() {
    return NativeLibrary.number(getCudartVersion);
  }

  /** Why the last call of this OS thread failed; cuDNN forgets it with that. */
  String lastErrorString() {
    MemorySegment buffer = reasons.poll();
    if (buffer == null) {
      buffer = Arena.ofAuto().allocate(LONGEST_REASON);
    }
    buffer.set(CHAR, 0, (byte) 0);
    try {
      getLastErrorString.invokeExact(buffer, LONGEST_REASON);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    String reason = buffer.getString(0).strip();
    reasons.add(buffer);
    return reason;
  }

  void graphVersionCheck() {
    int status;
    try {
      status = (int) graphVersionCheck.invokeExact();
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cudnnGraphVersionCheck");
  }

  /** Needs a current context. */
  void create(MemorySegment handle) {
    int status;
    try {
      status = (int) create.invokeExact(handle);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cudnnCreate");
  }

  void destroy(MemorySegment handle) {
    int status;
    try {
      status = (int) destroy.invokeExact(handle);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cudnnDestroy");
  }

  /** Streams are passed as their addresses. */
  void setStream(MemorySegment handle, long stream) {
    int status;
    try {
      status = (int) setStream.invokeExact(handle, stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cudnnSetStream");
  }

  void backendCreateDescriptor(int type, MemorySegment descriptor) {
    int status;
    try {
      status = (int) backendCreateDescriptor.invokeExact(type, descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cudnnBackendCreateDescriptor");
  }

  void backendDestroyDescriptor(MemorySegment descriptor) {
    int status;
    try {
      status = (int) backendDestroyDescriptor.invokeExact(descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cudnnBackendDestroyDescriptor");
  }

  void backendFinalize(MemorySegment descriptor) {
    int status;
    try {
      status = (int) backendFinalize.invokeExact(descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cudnnBackendFinalize");
  }

  void backendSetAttribute(
      MemorySegment descriptor, int name, int type, long count, MemorySegment elements) {
    int status;
    try {
      status = (int) backendSetAttribute.invokeExact(descriptor, name, type, count, elements);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cudnnBackendSetAttribute");
  }

  void backendGetAttribute(
      MemorySegment descriptor,
      int name,
      int type,
      long requested,
      MemorySegment count,
      MemorySegment elements) {
    int status;
    try {
      status =
          (int) backendGetAttribute.invokeExact(descriptor, name, type, requested, count, elements);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cudnnBackendGetAttribute");
  }

  void backendExecute(MemorySegment handle, MemorySegment plan, MemorySegment variantPack) {
    int status;
    try {
      status = (int) backendExecute.invokeExact(handle, plan, variantPack);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cudnnBackendExecute");
  }

  /** Throws, with cuDNN's reason, unless the status is success. */
  void check(int status, String function) {
    if (status != SUCCESS) {
      throw new CudnnException(function, status, lastErrorString());
    }
  }

  private MethodHandle status(String function, MemoryLayout... arguments) {
    return library.function("cudnn" + function, INT, arguments);
  }
}
