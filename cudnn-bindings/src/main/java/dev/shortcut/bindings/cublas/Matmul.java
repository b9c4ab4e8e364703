package dev.shortcut.bindings.cublas;

/**
 * {@code y[m][n] = relu(x[m][k] * w[n][k]^T + bias[n])}, every matrix dense and row-major, all of
 * one type, sums in single precision.
 *
 * @param m rows of x and y: the batch
 * @param n columns of y, rows of w, elements of the bias: output features
 * @param k columns of x and w: input features
 * @param type of x, w, y and the bias
 * @param compute {@link ComputeType#TF32} for matrices of {@link MatrixType#FLOAT} only
 * @param bias whether there is one
 * @param relu whether negative results become zero
 */
public record Matmul(
    long m, long n, long k, MatrixType type, ComputeType compute, boolean bias, boolean relu) {
  /**
   * Checks the numbers.
   *
   * @throws IllegalArgumentException if one of them is none
   */
  public Matmul {
    if (m < 1 || n < 1 || k < 1) {
      throw new IllegalArgumentException("a product of %d x %d by %d x %d".formatted(m, k, k, n));
    }
    if (compute == ComputeType.TF32 && type != MatrixType.FLOAT) {
      throw new IllegalArgumentException("TF32 is for matrices of FLOAT, these are of " + type);
    }
  }

  int epilogue() {
    int operations =
        (bias ? CublasConstants.EPILOGUE_BIAS : 0) | (relu ? CublasConstants.EPILOGUE_RELU : 0);
    return operations == 0 ? CublasConstants.EPILOGUE_DEFAULT : operations;
  }
}
