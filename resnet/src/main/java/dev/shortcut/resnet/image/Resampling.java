package dev.shortcut.resnet.image;

import java.util.Arrays;

/**
 * Pillow's resampling of 8 bit pictures, bit for bit (ImagingResample in Resample.c, 8bpc; the
 * nearest pixel as in ImagingScaleAffine in Geometry.c): weights as fixed-point numbers, columns
 * first, rounded to 8 bits between the two passes.
 *
 * <p>Only the wanted window of the resized picture is computed, which changes nothing in its
 * pixels.
 */
final class Resampling {
  /** 32 bits less 8 of the samples and 2 for sums of weights beyond 1 and their sign. */
  private static final int PRECISION_BITS = 32 - 8 - 2;

  private static final int ROUND = 1 << (PRECISION_BITS - 1);

  private Resampling() {}

  /**
   * The part of {@code picture}, resized to {@code width x height}, that lies in {@code window}.
   *
   * @param to gets the window's rows, 3 bytes a pixel, from {@code offset} on, each {@code stride}
   *     bytes after the one before
   */
  static void resize(
      Picture picture,
      int width,
      int height,
      Interpolation interpolation,
      Window window,
      byte[] to,
      int offset,
      int stride) {
    boolean sameWidth = width == picture.width();
    boolean sameHeight = height == picture.height();
    if (sameWidth && sameHeight) {
      for (int y = 0; y < window.height(); y++) {
        int from = 3 * (window.left() + (window.top() + y) * width);
        System.arraycopy(picture.rgb(), from, to, offset + y * stride, 3 * window.width());
      }
    } else if (interpolation == Interpolation.NEAREST) {
      nearest(picture, width, height, window, to, offset, stride);
    } else {
      filtered(picture, width, height, interpolation, window, to, offset, stride);
    }
  }

  /** Part of a picture, pixels. */
  record Window(int left, int top, int width, int height) {}

  private static void filtered(
      Picture picture,
      int width,
      int height,
      Interpolation interpolation,
      Window window,
      byte[] to,
      int offset,
      int stride) {
    // A side that keeps its length is not filtered: that would be exact only up to rounding.
    Weights rows =
        height == picture.height()
            ? null
            : Weights.of(interpolation, height, picture.height(), window.top(), window.height());
    int firstRow = rows == null ? window.top() : rows.first();
    int lastRow = rows == null ? window.top() + window.height() : rows.end();
    int rowBytes = 3 * window.width();
    byte[] narrow;
    int narrowOffset;
    int narrowStride;
    if (width == picture.width()) {
      narrow = picture.rgb();
      narrowStride = 3 * width;
      narrowOffset = firstRow * narrowStride + 3 * window.left();
    } else {
      Weights columns =
          Weights.of(interpolation, width, picture.width(), window.left(), window.width());
      boolean last = rows == null;
      narrow = last ? to : new byte[rowBytes * (lastRow - firstRow)];
      narrowOffset = last ? offset : 0;
      narrowStride = last ? stride : rowBytes;
      for (int y = firstRow; y < lastRow; y++) {
        alongRow(
            picture.rgb(),
            3 * picture.width() * y,
            columns,
            narrow,
            narrowOffset + (y - firstRow) * narrowStride);
      }
    }
    if (rows != null) {
      int[] sums = new int[rowBytes];
      for (int y = 0; y < window.height(); y++) {
        acrossRows(narrow, narrowOffset - firstRow * narrowStride, narrowStride, rows, y, sums);
        clip(sums, to, offset + y * stride);
      }
    }
  }

  private static void alongRow(byte[] from, int row, Weights columns, byte[] to, int at) {
    int[] weights = columns.weights();
    int taps = columns.taps();
    for (int x = 0, out = at; x < columns.length(); x++, out += 3) {
      int red = ROUND;
      int green = ROUND;
      int blue = ROUND;
      int in = row + 3 * columns.start(x);
      int k = x * taps;
      for (int end = k + columns.count(x); k < end; k++, in += 3) {
        int weight = weights[k];
        red += (from[in] & 0xFF) * weight;
        green += (from[in + 1] & 0xFF) * weight;
        blue += (from[in + 2] & 0xFF) * weight;
      }
      to[out] = clip(red);
      to[out + 1] = clip(green);
      to[out + 2] = clip(blue);
    }
  }

