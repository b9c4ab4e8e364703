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
  }

  /** Doubles of {@link Scratch#plane} that a convolution of {@code input} needs. */
  static int plane(Layer.Convolution layer, Shape input) {
    return Math.multiplyExact(padded(layer, input.height()), padded(layer, input.width()));
  }

  /** Doubles of {@link Scratch#sums} that a convolution to {@code output} needs. */
  static int sums(Shape output) {
    return Math.multiplyExact(BLOCK, Math.multiplyExact(output.height(), output.width()));
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
    int pixels = output.plane();
    Arrays.fill(scratch.plane(), 0);
    Arrays.fill(scratch.sums(), 0, (last - first) * pixels, 0);
    for (int c = 0; c < inputsPerGroup; c++) {
      widen(image, group * inputsPerGroup + c, scratch.plane());
      for (int k = first; k < last; k++) {
        addTaps((long) k * inputsPerGroup + c, (k - first) * pixels, scratch);
      }
    }
    for (int k = first; k < last; k++) {
      for (int pixel = 0; pixel < pixels; pixel++) {
        double sum = scratch.sums()[(k - first) * pixels + pixel];
        output.set(image, k, pixel, epilogue.apply(sum, image, k, pixel));
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
    if (stride == 1 && columns == paddedWidth) {
      // Nothing lies between the rows: they are one long row, which matters for small images.
      columns *= rows;
      rows = 1;
    }
    for (int y = 0; y < rows; y++) {
      int from = corner + y * stride * paddedWidth;
      int to = first + y * columns;
      if (stride == 1) {
        for (int x = 0; x < columns; x++) {
          sums[to + x] += weight * plane[from + x];
        }
      } else {
        for (int x = 0; x < columns; x++) {
          sums[to + x] += weight * plane[from + x * stride];
        }
      }
    }
  }
}
