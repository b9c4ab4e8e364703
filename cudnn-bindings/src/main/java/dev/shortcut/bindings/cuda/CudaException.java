package dev.shortcut.bindings.cuda;

/** A call of the CUDA driver returned something other than success. Always names the call. */
public final class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String function;
  private final int code;

  /**
   * A failed call.
   *
   * @param function the C function
   * @param code what it returned
   * @param name the driver's name for that, such as {@code CUDA_ERROR_INVALID_VALUE}
   * @param text what it means and what is known besides
   */
  CudaException(String function, int code, String name, String text) {
    super("%s returned %s (%d): %s".formatted(function, name, code, text));
    this.function = function;
    this.code = code;
  }

  /** The C function that failed. */
  public String function() {
    return function;
  }

  /** What it returned. */
  public CudaStatus status() {
    return CudaStatus.of(code);
  }

  /** What it returned, as a number, which says more where the status is unknown. */
  public int code() {
    return code;
  }

  /** Whether every later call of this process fails as well ({@link CudaStatus#sticky}). */
  public boolean sticky() {
    return status().sticky();
  }
}
