package dev.shortcut.engine.backend.jcudnn;

import java.util.function.IntFunction;
import java.util.function.IntSupplier;
import java.util.stream.IntStream;
import jcuda.CudaException;
import jcuda.driver.CUresult;
import jcuda.jcublas.cublasStatus;
import jcuda.jcudnn.cudnnStatus;
import jcuda.nvrtc.nvrtcResult;

/**
 * A call of a C function through JCuda, and the check of what it returns. What a batch calls is
 * made once, so that running it makes no object.
 *
 * @param library whose function it is
 * @param function its name
 * @param body makes the call and returns its status
 */
record Call(Library library, String function, IntSupplier body) {
  /** Larger than every status of every library. */
  private static final int STATUSES = 10_000;

  /** The libraries that are called. */
  enum Library {
    /** libcuda. */
    DRIVER(CUresult::stringFor),
    /** libcudnn, of which JCuda knows the statuses of version 8. */
    CUDNN(cudnnStatus::stringFor),
    /** libcublas. */
    CUBLAS(cublasStatus::stringFor),
    /** libnvrtc. */
    NVRTC(nvrtcResult::stringFor);

    private final IntFunction<String> names;

    Library(IntFunction<String> names) {
      this.names = names;
    }

    /** The status that JCuda calls so; -1 if there is none. */
    private int status(String name) {
      return IntStream.range(1, STATUSES)
          .filter(code -> names.apply(code).equals(name))
          .findFirst()
          .orElse(-1);
    }
  }

  /** A call of the driver. */
  static Call driver(String function, IntSupplier body) {
    return new Call(Library.DRIVER, function, body);
  }

  /** A call of cuDNN. */
  static Call cudnn(String function, IntSupplier body) {
    return new Call(Library.CUDNN, function, body);
  }

  /** A call of cuBLAS. */
  static Call cublas(String function, IntSupplier body) {
    return new Call(Library.CUBLAS, function, body);
  }

  /** A call of NVRTC. */
  static Call nvrtc(String function, IntSupplier body) {
    return new Call(Library.NVRTC, function, body);
  }

  /**
   * Makes the call.
   *
   * @throws JCudaException if it returns anything but success
   */
  void run() {
    int status;
    try {
      status = body.getAsInt();
    } catch (CudaException e) {
      // Somebody in this process has told JCuda to throw, which it then does for all of it.
      throw new JCudaException(this, library.status(String.valueOf(e.getMessage())), e);
    }
    if (status != 0) {
      throw new JCudaException(this, status, null);
    }
  }
}
