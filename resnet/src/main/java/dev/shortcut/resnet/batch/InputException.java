package dev.shortcut.resnet.batch;

import dev.shortcut.engine.ShortcutException;

/** What was to be read is missing, empty, damaged or of the wrong kind. */
public final class InputException extends ShortcutException {
  private static final long serialVersionUID = 1L;

  /** Says what was attempted, on what, why it failed and what to do. */
  public InputException(String message) {
    super(message);
  }

  /** Says what was attempted, on what, why it failed and what to do. */
  public InputException(String message, Throwable cause) {
    super(message, cause);
  }
}
