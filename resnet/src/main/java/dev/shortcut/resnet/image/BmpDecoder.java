package dev.shortcut.resnet.image;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** BMP with the headers of OS/2 1 and of Windows 3, 4 and 5 (Microsoft, Bitmap Storage). */
final class BmpDecoder {
  private static final int FILE_HEADER = 14;
  private static final int OS2_HEADER = 12;
  private static final int BITFIELDS = 3;

  private BmpDecoder() {}

  static Decoded decode(byte[] data, Limit limit) throws UndecodableException {
    try {
      return new Decoded(picture(data, limit), Orientation.UPRIGHT);
    } catch (BufferUnderflowException e) {
      throw new UndecodableException("the file is cut off; get it again", e);
    }
  }

  private static Picture picture(byte[] data, Limit limit) throws UndecodableException {
    ByteBuffer in =
        ByteBuffer.wrap(data)
            .order(ByteOrder.LITTLE_ENDIAN)
            .position(Math.min(FILE_HEADER, data.length));
    int header = in.getInt();
    boolean os2 = header == OS2_HEADER;
    if (!os2 && header != 40 && header != 64 && header != 108 && header != 124) {
      throw new UndecodableException(
          "its header has %d bytes, which no known version has; the file is damaged"
              .formatted(header));
    }
    long width = os2 ? in.getShort() & 0xFFFF : in.getInt();
    long height = os2 ? in.getShort() & 0xFFFF : Math.abs((long) in.getInt());
    in.getShort();
    int bits = in.getShort();
    limit.check(width, height);
    int compression = 0;
    int colours = 0;
    if (!os2) {
      compression = in.getInt();
      in.getInt();
      in.getLong();
      colours = in.getInt();
      in.getInt();
    }
    if (compression < 0 || compression > BITFIELDS) {
      throw new UndecodableException(
          "it holds a JPEG, a PNG or something unknown (compression %d), which is not supported; convert it to PNG"
              .formatted(compression));
    }
    int greenBits = 5;
    if (compression == BITFIELDS && bits == 16) {
      in.getInt(); // header of 40 bytes: the masks follow it; longer ones: they are part of it,
      // at the same place
      greenBits = Integer.bitCount(in.getInt());
    }
    Samples.RowConversion conversion =
        switch (bits) {
          case 1, 4, 8 ->
              Samples.palette(palette(data, FILE_HEADER + header, os2 ? 3 : 4, colours, bits));
          case 16 -> sixteenBits(greenBits);
          case 24, 32 -> Samples.rgb(8);
          default ->
              throw new UndecodableException(
                  "it has %d bits per pixel; convert it to PNG".formatted(bits));
        };
    return new Samples(PlatformReader.BMP.read(data), (int) width, (int) height, bits <= 8 ? 1 : 3)
        .picture(conversion);
  }

  private static Palette palette(byte[] data, int at, int size, int colours, int bits)
      throws UndecodableException {
    int count = colours == 0 ? 1 << bits : colours;
    if (count < 0 || count > 1 << bits || at + size * count > data.length) {
      throw new UndecodableException(
          "its palette of %d colours is too long; the file is damaged".formatted(count));
    }
    Palette palette = new Palette();
    for (int i = 0; i < count; i++) {
      int entry = at + size * i;
      palette.set(i, data[entry + 2], data[entry + 1], data[entry]);
    }
    return palette;
  }

  /**
   * Five bits, green five or six, stretched to 0 ... 255 and rounded down as Pillow does
   * (Unpack.c).
   */
  private static Samples.RowConversion sixteenBits(int greenBits) {
    int green = (1 << greenBits) - 1;
    return (samples, bands, rgb, at) -> {
      for (int i = 0, to = at; i < samples.length; i += bands, to += 3) {
        rgb[to] = (byte) (samples[i] * 255 / 31);
        rgb[to + 1] = (byte) (samples[i + 1] * 255 / green);
        rgb[to + 2] = (byte) (samples[i + 2] * 255 / 31);
      }
    };
  }
}
