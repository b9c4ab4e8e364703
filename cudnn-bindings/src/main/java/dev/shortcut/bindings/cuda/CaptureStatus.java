package dev.shortcut.bindings.cuda;

/** Whether a stream records its work into a graph; in the order of C's numbers. */
public enum CaptureStatus {
  /** Work runs. */
  NONE,
  /** Work is recorded. */
  ACTIVE,
  /** A forbidden call has spoiled the capture, which must still be ended. */
  INVALIDATED,
  /** A number that CUDA 12.9 does not have. */
  UNKNOWN;

  /** In the order of C's numbers; asked for on paths that must not allocate. */
  private static final CaptureStatus[] BY_CODE = values();

  static CaptureStatus of(int code) {
    return code >= 0 && code < UNKNOWN.ordinal() ? BY_CODE[code] : UNKNOWN;
  }
}
