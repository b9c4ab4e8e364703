package dev.shortcut.bindings.cuda;

import java.util.HashMap;
import java.util.Map;

/**
 * What a call of the driver returns ({@code CUresult}): those statuses that the calls made here can
 * give. All others are {@link #UNKNOWN}, and {@link CudaException} keeps their number and name.
 */
public enum CudaStatus {
  /** Done. */
  SUCCESS(0),
  /** An argument is wrong. */
  INVALID_VALUE(1),
  /** Too little memory on the device or of the pinned kind. */
  OUT_OF_MEMORY(2),
  /** The driver was not initialised. */
  NOT_INITIALIZED(3),
  /** The driver is shutting down with the process. */
  DEINITIALIZED(4),
  /** The library is a toolkit's stub and no driver. */
  STUB_LIBRARY(34),
  /** Another process has the device for itself. */
  DEVICE_UNAVAILABLE(46),
  /** There is no GPU, or this process may not see it. */
  NO_DEVICE(100),
  /** There is no device of that number. */
  INVALID_DEVICE(101),
  /** The virtual GPU has no licence. */
  DEVICE_NOT_LICENSED(102),
  /** The module's image is damaged or of an unknown kind. */
  INVALID_IMAGE(200),
  /** No context is current, or it is not valid. */
  INVALID_CONTEXT(201),
  /** The module holds no code for this GPU. */
  NO_BINARY_FOR_GPU(209),
  /** The device's memory is broken. */
  ECC_UNCORRECTABLE(214),
  /** The intermediate code cannot be compiled. */
  INVALID_PTX(218),
  /** A link between GPUs is broken. */
  NVLINK_UNCORRECTABLE(220),
  /** The driver's compiler, libnvidia-ptxjitcompiler, is missing. */
  JIT_COMPILER_NOT_FOUND(221),
  /** The intermediate code is newer than the driver. */
  UNSUPPORTED_PTX_VERSION(222),
  /** Compiling in the driver has been switched off. */
  JIT_COMPILATION_DISABLED(223),
  /** A broken part of the device's memory was hit. */
  CONTAINED(226),
  /** A call of the operating system failed. */
  OPERATING_SYSTEM(304),
  /** An object is not, or no longer, valid. */
  INVALID_HANDLE(400),
  /** An object is not in the state that the call needs. */
  ILLEGAL_STATE(401),
  /** No function or symbol of that name. */
  NOT_FOUND(500),
  /** Work is not done yet. */
  NOT_READY(600),
  /** A kernel or copy touched memory that is not its own. */
  ILLEGAL_ADDRESS(700),
  /** The block is too large for the kernel's registers or shared memory. */
  LAUNCH_OUT_OF_RESOURCES(701),
  /** A kernel ran longer than the system allows. */
  LAUNCH_TIMEOUT(702),
  /** The primary context is in use already. */
  PRIMARY_CONTEXT_ACTIVE(708),
  /** The current context has been destroyed. */
  CONTEXT_IS_DESTROYED(709),
  /** An assertion of a kernel failed. */
  ASSERT(710),
  /** A kernel's call stack is damaged or too small. */
  HARDWARE_STACK_ERROR(714),
  /** A kernel has code that the device does not know. */
  ILLEGAL_INSTRUCTION(715),
  /** A kernel touched an address that is not aligned for its access. */
  MISALIGNED_ADDRESS(716),
  /** A kernel touched memory of the wrong kind. */
  INVALID_ADDRESS_SPACE(717),
  /** A kernel jumped out of its code. */
  INVALID_PC(718),
  /** A kernel failed. */
  LAUNCH_FAILED(719),
  /** A kernel ended without freeing its tensor memory. */
  TENSOR_MEMORY_LEAK(721),
  /** The call is not allowed here, such as in the capture of another thread. */
  NOT_PERMITTED(800),
  /** The device or driver cannot do that. */
  NOT_SUPPORTED(801),
  /** The machine's GPUs are not set up, as by the fabric manager. */
  SYSTEM_NOT_READY(802),
  /** The driver's library and its kernel module are of two versions. */
  SYSTEM_DRIVER_MISMATCH(803),
  /** The forward compatibility package does not support this GPU. */
  COMPAT_NOT_SUPPORTED_ON_DEVICE(804),
  /** The service that shares GPUs between processes does not answer. */
  MPS_CONNECTION_FAILED(805),
  /** The service that shares GPUs between processes has ended this one. */
  MPS_CLIENT_TERMINATED(810),
  /** The call cannot be recorded. */
  STREAM_CAPTURE_UNSUPPORTED(900),
  /** An earlier call has spoiled the capture. */
  STREAM_CAPTURE_INVALIDATED(901),
  /** The call would join two captures. */
  STREAM_CAPTURE_MERGE(902),
  /** The capture was begun on another stream. */
  STREAM_CAPTURE_UNMATCHED(903),
  /** A stream of the capture was not joined to the first one. */
  STREAM_CAPTURE_UNJOINED(904),
  /** The call would tie a capture to work outside of it. */
  STREAM_CAPTURE_ISOLATION(905),
  /** The call would tie a capture to the default stream. */
  STREAM_CAPTURE_IMPLICIT(906),
  /** The event was recorded in a capture. */
  CAPTURED_EVENT(907),
  /** The capture was begun by another thread. */
  STREAM_CAPTURE_WRONG_THREAD(908),
  /** Time ran out. */
  TIMEOUT(909),
  /** The graph differs too much from the one that was instantiated. */
  GRAPH_EXEC_UPDATE_FAILURE(910),
  /** Another device, which work waited for, failed. */
  EXTERNAL_DEVICE(911),
  /** The driver itself does not know what happened ({@code CUDA_ERROR_UNKNOWN}). */
  UNKNOWN_ERROR(999),
  /** A number that is not in this list. */
  UNKNOWN(-1);

  private static final Map<Integer, CudaStatus> BY_CODE = new HashMap<>();

  static {
    for (CudaStatus status : values()) {
      BY_CODE.put(status.code, status);
    }
  }

  private final int code;

  CudaStatus(int code) {
    this.code = code;
  }

  /** The number in C, or -1 for {@link #UNKNOWN}. */
  public int code() {
    return code;
  }

  /** The status of that number; {@link #UNKNOWN} where this list has none. */
  public static CudaStatus of(int code) {
    return BY_CODE.getOrDefault(code, UNKNOWN);
  }

  /**
   * Whether every later call of this process fails as well, so that nothing native can be used or
   * freed any more and the process must be started again. These are the errors of which cuda.h says
   * that they leave the process in an inconsistent state, and broken hardware.
   */
  public boolean sticky() {
    return switch (this) {
      case ECC_UNCORRECTABLE,
          NVLINK_UNCORRECTABLE,
          CONTAINED,
          ILLEGAL_ADDRESS,
          LAUNCH_TIMEOUT,
          ASSERT,
          HARDWARE_STACK_ERROR,
          ILLEGAL_INSTRUCTION,
          MISALIGNED_ADDRESS,
          INVALID_ADDRESS_SPACE,
          INVALID_PC,
          LAUNCH_FAILED,
          TENSOR_MEMORY_LEAK,
          MPS_CLIENT_TERMINATED,
          EXTERNAL_DEVICE ->
          true;
      default -> false;
    };
  }
}
