package dev.shortcut.resnet.image;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A decoded picture: 8 bit RGB, rows from top to bottom, the three samples of a pixel side by side
 * (uint8 HWC).
 *
 * <p>Values equal those of Pillow's {@code Image.open(file).convert("RGB")}: transparency is
 * dropped, not blended, and colour profiles are ignored. Departures are listed with {@link
 * #decode(byte[], DecodeOptions)}.
 *
 * @param width pixels
 * @param height pixels
 * @param rgb {@code 3 * width * height} bytes, unsigned; the picture's own array, not a copy: treat
 *     it as read-only
 */
public record Picture(int width, int height, byte[] rgb) {
  /** The most that some virtual machines allow. */
  static final int LONGEST_ARRAY = Integer.MAX_VALUE - 8;

  static final int MOST_PIXELS = LONGEST_ARRAY / 3;

  /**
   * Takes the array as it is.
   *
   * @throws IllegalArgumentException if a side is not positive or the array has another length
   */
  public Picture {
    if (width < 1 || height < 1 || 3L * width * height != rgb.length) {
      throw new IllegalArgumentException(
          "a picture of %d x %d has %d bytes, not %d"
              .formatted(width, height, 3L * width * height, rgb.length));
    }
  }

  /** {@link #decode(Path, DecodeOptions)} with {@link DecodeOptions#DEFAULT}. */
  public static Picture decode(Path file) {
    return decode(file, DecodeOptions.DEFAULT);
  }

  /**
   * Reads a picture file. The format is recognised by the file's first bytes, not by its name.
   *
   * @throws PictureException if the file cannot be read, is no picture, is damaged or cut off, or
   *     is larger than the options allow
   * @see #decode(byte[], DecodeOptions) what equals Pillow and what does not
   */
  public static Picture decode(Path file, DecodeOptions options) {
    String name = file.toString();
    byte[] data;
    try (InputStream in = Files.newInputStream(file)) {
      // Read by a bound and not by the file's size: a pipe or a file in /proc has none, and a file
      // may grow.
      data = in.readNBytes((int) Math.min(options.maxBytes() + 1, LONGEST_ARRAY));
    } catch (NoSuchFileException e) {
      throw new PictureException(name, "there is no such file", e);
    } catch (AccessDeniedException e) {
      throw new PictureException(name, "permission denied; make it readable for this user", e);
    } catch (IOException e) {
      String reason = Files.isDirectory(file) ? "it is a folder" : String.valueOf(e.getMessage());
      throw new PictureException(name, reason, e);
    } catch (OutOfMemoryError e) {
      throw new PictureException(
          name, "the heap is too small to hold the file; give Java more with -Xmx", e);
    }
    return decode(name, data, options);
  }

  /** {@link #decode(byte[], DecodeOptions)} with {@link DecodeOptions#DEFAULT}. */
  public static Picture decode(byte[] data) {
    return decode(data, DecodeOptions.DEFAULT);
  }

  /**
   * Decodes the bytes of a picture file.
   *
   * <p>Pixels equal Pillow's with these exceptions: 16 bit grey gives each sample's high byte,
   * where Pillow's conversion saturates at 255; JPEG with arithmetic coding, floating point and 32
   * bit TIFF, Lab and BigTIFF are refused, as is a GIF frame of no size. Of XMP nothing is read, so
   * an orientation that stands there only is not applied.
   *
   * @param data the whole file; not kept
   * @throws PictureException if the bytes are no picture, are damaged or cut off, or the picture is
   *     larger than the options allow
   */
  public static Picture decode(byte[] data, DecodeOptions options) {
    return decode("(%,d bytes in memory)".formatted(data.length), data, options);
  }

  private static Picture decode(String name, byte[] data, DecodeOptions options) {
    if (data.length > options.maxBytes()) {
      throw new PictureException(
          name,
          "it is longer than the limit of %,d bytes; raise the limit if it is a picture"
              .formatted(options.maxBytes()));
    }
    PictureFormat format =
        PictureFormat.of(data)
            .orElseThrow(() -> new PictureException(name, PictureFormat.describe(data)));
    try {
      Limit limit = new Limit(options.maxPixels());
      Decoded decoded =
          switch (format) {
            case JPEG -> JpegDecoder.decode(data, limit);
            case PNG -> PngDecoder.decode(data, limit);
            case GIF -> GifDecoder.decode(data, limit);
            case BMP -> BmpDecoder.decode(data, limit);
            case TIFF -> TiffDecoder.decode(data, limit);
            case WEBP -> WebpDecoder.decode(data, limit);
          };
      return options.orientation() == ExifOrientation.APPLY
          ? decoded.orientation().upright(decoded.picture())
          : decoded.picture();
    } catch (UndecodableException e) {
      throw new PictureException(name, "%s: %s".formatted(format, e.getMessage()), e.getCause());
    } catch (OutOfMemoryError e) {
      // Thrown by one large allocation, whose size the header gave: the heap itself is as healthy
      // as before.
      throw new PictureException(
          name,
          "%s: the heap is too small to decode it; give Java more with -Xmx or lower the pixel limit"
              .formatted(format),
          e);
    }
  }

  /** Same size and same pixels. */
  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Picture p
        && width == p.width
        && height == p.height
        && Arrays.equals(rgb, p.rgb);
  }

  @Override
  public int hashCode() {
    return 31 * (31 * width + height) + Arrays.hashCode(rgb);
  }

  @Override
  public String toString() {
    return "Picture[%d x %d]".formatted(width, height);
  }
}
