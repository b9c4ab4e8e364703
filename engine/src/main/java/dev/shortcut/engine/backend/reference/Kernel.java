package dev.shortcut.engine.backend.reference;

/**
 * The arithmetic of one node in one slot. An image's work is cut into parts that write different
 * values, so that they may run at the same time and in any order with the same result.
 */
interface Kernel {
  /** Parts of one image. */
  int parts();

  /** Computes one part of one image of the batch; {@code scratch} belongs to the calling thread. */
  void compute(int image, int part, Scratch scratch);
}
