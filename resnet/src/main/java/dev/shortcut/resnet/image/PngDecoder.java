package dev.shortcut.resnet.image;

import java.nio.ByteBuffer;
import java.util.zip.CRC32;

/**
 * PNG (W3C, Portable Network Graphics, third edition).
 *
 * <p>The reader is given header, palette and pixels only: chunks that unpack to any size (zTXt,
 * iCCP), transparency and the frames of an animation never reach it.
 */
final class PngDecoder {
  private static final int SIGNATURE = 8;
  private static final int IHDR = 0x49484452;
  private static final int PLTE = 0x504C5445;
  private static final int IDAT = 0x49444154;
  private static final int IEND = 0x49454E44;
  private static final int EXIF = 0x65584966;

  private PngDecoder() {}

  static Decoded decode(byte[] data, Limit limit) throws UndecodableException {
    ByteBuffer in = ByteBuffer.wrap(data).position(SIGNATURE);
    byte[] kept = new byte[data.length + 12];
    ByteBuffer out = ByteBuffer.wrap(kept).put(data, 0, SIGNATURE);
    int width = 0;
    int height = 0;
    int bits = 0;
    int colour = -1;
    boolean pixels = false;
    Palette palette = null;
    Orientation orientation = Orientation.UPRIGHT;
    while (in.remaining() >= 8) {
      int start = in.position();
      int length = in.getInt();
      int type = in.getInt();
      if (length < 0 || length > in.remaining() - 4) {
        if (pixels && type != IDAT) {
          break; // all pixels are there, as far as this loop can tell; what is cut off would be
          // ignored anyway
        }
        throw new UndecodableException(
            "the file is cut off in the chunk at byte %d; get it again".formatted(start));
      }
      int body = in.position();
      in.position(body + length + 4);
      if ((type == IHDR) != (colour < 0)) {
        throw new UndecodableException(
            "it does not begin with one header chunk; the file is damaged");
      }
      if (type == IHDR || type == PLTE) {
        checkSum(data, body, length, type);
      }
      if (type == IHDR) {
        if (length != 13) {
          throw new UndecodableException(
              "its header has %d bytes instead of 13; the file is damaged".formatted(length));
        }
        ByteBuffer header = ByteBuffer.wrap(data, body, length);
        width = header.getInt();
        height = header.getInt();
        bits = header.get();
        colour = header.get();
        limit.check(width, height);
        checkKind(bits, colour);
      } else if (type == PLTE) {
        palette = palette(data, body, length);
      } else if (type == EXIF) {
        orientation = Exif.orientation(data, body, body + length);
      }
      if (type == IDAT) {
        pixels = true;
      }
      if (type == IHDR || type == PLTE || type == IDAT) {
        out.put(data, start, length + 12);
      }
      if (type == IEND) {
        break;
      }
    }
    if (!pixels) {
      throw new UndecodableException(
          "it has no pixels; the file is cut off or damaged, get it again");
    }
    if (colour == 3 && palette == null) {
      throw new UndecodableException(
          "its pixels are palette indices, but it has no palette; the file is damaged");
    }
    out.putInt(0).putInt(IEND).putInt(0xAE426082);
    Samples samples =
        new Samples(PlatformReader.PNG.read(kept, out.position()), width, height, bands(colour));
    Picture picture =
        samples.picture(
            switch (colour) {
              case 0, 4 -> Samples.grey(bits);
              case 3 -> Samples.palette(palette == null ? new Palette() : palette);
              default -> Samples.rgb(bits);
            });
    return new Decoded(picture, orientation);
  }

  private static int bands(int colour) {
    return colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1;
  }

  private static void checkKind(int bits, int colour) throws UndecodableException {
    boolean known =
        switch (colour) {
          case 0 -> bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16;
          case 3 -> bits == 1 || bits == 2 || bits == 4 || bits == 8;
          case 2, 4, 6 -> bits == 8 || bits == 16;
          default -> false;
        };
    if (!known) {
      throw new UndecodableException(
          "its header says colour type %d with %d bits, which PNG does not have; the file is damaged"
              .formatted(colour, bits));
    }
  }

  private static Palette palette(byte[] data, int at, int length) throws UndecodableException {
    if (length % 3 != 0 || length > 3 * 256) {
      throw new UndecodableException(
          "its palette has %d bytes; the file is damaged".formatted(length));
    }
    Palette palette = new Palette();
    for (int i = 0; i < length / 3; i++) {
      palette.set(i, data[at + 3 * i], data[at + 3 * i + 1], data[at + 3 * i + 2]);
    }
    return palette;
  }

  /** As in Pillow, of header and palette only: the pixels have a sum of their own, zlib's. */
  private static void checkSum(byte[] data, int body, int length, int type)
      throws UndecodableException {
    CRC32 sum = new CRC32();
    sum.update(data, body - 4, length + 4);
    if ((int) sum.getValue() != ByteBuffer.wrap(data, body + length, 4).getInt()) {
      throw new UndecodableException(
          "the checksum of its %s is wrong; the file is damaged, get it again"
              .formatted(type == IHDR ? "header" : "palette"));
    }
  }
}
