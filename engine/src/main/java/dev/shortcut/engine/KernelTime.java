package dev.shortcut.engine;

import java.time.Duration;

/**
 * What one kernel took of a batch's time.
 *
 * @param name the node that it computes, or what it does for none
 * @param time the mean over the batches that were watched
 * @param flops floating-point operations of the whole batch, a multiplication and an addition
 *     counting as two, as in {@link Measurement#flopsPerImage}
 */
public record KernelTime(String name, Duration time, long flops) {
  /** Floating-point operations per second; 0 for a kernel that is counted none. */
  public double flopsPerSecond() {
    return time.isZero() ? 0 : flops / Measurement.seconds(time);
  }
}
