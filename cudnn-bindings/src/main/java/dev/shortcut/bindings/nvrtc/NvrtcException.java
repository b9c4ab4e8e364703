package dev.shortcut.bindings.nvrtc;

/** A call of NVRTC returned something other than success. Always names the call. */
public final class NvrtcException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final int code;
  private final String log;

  NvrtcException(String function, int code, String text, String log) {
    super(
        "%s returned %s (%d)%s"
            .formatted(function, text, code, log.isEmpty() ? "" : ":\n" + log.strip()));
    this.code = code;
    this.log = log;
  }

  /** What the call returned. */
  public NvrtcStatus status() {
    return NvrtcStatus.of(code);
  }

  /** What it returned, as a number, which says more where the status is unknown. */
  public int code() {
    return code;
  }

  /** What the compiler said of the source; empty where it said nothing. */
  public String log() {
    return log;
  }
}
