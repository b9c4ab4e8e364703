package dev.shortcut.resnet.image;

/**
 * What a decoder found wrong with the bytes it was given; {@link Picture} adds which picture it
 * was.
 */
final class UndecodableException extends Exception {
  private static final long serialVersionUID = 1;

  UndecodableException(String reason) {
    super(reason);
  }

  UndecodableException(String reason, Throwable cause) {
    super(reason, cause);
  }
}
