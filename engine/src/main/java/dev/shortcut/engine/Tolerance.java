package dev.shortcut.engine;

/**
 * How far a result may lie from the one that doubles give, by what it was computed in. One table
 * for the self-test, for this project's tests and for programs that check a machine of their own.
 *
 * <p>FP32 is float sums in another order. TF32 and FP16 round to mantissas of 10 bits and BF16 to
 * 7, once a layer. What goes wrong in earnest (a stride, a layer left out, sums in half precision)
 * is orders of magnitude above.
 *
 * @param nmse the sum of squared differences over the sum of the expected values' squares
 * @param difference the largest absolute difference over the largest absolute expected value
 */
public record Tolerance(double nmse, double difference) {
  /** For a few layers, ten at most. */
  public static Tolerance ofLayers(Precision precision) {
    return switch (precision) {
      case FP32 -> new Tolerance(1e-11, 1e-5);
      case TF32, FP16 -> new Tolerance(1e-5, 1e-2);
      case BF16 -> new Tolerance(1e-3, 1e-1);
      case INT8, FP8 -> new Tolerance(1e-2, 3e-1);
    };
  }

  /** For whole residual networks, of up to 160 layers one after the other. */
  public static Tolerance ofNetwork(Precision precision) {
    return switch (precision) {
      case FP32 -> new Tolerance(1e-10, 1e-4);
      case TF32, FP16 -> new Tolerance(1e-4, 3e-2);
      case BF16 -> new Tolerance(5e-3, 3e-1);
      case INT8, FP8 -> new Tolerance(1e-1, 1);
    };
  }
}
