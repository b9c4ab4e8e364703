package dev.shortcut.engine;

import org.jspecify.annotations.Nullable;

/**
 * Something failed that is not a mistake in the calling code; the message says what to do.
 * Unchecked.
 */
public abstract class ShortcutException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Says what was attempted, on what, why it failed and what to do. */
  protected ShortcutException(String message) {
    super(message);
  }

  /** Says what was attempted, on what, why it failed and what to do. */
  protected ShortcutException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
