package dev.shortcut.bindings.jcuda;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Event;
import dev.shortcut.bindings.cuda.Stream;
import jcuda.NativePointerObject;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUstream;
import org.jspecify.annotations.Nullable;

/**
 * JCuda's objects as ours, or as the plain addresses that every interface here takes. Safe for use
 * by any thread.
 *
 * <p>What is lent stays JCuda's: it must not be destroyed while ours is in use, and closing ours
 * does nothing. What is {@linkplain #takeStream taken} is freed by closing ours, and JCuda's object
 * is empty afterwards, as it was before something was created in it.
 */
// Requiring JCuda transitively would make everybody need it who compiles against our module.
@SuppressWarnings("exports")
public final class FromJCuda {
  static {
    JCudaModule.read();
  }

  private FromJCuda() {}

  /**
   * Where a pointer points to, its byte offset added: on the device for a {@code CUdeviceptr}.
   *
   * @throws IllegalArgumentException if it points to a Java array or buffer, or nowhere yet
   */
  public static long address(Pointer pointer) {
    return NativePointers.get(pointer);
  }

  /** What any other object of JCuda's holds, such as a {@code cublasHandle}; 0 if it is empty. */
  public static long nativePointer(NativePointerObject object) {
    return NativePointers.get(object);
  }

  /**
   * The {@code CUcontext} in JCuda's object.
   *
   * @throws IllegalArgumentException if it holds none yet
   */
  public static long handle(CUcontext context) {
    return created(NativePointers.get(context), "CUcontext");
  }

  /** The {@code CUstream} in JCuda's object; 0, the default stream, for null or an empty one. */
  public static long handle(@Nullable CUstream stream) {
    return stream == null ? 0 : NativePointers.get(stream);
  }

  /**
   * The {@code CUevent} in JCuda's object.
   *
   * @throws IllegalArgumentException if it holds none yet
   */
  public static long handle(CUevent event) {
    return created(NativePointers.get(event), "CUevent");
  }

  /** Borrows a context. */
  public static Context context(Cuda cuda, CUcontext context) {
    return cuda.borrow(handle(context));
  }

  /**
   * Borrows a stream.
   *
   * @param context the one that the stream was made in
   * @param stream null or an empty one is the default stream
   */
  public static Stream stream(Cuda cuda, Context context, @Nullable CUstream stream) {
    return cuda.borrowStream(context, handle(stream));
  }

  /**
   * Borrows an event.
   *
   * @param context the one that the event was made in
   */
  public static Event event(Cuda cuda, Context context, CUevent event) {
    return cuda.borrowEvent(context, handle(event));
  }

  /**
   * Borrows memory on a device.
   *
   * @param context one that can reach it
   * @param bytes how much may be used from where the pointer points to
   */
  public static DeviceMemory memory(Cuda cuda, Context context, CUdeviceptr pointer, long bytes) {
    return cuda.borrowMemory(context, address(pointer), bytes);
  }

  /**
   * Takes a stream over.
   *
   * @param context the one that the stream was made in
   * @throws IllegalArgumentException if nothing was created in the object yet
   */
  public static Stream takeStream(Cuda cuda, Context context, CUstream stream) {
    Stream taken = cuda.adoptStream(context, created(handle(stream), "CUstream"));
    NativePointers.set(stream, 0);
    return taken;
  }

  /**
   * Takes an event over.
   *
   * @param context the one that the event was made in
   */
  public static Event takeEvent(Cuda cuda, Context context, CUevent event) {
    Event taken = cuda.adoptEvent(context, handle(event));
    NativePointers.set(event, 0);
    return taken;
  }

  /**
   * Takes memory on a device over.
   *
   * @param context the one that it was allocated in
   * @param pointer to the beginning of the allocation, without an offset
   * @param bytes how much it is
   */
  public static DeviceMemory takeMemory(
      Cuda cuda, Context context, CUdeviceptr pointer, long bytes) {
    if (address(pointer) != NativePointers.get((NativePointerObject) pointer)) {
      throw new IllegalArgumentException(
          "%s points into an allocation, of which only the whole can be taken".formatted(pointer));
    }
    DeviceMemory taken = cuda.adoptMemory(context, address(pointer), bytes);
    NativePointers.set(pointer, 0);
    return taken;
  }

  private static long created(long handle, String what) {
    if (handle == 0) {
      throw new IllegalArgumentException("nothing was created in this " + what + " of JCuda's yet");
    }
    return handle;
  }
}
