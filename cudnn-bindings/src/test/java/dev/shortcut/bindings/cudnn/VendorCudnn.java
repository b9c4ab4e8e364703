package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.VendorLibraries;

/**
 * NVIDIA's cuDNN with what it opens late, each by its path and in the order in which they need one
 * another, so that no library path has to be set.
 */
final class VendorCudnn {
  private VendorCudnn() {}

  static Cudnn open() {
    loadOthers();
    return Cudnn.of(load("libcudnn.so.9", "cudnnGetVersion"));
  }

  /** What cuDNN opens late. */
  static void loadOthers() {
    load("libcuda.so.1", "cuInit");
    load("libnvrtc.so.12", "nvrtcVersion");
    load("libcublasLt.so.12", "cublasLtGetVersion");
  }

  static NativeLibrary load(String soname, String symbol) {
    return NativeLibrary.find(soname, symbol)
        .file("fetched", VendorLibraries.library(soname))
        .load();
  }
}
