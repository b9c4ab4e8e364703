package dev.shortcut.bindings.nvidia;

import dev.shortcut.bindings.library.NvidiaLibrary;

/** What to tell a person to install. */
final class Install {
  private Install() {}

  /** Where there is no driver. */
  static String driver() {
    return "On a machine with an NVIDIA GPU install NVIDIA's driver (Debian: nvidia-driver from non-free; Ubuntu:"
        + " ubuntu-drivers install; otherwise nvidia.com/drivers); in a container start it with --gpus all, which needs"
        + " the NVIDIA Container Toolkit on the host.";
  }

  /** Where there is no driver on a machine that only plans, and need not have a GPU. */
  static String driverLibrary() {
    return "Only the library is needed, not a GPU: unpack libcuda.so.1 from the driver's packages (Debian: libcuda1 from"
        + " non-free, with dpkg -x), and name it with -D%s=FILE."
            .formatted(NvidiaLibrary.DRIVER.property());
  }

  /** Where the driver is too old. */
  static String upgradeDriver(int cudaVersion) {
    return "Upgrade NVIDIA's driver to one for CUDA %s or later."
        .formatted(CudaVersion.text(cudaVersion));
  }

  /** Where the driver knows of no GPU. */
  static String device() {
    return "Look at nvidia-smi and CUDA_VISIBLE_DEVICES, and in a container at --gpus.";
  }

  /** How to get a library for a CUDA generation. */
  static String packages(NvidiaLibrary library, int cudaMajor) {
    // From CUDA 13 on the toolkit's packages carry no generation in their names.
    String pip =
        switch (library) {
          case DRIVER -> throw new IllegalArgumentException("the driver is not a package of pip");
          case CUDNN -> "nvidia-cudnn-cu" + cudaMajor;
          case CUBLASLT -> cudaMajor >= 13 ? "\"nvidia-cublas>=13,<14\"" : "nvidia-cublas-cu12";
          case NVRTC ->
              cudaMajor >= 13 ? "\"nvidia-cuda-nvrtc>=13,<14\"" : "nvidia-cuda-nvrtc-cu12";
        };
    String apt =
        switch (library) {
          case DRIVER -> throw new IllegalArgumentException("the driver is not a package of CUDA");
          case CUDNN -> "libcudnn9-cuda-" + cudaMajor;
          case CUBLASLT -> "libcublas-%d-*".formatted(cudaMajor);
          case NVRTC -> "cuda-nvrtc-%d-*".formatted(cudaMajor);
        };
    return "pip install %s (or, with NVIDIA's package repository, apt install '%s'), or name its file with -D%s=FILE."
        .formatted(pip, apt, library.property());
  }
}
