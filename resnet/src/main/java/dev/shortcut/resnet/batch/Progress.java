package dev.shortcut.resnet.batch;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How far a job is.
 *
 * @param rows rows written by this run
 * @param failed those of them that say why their input could not be used
 * @param resumed rows that an earlier run had written
 * @param total all inputs, those of earlier runs included, where that is known
 * @param elapsed since the start of this run
 */
public record Progress(long rows, long failed, long resumed, OptionalLong total, Duration elapsed) {
  /** Rows of this run for each second of it. */
  public double perSecond() {
    return rows / Math.max(elapsed.toNanos() / 1e9, 1e-9);
  }

  /** How long the rest takes at this rate, where that can be known. */
  public Optional<Duration> remaining() {
    if (total.isEmpty() || rows == 0) {
      return Optional.empty();
    }
    double seconds = (total.getAsLong() - resumed - rows) / perSecond();
    return Optional.of(Duration.ofMillis(Math.round(1000 * Math.max(seconds, 0))));
  }

  /** Told after every batch, on the job's own thread; should return at once. */
  @FunctionalInterface
  public interface Listener {
    /** The job has come that far. */
    void progress(Progress progress);
  }
}
