package dev.shortcut.bindings.cudnn;

/**
 * A cuDNN call returned something other than success. Names the call, the status with its number,
 * and cuDNN's own reason ({@code cudnnGetLastErrorString}). Unchecked.
 */
public final class CudnnException extends RuntimeException {
  private static final long serialVersionUID = 1L;
  private static final int CATEGORY = 1000;
  private static final int NOT_SUPPORTED = 3000;

  private final String function;
  private final int code;
  private final String reason;

  CudnnException(String function, int code, String reason) {
    super(
        "%s returned %s (%d)%s"
            .formatted(
                function, CudnnStatus.of(code), code, reason.isEmpty() ? "" : ": " + reason));
    this.function = function;
    this.code = code;
    this.reason = reason;
  }

  /**
   * The same failure, saying what was being attempted.
   *
   * @param attempted the beginning of a sentence, such as {@code layer1.0.conv1 on device 0}
   */
  public CudnnException(String attempted, CudnnException cause) {
    super(attempted + ": " + cause.getMessage(), cause);
    this.function = cause.function;
    this.code = cause.code;
    this.reason = cause.reason;
  }

  /** The C function that failed. */
  public String function() {
    return function;
  }

  /** What it returned; {@link CudnnStatus#UNKNOWN} where a newer cuDNN has a status of its own. */
  public CudnnStatus status() {
    return CudnnStatus.of(code);
  }

  /** The number that it returned. */
  public int code() {
    return code;
  }

  /** cuDNN's own words; empty where it said nothing. */
  public String reason() {
    return reason;
  }

  /**
   * Whether cuDNN understood the request and has nothing that does it: a normal answer to one of
   * several candidates.
   */
  public boolean notSupported() {
    return code / CATEGORY * CATEGORY == NOT_SUPPORTED;
  }
}
