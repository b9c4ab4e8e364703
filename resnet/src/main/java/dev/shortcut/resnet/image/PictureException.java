package dev.shortcut.resnet.image;

import org.jspecify.annotations.Nullable;

/**
 * A picture could not be read. The message names the picture, says why, and what can be done.
 *
 * <p>It is thrown for one picture only: nothing that was decoded before or is being decoded by
 * other threads is affected.
 */
public final class PictureException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final String picture;
  private final String reason;

  PictureException(String picture, String reason) {
    this(picture, reason, null);
  }

  PictureException(String picture, String reason, @Nullable Throwable cause) {
    super("cannot read picture %s: %s".formatted(picture, reason), cause);
    this.picture = picture;
    this.reason = reason;
  }

  /** The file's path, or for bytes in memory their number. */
  public String picture() {
    return picture;
  }

  /** Why it could not be read and what to do, without the picture's name. */
  public String reason() {
    return reason;
  }
}
