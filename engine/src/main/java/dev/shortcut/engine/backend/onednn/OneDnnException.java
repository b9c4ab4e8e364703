package dev.shortcut.engine.backend.onednn;

/** A oneDNN call returned something other than success. Always names the call. */
final class OneDnnException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final int code;

  OneDnnException(String function, int code) {
    super("%s returned %s (%d)".formatted(function, OneDnnStatus.of(code), code));
    this.code = code;
  }

  private OneDnnException(String message, OneDnnStatus status) {
    super(message);
    this.code = status.ordinal();
  }

  /** oneDNN has nothing that computes this. */
  static OneDnnException unimplemented(String what) {
    return new OneDnnException(
        "oneDNN has no implementation of " + what, OneDnnStatus.UNIMPLEMENTED);
  }

  /** The same failure with what was being attempted. */
  OneDnnException(String attempted, OneDnnException cause) {
    super(attempted + ": " + cause.getMessage(), cause);
    this.code = cause.code;
  }

  OneDnnStatus status() {
    return OneDnnStatus.of(code);
  }
}
