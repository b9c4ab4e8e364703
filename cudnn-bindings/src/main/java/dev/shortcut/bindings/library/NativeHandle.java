package dev.shortcut.bindings.library;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A pointer that a native library gave out. It is owned, and destroyed by one of the library's
 * functions, or borrowed, and somebody else's to destroy.
 *
 * <p>Any thread may use it; it must be closed or handed over by one only, when no other uses it any
 * more.
 */
public final class NativeHandle implements AutoCloseable {
  private static final Logger LOG = System.getLogger(NativeHandle.class.getName());

  private final String what;

  /** Null for a borrowed one. */
  private final @Nullable Consumer<MemorySegment> destroy;

  private @Nullable MemorySegment handle;

  private NativeHandle(
      String what, MemorySegment handle, @Nullable Consumer<MemorySegment> destroy) {
    this.what = what;
    this.handle = handle;
    this.destroy = destroy;
  }

  /**
   * Takes over what was made elsewhere.
   *
   * @param what its kind, for messages, such as {@code cuDNN descriptor}
   * @param destroy is given the handle when it is closed
   */
  public static NativeHandle owned(
      String what, MemorySegment handle, Consumer<MemorySegment> destroy) {
    return new NativeHandle(what, handle, destroy);
  }

  /** What somebody else owns. */
  public static NativeHandle borrowed(String what, MemorySegment handle) {
    return new NativeHandle(what, handle, null);
  }

  /**
   * Makes one. What {@code create} throws is passed on, and nothing is owned then.
   *
   * @param create is given the address at which the library puts the handle
   */
  public static NativeHandle create(
      String what, Consumer<MemorySegment> create, Consumer<MemorySegment> destroy) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(CTypes.POINTER);
      create.accept(out);
      return owned(what, out.get(CTypes.POINTER, 0), destroy);
    }
  }

  /**
   * The handle, which stays whose it is.
   *
   * @throws IllegalStateException if it was closed or handed over
   */
  public MemorySegment get() {
    MemorySegment live = handle;
    if (live == null) {
      throw new IllegalStateException("this " + what + " is closed");
    }
    return live;
  }

  /**
   * Hands the handle over: whoever takes it destroys it. This object is closed then.
   *
   * @throws IllegalStateException if it was closed or handed over, or is borrowed and so nobody's
   *     to give
   */
  public MemorySegment detach() {
    MemorySegment detached = get();
    if (destroy == null) {
      throw new IllegalStateException("a borrowed " + what + " cannot be handed over");
    }
    handle = null;
    return detached;
  }

  /**
   * Destroys it, unless it is borrowed; a second time does nothing. What the library says to it is
   * logged, since nobody could do anything about it.
   */
  @Override
  public void close() {
    MemorySegment closing = handle;
    handle = null;
    if (closing == null || destroy == null) {
      return;
    }
    try {
      destroy.accept(closing);
    } catch (RuntimeException e) {
      LOG.log(Level.WARNING, "this {0} could not be destroyed: {1}", what, e.getMessage());
    }
  }
}
