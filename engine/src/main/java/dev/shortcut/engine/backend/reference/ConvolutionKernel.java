package dev.shortcut.engine.backend.reference;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Shape;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A direct convolution. The product of two floats is exact in double, so that only the sums round.
 *
 * <p>A part is up to {@value #BLOCK} output channels of one group: each input plane is widened to
 * double and padded once for all of them, which leaves an inner loop without conditions.
 */
final class ConvolutionKernel implements Kernel {
  private static final int BLOCK = 8;

  private final Layer.Convolution layer;
  private final MemorySegment weights;
  private final Activation input;
  private final Activation output;
  private final Epilogue epilogue;
  private final int inputsPerGroup;
  private final int outputsPerGroup;
  private final int blocksPerGroup;
  private final int paddedWidth;
  private final int sumsWidth;
  private final int sumsPlane;

  /**
   * With {@code weights} as floats in output channel, input channel of the group, row, column
   * order.
   */
  ConvolutionKernel(
      Layer.Convolution layer,
      MemorySegment weights,
      Activation input,
      Activation output,
      Epilogue epilogue) {
    this.layer = layer;
    this.weights = weights;
    this.input = input;
    this.output = output;
    this.epilogue = epilogue;
    inputsPerGroup = input.shape().channels() / layer.groups();
    outputsPerGroup = layer.outChannels() / layer.groups();
    blocksPerGroup = Math.ceilDiv(outputsPerGroup, BLOCK);
    paddedWidth = padded(layer, input.shape().width());
    sumsWidth = sumsWidth(layer, input.shape(), output.shape());
    sumsPlane = Math.multiplyExact(sumsWidth, output.shape().height());
  }

  /** Doubles of {@link Scratch#plane} that a convolution of {@code input} needs. */
  static int plane(Layer.Convolution layer, Shape input) {
    return Math.multiplyExact(padded(layer, input.height()), padded(layer, input.width()));
  }

  /**
   * Doubles of {@link Scratch#sums} that a convolution of {@code input} to {@code output} needs.
   */
  static int sums(Layer.Convolution layer, Shape input, Shape output) {
    return Math.multiplyExact(
        BLOCK, Math.multiplyExact(sumsWidth(layer, input, output), output.height()));
  }

  /** Without a stride, rows of sums are as far apart as those of the padded plane. */
  private static int sumsWidth(Layer.Convolution layer, Shape input, Shape output) {
    return layer.stride() == 1 ? padded(layer, input.width()) : output.width();
  }

  private static int padded(Layer.Convolution layer, int extent) {
    return Math.addExact(extent, Math.multiplyExact(2, layer.padding()));
  }

  @Override
  public int parts() {
    return layer.groups() * blocksPerGroup;
  }

  @Override
  public void compute(int image, int part, Scratch scratch) {
    int group = part / blocksPerGroup;
    int first = group * outputsPerGroup + part % blocksPerGroup * BLOCK;
    int last = Math.min(first + BLOCK, (group + 1) * outputsPerGroup);
    Arrays.fill(scratch.plane(), 0, plane(layer, input.shape()), 0);
    Arrays.fill(scratch.sums(), 0, (last - first) * sumsPlane, 0);
    for (int c = 0; c < inputsPerGroup; c++) {
      widen(image, group * inputsPerGroup + c, scratch.plane());
      for (int k = first; k < last; k++) {
        addTaps((long) k * inputsPerGroup + c, (k - first) * sumsPlane, scratch);
      }
    }
    for (int k = first; k < last; k++) {
      write(image, k, (k - first) * sumsPlane, scratch.sums());
    }
  }

  private void write(int image, int channel, int first, double[] sums) {
    int width = output.shape().width();
    for (int y = 0; y < output.shape().height(); y++) {
      for (int x = 0; x < width; x++) {
        int pixel = y * width + x;
        double sum = sums[first + y * sumsWidth + x];
        output.set(image, channel, pixel, epilogue.apply(sum, image, channel, pixel));
      }
    }
  }

  /** Copies one input plane into the middle of the padded one, whose edges are zero. */
  private void widen(int image, int channel, double[] plane) {
    int width = input.shape().width();
    for (int y = 0; y < input.shape().height(); y++) {
      int row = (y + layer.padding()) * paddedWidth + layer.padding();
      for (int x = 0; x < width; x++) {
        plane[row + x] = input.get(image, channel, y * width + x);
      }
    }
  }

  /** Adds what the plane contributes to the sums of one output channel through the given filter. */
  private void addTaps(long filter, int sums, Scratch scratch) {
    int kernel = layer.kernel();
    for (int r = 0; r < kernel; r++) {
      for (int s = 0; s < kernel; s++) {
        double weight = weights.getAtIndex(JAVA_FLOAT, (filter * kernel + r) * kernel + s);
        int corner = (r * paddedWidth + s) * layer.dilation();
        addTap(weight, scratch.plane(), corner, scratch.sums(), sums);
      }
    }
  }

  private void addTap(double weight, double[] plane, int corner, double[] sums, int first) {
    int rows = output.shape().height();
    int columns = output.shape().width();
    int stride = layer.stride();
    if (stride == 1) {
      // One long run is what compilers vectorise; the sums between the rows are not used.
      int run = (rows - 1) * paddedWidth + columns;
      for (int i = 0; i < run; i++) {
        sums[first + i] += weight * plane[corner + i];
      }
      return;
    }
    for (int y = 0; y < rows; y++) {
      int from = corner + y * stride * paddedWidth;
      int to = first + y * columns;
      for (int x = 0; x < columns; x++) {
        sums[to + x] += weight * plane[from + x * stride];
      }
    }
  }
}
