package dev.shortcut.bindings.cudnn;

/**
 * {@code y = [relu](convolution(x, w) [+ z] + bias)} as cuDNN's calls from before the graph API
 * know it: every tensor of one type and with channels last, the filter in the order output channel,
 * row, column, input channel, sums in single precision.
 *
 * @param type of all tensors: FLOAT, HALF or BFLOAT16
 * @param tensorCores whether they may be used; of floats they read ten bits of the mantissa
 * @param batch images
 * @param channels of x, those of all groups
 * @param height of x
 * @param width of x
 * @param features channels of y, z and the bias
 * @param kernel rows and columns of the filter
 * @param stride pixels from one place of the filter to the next, down and across
 * @param padding zeros on each side of x
 * @param dilation distance between taps, 1 for a dense filter
 * @param groups into which the channels of x and y fall
 * @param residual whether z, of y's shape, is added
 * @param relu whether negative results become zero
 */
public record LegacyConvolution(
    DataType type,
    boolean tensorCores,
    int batch,
    int channels,
    int height,
    int width,
    int features,
    int kernel,
    int stride,
    int padding,
    int dilation,
    int groups,
    boolean residual,
    boolean relu) {
  /**
   * Checks the numbers.
   *
   * @throws IllegalArgumentException if they describe no convolution
   */
  public LegacyConvolution {
    if (type != DataType.FLOAT && type != DataType.HALF && type != DataType.BFLOAT16) {
      throw new IllegalArgumentException("a convolution of floats, not of " + type);
    }
    if (batch < 1
        || channels < 1
        || features < 1
        || kernel < 1
        || stride < 1
        || padding < 0
        || dilation < 1
        || groups < 1
        || channels % groups != 0
        || features % groups != 0
        || slid(height, kernel, stride, padding, dilation) < 1
        || slid(width, kernel, stride, padding, dilation) < 1) {
      throw new IllegalArgumentException(
          "a convolution of %d x %dx%dx%d to %d channels, %dx%d/%d pad %d dilation %d groups %d"
              .formatted(
                  batch, channels, height, width, features, kernel, kernel, stride, padding,
                  dilation, groups));
    }
  }

  /** Rows of y. */
  public int outputHeight() {
    return slid(height, kernel, stride, padding, dilation);
  }

  /** Columns of y. */
  public int outputWidth() {
    return slid(width, kernel, stride, padding, dilation);
  }

  private static int slid(int size, int kernel, int stride, int padding, int dilation) {
    return Math.floorDiv(size + 2 * padding - (kernel - 1) * dilation - 1, stride) + 1;
  }
}
