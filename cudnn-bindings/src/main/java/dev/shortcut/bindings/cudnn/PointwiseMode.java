package dev.shortcut.bindings.cudnn;

/** What an operation does to each element ({@code cudnnPointwiseMode_t}). */
public enum PointwiseMode {
  ADD(0),
  MUL(1),
  MIN(2),
  MAX(3),
  SUB(9),
  IDENTITY(21),
  RELU_FWD(100);

  private final int code;

  PointwiseMode(int code) {
    this.code = code;
  }

  /** cuDNN's number. */
  public int code() {
    return code;
  }

  /** Whether it takes a second operand. */
  public boolean isBinary() {
    return switch (this) {
      case ADD, MUL, MIN, MAX, SUB -> true;
      case IDENTITY, RELU_FWD -> false;
    };
  }
}
