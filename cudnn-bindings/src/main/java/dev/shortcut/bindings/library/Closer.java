package dev.shortcut.bindings.library;

import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * Owns things that must be closed newest first, which an {@link Arena} does not promise. When one
 * close fails the others are closed all the same, and the first failure is thrown with the rest
 * suppressed.
 *
 * <p>Not thread-safe. Closing twice does nothing the second time.
 */
public final class Closer implements AutoCloseable {
  private final Deque<AutoCloseable> owned = new ArrayDeque<>();

  /** Owns nothing yet. */
  public Closer() {}

  /** Takes a resource over and returns it. */
  public <T extends AutoCloseable> T own(T resource) {
    owned.push(resource);
    return resource;
  }

  /** A new arena whose memory every thread may access; it is closed in its turn. */
  @SuppressWarnings("MustBeClosedChecker")
  public Arena sharedArena() {
    return own(Arena.ofShared());
  }

  /**
   * Closes everything because {@code cause} is about to be thrown; what fails on the way is
   * suppressed into it.
   */
  public void closeAfter(Throwable cause) {
    try {
      close();
    } catch (RuntimeException e) {
      if (!e.equals(cause)) {
        cause.addSuppressed(e);
      }
    }
  }

  @Override
  public void close() {
    RuntimeException first = null;
    while (!owned.isEmpty()) {
      first = closeOne(owned.pop(), first);
    }
    if (first != null) {
      throw first;
    }
  }

  private static @Nullable RuntimeException closeOne(
      AutoCloseable resource, @Nullable RuntimeException first) {
    try {
      resource.close();
      return first;
    } catch (Exception e) {
      if (e instanceof InterruptedException) {
        Thread.currentThread().interrupt();
      }
      RuntimeException failure =
          e instanceof RuntimeException unchecked
              ? unchecked
              : new IllegalStateException("closing " + resource + " failed: " + e.getMessage(), e);
      if (first == null) {
        return failure;
      }
      first.addSuppressed(failure);
      return first;
    }
  }
}
