package dev.shortcut.resnet.cli;

import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.Tolerance;
import java.util.Locale;

/**
 * How far results are from those of the reference.
 *
 * @param nmse the sum of squared differences over the sum of squares
 * @param difference the largest difference over the largest value
 * @param well whether both are within the tolerance
 */
record Comparison(double nmse, double difference, boolean well) {
  /** No difference. */
  static final Comparison EQUAL = new Comparison(0, 0, true);

  /** Compares values with what they should be. */
  static Comparison of(float[] found, float[] expected, Tolerance tolerance) {
    double error = 0;
    double power = 0;
    double largestError = 0;
    double largest = 0;
    for (int i = 0; i < expected.length; i++) {
      double e = (double) found[i] - expected[i];
      error += e * e;
      power += (double) expected[i] * expected[i];
      // A NaN must not be lost in a maximum.
      largestError = Double.isNaN(e) ? Double.NaN : Math.max(largestError, Math.abs(e));
      largest = Math.max(largest, Math.abs(expected[i]));
    }
    double scale = largest == 0 ? 1 : largest;
    double nmse = error / (power == 0 ? 1 : power);
    double difference = largestError / scale;
    return new Comparison(
        nmse, difference, nmse <= tolerance.nmse() && difference <= tolerance.difference());
  }

  /** The same options, computed by what judges the others. */
  static Options reference(Options options) {
    return options
        .withBackend(Options.BackendChoice.REFERENCE)
        .withPrecision(Precision.FP32)
        .withDevices(new DeviceChoice.First())
        .withThreadsPerSlot(0)
        .withLibrary(null);
  }

  /** The one of the two that is further away. */
  Comparison worse(Comparison other) {
    return other.well == well
        ? Double.compare(other.difference, difference) > 0 ? other : this
        : well ? other : this;
  }

  /** Both numbers, for people. */
  @Override
  public String toString() {
    return nmse == 0 && difference == 0
        ? "equal to the reference"
        : String.format(
            Locale.ROOT, "NMSE %.1e, max|a-b|/max|b| %.1e from the reference", nmse, difference);
  }
}
