package dev.shortcut.engine.backend.reference;

/** Softmax over the channels of each pixel; an image is one part. */
final class SoftmaxKernel implements Kernel {
  private final Activation input;
  private final Activation output;

  SoftmaxKernel(Activation input, Activation output) {
    this.input = input;
    this.output = output;
  }

  @Override
  public int parts() {
    return 1;
  }

  @Override
  public void compute(int image, int part, Scratch scratch) {
    int channels = input.shape().channels();
    for (int pixel = 0; pixel < input.plane(); pixel++) {
      double largest = Double.NEGATIVE_INFINITY;
      for (int c = 0; c < channels; c++) {
        largest = Math.max(largest, input.get(image, c, pixel));
      }
      double sum = 0;
      for (int c = 0; c < channels; c++) {
        // Subtracting the largest changes nothing but keeps exp in range.
        sum += Math.exp(input.get(image, c, pixel) - largest);
      }
      for (int c = 0; c < channels; c++) {
        output.set(image, c, pixel, Math.exp(input.get(image, c, pixel) - largest) / sum);
      }
    }
  }
}
