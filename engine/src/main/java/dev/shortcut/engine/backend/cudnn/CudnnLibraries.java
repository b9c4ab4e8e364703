package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.CublasLt;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.nvrtc.Nvrtc;

/** NVIDIA's libraries, opened as one set: cuDNN's CUDA generation decides the others'. */
record CudnnLibraries(Cuda cuda, Cudnn cudnn, CublasLt cublasLt, Nvrtc nvrtc) {
  static CudnnLibraries open() {
    Cuda cuda = Cuda.open();
    Cudnn cudnn = Cudnn.open();
    int major = Math.toIntExact(cudnn.cudartVersion() / 1000);
    return new CudnnLibraries(cuda, cudnn, CublasLt.open(major), Nvrtc.open(major));
  }

  /** Names and versions. */
  @Override
  public String toString() {
    return "%s, CUDA driver %d.%d"
        .formatted(cudnn, cuda.driverVersion() / 1000, cuda.driverVersion() % 1000 / 10);
  }
}
