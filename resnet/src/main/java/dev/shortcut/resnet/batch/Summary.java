package dev.shortcut.resnet.batch;

import java.time.Duration;

/**
 * What a job did.
 *
 * @param rows rows written by this run
 * @param failed those of them that say why their input could not be used
 * @param resumed rows that an earlier run had written
 * @param cancelled whether it was ended before its inputs were
 * @param elapsed from the start to the end of this run
 */
public record Summary(long rows, long failed, long resumed, boolean cancelled, Duration elapsed) {
  /** Rows of this run for each second of it. */
  public double perSecond() {
    return rows / Math.max(elapsed.toNanos() / 1e9, 1e-9);
  }
}
