package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.cublas.CublasStatus;
import dev.shortcut.bindings.cuda.CudaStatus;
import dev.shortcut.bindings.cudnn.CudnnStatus;
import jcuda.driver.CUresult;
import jcuda.nvrtc.nvrtcResult;
import org.jspecify.annotations.Nullable;

/** A call through JCuda returned something other than success. Always names the call. */
final class JCudaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private static final int CATEGORY = 1000;
  private static final int NOT_SUPPORTED = 3000;

  private final Call.Library library;
  private final int code;

  JCudaException(Call call, int code, @Nullable Throwable cause) {
    super("%s returned %s".formatted(call.function(), text(call.library(), code)), cause);
    this.library = call.library();
    this.code = code;
  }

  /** cuDNN 9 counts otherwise than the version that JCuda names the statuses of. */
  private static String text(Call.Library library, int code) {
    return switch (library) {
      case DRIVER -> "%s (%d)".formatted(CUresult.stringFor(code), code);
      case CUDNN -> {
        String reason = JCudaLibrary.lastErrorOfCudnn();
        yield "%s (%d)%s"
            .formatted(CudnnStatus.of(code), code, reason.isEmpty() ? "" : ": " + reason);
      }
      case CUBLAS -> "%s (%d)".formatted(CublasStatus.of(code), code);
      case NVRTC -> "%s (%d)".formatted(nvrtcResult.stringFor(code), code);
    };
  }

  /** Whether every later call of this process fails as well. */
  boolean sticky() {
    return library == Call.Library.DRIVER && CudaStatus.of(code).sticky();
  }

  /** Whether the device, or the host's memory that it may use, is full. */
  boolean outOfMemory() {
    return library == Call.Library.DRIVER && CudaStatus.of(code) == CudaStatus.OUT_OF_MEMORY;
  }

  /** Whether cuDNN understood the request and has nothing that does it. */
  boolean notSupported() {
    return library == Call.Library.CUDNN && code / CATEGORY * CATEGORY == NOT_SUPPORTED;
  }
}
