package dev.shortcut.engine.backend.reference;

import dev.shortcut.engine.graph.Layer;

/**
 * Every stride-th pixel, with channels of zeros around the input's; a part is an output channel.
 */
final class SubsampleKernel implements Kernel {
  private final Layer.Subsample layer;
  private final Activation input;
  private final Activation output;

  SubsampleKernel(Layer.Subsample layer, Activation input, Activation output) {
    this.layer = layer;
    this.input = input;
    this.output = output;
  }

  @Override
  public int parts() {
    return output.shape().channels();
  }

  @Override
  public void compute(int image, int channel, Scratch scratch) {
    int source = channel - layer.channelsBefore();
    boolean padding = source < 0 || source >= input.shape().channels();
    int width = input.shape().width();
    int outWidth = output.shape().width();
    for (int y = 0; y < output.shape().height(); y++) {
      for (int x = 0; x < outWidth; x++) {
        int pixel = y * layer.stride() * width + x * layer.stride();
        output.set(image, channel, y * outWidth + x, padding ? 0 : input.get(image, source, pixel));
      }
    }
  }
}
