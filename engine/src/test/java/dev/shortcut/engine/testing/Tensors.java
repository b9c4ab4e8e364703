package dev.shortcut.engine.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Test data and comparisons of results. */
public final class Tensors {
  private Tensors() {}

  /**
   * Whole numbers from {@code -limit} to {@code limit}: sums of their products are exact in float.
   */
  public static float[] integers(Random random, int count, int limit) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextInt(-limit, limit + 1);
    }
    return values;
  }

  /** Normally distributed values. */
  public static float[] gaussians(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /**
   * Fails at the first value that is not {@code ==}; -0.0 equals 0.0, which an array assertion
   * tells apart.
   */
  public static void assertSameValues(float[] expected, float[] actual) {
    assertEquals(expected.length, actual.length, "number of values");
    for (int i = 0; i < expected.length; i++) {
      if (expected[i] != actual[i]) {
        int at = i;
        assertTrue(
            expected[i] == actual[i],
            () -> "value %d is %s, not %s".formatted(at, actual[at], expected[at]));
      }
    }
  }

  /**
   * Fails if the mean square of the differences exceeds {@code bound} times that of the expected
   * values.
   */
  public static void assertClose(float[] expected, float[] actual, double bound) {
    assertEquals(expected.length, actual.length, "number of values");
    double nmse = nmse(expected, actual);
    assertTrue(
        nmse <= bound, () -> "normalised mean square error %g exceeds %g".formatted(nmse, bound));
  }

  /** Mean square error over the mean square of the expected values; NaN where a value is none. */
  public static double nmse(float[] expected, float[] actual) {
    double error = 0;
    double square = 0;
    for (int i = 0; i < expected.length; i++) {
      double difference = (double) expected[i] - actual[i];
      error += difference * difference;
      square += (double) expected[i] * expected[i];
    }
    return error == 0 ? 0 : error / square;
  }

  /** The values as objects, for collections. */
  public static List<Float> boxed(float[] values) {
    List<Float> boxed = new ArrayList<>(values.length);
    for (float value : values) {
      boxed.add(value);
    }
    return boxed;
  }
}
