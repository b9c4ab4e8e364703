package dev.shortcut.bindings.cuda;

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

/**
 * The driver's C functions, as many as are called: one C function is one handle and one typed
 * method with C's argument order that checks the status. Names are C's without the prefix {@code
 * cu}.
 *
 * <p>The names bound are those that every driver from CUDA 12.0 on exports. Drivers keep old names,
 * so that a version suffix of a newer toolkit's headers is no reason to change one: CUDA 13.0's say
 * {@code cuEventElapsedTime_v2} for {@code cuEventElapsedTime} and no longer declare {@code
 * cuStreamGetCaptureInfo_v2}, and agree with CUDA 12.9's on the types of all others.
 *
 * <p>Devices are numbers, device addresses are {@code long}, all else that C calls a handle is a
 * pointer. Immutable and safe for use by any thread, as far as the driver is.
 */
final class CudaFunctions {
  /** The struct of {@link #graphExecUpdate}: {@code CUgraphExecUpdateResultInfo}. */
  static final long UPDATE_RESULT_BYTES = 24;

  /** {@code CU_STREAM_NON_BLOCKING}. */
  static final int STREAM_NON_BLOCKING = 1;

  /** {@code CU_EVENT_BLOCKING_SYNC}. */
  static final int EVENT_BLOCKING_SYNC = 1;

  /** {@code CU_EVENT_DISABLE_TIMING}. */
  static final int EVENT_DISABLE_TIMING = 2;

  /** {@code CU_MEMHOSTALLOC_PORTABLE}. */
  static final int MEMHOSTALLOC_PORTABLE = 1;

  /** {@code CU_STREAM_CAPTURE_MODE_THREAD_LOCAL}. */
  static final int CAPTURE_MODE_THREAD_LOCAL = 1;

  /** A user object's destructor runs at some time after the last reference is gone. */
  static final int USER_OBJECT_NO_DESTRUCTOR_SYNC = 1;

  /** A graph takes references over instead of adding some. */
  static final int GRAPH_USER_OBJECT_MOVE = 1;

  /** {@code CU_JIT_ERROR_LOG_BUFFER}. */
  static final int JIT_ERROR_LOG_BUFFER = 5;

  /** {@code CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES}. */
  static final int JIT_ERROR_LOG_BUFFER_SIZE_BYTES = 6;

  /** Bytes of a {@code CUuuid}. */
  static final int UUID_BYTES = 16;

  private static final int NOT_READY = CudaStatus.NOT_READY.code();

  private final NativeLibrary library;
  private final MethodHandle init;
  private final MethodHandle deviceGetCount;
  private final MethodHandle deviceGet;
  private final MethodHandle deviceGetName;
  private final MethodHandle deviceGetUuid;
  private final MethodHandle deviceTotalMem;
  private final MethodHandle deviceGetAttribute;
  private final MethodHandle devicePrimaryCtxRetain;
  private final MethodHandle devicePrimaryCtxRelease;
  private final MethodHandle ctxPushCurrent;
  private final MethodHandle ctxPopCurrent;
  private final MethodHandle ctxGetCurrent;
  private final MethodHandle ctxGetDevice;
  private final MethodHandle ctxSynchronize;
  private final MethodHandle memGetInfo;
  private final MethodHandle memAlloc;
  private final MethodHandle memFree;
  private final MethodHandle memHostAlloc;
  private final MethodHandle memFreeHost;
  private final MethodHandle memcpyHtoDAsync;
  private final MethodHandle memcpyDtoHAsync;
  private final MethodHandle memcpyDtoDAsync;
  private final MethodHandle memsetD8Async;
  private final MethodHandle streamCreate;
  private final MethodHandle streamDestroy;
  private final MethodHandle streamSynchronize;
  private final MethodHandle streamQuery;
  private final MethodHandle streamWaitEvent;
  private final MethodHandle streamBeginCapture;
  private final MethodHandle streamEndCapture;
  private final MethodHandle streamIsCapturing;
  private final MethodHandle eventCreate;
  private final MethodHandle eventDestroy;
  private final MethodHandle eventRecord;
  private final MethodHandle eventSynchronize;
  private final MethodHandle eventQuery;
  private final MethodHandle eventElapsedTime;
  private final MethodHandle moduleLoadDataEx;
  private final MethodHandle moduleUnload;
  private final MethodHandle moduleGetFunction;
  private final MethodHandle funcGetAttribute;
  private final MethodHandle launchKernel;
  private final MethodHandle graphGetNodes;
  private final MethodHandle graphInstantiateWithFlags;
  private final MethodHandle graphLaunch;
  private final MethodHandle graphExecUpdate;
  private final MethodHandle graphDestroy;
  private final MethodHandle graphExecDestroy;
  private final MethodHandle streamGetCaptureInfo;
  private final MethodHandle userObjectCreate;
  private final MethodHandle userObjectRelease;
  private final MethodHandle graphRetainUserObject;
  private final MethodHandle getErrorName;
  private final MethodHandle getErrorString;

