package dev.shortcut.bindings.jcuda;

import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import jcuda.jcudnn.cudnnHandle;

/**
 * JCudnn's handles as ours. Both must be of the one {@code libcudnn.so.9} of the process. Safe for
 * use by any thread.
 */
// Requiring JCuda transitively would make everybody need it who compiles against our module.
@SuppressWarnings("exports")
public final class FromJCudnn {
  static {
    JCudaModule.read();
  }

  private FromJCudnn() {}

  /**
   * The {@code cudnnHandle_t} in JCudnn's object.
   *
   * @throws IllegalArgumentException if it holds none yet
   */
  public static long handle(cudnnHandle handle) {
    long address = NativePointers.get(handle);
    if (address == 0) {
      throw new IllegalArgumentException("nothing was created in this cudnnHandle of JCudnn's yet");
    }
    return address;
  }

  /** Borrows a handle, whose stream is whatever either side set last. */
  public static CudnnHandle handle(Cudnn cudnn, cudnnHandle handle) {
    return cudnn.borrowHandle(handle(handle));
  }

  /** Takes a handle over; JCudnn's object is empty afterwards. */
  public static CudnnHandle takeHandle(Cudnn cudnn, cudnnHandle handle) {
    CudnnHandle taken = cudnn.adoptHandle(handle(handle));
    NativePointers.set(handle, 0);
    return taken;
  }
}
