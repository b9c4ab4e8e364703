package dev.shortcut.engine.backend;

import java.lang.foreign.MemorySegment;

/**
 * One set of buffers in which one batch runs at a time. {@link #attach} and {@link #run} are called
 * by one thread, the slot's own.
 */
public interface Slot {
  /**
   * Called once by the slot's thread before its first run: whatever is kept by thread is set here.
   */
  void attach();

  /**
   * Host memory, native and accessible by every thread, from which batches enter fastest: room for
   * the largest one in the format that the model was compiled for. Whoever leases the slot fills
   * it.
   */
  MemorySegment inputStaging();

  /** The same for results: room for those of the largest batch, as floats. */
  MemorySegment outputStaging();

  /**
   * Runs one batch and returns when its results are in {@code output}. Allocates nothing, on the
   * Java heap or elsewhere.
   *
   * @param images a compiled batch size, or less where the backend pads
   * @param input begins with that many images in the format that the model was compiled for; native
   *     memory accessible by the slot's thread, aligned as its values need
   * @param output begins with room for that many results as floats; native memory likewise
   */
  void run(int images, MemorySegment input, MemorySegment output);

  /**
   * As {@link #run}, also telling what each step took; this may allocate and be slower. A backend
   * that cannot tell its steps apart tells of one.
   */
  default void profile(int images, MemorySegment input, MemorySegment output, Stopwatch stopwatch) {
    long start = System.nanoTime();
    run(images, input, output);
    stopwatch.step("all", System.nanoTime() - start);
  }

  /** Is told how long each step of a batch took. */
  @FunctionalInterface
  interface Stopwatch {
    /**
     * One step has ended.
     *
     * @param name the node that it was for, or what it did for none
     */
    void step(String name, long nanos);
  }
}
