package dev.shortcut.engine;

import org.jspecify.annotations.Nullable;

/**
 * A device or its library failed at work that it had accepted. Names the layer or the step that was
 * being worked on.
 */
public final class DeviceException extends ShortcutException {
  private static final long serialVersionUID = 1L;

  private final boolean fatal;

  /**
   * Says what was attempted, on what, why it failed and what to do.
   *
   * @param fatal whether nothing can be run on the device any more
   */
  public DeviceException(String message, @Nullable Throwable cause, boolean fatal) {
    super(message, cause);
    this.fatal = fatal;
  }

  /**
   * Whether the device is lost to this process, which must be started anew; if not, the batch
   * failed but the engine can be used on.
   */
  public boolean fatal() {
    return fatal;
  }
}
