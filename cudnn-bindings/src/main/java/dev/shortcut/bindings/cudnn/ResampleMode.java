package dev.shortcut.bindings.cudnn;

/** How a window becomes one element ({@code cudnnResampleMode_t}). */
public enum ResampleMode {
  /** The mean over the whole window, padding counted as zeros. */
  AVGPOOL_INCLUDE_PADDING(2),
  /** The mean over what of the window lies inside. */
  AVGPOOL_EXCLUDE_PADDING(4),
  /** The largest value inside. */
  MAXPOOL(3);

  private final int code;

  ResampleMode(int code) {
    this.code = code;
  }

  /** cuDNN's number. */
  public int code() {
    return code;
  }
}
