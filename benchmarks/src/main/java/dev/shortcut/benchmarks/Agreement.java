package dev.shortcut.benchmarks;

/** How far two engines' results for one input lie apart. */
final class Agreement {
  /** The most that two engines may differ by before it makes no sense to compare their speed. */
  static final double BOUND = 1e-4;

  private Agreement() {}

  /**
   * The largest difference over the largest expected value: {@code max|a-b| / max|a|}; NaN or
   * infinite where a result is no number.
   */
  static double relativeError(float[] expected, float[] actual) {
    if (expected.length != actual.length) {
      throw new IllegalArgumentException(
          "cannot compare %d values with %d".formatted(expected.length, actual.length));
    }
    double error = 0;
    double largest = 0;
    for (int i = 0; i < expected.length; i++) {
      error = Math.max(error, Math.abs((double) expected[i] - actual[i]));
      largest = Math.max(largest, Math.abs((double) expected[i]));
    }
    return error == 0 ? 0 : error / largest;
  }
}
