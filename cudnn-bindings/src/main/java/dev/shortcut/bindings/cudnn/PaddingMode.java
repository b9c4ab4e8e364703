package dev.shortcut.bindings.cudnn;

/** What a window sees outside of a picture ({@code cudnnPaddingMode_t}). */
public enum PaddingMode {
  /** Zeros. */
  ZERO_PAD(0),
  /** For a maximum: padding never wins. */
  NEG_INF_PAD(1),
  /** What lies at the nearest edge. */
  EDGE_VAL_PAD(2);

  private final int code;

  PaddingMode(int code) {
    this.code = code;
  }

  /** cuDNN's number. */
  public int code() {
    return code;
  }
}
