package dev.shortcut.bindings.cudnn;

import static dev.shortcut.bindings.library.CTypes.POINTER;

import dev.shortcut.bindings.library.Closer;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A descriptor from before the graph API: each kind has a function that makes it and one that
 * destroys it.
 *
 * <p>Not thread-safe. After its owner was closed every use throws {@link IllegalStateException}.
 */
final class LegacyDescriptor implements AutoCloseable {
  private static final Logger LOG = System.getLogger(LegacyDescriptor.class.getName());

  private final Consumer<MemorySegment> destroy;
  private @Nullable MemorySegment handle;

  private LegacyDescriptor(MemorySegment handle, Consumer<MemorySegment> destroy) {
    this.handle = handle;
    this.destroy = destroy;
  }

  /**
   * A descriptor that is still to be set.
   *
   * @param create is given the place for the handle
   * @param destroy is given the handle
   */
  static LegacyDescriptor create(
      Closer owner, Consumer<MemorySegment> create, Consumer<MemorySegment> destroy) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      create.accept(out);
      return owner.own(new LegacyDescriptor(out.get(POINTER, 0), destroy));
    }
  }

  MemorySegment handle() {
    if (handle == null) {
      throw new IllegalStateException("a cuDNN descriptor is used after its owner was closed");
    }
    return handle;
  }

  /** A second time does nothing. What cuDNN says to it is logged. */
  @Override
  public void close() {
    MemorySegment closing = handle;
    handle = null;
    if (closing == null) {
      return;
    }
    try {
      destroy.accept(closing);
    } catch (CudnnException e) {
      LOG.log(Level.WARNING, "destroying a cuDNN descriptor failed: {0}", e.getMessage());
    }
  }
}
