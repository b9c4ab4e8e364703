package dev.shortcut.resnet.image;

import java.awt.image.Raster;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * The first frame of a GIF (CompuServe, Graphics Interchange Format 89a) on its logical screen.
 *
 * <p>The reader is given a GIF that holds this frame's indices and nothing else. As in Pillow, the
 * screen around a smaller frame has the transparent colour where there is one, else colour 0, and a
 * frame that leaves the screen makes it larger.
 */
final class GifDecoder {
  private static final int SCREEN_DESCRIPTOR_END = 13;

  private GifDecoder() {}

  static Decoded decode(byte[] data, Limit limit) throws UndecodableException {
    ByteBuffer in = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
    try {
      return decode(data, in, limit);
    } catch (BufferUnderflowException e) {
      throw new UndecodableException("the file is cut off; get it again", e);
    }
  }

  private static Decoded decode(byte[] data, ByteBuffer in, Limit limit)
      throws UndecodableException {
    in.position(6);
    int width = in.getShort() & 0xFFFF;
    int height = in.getShort() & 0xFFFF;
    int flags = in.get();
    skip(in, SCREEN_DESCRIPTOR_END - in.position());
    Palette palette = (flags & 0x80) != 0 ? palette(in, flags) : null;
    int around = 0;
    while (true) {
      int block = in.get() & 0xFF;
      if (block == ';') {
        throw new UndecodableException("it has no frame; the file is damaged");
      } else if (block == '!') {
        int label = in.get() & 0xFF;
        int length = in.get() & 0xFF;
        if (label == 0xF9 && length >= 4) {
          int control = in.get();
          in.getShort();
          int transparent = in.get() & 0xFF;
          around = (control & 1) != 0 ? transparent : around;
          skip(in, length - 4);
        } else if (length > 0) {
          skip(in, length);
        }
        if (length > 0) {
          skipSubBlocks(in);
        }
      } else if (block == ',') {
        break;
      }
    }
    int left = in.getShort() & 0xFFFF;
    int top = in.getShort() & 0xFFFF;
    int frameWidth = in.getShort() & 0xFFFF;
    int frameHeight = in.getShort() & 0xFFFF;
    int frameFlags = in.get();
    if ((frameFlags & 0x80) != 0) {
      palette = palette(in, frameFlags);
    }
    width = Math.max(width, left + frameWidth);
    height = Math.max(height, top + frameHeight);
    limit.check(width, height);
    limit.check(frameWidth, frameHeight);

    int imageData = in.position();
    byte[] frame = onlyFrame(data, imageData, frameWidth, frameHeight, frameFlags & 0x40);
    Raster raster = PlatformReader.GIF.read(frame);
    Samples samples = new Samples(raster, frameWidth, frameHeight, 1);
    Picture picture = samples.picture(Samples.palette(palette == null ? new Palette() : palette));
    return new Decoded(
        onScreen(picture, left, top, width, height, around, palette), Orientation.UPRIGHT);
  }

  private static Picture onScreen(
      Picture frame,
      int left,
      int top,
      int width,
      int height,
      int around,
      @Nullable Palette palette) {
    if (frame.width() == width && frame.height() == height) {
      return frame;
    }
    byte[] rgb = new byte[3 * width * height];
    Palette colours = palette == null ? new Palette() : palette;
    for (int i = 0; i < rgb.length; i += 3) {
      colours.copy(around, rgb, i);
    }
    int row = 3 * frame.width();
    for (int y = 0; y < frame.height(); y++) {
      System.arraycopy(frame.rgb(), y * row, rgb, 3 * (left + (top + y) * width), row);
    }
    return new Picture(width, height, rgb);
  }

  private static byte[] onlyFrame(
      byte[] data, int imageData, int width, int height, int interlaced) {
    int colours = 3 * 256;
    int rest = data.length - imageData;
    ByteBuffer out =
        ByteBuffer.allocate(SCREEN_DESCRIPTOR_END + colours + 10 + rest)
            .order(ByteOrder.LITTLE_ENDIAN);
    out.put(data, 0, 6).putShort((short) width).putShort((short) height);
    out.put((byte) 0xF7).put((byte) 0).put((byte) 0);
    out.position(out.position() + colours);
    out.put((byte) ',')
        .putInt(0)
        .putShort((short) width)
        .putShort((short) height)
        .put((byte) interlaced);
    return out.put(data, imageData, rest).array();
  }

  private static Palette palette(ByteBuffer in, int flags) {
    Palette palette = new Palette();
    for (int i = 0; i < 2 << (flags & 7); i++) {
      palette.set(i, in.get(), in.get(), in.get());
    }
    return palette;
  }

  private static void skipSubBlocks(ByteBuffer in) {
    for (int length = in.get() & 0xFF; length > 0; length = in.get() & 0xFF) {
      skip(in, length);
    }
  }

  private static void skip(ByteBuffer in, int bytes) {
    if (bytes > in.remaining()) {
      throw new BufferUnderflowException();
    }
    in.position(in.position() + bytes);
  }
}
