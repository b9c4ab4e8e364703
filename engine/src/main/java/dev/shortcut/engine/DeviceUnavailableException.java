package dev.shortcut.engine;

/**
 * The device or a library that was asked for is not there or cannot be used, and no fall-back was
 * allowed.
 */
public final class DeviceUnavailableException extends ShortcutException {
  private static final long serialVersionUID = 1L;

  private final String summary;

  /** Says what was attempted, on what, why it failed and what to do. */
  public DeviceUnavailableException(String message) {
    super(message);
    summary = firstLine(message);
  }

  /** Says what was attempted, on what, why it failed and what to do. */
  public DeviceUnavailableException(String message, Throwable cause) {
    super(message, cause);
    summary = firstLine(message);
  }

  /** The first line of the message: the reason alone, without what was tried. */
  public String summary() {
    return summary;
  }

  private static String firstLine(String message) {
    String first = message.lines().findFirst().orElse("").strip();
    // "It cannot be opened. Tried, in this order:" has its list on the lines behind it.
    return first.endsWith(":") ? first.replaceFirst("(\\. [^.]*)?:$", "") : first;
  }
}
