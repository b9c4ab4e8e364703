package dev.shortcut.engine.backend;

import java.lang.foreign.MemorySegment;

/**
 * One set of buffers in which one batch runs at a time. All its methods are called by one thread,
 * the slot's own.
 */
public interface Slot {
  /**
   * Called once by the slot's thread before its first run: whatever is kept by thread is set here.
   */
  void attach();

  /**
   * Runs one batch and returns when its results are in {@code output}. Allocates nothing, on the
   * Java heap or elsewhere.
   *
   * @param images a compiled batch size, or less where the backend pads
   * @param input that many images in the format that the model was compiled for, native memory
   * @param output room for that many results as floats, native memory
   */
  void run(int images, MemorySegment input, MemorySegment output);
}
