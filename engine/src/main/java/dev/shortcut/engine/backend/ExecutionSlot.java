package dev.shortcut.engine.backend;

/**
 * A set of buffers that an embedder holds until he closes it, and in which his batches run on his
 * own streams: the device's half of {@link dev.shortcut.engine.Execution}. It has run once when it
 * is handed out, so that nothing is loaded or compiled while a caller captures.
 *
 * <p>{@link #enqueue} may be called by any OS thread, with any context current or none, but by one
 * at a time; {@link #close} not at the same time as it. Between a context's push and pop nothing
 * may park the calling thread, which may be a virtual one.
 */
public interface ExecutionSlot extends AutoCloseable {
  /** Bytes of device and pinned memory that it holds beyond the model's own. */
  long bytes();

  /**
   * Enqueues one batch and returns at once. Allocates nothing, synchronises nothing, and leaves the
   * calling thread's context as it was. Where the stream is being captured, every kernel becomes a
   * node of the caller's graph; where it is not, runs of this slot follow one another even on
   * different streams.
   *
   * @param input a device address, on which the batch's images begin
   * @param output a device address, room for the batch's results as floats
   * @param stream the {@code CUstream} of the slot's context; 0 is its default stream
   */
  void enqueue(long input, long output, long stream);

  /** How many of the graphs that captured it are not destroyed yet. */
  int capturedGraphs();

  /** Waits for the last run that was not captured and frees everything; idempotent. */
  @Override
  void close();
}
