package dev.shortcut.engine.backend.reference;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.MemorySegment;

/** A fully connected layer; a part is up to {@value #BLOCK} outputs. */
final class LinearKernel implements Kernel {
  private static final int BLOCK = 8;

  private final MemorySegment weights;
  private final Activation input;
  private final Activation output;
  private final Epilogue epilogue;

  /** With {@code weights} as floats in output, input order. */
  LinearKernel(MemorySegment weights, Activation input, Activation output, Epilogue epilogue) {
    this.weights = weights;
    this.input = input;
    this.output = output;
    this.epilogue = epilogue;
  }

  @Override
  public int parts() {
    return Math.ceilDiv(output.shape().channels(), BLOCK);
  }

  @Override
  public void compute(int image, int part, Scratch scratch) {
    long inputs = input.shape().elements();
    int last = Math.min((part + 1) * BLOCK, output.shape().channels());
    for (int k = part * BLOCK; k < last; k++) {
      double sum = 0;
      for (long i = 0; i < inputs; i++) {
        // An image's values lie in channel, row, column order, which is the order of a matrix row.
        double value = input.memory().getAtIndex(JAVA_FLOAT, image * inputs + i);
        sum += weights.getAtIndex(JAVA_FLOAT, k * inputs + i) * value;
      }
      output.set(image, k, 0, epilogue.apply(sum, image, k, 0));
    }
  }
}
