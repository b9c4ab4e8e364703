package dev.shortcut.resnet.image;

import java.awt.image.DataBufferByte;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.Raster;
import java.util.Arrays;
import java.util.stream.IntStream;

/** Rows of a raster's samples as integers, and the ways in which they become 8 bit RGB. */
final class Samples {
  private final Raster raster;
  private final int width;
  private final int height;

  /**
   * Checks the raster against the header.
   *
   * @throws UndecodableException if it has not the promised size, or too few bands
   */
  Samples(Raster raster, int width, int height, int bands) throws UndecodableException {
    if (raster.getWidth() != width
        || raster.getHeight() != height
        || raster.getNumBands() < bands) {
      throw new UndecodableException(
          "its header says %d x %d pixels of %d samples, its data %d x %d of %d; the file is damaged"
              .formatted(
                  width,
                  height,
                  bands,
                  raster.getWidth(),
                  raster.getHeight(),
                  raster.getNumBands()));
    }
    this.raster = raster;
    this.width = width;
    this.height = height;
  }

  /** How one row of interleaved samples becomes RGB. */
  @FunctionalInterface
  interface RowConversion {
    /**
     * @param samples {@code width * bands} samples
     * @param bands samples per pixel
     * @param rgb written from {@code at}, three bytes per pixel
     */
    void convert(int[] samples, int bands, byte[] rgb, int at);
  }

  Picture picture(RowConversion conversion) {
    byte[] rgb = new byte[3 * width * height];
    int[] row = new int[width * raster.getNumBands()];
    for (int y = 0; y < height; y++) {
      raster.getPixels(raster.getMinX(), raster.getMinY() + y, width, 1, row);
      conversion.convert(row, raster.getNumBands(), rgb, 3 * width * y);
    }
    return new Picture(width, height, rgb);
  }

  /**
   * All samples, one byte each, the bands of a pixel side by side; the raster's own array where it
   * is laid out so.
   */
  byte[] interleavedBytes() {
    int bands = raster.getNumBands();
    if (raster.getDataBuffer() instanceof DataBufferByte buffer
        && raster.getSampleModel() instanceof PixelInterleavedSampleModel model
        && buffer.getData().length == bands * width * height
        && model.getScanlineStride() == bands * width
        && Arrays.equals(model.getBandOffsets(), IntStream.range(0, bands).toArray())) {
      return buffer.getData();
    }
    byte[] bytes = new byte[bands * width * height];
    int[] row = new int[bands * width];
    for (int y = 0; y < height; y++) {
      raster.getPixels(raster.getMinX(), raster.getMinY() + y, width, 1, row);
      for (int i = 0; i < row.length; i++) {
        bytes[y * row.length + i] = (byte) row[i];
      }
    }
    return bytes;
  }

  /**
   * The first band is grey; {@code bits} per sample, of which 16 are cut to the upper 8 and fewer
   * than 8 are stretched.
   */
  static RowConversion grey(int bits) {
    int factor = bits < 8 ? 255 / ((1 << bits) - 1) : 1;
    int shift = bits > 8 ? bits - 8 : 0;
    return (samples, bands, rgb, at) -> {
      for (int i = 0, to = at; i < samples.length; i += bands, to += 3) {
        byte value = (byte) ((samples[i] * factor) >> shift);
        rgb[to] = value;
        rgb[to + 1] = value;
        rgb[to + 2] = value;
      }
    };
  }

  /** The first three bands are red, green and blue; further ones (alpha) are dropped. */
  static RowConversion rgb(int bits) {
    int shift = bits > 8 ? bits - 8 : 0;
    return (samples, bands, rgb, at) -> {
      for (int i = 0, to = at; i < samples.length; i += bands, to += 3) {
        rgb[to] = (byte) (samples[i] >> shift);
        rgb[to + 1] = (byte) (samples[i + 1] >> shift);
        rgb[to + 2] = (byte) (samples[i + 2] >> shift);
      }
    };
  }

  /** The first band is an index. */
  static RowConversion palette(Palette palette) {
    return (samples, bands, rgb, at) -> {
      for (int i = 0, to = at; i < samples.length; i += bands, to += 3) {
        palette.copy(samples[i], rgb, to);
      }
    };
  }

  /** Four bands of ink, 0 is none; the formula of Pillow's {@code cmyk2rgb} (Convert.c). */
  static RowConversion cmyk(int bits) {
    int shift = bits > 8 ? bits - 8 : 0;
    return (samples, bands, rgb, at) -> {
      for (int i = 0, to = at; i < samples.length; i += bands, to += 3) {
        int light = 255 - (samples[i + 3] >> shift);
        rgb[to] = underInk(samples[i] >> shift, light);
        rgb[to + 1] = underInk(samples[i + 1] >> shift, light);
        rgb[to + 2] = underInk(samples[i + 2] >> shift, light);
      }
    };
  }

  /** {@code light * (1 - ink / 255)}, rounded as Pillow's MULDIV255 rounds. */
  static byte underInk(int ink, int light) {
    int product = ink * light + 128;
    return (byte) (light - (((product >> 8) + product) >> 8));
  }
}
