package dev.shortcut.bindings.cudnn;

/** How cuDNN ranks its engines for a graph ({@code cudnnBackendHeurMode_t}). */
public enum HeuristicMode {
  /** Quick, and what NVIDIA recommends. */
  A(3),
  /** Slower and more accurate; queries of this mode should not run at the same time. */
  B(1),
  /** Engines that work and promise nothing about speed. */
  FALLBACK(2);

  private final int code;

  HeuristicMode(int code) {
    this.code = code;
  }

  /** cuDNN's number. */
  public int code() {
    return code;
  }
}
