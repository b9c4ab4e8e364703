package dev.shortcut.resnet.image;

import java.util.Objects;

/**
 * How pictures are decoded, and how large they may be.
 *
 * @param orientation what is done with EXIF orientation
 * @param maxPixels width times height above which a picture is refused by its header, before
 *     anything is allocated; while it is decoded, a picture takes 3 to 11 bytes of heap per pixel,
 *     depending on its format
 * @param maxBytes length of the encoded file above which it is refused without being read
 */
public record DecodeOptions(ExifOrientation orientation, long maxPixels, long maxBytes) {
  /** Pillow's {@code Image.MAX_IMAGE_PIXELS}: a quarter of a GiB of 24 bit pixels. */
  public static final long DEFAULT_MAX_PIXELS = 89_478_485;

  /** 256 MiB. */
  public static final long DEFAULT_MAX_BYTES = 256L << 20;

  /** EXIF orientation applied, {@value #DEFAULT_MAX_PIXELS} pixels, 256 MiB. */
  public static final DecodeOptions DEFAULT =
      new DecodeOptions(ExifOrientation.APPLY, DEFAULT_MAX_PIXELS, DEFAULT_MAX_BYTES);

  /**
   * Checks the limits.
   *
   * @throws IllegalArgumentException if a limit is not positive or too large for a Java array
   */
  public DecodeOptions {
    Objects.requireNonNull(orientation, "orientation");
    if (maxPixels < 1 || maxPixels > Picture.MOST_PIXELS) {
      throw new IllegalArgumentException(
          "maxPixels must be 1 to %d, not %d".formatted(Picture.MOST_PIXELS, maxPixels));
    }
    if (maxBytes < 1 || maxBytes > Picture.LONGEST_ARRAY) {
      throw new IllegalArgumentException(
          "maxBytes must be 1 to %d, not %d".formatted(Picture.LONGEST_ARRAY, maxBytes));
    }
  }

  /** These options with another way to treat EXIF orientation. */
  public DecodeOptions withOrientation(ExifOrientation orientation) {
    return new DecodeOptions(orientation, maxPixels, maxBytes);
  }

  /** These options with another limit on width times height. */
  public DecodeOptions withMaxPixels(long maxPixels) {
    return new DecodeOptions(orientation, maxPixels, maxBytes);
  }

  /** These options with another limit on the length of the encoded file, bytes. */
  public DecodeOptions withMaxBytes(long maxBytes) {
    return new DecodeOptions(orientation, maxPixels, maxBytes);
  }
}
