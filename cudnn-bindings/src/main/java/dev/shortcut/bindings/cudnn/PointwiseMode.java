package dev.shortcut.bindings.cudnn;

/** What an operation does to each element ({@code cudnnPointwiseMode_t}). */
public enum PointwiseMode {
  /** The sum of both operands. */
  ADD(0),
  /** The product of both operands. */
  MUL(1),
  /** The smaller operand. */
  MIN(2),
  /** The larger operand. */
  MAX(3),
  /** The first operand less the second. */
  SUB(9),
  /** The operand as it is. */
  IDENTITY(21),
  /** What is below zero becomes zero. */
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
