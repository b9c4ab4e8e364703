package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeHandle;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A mark in a stream's work. One that was never recorded counts as reached. Any thread may use it;
 * it must be closed by one only.
 */
public final class Event implements AutoCloseable {
  private final Context context;
  private final NativeHandle handle;

  Event(Context context, MemorySegment handle, boolean owned) {
    this.context = context;
    this.handle =
        owned
            ? context.owned("CUDA event", handle, context.functions()::eventDestroy)
            : NativeHandle.borrowed("CUDA event", handle);
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
    return handle.detach().address();
  }

  /** Frees the event, without disturbing work that waits for it; does nothing to a borrowed one. */
  @Override
  public void close() {
    handle.close();
  }

  MemorySegment live() {
    return handle.get();
  }
}
