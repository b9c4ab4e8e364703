package dev.shortcut.bindings.jcuda;

import dev.shortcut.bindings.cudnn.CudnnHandle;
import jcuda.jcudnn.cudnnHandle;

/**
 * Our handles of cuDNN as JCudnn's. Both must be of the one {@code libcudnn.so.9} of the process.
 * Safe for use by any thread.
 */
// Requiring JCuda transitively would make everybody need it who compiles against our module.
@SuppressWarnings("exports")
public final class ToJCudnn {
  static {
    JCudaModule.read();
  }

  private ToJCudnn() {}

  /** Lends a handle, whose stream is whatever either side set last. */
  public static cudnnHandle handle(CudnnHandle handle) {
    return NativePointers.set(new cudnnHandle(), handle.handle());
  }

  /** Gives a handle away, for {@code cudnnDestroy}. */
  public static cudnnHandle give(CudnnHandle handle) {
    return NativePointers.give(new cudnnHandle(), handle::detach);
  }
}
