package dev.shortcut.engine.backend.reference;

/**
 * Batch norm at inference, unfolded, so that folding is judged by something that does not fold.
 *
 * @param mean running mean of each channel
 * @param factor {@code scale / sqrt(variance + epsilon)} of each channel
 * @param shift beta of each channel
 */
record ChannelAffine(double[] mean, double[] factor, double[] shift) {
  static ChannelAffine of(
      double[] scale, double[] shift, double[] mean, double[] variance, double epsilon) {
    double[] factor = new double[scale.length];
    for (int c = 0; c < factor.length; c++) {
      factor[c] = scale[c] / Math.sqrt(variance[c] + epsilon);
    }
    return new ChannelAffine(mean, factor, shift);
  }

  double apply(int channel, double value) {
    return (value - mean[channel]) * factor[channel] + shift[channel];
  }
}
