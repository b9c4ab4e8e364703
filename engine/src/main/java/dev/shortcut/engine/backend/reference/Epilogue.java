package dev.shortcut.engine.backend.reference;

import org.jspecify.annotations.Nullable;

/**
 * What happens to a sum before it is rounded to float: bias, batch norm, addition of the shortcut,
 * ReLU, each only where the node has it.
 *
 * @param bias one value per output channel, or null
 * @param batchNorm or null
 * @param residual the second input, or null
 * @param relu whether negative values become zero
 */
record Epilogue(
    double @Nullable [] bias,
    @Nullable ChannelAffine batchNorm,
    @Nullable Activation residual,
    boolean relu) {
  double apply(double sum, int image, int channel, int pixel) {
    double value = bias == null ? sum : sum + bias[channel];
    if (batchNorm != null) {
      value = batchNorm.apply(channel, value);
    }
    if (residual != null) {
      value += residual.get(image, channel, pixel);
    }
    return relu ? Math.max(value, 0) : value;
  }
}
