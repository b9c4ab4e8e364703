package dev.shortcut.resnet.batch;

import dev.shortcut.engine.ShortcutException;

/**
 * An unfinished output is in the way, or it cannot be gone on with because something has changed
 * since.
 */
public final class ResumeException extends ShortcutException {
  private static final long serialVersionUID = 1L;

  /** Says what was attempted, on what, why it failed and what to do. */
  public ResumeException(String message) {
    super(message);
  }
}
