package dev.shortcut.engine;

/** A model, its weights or a side file is damaged, of an unknown kind, or does not fit together. */
public final class ModelException extends ShortcutException {
  private static final long serialVersionUID = 1L;

  /** Says what was attempted, on what, why it failed and what to do. */
  public ModelException(String message) {
    super(message);
  }

  /** Says what was attempted, on what, why it failed and what to do. */
  public ModelException(String message, Throwable cause) {
    super(message, cause);
  }
}
