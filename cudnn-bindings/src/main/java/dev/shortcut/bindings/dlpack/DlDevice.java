package dev.shortcut.bindings.dlpack;

/**
 * Where a tensor lies ({@code DLDevice}). Immutable and safe for use by any thread.
 *
 * @param type one of the constants, or another {@code DLDeviceType}
 * @param id of several devices of the type, from 0; 0 on the host
 */
public record DlDevice(int type, int id) {
  /** {@code kDLCPU}: ordinary memory of the host. */
  public static final int CPU = 1;

  /** {@code kDLCUDA}: memory of a GPU. */
  public static final int CUDA = 2;

  /** {@code kDLCUDAHost}: memory of the host that CUDA pinned. */
  public static final int CUDA_HOST = 3;

  /** {@code kDLCUDAManaged}: memory that CUDA moves between host and GPU. */
  public static final int CUDA_MANAGED = 13;

  /** A GPU's memory, by the number that CUDA gives the GPU. */
  public static DlDevice cuda(int id) {
    return new DlDevice(CUDA, id);
  }

  /** Ordinary memory of the host. */
  public static DlDevice cpu() {
    return new DlDevice(CPU, 0);
  }

  /** Such as {@code cuda:0}. */
  @Override
  public String toString() {
    return switch (type) {
      case CPU -> "cpu";
      case CUDA -> "cuda:" + id;
      case CUDA_HOST -> "pinned memory of cuda:" + id;
      case CUDA_MANAGED -> "managed memory of cuda:" + id;
      default -> "device type %d:%d".formatted(type, id);
    };
  }
}
