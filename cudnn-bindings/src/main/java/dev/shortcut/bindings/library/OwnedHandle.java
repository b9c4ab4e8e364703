package dev.shortcut.bindings.library;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A pointer that a native library gave out, with the library's function that destroys what it
 * points to.
 *
 * <p>Not thread-safe.
 */
public final class OwnedHandle implements AutoCloseable {
  private static final Logger LOG = System.getLogger(OwnedHandle.class.getName());

  private final String what;
  private final Consumer<MemorySegment> destroy;
  private @Nullable MemorySegment handle;

  /**
   * Takes over what was made elsewhere.
   *
   * @param what its kind, for messages, such as {@code a cuDNN descriptor}
   * @param destroy is given the handle when it is closed
   */
  public OwnedHandle(String what, MemorySegment handle, Consumer<MemorySegment> destroy) {
    this.what = what;
    this.handle = handle;
    this.destroy = destroy;
  }

  /**
   * Makes one. What {@code create} throws is passed on, and nothing is owned then.
   *
   * @param create is given the address at which the library puts the handle
   */
  public static OwnedHandle create(
      String what, Consumer<MemorySegment> create, Consumer<MemorySegment> destroy) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(CTypes.POINTER);
      create.accept(out);
      return new OwnedHandle(what, out.get(CTypes.POINTER, 0), destroy);
    }
  }

  /**
   * The handle, which stays this object's.
   *
   * @throws IllegalStateException if it was closed or handed over
   */
  public MemorySegment get() {
    if (handle == null) {
      throw new IllegalStateException(what + " is used after it was closed");
    }
    return handle;
  }

  /**
   * Hands the handle over: whoever takes it destroys it. This object is closed then.
   *
   * @throws IllegalStateException if it was closed or handed over
   */
  public MemorySegment detach() {
    MemorySegment detached = get();
    handle = null;
    return detached;
  }

  /**
   * Destroys it; a second time does nothing. What the library says to it is logged, since nobody
   * could do anything about it.
   */
  @Override
  public void close() {
    MemorySegment closing = handle;
    handle = null;
    if (closing == null) {
      return;
    }
    try {
      destroy.accept(closing);
    } catch (RuntimeException e) {
      LOG.log(Level.WARNING, "destroying {0} failed: {1}", what, e.getMessage());
    }
  }
}
