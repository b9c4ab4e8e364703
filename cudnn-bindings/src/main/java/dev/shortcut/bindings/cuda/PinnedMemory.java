package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Memory of the host that stays where it is. Any thread may use it; it must be closed by one only.
 */
public final class PinnedMemory implements AutoCloseable {
  private final Context context;
  private final MemorySegment pointer;
  private final MemorySegment segment;
  private final Arena access = Arena.ofShared();
  private boolean closed;

  PinnedMemory(Context context, MemorySegment pointer, long bytes) {
    this.context = context;
    this.pointer = pointer;
    this.segment = NativeLibrary.view(pointer, bytes, access);
  }

  /** The memory; use after the close throws {@link IllegalStateException}. */
  public MemorySegment segment() {
    return segment;
  }

  /**
   * Hands the memory over: whoever takes it frees it with {@code cuMemFreeHost}. This object is
   * closed then.
   *
   * @return where it begins
   * @throws IllegalStateException if it is closed
   */
  public long detach() {
    if (closed) {
      throw new IllegalStateException("this pinned memory is closed");
    }
    access.close();
    closed = true;
    return pointer.address();
  }

  /** Frees it; copies that read or write it must have been waited for. */
  @Override
  public void close() {
    if (!closed) {
      access.close();
      closed = true;
      context.release("pinned memory", () -> context.functions().memFreeHost(pointer));
    }
  }
}
