package dev.shortcut.bindings.cublas;

/**
 * How an algorithm computes ({@code cublasLtNumericalImplFlags_t}).
 *
 * @param flags cuBLASLt's bits
 */
public record NumericalImplementation(long flags) {
  static final long NUMERICAL_IMPL_FLAGS_FMA = 1;
  static final long NUMERICAL_IMPL_FLAGS_HMMA = 2;
  static final long NUMERICAL_IMPL_FLAGS_TENSOR_OP_MASK = 0xFE;
  static final long NUMERICAL_IMPL_FLAGS_ACCUMULATOR_16F = 1 << 8;
  static final long NUMERICAL_IMPL_FLAGS_ACCUMULATOR_32F = 2 << 8;
  static final long NUMERICAL_IMPL_FLAGS_INPUT_16F = 1 << 16;
  static final long NUMERICAL_IMPL_FLAGS_INPUT_16BF = 2 << 16;
  static final long NUMERICAL_IMPL_FLAGS_INPUT_TF32 = 4 << 16;
  static final long NUMERICAL_IMPL_FLAGS_INPUT_32F = 8 << 16;

  /** Whether it runs on tensor cores. */
  public boolean tensorCores() {
    return (flags & NUMERICAL_IMPL_FLAGS_TENSOR_OP_MASK) != 0;
  }

  /** Whether it rounds its factors to TF32. */
  public boolean tf32() {
    return (flags & NUMERICAL_IMPL_FLAGS_INPUT_TF32) != 0;
  }

  /** Whether sums are kept in half precision. */
  public boolean halfAccumulator() {
    return (flags & NUMERICAL_IMPL_FLAGS_ACCUMULATOR_16F) != 0;
  }

  /** In words, such as {@code tensor cores, fp16 in, fp32 sums}. */
  @Override
  public String toString() {
    return (tensorCores() ? "tensor cores" : "FMA")
        + ", "
        + input()
        + " in, "
        + (halfAccumulator() ? "fp16" : "fp32")
        + " sums";
  }

  private String input() {
    if ((flags & NUMERICAL_IMPL_FLAGS_INPUT_16F) != 0) {
      return "fp16";
    }
    if ((flags & NUMERICAL_IMPL_FLAGS_INPUT_16BF) != 0) {
      return "bf16";
    }
    return tf32() ? "tf32" : "fp32";
  }
}
