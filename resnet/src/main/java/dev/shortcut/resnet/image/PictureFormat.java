package dev.shortcut.resnet.image;

import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * The file formats that can be decoded, told apart by their first bytes; a file's name plays no
 * part.
 */
public enum PictureFormat {
  /**
   * Baseline, extended and progressive Huffman JPEG with 8 bit samples: grey, YCbCr, RGB, CMYK,
   * YCCK.
   */
  JPEG,
  /** Every colour type, bit depth and interlacing of PNG; of an animated one the default image. */
  PNG,
  /** The first frame, on the logical screen. */
  GIF,
  /** Windows and OS/2 bitmaps with 1, 4, 8, 16, 24 or 32 bits, run-length encoded ones too. */
  BMP,
  /** The first page; uncompressed, LZW, Deflate, PackBits, CCITT and JPEG. Not BigTIFF. */
  TIFF,
  /** Lossy and lossless, the first frame; decoded by the system's libwebp. */
  WEBP;

  /** Bytes that {@link #of} looks at. */
  static final int SIGNATURE_BYTES = 12;

  /**
   * The format of a file that begins with {@code start}.
   *
   * @param start the first twelve bytes of the file or more; fewer where the file is shorter
   * @return empty if the bytes begin none of the known formats
   */
  public static Optional<PictureFormat> of(byte[] start) {
    if (begins(start, 0, 0xFF, 0xD8, 0xFF)) {
      return Optional.of(JPEG);
    } else if (begins(start, 0, 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n')) {
      return Optional.of(PNG);
    } else if (begins(start, 0, 'G', 'I', 'F', '8', '7', 'a')
        || begins(start, 0, 'G', 'I', 'F', '8', '9', 'a')) {
      return Optional.of(GIF);
    } else if (begins(start, 0, 'R', 'I', 'F', 'F') && begins(start, 8, 'W', 'E', 'B', 'P')) {
      return Optional.of(WEBP);
    } else if (begins(start, 0, 'I', 'I', 42, 0)
        || begins(start, 0, 'M', 'M', 0, 42)
        || begins(start, 0, 'I', 'I', 43, 0)
        || begins(start, 0, 'M', 'M', 0, 43)) {
      return Optional.of(TIFF);
    } else if (begins(start, 0, 'B', 'M')) {
      return Optional.of(BMP);
    }
    return Optional.empty();
  }

  /** What the bytes seem to be instead, for the message that refuses them. */
  static String describe(byte[] start) {
    if (start.length == 0) {
      return "the file is empty";
    }
    if (begins(start, 0, 'P', 'K', 3, 4)) {
      return "it is a zip archive; unpack it first";
    }
    if (begins(start, 4, 'f', 't', 'y', 'p')) {
      return "it is an ISO media file (HEIF, AVIF or a video), which is not supported; convert it to JPEG or PNG";
    }
    if (begins(start, 0, '%', 'P', 'D', 'F')) {
      return "it is a PDF; convert its pages to PNG";
    }
    int text = 0;
    int seen = Math.min(start.length, SIGNATURE_BYTES);
    for (int i = 0; i < seen; i++) {
      if ((start[i] >= ' ' && start[i] < 127)
          || start[i] == '\n'
          || start[i] == '\r'
          || start[i] == '\t') {
        text++;
      }
    }
    return text == seen
        ? "it begins like a text file (\"%s\"), not like a JPEG, PNG, GIF, BMP, TIFF or WebP"
            .formatted(
                new String(start, 0, seen, StandardCharsets.US_ASCII)
                    .strip()
                    .replaceAll("\\s+", " "))
        : "its first bytes are not those of a JPEG, PNG, GIF, BMP, TIFF or WebP";
  }

  private static boolean begins(byte[] bytes, int at, int... expected) {
    if (bytes.length < at + expected.length) {
      return false;
    }
    for (int i = 0; i < expected.length; i++) {
      if ((bytes[at + i] & 0xFF) != expected[i]) {
        return false;
      }
    }
    return true;
  }
}
