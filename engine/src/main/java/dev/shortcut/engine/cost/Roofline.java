package dev.shortcut.engine.cost;

import java.util.Locale;

/**
 * The peaks of a device, and the time that they allow: each kernel takes what computing or moving
 * takes, whichever is longer (Williams, Waterman and Patterson 2009, "Roofline").
 *
 * @param flopsPerSecond peak floating-point operations per second in the precision in question
 * @param bytesPerSecond peak bytes per second to and from memory
 */
public record Roofline(double flopsPerSecond, double bytesPerSecond) {
  /** Checks that both are positive. */
  public Roofline {
    if (!(flopsPerSecond > 0) || !(bytesPerSecond > 0)) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "a device needs positive peaks, but has %g FLOP/s and %g B/s",
              flopsPerSecond,
              bytesPerSecond));
    }
  }

  /** The least seconds that one kernel takes for a batch. */
  public double seconds(Cost kernel, Traffic traffic, int batch) {
    double computing = (double) batch * kernel.flops() / flopsPerSecond;
    double moving = kernel.bytes(traffic, batch) / bytesPerSecond;
    return Math.max(computing, moving);
  }

  /**
   * The least seconds that a batch takes, kernel behind kernel.
   *
   * @param traffic {@link Traffic#UNFUSED} or {@link Traffic#FUSED}: the costs of single kernels
   *     are known for these
   */
  public double seconds(CostReport report, Traffic traffic, int batch) {
    return report.layers().stream()
        .mapToDouble(layer -> seconds(layer.cost(), traffic, batch))
        .sum();
  }

  /** The most images per second, at batches of that many. */
  public double imagesPerSecond(CostReport report, Traffic traffic, int batch) {
    return batch / seconds(report, traffic, batch);
  }
}
