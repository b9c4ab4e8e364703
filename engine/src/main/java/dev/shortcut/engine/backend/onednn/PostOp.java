package dev.shortcut.engine.backend.onednn;

/** What a kernel does to each value before it writes it. */
sealed interface PostOp {
  /** Adds what the output's place holds. */
  record Sum() implements PostOp {}

  /** Cuts off below zero. */
  record Relu() implements PostOp {}

  /**
   * Combines with a second tensor.
   *
   * @param algorithm one of oneDNN's binary algorithms
   * @param operand the tensor's layout; extents of 1 are repeated
   */
  record Binary(int algorithm, Descriptor operand) implements PostOp {}
}
