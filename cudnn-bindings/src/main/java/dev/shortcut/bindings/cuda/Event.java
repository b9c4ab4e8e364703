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
  private final boolean owned;
  private boolean closed;

  Event(Context context, MemorySegment handle, boolean owned) {
    this.context = context;
    this.handle = handle;
    this.owned = owned;
  }

  /** The {@code CUevent}. */
  public long handle() {
    return live().address();
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

  /**
   * Hands the event over: whoever takes it destroys it. This object is closed then.
   *
   * @return the {@code CUevent}
   * @throws IllegalStateException if it is closed, or borrowed and so nobody's to give
   */
  public long detach() {
    long detached = live().address();
    if (!owned) {
      throw new IllegalStateException("a borrowed CUDA event cannot be handed over");
    }
    closed = true;
    return detached;
  }

  /** Frees the event, without disturbing work that waits for it; does nothing to a borrowed one. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (owned) {
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
