package dev.shortcut.engine.backend.reference;

/** One output value from the input values at the same place; a part is a channel. */
final class ElementwiseKernel implements Kernel {
  /** What becomes of one value. */
  interface Function {
    double apply(double value, int image, int channel, int pixel);
  }

  private final Activation input;
  private final Activation output;
  private final Function function;

  /** Shapes may differ in how they split the values into channels and pixels, as a flatten does. */
  ElementwiseKernel(Activation input, Activation output, Function function) {
    this.input = input;
    this.output = new Activation(output.memory(), input.shape());
    this.function = function;
  }

  @Override
  public int parts() {
    return input.shape().channels();
  }

  @Override
  public void compute(int image, int channel, Scratch scratch) {
    for (int pixel = 0; pixel < input.plane(); pixel++) {
      double value = input.get(image, channel, pixel);
      output.set(image, channel, pixel, function.apply(value, image, channel, pixel));
    }
  }
}
