package dev.shortcut.engine;

/** A model needs more memory than it was allowed; nothing was allocated. */
public final class MemoryLimitException extends ShortcutException {
  private static final long serialVersionUID = 1L;

  /** Says what was attempted, on what, why it failed and what to do. */
  public MemoryLimitException(String message) {
    super(message);
  }

  /** Says what was attempted, on what, why it failed and what to do. */
  public MemoryLimitException(String message, Throwable cause) {
    super(message, cause);
  }
}