  /** Binds every function. */
  CudaFunctions(NativeLibrary library) {
    this.library = library;
    init = status("cuInit", INT);
    deviceGetCount = status("cuDeviceGetCount", POINTER);
    deviceGet = status("cuDeviceGet", POINTER, INT);
    deviceGetName = status("cuDeviceGetName", POINTER, INT, INT);
    deviceGetUuid = status("cuDeviceGetUuid_v2", POINTER, INT);
    deviceTotalMem = status("cuDeviceTotalMem_v2", POINTER, INT);
    deviceGetAttribute = status("cuDeviceGetAttribute", POINTER, INT, INT);
    devicePrimaryCtxRetain = status("cuDevicePrimaryCtxRetain", POINTER, INT);
    devicePrimaryCtxRelease = status("cuDevicePrimaryCtxRelease_v2", INT);
    ctxPushCurrent = status("cuCtxPushCurrent_v2", POINTER);
    ctxPopCurrent = status("cuCtxPopCurrent_v2", POINTER);
    ctxGetCurrent = status("cuCtxGetCurrent", POINTER);
    ctxGetDevice = status("cuCtxGetDevice", POINTER);
    ctxSynchronize = status("cuCtxSynchronize");
    memGetInfo = status("cuMemGetInfo_v2", POINTER, POINTER);
    memAlloc = status("cuMemAlloc_v2", POINTER, SIZE_T);
    memFree = status("cuMemFree_v2", LONG);
    memHostAlloc = status("cuMemHostAlloc", POINTER, SIZE_T, INT);
    memFreeHost = status("cuMemFreeHost", POINTER);
    memcpyHtoDAsync = status("cuMemcpyHtoDAsync_v2", LONG, POINTER, SIZE_T, POINTER);
    memcpyDtoHAsync = status("cuMemcpyDtoHAsync_v2", POINTER, LONG, SIZE_T, POINTER);
    memcpyDtoDAsync = status("cuMemcpyDtoDAsync_v2", LONG, LONG, SIZE_T, POINTER);
    memsetD8Async = status("cuMemsetD8Async", LONG, CHAR, SIZE_T, POINTER);
    streamCreate = status("cuStreamCreate", POINTER, INT);
    streamDestroy = status("cuStreamDestroy_v2", POINTER);
    streamSynchronize = status("cuStreamSynchronize", POINTER);
    streamQuery = status("cuStreamQuery", POINTER);
    streamWaitEvent = status("cuStreamWaitEvent", POINTER, POINTER, INT);
    streamBeginCapture = status("cuStreamBeginCapture_v2", POINTER, INT);
    streamEndCapture = status("cuStreamEndCapture", POINTER, POINTER);
    streamIsCapturing = status("cuStreamIsCapturing", POINTER, POINTER);
    eventCreate = status("cuEventCreate", POINTER, INT);
    eventDestroy = status("cuEventDestroy_v2", POINTER);
    eventRecord = status("cuEventRecord", POINTER, POINTER);
    eventSynchronize = status("cuEventSynchronize", POINTER);
    eventQuery = status("cuEventQuery", POINTER);
    eventElapsedTime = status("cuEventElapsedTime", POINTER, POINTER, POINTER);
    moduleLoadDataEx = status("cuModuleLoadDataEx", POINTER, POINTER, INT, POINTER, POINTER);
    moduleUnload = status("cuModuleUnload", POINTER);
    moduleGetFunction = status("cuModuleGetFunction", POINTER, POINTER, POINTER);
    funcGetAttribute = status("cuFuncGetAttribute", POINTER, INT, POINTER);
    launchKernel =
        status(
            "cuLaunchKernel",
            POINTER,
            INT,
            INT,
            INT,
            INT,
            INT,
            INT,
            INT,
            POINTER,
            POINTER,
            POINTER);
    graphGetNodes = status("cuGraphGetNodes", POINTER, POINTER, POINTER);
    graphInstantiateWithFlags = status("cuGraphInstantiateWithFlags", POINTER, POINTER, LONG);
    graphLaunch = status("cuGraphLaunch", POINTER, POINTER);
    graphExecUpdate = status("cuGraphExecUpdate_v2", POINTER, POINTER, POINTER);
    graphDestroy = status("cuGraphDestroy", POINTER);
    graphExecDestroy = status("cuGraphExecDestroy", POINTER);
    streamGetCaptureInfo =
        status("cuStreamGetCaptureInfo_v2", POINTER, POINTER, POINTER, POINTER, POINTER, POINTER);
    userObjectCreate = status("cuUserObjectCreate", POINTER, POINTER, POINTER, INT, INT);
    userObjectRelease = status("cuUserObjectRelease", POINTER, INT);
    graphRetainUserObject = status("cuGraphRetainUserObject", POINTER, POINTER, INT, INT);
    getErrorName = status("cuGetErrorName", INT, POINTER);
    getErrorString = status("cuGetErrorString", INT, POINTER);
  }

