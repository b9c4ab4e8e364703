package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.library.Closer;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.function.IntSupplier;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/** What the driver makes, each with the owner that closes it. All but contexts need one current. */
final class Driver {
  private static final Logger LOG = System.getLogger(Driver.class.getName());

  private Driver() {}

  /**
   * Makes something and hands it to its owner. What fails on the way down is logged: nobody could
   * free it any more.
   */
  static void make(
      String create, IntSupplier creation, String destroy, IntSupplier destruction, Closer owner) {
    Call.driver(create, creation).run();
    owner.own(quietly(Call.driver(destroy, destruction)));
  }

  /** The call as something to be closed, which logs a failure instead of throwing it. */
  static AutoCloseable quietly(Call call) {
    return () -> {
      try {
        call.run();
      } catch (JCudaException e) {
        LOG.log(Level.WARNING, "freeing something of a GPU", e);
      }
    };
  }

  /** The primary context of a device, which others may share. */
  static CUcontext retainPrimary(int ordinal, Closer owner) {
    Call.driver("cuInit", () -> JCudaDriver.cuInit(0)).run();
    var device = new CUdevice();
    Call.driver("cuDeviceGet", () -> JCudaDriver.cuDeviceGet(device, ordinal)).run();
    var context = new CUcontext();
    make(
        "cuDevicePrimaryCtxRetain",
        () -> JCudaDriver.cuDevicePrimaryCtxRetain(context, device),
        "cuDevicePrimaryCtxRelease",
        () -> JCudaDriver.cuDevicePrimaryCtxRelease(device),
        owner);
    return context;
  }

  /** The context that is current on this thread; it stays its owner's. */
  static CUcontext current() {
    var context = new CUcontext();
    Call.driver("cuCtxGetCurrent", () -> JCudaDriver.cuCtxGetCurrent(context)).run();
    return context;
  }

  static void push(CUcontext context) {
    Call.driver("cuCtxPushCurrent", () -> JCudaDriver.cuCtxPushCurrent(context)).run();
  }

  /**
   * Makes a context current on a thread that ends then, so that what is current on it need not be
   * put back; without, nothing could be freed.
   */
  static void enter(CUcontext context) {
    try {
      push(context);
    } catch (JCudaException e) {
      LOG.log(Level.WARNING, "making a context current to free what is in it", e);
      Call.driver("cuCtxSetCurrent", () -> JCudaDriver.cuCtxSetCurrent(context)).run();
    }
  }

  static void pop() {
    Call.driver("cuCtxPopCurrent", () -> JCudaDriver.cuCtxPopCurrent(new CUcontext())).run();
  }

  /** Free bytes of the device. */
  static long freeMemory() {
    var free = new long[1];
    Call.driver("cuMemGetInfo", () -> JCudaDriver.cuMemGetInfo(free, new long[1])).run();
    return free[0];
  }

  /** Memory of the device, of unknown content. */
  static DeviceAddress allocate(long bytes, Closer owner) {
    var memory = new DeviceAddress();
    make(
        "cuMemAlloc",
        () -> JCudaDriver.cuMemAlloc(memory, bytes),
        "cuMemFree",
        () -> JCudaDriver.cuMemFree(memory),
        owner);
    return memory;
  }

  /** A stream that does not wait for the default stream, nor that for it. */
  static CUstream stream(Closer owner) {
    var stream = new CUstream();
    make(
        "cuStreamCreate",
        () -> JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING),
        "cuStreamDestroy",
        () -> JCudaDriver.cuStreamDestroy(stream),
        owner);
    return stream;
  }

  static void synchronize(CUstream stream) {
    Call.driver("cuStreamSynchronize", () -> JCudaDriver.cuStreamSynchronize(stream)).run();
  }

  /** An event whose waiters sleep; it takes no time stamps. */
  static CUevent blockingEvent(Closer owner) {
    return event(
        CUevent_flags.CU_EVENT_BLOCKING_SYNC | CUevent_flags.CU_EVENT_DISABLE_TIMING, owner);
  }

  /** An event that orders work and takes no time stamps; who waits for it spins. */
  static CUevent event(Closer owner) {
    return event(CUevent_flags.CU_EVENT_DISABLE_TIMING, owner);
  }

  /** An event that takes a time stamp. */
  static CUevent timedEvent(Closer owner) {
    return event(CUevent_flags.CU_EVENT_DEFAULT, owner);
  }

  private static CUevent event(int flags, Closer owner) {
    var event = new CUevent();
    make(
        "cuEventCreate",
        () -> JCudaDriver.cuEventCreate(event, flags),
        "cuEventDestroy",
        () -> JCudaDriver.cuEventDestroy(event),
        owner);
    return event;
  }

  /** Loads kernels. */
  static CUmodule load(byte[] image, Closer owner) {
    var module = new CUmodule();
    make(
        "cuModuleLoadData",
        () -> JCudaDriver.cuModuleLoadData(module, image),
        "cuModuleUnload",
        () -> JCudaDriver.cuModuleUnload(module),
        owner);
    return module;
  }

  static CUfunction function(CUmodule module, String name) {
    var function = new CUfunction();
    Call.driver(
            "cuModuleGetFunction", () -> JCudaDriver.cuModuleGetFunction(function, module, name))
        .run();
    return function;
  }
}