  private static void acrossRows(
      byte[] from, int origin, int stride, Weights rows, int y, int[] sums) {
    Arrays.fill(sums, ROUND);
    for (int k = 0; k < rows.count(y); k++) {
      addScaled(
          from, origin + (rows.start(y) + k) * stride, rows.weights()[y * rows.taps() + k], sums);
    }
  }

  /**
   * Apart, and with nothing else in the loop, so that the compiler makes vector instructions of it.
   */
  private static void addScaled(byte[] from, int at, int weight, int[] sums) {
    for (int i = 0; i < sums.length; i++) {
      sums[i] += (from[at + i] & 0xFF) * weight;
    }
  }

  private static void clip(int[] sums, byte[] to, int at) {
    for (int i = 0; i < sums.length; i++) {
      to[at + i] = (byte) Math.min(Math.max(sums[i] >> PRECISION_BITS, 0), 255);
    }
  }

  private static byte clip(int sum) {
    return (byte) Math.min(Math.max(sum >> PRECISION_BITS, 0), 255);
  }

  private static void nearest(
      Picture picture, int width, int height, Window window, byte[] to, int offset, int stride) {
    int[] columns = nearest(picture.width(), width, window.left(), window.width());
    int[] rows = nearest(picture.height(), height, window.top(), window.height());
    byte[] from = picture.rgb();
    for (int y = 0; y < window.height(); y++) {
      int row = 3 * picture.width() * rows[y];
      for (int x = 0, out = offset + y * stride; x < window.width(); x++, out += 3) {
        int in = row + 3 * columns[x];
        to[out] = from[in];
        to[out + 1] = from[in + 1];
        to[out + 2] = from[in + 2];
      }
    }
  }

  private static int[] nearest(int in, int out, int first, int length) {
    int[] source = new int[length];
    double scale = (double) in / out;
    double at = scale * 0.5;
    for (int i = 0; i < first + length; i++) {
      if (i >= first) {
        source[i - first] = Math.min((int) at, in - 1);
      }
      at += scale; // added up, not multiplied, so that it is rounded where Pillow's is
    }
    return source;
  }

  /** Which source pixels, and with which weights, make each pixel of the window along one side. */
  private record Weights(int taps, int[] starts, int[] counts, int[] weights) {
    static Weights of(Interpolation interpolation, int out, int in, int window, int length) {
      double scale = (double) in / out;
      double stretch = Math.max(scale, 1);
      double support = interpolation.support() * stretch;
      int taps = (int) Math.ceil(support) * 2 + 1;
      int[] starts = new int[length];
      int[] counts = new int[length];
      int[] weights = new int[length * taps];
      double[] exact = new double[taps];
      double shrink = 1.0 / stretch;
      for (int i = 0; i < length; i++) {
        double center = (window + i + 0.5) * scale;
        int start = Math.max((int) (center - support + 0.5), 0);
        int count = Math.min((int) (center + support + 0.5), in) - start;
        double sum = 0;
        for (int k = 0; k < count; k++) {
          exact[k] = interpolation.weight((k + start - center + 0.5) * shrink);
          sum += exact[k];
        }
        for (int k = 0; k < count; k++) {
          double weight = (sum == 0 ? exact[k] : exact[k] / sum) * (1 << PRECISION_BITS);
          weights[i * taps + k] = (int) (weight < 0 ? weight - 0.5 : weight + 0.5);
        }
        starts[i] = start;
        counts[i] = count;
      }
      return new Weights(taps, starts, counts, weights);
    }

    int length() {
      return starts.length;
    }

    int start(int i) {
      return starts[i];
    }

    int count(int i) {
      return counts[i];
    }

    /** The first source pixel that is needed. */
    int first() {
      return starts[0];
    }

    /** One past the last. */
    int end() {
      return starts[starts.length - 1] + counts[counts.length - 1];
    }
  }
}
