package dev.shortcut.resnet.image;

import java.awt.image.Raster;

/**
 * JPEG (ITU-T T.81): samples from the JDK's reader, which is libjpeg 6b as libjpeg-turbo once was,
 * colours by libjpeg's own fixed-point formulas.
 *
 * <p>Which colours the samples mean is decided as libjpeg decides it, since the JDK's reader has
 * rules of its own for files without a JFIF header.
 */
final class JpegDecoder {
  private static final int FRACTION_BITS = 16;
  private static final int HALF = 1 << (FRACTION_BITS - 1);

  /**
   * What a chrominance sample adds to a colour; green's two parts are rounded together and not yet
   * shifted.
   */
  private static final int[] RED_FROM_CR = new int[256];

  private static final int[] GREEN_FROM_CB = new int[256];
  private static final int[] GREEN_FROM_CR = new int[256];
  private static final int[] BLUE_FROM_CB = new int[256];

  static {
    for (int i = 0; i < 256; i++) {
      int difference = i - 128;
      RED_FROM_CR[i] = (fixed(1.40200) * difference + HALF) >> FRACTION_BITS;
      GREEN_FROM_CB[i] = -fixed(0.34414) * difference + HALF;
      GREEN_FROM_CR[i] = -fixed(0.71414) * difference;
      BLUE_FROM_CB[i] = (fixed(1.77200) * difference + HALF) >> FRACTION_BITS;
    }
  }

  private JpegDecoder() {}

  static Decoded decode(byte[] data, Limit limit) throws UndecodableException {
    JpegHeader header = JpegHeader.read(data);
    limit.check(header.width(), header.height());
    Raster raster = PlatformReader.JPEG.readStored(data);
    int width = header.width();
    int height = header.height();
    byte[] samples = new Samples(raster, width, height, header.components()).interleavedBytes();
    for (int c = 0; c < header.components(); c++) {
      if (header.verticallyHalved()[c]) {
        interpolateRows(samples, c, header.components(), width, height);
      }
    }
    byte[] rgb =
        switch (header.components()) {
          case 1 -> grey(samples);
          case 3 -> header.luminanceAndChrominance() ? toRgb(samples) : samples;
          default ->
              header.luminanceAndChrominance() ? fromYcck(samples) : fromInvertedInk(samples);
        };
    return new Decoded(new Picture(width, height, rgb), header.orientation());
  }

  /**
   * Makes of a component that is halved vertically only, and whose rows stand there twice, what
   * libjpeg-turbo makes of it: each row is three parts the nearer and one part the other ({@code
   * h1v2_fancy_upsample} in jdsample.c, which libjpeg 6b has not).
   */
  private static void interpolateRows(
      byte[] samples, int component, int components, int width, int height) {
    int stride = components * width;
    byte[] above = new byte[width];
    byte[] here = new byte[width];
    byte[] below = new byte[width];
    copyRow(samples, component, components, here);
    System.arraycopy(here, 0, above, 0, width);
    for (int y = 0; y < height; y += 2) {
      if (y + 2 < height) {
        copyRow(samples, (y + 2) * stride + component, components, below);
      } else {
        System.arraycopy(here, 0, below, 0, width);
      }
      for (int x = 0, at = y * stride + component; x < width; x++, at += components) {
        int near = 3 * (here[x] & 0xFF);
        samples[at] = (byte) ((near + (above[x] & 0xFF) + 1) >> 2);
        if (y + 1 < height) {
          samples[at + stride] = (byte) ((near + (below[x] & 0xFF) + 2) >> 2);
        }
      }
      byte[] done = above;
      above = here;
      here = below;
      below = done;
    }
  }

  private static void copyRow(byte[] samples, int from, int step, byte[] to) {
    for (int x = 0, at = from; x < to.length; x++, at += step) {
      to[x] = samples[at];
    }
  }

  private static byte[] grey(byte[] samples) {
    byte[] rgb = new byte[3 * samples.length];
    for (int i = 0, to = 0; i < samples.length; i++, to += 3) {
      rgb[to] = samples[i];
      rgb[to + 1] = samples[i];
      rgb[to + 2] = samples[i];
    }
    return rgb;
  }

  /** YCbCr to RGB, in place. */
  private static byte[] toRgb(byte[] samples) {
    for (int i = 0; i < samples.length; i += 3) {
      int y = samples[i] & 0xFF;
      int cb = samples[i + 1] & 0xFF;
      int cr = samples[i + 2] & 0xFF;
      samples[i] = (byte) red(y, cr);
      samples[i + 1] = (byte) green(y, cb, cr);
      samples[i + 2] = (byte) blue(y, cb);
    }
    return samples;
  }

  /**
   * Four inks as Adobe stores them, 255 for none: Pillow takes every JPEG of four components so.
   */
  private static byte[] fromInvertedInk(byte[] samples) {
    byte[] rgb = new byte[samples.length / 4 * 3];
    for (int i = 0, to = 0; i < samples.length; i += 4, to += 3) {
      int light = samples[i + 3] & 0xFF;
      rgb[to] = Samples.underInk(255 - (samples[i] & 0xFF), light);
      rgb[to + 1] = Samples.underInk(255 - (samples[i + 1] & 0xFF), light);
      rgb[to + 2] = Samples.underInk(255 - (samples[i + 2] & 0xFF), light);
    }
    return rgb;
  }

  /**
   * YCC of the inverted inks, which libjpeg inverts and Pillow inverts once more: the two cancel.
   */
  private static byte[] fromYcck(byte[] samples) {
    byte[] rgb = new byte[samples.length / 4 * 3];
    for (int i = 0, to = 0; i < samples.length; i += 4, to += 3) {
      int y = samples[i] & 0xFF;
      int cb = samples[i + 1] & 0xFF;
      int cr = samples[i + 2] & 0xFF;
      int light = samples[i + 3] & 0xFF;
      rgb[to] = Samples.underInk(red(y, cr), light);
      rgb[to + 1] = Samples.underInk(green(y, cb, cr), light);
      rgb[to + 2] = Samples.underInk(blue(y, cb), light);
    }
    return rgb;
  }

  private static int red(int y, int cr) {
    return clamp(y + RED_FROM_CR[cr]);
  }

  private static int green(int y, int cb, int cr) {
    return clamp(y + ((GREEN_FROM_CB[cb] + GREEN_FROM_CR[cr]) >> FRACTION_BITS));
  }

  private static int blue(int y, int cb) {
    return clamp(y + BLUE_FROM_CB[cb]);
  }

  private static int clamp(int value) {
    return Math.min(Math.max(value, 0), 255);
  }

  private static int fixed(double factor) {
    return (int) (factor * (1 << FRACTION_BITS) + 0.5);
  }
}
