package dev.shortcut.bindings.cublas;

/**
 * A cuBLASLt call returned something other than success. Names the call and the status with its
 * number. Unchecked.
 */
public final class CublasException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String function;
  private final int code;

  CublasException(String function, int code, String text) {
    super(
        "%s returned %s (%d)%s"
            .formatted(function, CublasStatus.of(code), code, text.isEmpty() ? "" : ": " + text));
    this.function = function;
    this.code = code;
  }

  /**
   * The same failure, saying what was being attempted.
   *
   * @param attempted the beginning of a sentence, such as {@code fc on device 0}
   */
  public CublasException(String attempted, CublasException cause) {
    super(attempted + ": " + cause.getMessage(), cause);
    this.function = cause.function;
    this.code = cause.code;
  }

  /** The C function that failed. */
  public String function() {
    return function;
  }

  /** What it returned; {@link CublasStatus#UNKNOWN} where a newer cuBLAS has one of its own. */
  public CublasStatus status() {
    return CublasStatus.of(code);
  }

  /** The number that it returned. */
  public int code() {
    return code;
  }
}
