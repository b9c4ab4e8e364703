package dev.shortcut.engine.backend.reference;

import dev.shortcut.engine.backend.TopChannels;
import dev.shortcut.engine.graph.Layer;

/** The largest channels of each pixel; an image is one part. */
final class TopKKernel implements Kernel {
  private final TopChannels top;
  private final Activation input;
  private final Activation output;

  TopKKernel(Layer.TopK layer, Activation input, Activation output) {
    this.top = new TopChannels(layer, input.shape());
    this.input = input;
    this.output = output;
  }

  @Override
  public int parts() {
    return 1;
  }

  @Override
  public void compute(int image, int part, Scratch scratch) {
    top.compute(input.memory(), output.memory(), image);
  }
}