  NativeLibrary library() {
    return library;
  }

  void init(int flags) {
    int status;
    try {
      status = (int) init.invokeExact(flags);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuInit");
  }

  /** The newest CUDA version of a driver whose other functions may not be there. */
  static int driverVersion(NativeLibrary library) {
    MethodHandle driverGetVersion = library.function("cuDriverGetVersion", INT, POINTER);
    int status;
    int version;
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(INT);
      try {
        status = (int) driverGetVersion.invokeExact(out);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      version = out.get(INT, 0);
    }
    if (status != 0) {
      throw new CudaException(
          "cuDriverGetVersion", status, CudaStatus.of(status).toString(), library.toString());
    }
    return version;
  }

  void deviceGetCount(MemorySegment count) {
    int status;
    try {
      status = (int) deviceGetCount.invokeExact(count);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuDeviceGetCount");
  }

  void deviceGet(MemorySegment device, int ordinal) {
    int status;
    try {
      status = (int) deviceGet.invokeExact(device, ordinal);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuDeviceGet");
  }

  void deviceGetName(MemorySegment name, int length, int device) {
    int status;
    try {
      status = (int) deviceGetName.invokeExact(name, length, device);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuDeviceGetName");
  }

  void deviceGetUuid(MemorySegment uuid, int device) {
    int status;
    try {
      status = (int) deviceGetUuid.invokeExact(uuid, device);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuDeviceGetUuid_v2");
  }

  void deviceTotalMem(MemorySegment bytes, int device) {
    int status;
    try {
      status = (int) deviceTotalMem.invokeExact(bytes, device);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuDeviceTotalMem_v2");
  }

  void deviceGetAttribute(MemorySegment value, int attribute, int device) {
    int status;
    try {
      status = (int) deviceGetAttribute.invokeExact(value, attribute, device);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuDeviceGetAttribute");
  }

  void devicePrimaryCtxRetain(MemorySegment context, int device) {
    int status;
    try {
      status = (int) devicePrimaryCtxRetain.invokeExact(context, device);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuDevicePrimaryCtxRetain");
  }

  void devicePrimaryCtxRelease(int device) {
    int status;
    try {
      status = (int) devicePrimaryCtxRelease.invokeExact(device);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuDevicePrimaryCtxRelease_v2");
  }

  void ctxPushCurrent(MemorySegment context) {
    int status;
    try {
      status = (int) ctxPushCurrent.invokeExact(context);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuCtxPushCurrent_v2");
  }

  void ctxPopCurrent(MemorySegment context) {
    int status;
    try {
      status = (int) ctxPopCurrent.invokeExact(context);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuCtxPopCurrent_v2");
  }

  void ctxGetCurrent(MemorySegment context) {
    int status;
    try {
      status = (int) ctxGetCurrent.invokeExact(context);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuCtxGetCurrent");
  }

  void ctxGetDevice(MemorySegment device) {
    int status;
    try {
      status = (int) ctxGetDevice.invokeExact(device);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuCtxGetDevice");
  }

  void ctxSynchronize() {
    int status;
    try {
      status = (int) ctxSynchronize.invokeExact();
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuCtxSynchronize");
  }

  void memGetInfo(MemorySegment free, MemorySegment total) {
    int status;
    try {
      status = (int) memGetInfo.invokeExact(free, total);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuMemGetInfo_v2");
  }

  void memAlloc(MemorySegment address, long bytes) {
    int status;
    try {
      status = (int) memAlloc.invokeExact(address, bytes);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuMemAlloc_v2");
  }

  void memFree(long address) {
    int status;
    try {
      status = (int) memFree.invokeExact(address);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuMemFree_v2");
  }

  void memHostAlloc(MemorySegment pointer, long bytes, int flags) {
    int status;
    try {
      status = (int) memHostAlloc.invokeExact(pointer, bytes, flags);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuMemHostAlloc");
  }

  void memFreeHost(MemorySegment pointer) {
    int status;
    try {
      status = (int) memFreeHost.invokeExact(pointer);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuMemFreeHost");
  }

  void memcpyHtoDAsync(long destination, MemorySegment source, long bytes, MemorySegment stream) {
    int status;
    try {
      status = (int) memcpyHtoDAsync.invokeExact(destination, source, bytes, stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuMemcpyHtoDAsync_v2");
  }

  void memcpyDtoHAsync(MemorySegment destination, long source, long bytes, MemorySegment stream) {
    int status;
    try {
      status = (int) memcpyDtoHAsync.invokeExact(destination, source, bytes, stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuMemcpyDtoHAsync_v2");
  }

  void memcpyDtoDAsync(long destination, long source, long bytes, MemorySegment stream) {
    int status;
    try {
      status = (int) memcpyDtoDAsync.invokeExact(destination, source, bytes, stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuMemcpyDtoDAsync_v2");
  }

  void memsetD8Async(long destination, byte value, long bytes, MemorySegment stream) {
    int status;
    try {
      status = (int) memsetD8Async.invokeExact(destination, value, bytes, stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuMemsetD8Async");
  }

  void streamCreate(MemorySegment stream, int flags) {
    int status;
    try {
      status = (int) streamCreate.invokeExact(stream, flags);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuStreamCreate");
  }

  void streamDestroy(MemorySegment stream) {
    int status;
    try {
      status = (int) streamDestroy.invokeExact(stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuStreamDestroy_v2");
  }

  void streamSynchronize(MemorySegment stream) {
    int status;
    try {
      status = (int) streamSynchronize.invokeExact(stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuStreamSynchronize");
  }

  /** Whether all work is done. */
  boolean streamQuery(MemorySegment stream) {
    int status;
    try {
      status = (int) streamQuery.invokeExact(stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    if (status == NOT_READY) {
      return false;
    }
    check(status, "cuStreamQuery");
    return true;
  }

  void streamWaitEvent(MemorySegment stream, MemorySegment event, int flags) {
    int status;
    try {
      status = (int) streamWaitEvent.invokeExact(stream, event, flags);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuStreamWaitEvent");
  }

  void streamBeginCapture(MemorySegment stream, int mode) {
    int status;
    try {
      status = (int) streamBeginCapture.invokeExact(stream, mode);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuStreamBeginCapture_v2");
  }

  void streamEndCapture(MemorySegment stream, MemorySegment graph) {
    int status;
    try {
      status = (int) streamEndCapture.invokeExact(stream, graph);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuStreamEndCapture");
  }

  void streamIsCapturing(MemorySegment stream, MemorySegment capture) {
    int status;
    try {
      status = (int) streamIsCapturing.invokeExact(stream, capture);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuStreamIsCapturing");
  }

  void streamGetCaptureInfo(MemorySegment stream, MemorySegment capture, MemorySegment graph) {
    int status;
    try {
      status =
          (int)
              streamGetCaptureInfo.invokeExact(
                  stream,
                  capture,
                  MemorySegment.NULL,
                  graph,
                  MemorySegment.NULL,
                  MemorySegment.NULL);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuStreamGetCaptureInfo_v2");
  }

  void userObjectCreate(
      MemorySegment object,
      MemorySegment pointer,
      MemorySegment destroy,
      int references,
      int flags) {
    int status;
    try {
      status = (int) userObjectCreate.invokeExact(object, pointer, destroy, references, flags);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuUserObjectCreate");
  }

  void userObjectRelease(MemorySegment object, int references) {
    int status;
    try {
      status = (int) userObjectRelease.invokeExact(object, references);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuUserObjectRelease");
  }

  void graphRetainUserObject(MemorySegment graph, MemorySegment object, int references, int flags) {
    int status;
    try {
      status = (int) graphRetainUserObject.invokeExact(graph, object, references, flags);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuGraphRetainUserObject");
  }

  void eventCreate(MemorySegment event, int flags) {
    int status;
    try {
      status = (int) eventCreate.invokeExact(event, flags);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuEventCreate");
  }

  void eventDestroy(MemorySegment event) {
    int status;
    try {
      status = (int) eventDestroy.invokeExact(event);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuEventDestroy_v2");
  }

  void eventRecord(MemorySegment event, MemorySegment stream) {
    int status;
    try {
      status = (int) eventRecord.invokeExact(event, stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuEventRecord");
  }

  void eventSynchronize(MemorySegment event) {
    int status;
    try {
      status = (int) eventSynchronize.invokeExact(event);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuEventSynchronize");
  }

  /** Whether all work is done. */
  boolean eventQuery(MemorySegment event) {
    int status;
    try {
      status = (int) eventQuery.invokeExact(event);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    if (status == NOT_READY) {
      return false;
    }
    check(status, "cuEventQuery");
    return true;
  }

  void eventElapsedTime(MemorySegment milliseconds, MemorySegment start, MemorySegment end) {
    int status;
    try {
      status = (int) eventElapsedTime.invokeExact(milliseconds, start, end);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuEventElapsedTime");
  }

  /** Returns the status: what the compiler said is to be read before an exception is made. */
  int moduleLoadDataEx(
      MemorySegment module,
      MemorySegment image,
      int count,
      MemorySegment options,
      MemorySegment values) {
    try {
      return (int) moduleLoadDataEx.invokeExact(module, image, count, options, values);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  void moduleUnload(MemorySegment module) {
    int status;
    try {
      status = (int) moduleUnload.invokeExact(module);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuModuleUnload");
  }

  void moduleGetFunction(MemorySegment function, MemorySegment module, MemorySegment name) {
    int status;
    try {
      status = (int) moduleGetFunction.invokeExact(function, module, name);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuModuleGetFunction");
  }

  void funcGetAttribute(MemorySegment value, int attribute, MemorySegment function) {
    int status;
    try {
      status = (int) funcGetAttribute.invokeExact(value, attribute, function);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuFuncGetAttribute");
  }

  void launchKernel(
      MemorySegment function,
      int gridX,
      int gridY,
      int gridZ,
      int blockX,
      int blockY,
      int blockZ,
      int sharedBytes,
      MemorySegment stream,
      MemorySegment parameters,
      MemorySegment extra) {
    int status;
    try {
      status =
          (int)
              launchKernel.invokeExact(
                  function,
                  gridX,
                  gridY,
                  gridZ,
                  blockX,
                  blockY,
                  blockZ,
                  sharedBytes,
                  stream,
                  parameters,
                  extra);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuLaunchKernel");
  }

  void graphGetNodes(MemorySegment graph, MemorySegment nodes, MemorySegment count) {
    int status;
    try {
      status = (int) graphGetNodes.invokeExact(graph, nodes, count);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuGraphGetNodes");
  }

  void graphInstantiateWithFlags(MemorySegment exec, MemorySegment graph, long flags) {
    int status;
    try {
      status = (int) graphInstantiateWithFlags.invokeExact(exec, graph, flags);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuGraphInstantiateWithFlags");
  }

  void graphLaunch(MemorySegment exec, MemorySegment stream) {
    int status;
    try {
      status = (int) graphLaunch.invokeExact(exec, stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuGraphLaunch");
  }

  void graphExecUpdate(MemorySegment exec, MemorySegment graph, MemorySegment result) {
    int status;
    try {
      status = (int) graphExecUpdate.invokeExact(exec, graph, result);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuGraphExecUpdate_v2");
  }

  void graphDestroy(MemorySegment graph) {
    int status;
    try {
      status = (int) graphDestroy.invokeExact(graph);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuGraphDestroy");
  }

  void graphExecDestroy(MemorySegment exec) {
    int status;
    try {
      status = (int) graphExecDestroy.invokeExact(exec);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cuGraphExecDestroy");
  }

  /** A text that the driver owns; an empty one where it has none for that number. */
  private String getErrorName(int error) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment text = frame.allocate(POINTER);
      int status = (int) getErrorName.invokeExact(error, text);
      return status == 0 ? NativeLibrary.string(text.get(POINTER, 0)) : "";
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /** A text that the driver owns; an empty one where it has none for that number. */
  private String getErrorString(int error) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment text = frame.allocate(POINTER);
      int status = (int) getErrorString.invokeExact(error, text);
      return status == 0 ? NativeLibrary.string(text.get(POINTER, 0)) : "";
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /** The exception for a call that returned {@code status}. */
  CudaException failure(String function, int status, String more) {
    String name = getErrorName(status);
    String text = getErrorString(status);
    String said = text.isEmpty() ? "the driver has no text for it" : text;
    return new CudaException(
        function,
        status,
        name.isEmpty() ? "an unknown status" : name,
        more.isEmpty() ? said : said + "; " + more);
  }

  private void check(int status, String function) {
    if (status != 0) {
      throw failure(function, status, "");
    }
  }

  private MethodHandle status(String function, MemoryLayout... arguments) {
    return library.function(function, INT, arguments);
  }
}
