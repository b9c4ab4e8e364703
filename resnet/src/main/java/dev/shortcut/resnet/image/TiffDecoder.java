package dev.shortcut.resnet.image;

import static dev.shortcut.resnet.image.TiffDirectory.BITS_PER_SAMPLE;
import static dev.shortcut.resnet.image.TiffDirectory.COLOR_MAP;
import static dev.shortcut.resnet.image.TiffDirectory.COMPRESSION;
import static dev.shortcut.resnet.image.TiffDirectory.EXTRA_SAMPLES;
import static dev.shortcut.resnet.image.TiffDirectory.IMAGE_LENGTH;
import static dev.shortcut.resnet.image.TiffDirectory.IMAGE_WIDTH;
import static dev.shortcut.resnet.image.TiffDirectory.PHOTOMETRIC;
import static dev.shortcut.resnet.image.TiffDirectory.SAMPLES_PER_PIXEL;
import static dev.shortcut.resnet.image.TiffDirectory.SAMPLE_FORMAT;
import static dev.shortcut.resnet.image.TiffDirectory.STRIP_BYTE_COUNTS;
import static dev.shortcut.resnet.image.TiffDirectory.STRIP_OFFSETS;
import static dev.shortcut.resnet.image.TiffDirectory.TILE_BYTE_COUNTS;
import static dev.shortcut.resnet.image.TiffDirectory.TILE_LENGTH;
import static dev.shortcut.resnet.image.TiffDirectory.TILE_OFFSETS;
import static dev.shortcut.resnet.image.TiffDirectory.TILE_WIDTH;

/** The first page of a TIFF (Adobe, TIFF 6.0). */
final class TiffDecoder {
  private static final int WHITE_IS_ZERO = 0;
  private static final int BLACK_IS_ZERO = 1;
  private static final int RGB = 2;
  private static final int PALETTE = 3;
  private static final int CMYK = 5;
  private static final int YCBCR = 6;
  private static final int OLD_JPEG = 6;
  private static final int JPEG = 7;
  private static final int ASSOCIATED_ALPHA = 1;
  private static final int MOST_SAMPLES = 8;

  private TiffDecoder() {}

  static Decoded decode(byte[] data, Limit limit) throws UndecodableException {
    TiffDirectory tags = TiffDirectory.first(data, 0, data.length);
    long width = tags.number(IMAGE_WIDTH, 0);
    long height = tags.number(IMAGE_LENGTH, 0);
    limit.check(width, height);
    int bits = (int) tags.number(BITS_PER_SAMPLE, 1);
    int photometric = (int) tags.number(PHOTOMETRIC, WHITE_IS_ZERO);
    long samples = tags.number(SAMPLES_PER_PIXEL, 1);
    checkKind(tags, bits, photometric, samples);
    checkPieces(tags, data.length, limit);

    Samples.RowConversion conversion =
        switch (photometric) {
          case PALETTE -> Samples.palette(palette(tags, bits));
          case CMYK -> Samples.cmyk(bits);
          case RGB, YCBCR ->
              tags.number(EXTRA_SAMPLES, 0) == ASSOCIATED_ALPHA
                  ? unmultiplied(bits)
                  : Samples.rgb(bits);
          default -> Samples.grey(bits);
        };
    int bands = photometric == CMYK ? 4 : photometric == RGB || photometric == YCBCR ? 3 : 1;
    Picture picture =
        new Samples(PlatformReader.TIFF.read(data), (int) width, (int) height, bands)
            .picture(conversion);
    // Pillow applies the tag when it loads the file, whatever is done with EXIF data later.
    return new Decoded(tags.orientation().upright(picture), Orientation.UPRIGHT);
  }

