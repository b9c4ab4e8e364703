package dev.shortcut.engine.backend.reference;

import dev.shortcut.engine.graph.Layer;

/** Pooling of every kind: one value from each window of a plane; a part is a channel. */
final class WindowKernel implements Kernel {
  private final Activation input;
  private final Activation output;
  private final Window rows;
  private final Window columns;
  private final Reduction reduction;

  private WindowKernel(
      Activation input, Activation output, Window rows, Window columns, Reduction reduction) {
    this.input = input;
    this.output = output;
    this.rows = rows;
    this.columns = columns;
    this.reduction = reduction;
  }

  static WindowKernel max(Layer.MaxPool layer, Activation input, Activation output) {
    return new WindowKernel(
        input,
        output,
        sliding(layer.kernel(), layer.stride(), layer.padding(), input.shape().height()),
        sliding(layer.kernel(), layer.stride(), layer.padding(), input.shape().width()),
        new Reduction(Double.NEGATIVE_INFINITY, Math::max, (value, count) -> value));
  }

  /** Divides by the whole window, so that padding counts as zeros. */
  static WindowKernel average(Layer.AveragePool layer, Activation input, Activation output) {
    double size = (double) layer.kernel() * layer.kernel();
    return new WindowKernel(
        input,
        output,
        sliding(layer.kernel(), layer.stride(), layer.padding(), input.shape().height()),
        sliding(layer.kernel(), layer.stride(), layer.padding(), input.shape().width()),
        new Reduction(0, Double::sum, (sum, count) -> sum / size));
  }

  static WindowKernel adaptive(
      Layer.AdaptiveAveragePool layer, Activation input, Activation output) {
    return new WindowKernel(
        input,
        output,
        grid(layer, input.shape().height()),
        grid(layer, input.shape().width()),
        new Reduction(0, Double::sum, (sum, count) -> sum / count));
  }

  static WindowKernel global(Activation input, Activation output) {
    return adaptive(new Layer.AdaptiveAveragePool(1), input, output);
  }

  @Override
  public int parts() {
    return output.shape().channels();
  }

  @Override
  public void compute(int image, int channel, Scratch scratch) {
    int width = input.shape().width();
    int outWidth = output.shape().width();
    for (int y = 0; y < output.shape().height(); y++) {
      for (int x = 0; x < outWidth; x++) {
        double value = reduction.identity();
        for (int row = rows.start(y); row < rows.end(y); row++) {
          for (int column = columns.start(x); column < columns.end(x); column++) {
            value =
                reduction.combine().combine(value, input.get(image, channel, row * width + column));
          }
        }
        int count = (rows.end(y) - rows.start(y)) * (columns.end(x) - columns.start(x));
        output.set(image, channel, y * outWidth + x, reduction.finish().finish(value, count));
      }
    }
  }

  private static Window sliding(int kernel, int stride, int padding, int extent) {
    return new Window() {
      @Override
      public int start(int index) {
        return Math.max(index * stride - padding, 0);
      }

      @Override
      public int end(int index) {
        return Math.min(index * stride - padding + kernel, extent);
      }
    };
  }

  private static Window grid(Layer.AdaptiveAveragePool layer, int extent) {
    return new Window() {
      @Override
      public int start(int index) {
        return layer.start(index, extent);
      }

      @Override
      public int end(int index) {
        return layer.end(index, extent);
      }
    };
  }

  /** The rows (or columns) of the image that lie under window {@code index}, padding left out. */
  private interface Window {
    int start(int index);

    int end(int index);
  }

  /** How the values under a window become one; {@code finish} is told how many there were. */
  private record Reduction(double identity, Combine combine, Finish finish) {}

  private interface Combine {
    double combine(double value, double next);
  }

  private interface Finish {
    double finish(double value, int count);
  }
}
