package dev.shortcut.bindings.jcuda;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Event;
import dev.shortcut.bindings.cuda.PinnedMemory;
import dev.shortcut.bindings.cuda.Stream;
import java.lang.foreign.MemorySegment;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUstream;

/**
 * Our objects, and addresses, as JCuda's. Safe for use by any thread.
 *
 * <p>What is lent stays ours: it must not be closed while JCuda's object is in use, nor destroyed
 * through that. What is {@linkplain #give(Stream) given} is freed through JCuda's object, and ours
 * is closed.
 *
 * <p>All methods throw {@link IllegalStateException} if the Java module that JCuda is in does not
 * let its objects be filled; the message names the option that helps.
 */
// Requiring JCuda transitively would make everybody need it who compiles against our module.
@SuppressWarnings("exports")
public final class ToJCuda {
  static {
    JCudaModule.read();
  }

  private ToJCuda() {}

  /** Lends a context. */
  public static CUcontext context(Context context) {
    return NativePointers.set(new CUcontext(), context.handle());
  }

  /** Lends a stream. */
  public static CUstream stream(Stream stream) {
    return stream(stream.handle());
  }

  /** Lends a stream by its {@code CUstream}. */
  public static CUstream stream(long cuStream) {
    return NativePointers.set(new CUstream(), cuStream);
  }

  /** Lends an event. */
  public static CUevent event(Event event) {
    return NativePointers.set(new CUevent(), event.handle());
  }

  /** Lends memory on a device. */
  public static CUdeviceptr pointer(DeviceMemory memory) {
    return devicePointer(memory.address());
  }

  /** Lends memory on a device by its address. */
  public static CUdeviceptr devicePointer(long address) {
    return NativePointers.set(new CUdeviceptr(), address);
  }

  /** Lends memory of the host. */
  public static Pointer pointer(PinnedMemory memory) {
    return pointer(memory.segment());
  }

  /**
   * Lends native memory of the host, which must stay allocated while the pointer is in use: nobody
   * checks.
   *
   * @throws IllegalArgumentException if it lies on the Java heap
   */
  public static Pointer pointer(MemorySegment memory) {
    if (!memory.isNative()) {
      throw new IllegalArgumentException(
          "memory on the Java heap moves: use Pointer.to(array) for a call that waits");
    }
    return NativePointers.set(new Pointer(), memory.address());
  }

  /** Gives a stream away, for {@code cuStreamDestroy}. */
  public static CUstream give(Stream stream) {
    return NativePointers.give(new CUstream(), stream::detach);
  }

  /** Gives an event away, for {@code cuEventDestroy}. */
  public static CUevent give(Event event) {
    return NativePointers.give(new CUevent(), event::detach);
  }

  /** Gives memory on a device away, for {@code cuMemFree}. */
  public static CUdeviceptr give(DeviceMemory memory) {
    return NativePointers.give(new CUdeviceptr(), memory::detach);
  }

  /** Gives memory of the host away, for {@code cuMemFreeHost}. */
  public static Pointer give(PinnedMemory memory) {
    return NativePointers.give(new Pointer(), memory::detach);
  }
}