  private static void checkKind(TiffDirectory tags, int bits, int photometric, long samples)
      throws UndecodableException {
    for (int i = 0; i < tags.count(SAMPLE_FORMAT); i++) {
      if (tags.value(SAMPLE_FORMAT, i) != 1) {
        throw new UndecodableException(
            "its samples are signed or floating-point numbers; convert it to 8 or 16 bits");
      }
    }
    for (int i = 1; i < tags.count(BITS_PER_SAMPLE); i++) {
      if (tags.value(BITS_PER_SAMPLE, i) != bits) {
        throw new UndecodableException(
            "its samples differ in their number of bits; convert it to 8 or 16 bits");
      }
    }
    boolean known =
        switch (photometric) {
          case WHITE_IS_ZERO, BLACK_IS_ZERO ->
              bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16;
          case PALETTE -> bits == 1 || bits == 2 || bits == 4 || bits == 8;
          case RGB, CMYK -> bits == 8 || bits == 16;
          // Without JPEG, the JDK's reader and libtiff disagree on what the samples mean.
          case YCBCR -> bits == 8 && tags.number(COMPRESSION, 1) == JPEG;
          default -> false;
        };
    int least = photometric == CMYK ? 4 : photometric == RGB || photometric == YCBCR ? 3 : 1;
    if (!known || samples < least || samples > MOST_SAMPLES) {
      throw new UndecodableException(
          "%d samples of %d bits with photometric interpretation %d are not supported; convert it to 8 bit RGB"
              .formatted(samples, bits, photometric));
    }
  }

  /** What the reader would allocate or read on the word of the file. */
  private static void checkPieces(TiffDirectory tags, int fileLength, Limit limit)
      throws UndecodableException {
    boolean tiled = tags.has(TILE_WIDTH);
    if (tiled) {
      limit.check(tags.number(TILE_WIDTH, 0), tags.number(TILE_LENGTH, 0));
    }
    int offsets = tiled && tags.has(TILE_OFFSETS) ? TILE_OFFSETS : STRIP_OFFSETS;
    int counts = tiled && tags.has(TILE_BYTE_COUNTS) ? TILE_BYTE_COUNTS : STRIP_BYTE_COUNTS;
    if (tags.count(offsets) == 0) {
      throw new UndecodableException("it does not say where its pixels are; the file is damaged");
    }
    for (int i = 0; i < tags.count(offsets); i++) {
      long length = i < tags.count(counts) ? tags.value(counts, i) : 0;
      if (tags.value(offsets, i) + length > fileLength) {
        throw new UndecodableException("its pixels lie outside; the file is cut off, get it again");
      }
    }
    if (tags.number(COMPRESSION, 1) == OLD_JPEG) {
      throw new UndecodableException(
          "it uses the JPEG compression of old TIFF, which is not supported; convert it to PNG");
    }
  }

  private static Palette palette(TiffDirectory tags, int bits) throws UndecodableException {
    int colours = 1 << bits;
    if (tags.count(COLOR_MAP) < 3 * colours) {
      throw new UndecodableException("its palette is too short; the file is damaged");
    }
    Palette palette = new Palette();
    for (int i = 0; i < colours; i++) {
      palette.set(
          i,
          (int) tags.value(COLOR_MAP, i) >> 8,
          (int) tags.value(COLOR_MAP, colours + i) >> 8,
          (int) tags.value(COLOR_MAP, 2 * colours + i) >> 8);
    }
    return palette;
  }

  /**
   * Colours stored multiplied with alpha, divided again as Pillow's unpacker does (Unpack.c, RGBa).
   */
  private static Samples.RowConversion unmultiplied(int bits) {
    int shift = bits > 8 ? bits - 8 : 0;
    return (samples, bands, rgb, at) -> {
      for (int i = 0, to = at; i < samples.length; i += bands, to += 3) {
        int alpha = samples[i + 3] >> shift;
        for (int c = 0; c < 3; c++) {
          int value = samples[i + c] >> shift;
          rgb[to + c] = (byte) (alpha == 0 ? 0 : Math.min(255, value * 255 / alpha));
        }
      }
    };
  }
}
