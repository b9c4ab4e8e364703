package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.bindings.library.NvidiaLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The CUDA driver of this process, initialised. Immutable and safe for use by any thread; there is
 * nothing to close, because the driver stays with the process.
 */
public final class Cuda {
  private static @Nullable Cuda opened;

  private final CudaFunctions functions;

  private Cuda(CudaFunctions functions) {
    this.functions = functions;
  }

  /**
   * The driver, which is looked for and initialised once in the life of the process; a failure is
   * not remembered. {@link NvidiaLibrary} says where.
   *
   * @throws LibraryException if there is no driver, with every place that was tried
   * @throws CudaException if the driver does not start, such as for want of a GPU
   */
  public static synchronized Cuda open() {
    Cuda cuda = opened;
    if (cuda == null) {
      cuda = of(NvidiaLibrary.DRIVER.find(0));
      opened = cuda;
    }
    return cuda;
  }

  /**
   * A driver's library that is open already, initialised.
   *
   * @throws CudaException if the driver does not start, such as for want of a GPU
   */
  public static Cuda of(NativeLibrary library) {
    CudaFunctions functions = new CudaFunctions(library);
    try {
      functions.init(0);
    } catch (CudaException e) {
      throw functions.failure(
          e.function(),
          e.code(),
          "the driver is %s. %s".formatted(library.location(), remedy(e.status())));
    }
    return new Cuda(functions);
  }

  /**
   * The newest CUDA version that a driver supports, 12090 for 12.9; needs no GPU.
   *
   * @param library the driver's, whose other functions may not be there
   */
  public static int driverVersion(NativeLibrary library) {
    return CudaFunctions.driverVersion(library);
  }

  /** The newest CUDA version that the driver supports, 12090 for 12.9. */
  public int driverVersion() {
    return CudaFunctions.driverVersion(functions.library());
  }

  /** The GPUs that this process may use, in the driver's order; MIG slices are devices as well. */
  public List<CudaDevice> devices() {
    return devices(functions);
  }

  /** The library that was opened. */
  public NativeLibrary library() {
    return functions.library();
  }

  /**
   * A context that somebody else owns; closing it does nothing.
   *
   * @param cuContext its {@code CUcontext}
   */
  public Context borrow(long cuContext) {
    if (cuContext == 0) {
      throw new IllegalArgumentException("a null pointer is no CUDA context");
    }
    return new Context(functions, MemorySegment.ofAddress(cuContext), null);
  }

  /**
   * A stream that somebody else owns; closing it does nothing.
   *
   * @param context the one that the stream was made in
   * @param cuStream its {@code CUstream}; 0 for the default stream
   */
  public Stream borrowStream(Context context, long cuStream) {
    return new Stream(context, MemorySegment.ofAddress(cuStream), false);
  }

  /**
   * A stream that somebody else made and hands over; closing it destroys it.
   *
   * @param context the one that the stream was made in
   * @param cuStream its {@code CUstream}
   */
  public Stream adoptStream(Context context, long cuStream) {
    return new Stream(context, pointer(cuStream, "stream that could be destroyed"), true);
  }

  /**
   * An event that somebody else owns; closing it does nothing.
   *
   * @param context the one that the event was made in
   * @param cuEvent its {@code CUevent}
   */
  public Event borrowEvent(Context context, long cuEvent) {
    return new Event(context, pointer(cuEvent, "event"), false);
  }

  /**
   * An event that somebody else made and hands over; closing it destroys it.
   *
   * @param context the one that the event was made in
   * @param cuEvent its {@code CUevent}
   */
  public Event adoptEvent(Context context, long cuEvent) {
    return new Event(context, pointer(cuEvent, "event"), true);
  }

  /**
   * Memory on a device that somebody else owns; closing it does nothing.
   *
   * @param context one that can reach it
   * @param cuDevicePtr where it begins, also in the middle of an allocation
   * @param bytes how much of it may be used, more than 0; nobody checks
   */
  public DeviceMemory borrowMemory(Context context, long cuDevicePtr, long bytes) {
    return new DeviceMemory(context, memory(cuDevicePtr, bytes), bytes, false);
  }

  /**
   * Memory on a device that somebody else allocated and hands over; closing it frees it.
   *
   * @param context the one that it was allocated in
   * @param cuDevicePtr as {@code cuMemAlloc} or {@code cudaMalloc} gave it
   * @param bytes how much it is, more than 0; nobody checks
   */
  public DeviceMemory adoptMemory(Context context, long cuDevicePtr, long bytes) {
    return new DeviceMemory(context, memory(cuDevicePtr, bytes), bytes, true);
  }

  /** The {@code CUcontext} that is current on the calling thread; 0 where there is none. */
  public long currentContext() {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(CTypes.POINTER);
      functions.ctxGetCurrent(out);
      return out.get(CTypes.POINTER, 0).address();
    }
  }

  /**
   * The device of the context that is current on the calling thread.
   *
   * @throws CudaException if there is none
   */
  public CudaDevice currentDevice() {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(CTypes.INT);
      functions.ctxGetDevice(out);
      int number = out.get(CTypes.INT, 0);
      return devices().stream()
          .filter(device -> device.number() == number)
          .findFirst()
          .orElseThrow(() ->
              new IllegalStateException(
                  "the current context's device is not in the list: " + number));
    }
  }

  private static MemorySegment pointer(long value, String what) {
    if (value == 0) {
      throw new IllegalArgumentException("a null pointer is no CUDA " + what);
    }
    return MemorySegment.ofAddress(value);
  }

  private static long memory(long address, long bytes) {
    if (address == 0 || bytes < 1) {
      throw new IllegalArgumentException(
          "no device memory: address 0x%x, %d bytes".formatted(address, bytes));
    }
    return address;
  }

  private static List<CudaDevice> devices(CudaFunctions functions) {
    List<CudaDevice> devices = new ArrayList<>();
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(CTypes.INT);
      functions.deviceGetCount(out);
      int count = out.get(CTypes.INT, 0);
      for (int ordinal = 0; ordinal < count; ordinal++) {
        functions.deviceGet(out, ordinal);
        devices.add(CudaDevice.describe(functions, ordinal, out.get(CTypes.INT, 0)));
      }
    }
    return List.copyOf(devices);
  }

  private static String remedy(CudaStatus status) {
    return switch (status) {
      case NO_DEVICE ->
          "Either this machine has no NVIDIA GPU, or the process may not see it: look at nvidia-smi, at"
              + " CUDA_VISIBLE_DEVICES, and in a container at --gpus and at the files /dev/nvidia*.";
      case STUB_LIBRARY ->
          "It comes from a toolkit and is for linking programs only: install NVIDIA's driver.";
      case SYSTEM_DRIVER_MISMATCH ->
          "The driver was probably upgraded while its kernel module was loaded: restart the machine.";
      case COMPAT_NOT_SUPPORTED_ON_DEVICE ->
          "Remove CUDA's forward compatibility package (cuda-compat) from the loader's path, or upgrade the driver.";
      case SYSTEM_NOT_READY ->
          "Start the services that set up the machine's GPUs (nvidia-fabricmanager where they are linked by NVSwitch).";
      default -> "Look at nvidia-smi and at the system's log (dmesg).";
    };
  }
}
