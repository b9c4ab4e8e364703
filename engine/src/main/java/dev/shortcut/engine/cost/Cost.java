package dev.shortcut.engine.cost;

/**
 * What a layer, a block, a stage or a network costs for one image. Weights are read once for a
 * batch, activations once for each image of it.
 *
 * @param macs multiply-adds of convolutions and linear layers, padding included; papers often call
 *     these FLOPs
 * @param elementwiseOps additions, multiplications and comparisons of everything else: biases,
 *     batch norms (2 for each value), ReLUs, sums, pools (1 for each value of a window), softmax (5
 *     for each value), top-k (k for each value)
 * @param parameters trained numbers as defined: weights, biases, and two for each channel of a
 *     batch norm
 * @param foldedParameters numbers that are left when batch norms are folded
 * @param weightBytes bytes of the folded parameters
 * @param unfusedBytes bytes of activations read and written, {@link Traffic#UNFUSED}
 * @param fusedBytes bytes of activations read and written, {@link Traffic#FUSED}
 * @param blockBytes bytes of activations read and written, {@link Traffic#BLOCK}
 * @param convolutionOutputs values that convolutions give
 * @param kernels layers that compute something, as defined
 * @param fusedKernels kernels after fusion
 */
public record Cost(
    long macs,
    long elementwiseOps,
    long parameters,
    long foldedParameters,
    long weightBytes,
    long unfusedBytes,
    long fusedBytes,
    long blockBytes,
    long convolutionOutputs,
    int kernels,
    int fusedKernels) {
  /** What nothing costs. */
  public static final Cost NOTHING = new Cost(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

  /** Floating-point operations of convolutions and linear layers: two for each multiply-add. */
  public long flops() {
    return 2 * macs;
  }

  /** Bytes of activations read and written for one image. */
  public long activationBytes(Traffic traffic) {
    return switch (traffic) {
      case UNFUSED -> unfusedBytes;
      case FUSED -> fusedBytes;
      case BLOCK -> blockBytes;
    };
  }

  /** Bytes of weights and activations that cross memory for a batch of that many images. */
  public long bytes(Traffic traffic, int batch) {
    return weightBytes + batch * activationBytes(traffic);
  }

  /**
   * FLOPs for each byte that crosses memory, at a batch of that many images; 0 where nothing
   * crosses.
   */
  public double intensity(Traffic traffic, int batch) {
    long bytes = bytes(traffic, batch);
    return bytes == 0 ? 0 : (double) batch * flops() / bytes;
  }

  /** Both together. */
  public Cost plus(Cost other) {
    return new Cost(
        macs + other.macs,
        elementwiseOps + other.elementwiseOps,
        parameters + other.parameters,
        foldedParameters + other.foldedParameters,
        weightBytes + other.weightBytes,
        unfusedBytes + other.unfusedBytes,
        fusedBytes + other.fusedBytes,
        blockBytes + other.blockBytes,
        convolutionOutputs + other.convolutionOutputs,
        kernels + other.kernels,
        fusedKernels + other.fusedKernels);
  }
}
