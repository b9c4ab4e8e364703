package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.CTypes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A mark in a stream's work. One that was never recorded counts as reached. Any thread may use it;
 * it must be closed by one only.
 */
public final class Event implements AutoCloseable {
  private final Context context;
  private final MemorySegment handle;
  private boolean closed;

  Event(Context context, MemorySegment handle) {
    this.context = context;
    this.handle = handle;
  }

  /**
   * Waits until the mark is reached.
   *
   * @throws CudaException if work before it failed
   */
  public void synchronize() {
    context.functions().eventSynchronize(live());
  }

  /**
   * Whether the mark is reached.
   *
   * @throws CudaException if work before it failed, or if it was recorded in a capture
   */
  public boolean done() {
    return context.functions().eventQuery(live());
  }

  /**
   * Milliseconds from another mark to this one, both of {@link Context#newTimedEvent} and reached.
   */
  public float millisSince(Event start) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment milliseconds = frame.allocate(CTypes.FLOAT);
      context.functions().eventElapsedTime(milliseconds, start.live(), live());
      return milliseconds.get(CTypes.FLOAT, 0);
    }
  }

  /** Frees the event; work that waits for it is not disturbed. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      context.release("CUDA event", () -> context.functions().eventDestroy(handle));
    }
  }

  MemorySegment live() {
    if (closed) {
      throw new IllegalStateException("this CUDA event is closed");
    }
    return handle;
  }
}
