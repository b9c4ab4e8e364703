package dev.shortcut.resnet.weights;

/**
 * A file's content is not what its format says. The message completes "cannot read weights from
 * FILE: ", says what to do where there is something to do, and never repeats text of the file
 * unless it went through {@link Printable}.
 */
final class FormatException extends Exception {
  private static final long serialVersionUID = 1L;

  FormatException(String message) {
    super(message);
  }

  FormatException(String message, Throwable cause) {
    super(message, cause);
  }
}
