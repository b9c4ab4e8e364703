package dev.shortcut.engine;

/**
 * The device or a library that was asked for is not there or cannot be used, and no fall-back was
 * allowed.
 */
public final class DeviceUnavailableException extends ShortcutException {
  private static final long serialVersionUID = 1L;

  /** Says what was attempted, on what, why it failed and what to do. */
  public DeviceUnavailableException(String message) {
    super(message);
  }

  /** Says what was attempted, on what, why it failed and what to do. */
  public DeviceUnavailableException(String message, Throwable cause) {
    super(message, cause);
  }
}
