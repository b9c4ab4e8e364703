package dev.shortcut.engine;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What a {@link Benchmark} found. Rates are over the whole time from the first batch's start to the
 * last one's end; latencies are what a caller waited for a batch, leasing and handing over
 * included.
 *
 * @param batch images of each batch
 * @param callers threads that ran batches at the same time
 * @param elapsed time for all batches together
 * @param latencies one for each batch, ascending
 * @param flopsPerImage floating-point operations of one image, a multiplication and an addition
 *     counting as two, of the convolutions and linear layers of the graph before passes
 * @param peak what the rates are compared with, if anything
 * @param rooflineImagesPerSecond the most images per second that arithmetic and memory allow
 *     together, kernel by kernel; empty where the memory's peak is not known
 */
public record Measurement(
    int batch,
    int callers,
    Duration elapsed,
    List<Duration> latencies,
    long flopsPerImage,
    Optional<Peak> peak,
    OptionalDouble rooflineImagesPerSecond) {
  /** Sorts the latencies and checks that something was measured. */
  public Measurement {
    latencies = latencies.stream().sorted().toList();
    if (latencies.isEmpty() || !elapsed.isPositive()) {
      throw new IllegalArgumentException(
          "a measurement needs at least one batch and some time, but has %d in %s"
              .formatted(latencies.size(), elapsed));
    }
  }

  /** Images that ran. */
  public long images() {
    return (long) batch * latencies.size();
  }

  /** Throughput. */
  public double imagesPerSecond() {
    return images() / seconds(elapsed);
  }

  /** Floating-point operations per second that this throughput amounts to. */
  public double flopsPerSecond() {
    return imagesPerSecond() * flopsPerImage;
  }

  /**
   * {@link #flopsPerSecond} as a part of the peak, 1 being all of it; empty if no peak was
   * measured.
   */
  public OptionalDouble shareOfPeak() {
    return peak.isEmpty()
        ? OptionalDouble.empty()
        : OptionalDouble.of(flopsPerSecond() / peak.get().flopsPerSecond());
  }

  /**
   * {@link #imagesPerSecond} as a part of what arithmetic and memory allow, 1 being all of it;
   * empty where that is not known.
   */
  public OptionalDouble shareOfRoofline() {
    return rooflineImagesPerSecond.isEmpty()
        ? OptionalDouble.empty()
        : OptionalDouble.of(imagesPerSecond() / rooflineImagesPerSecond.getAsDouble());
  }

  /**
   * The latency that {@code percent} percent of the batches did not exceed: the nearest rank, so
   * that it is one that was measured. 50 is the median, 0 the smallest, 100 the largest.
   */
  public Duration latency(double percent) {
    if (!(percent >= 0 && percent <= 100)) {
      throw new IllegalArgumentException("a percentile is from 0 to 100, not " + percent);
    }
    int rank = (int) Math.ceil(percent / 100 * latencies.size());
    return latencies.get(Math.max(rank, 1) - 1);
  }

  /** The mean latency. */
  public Duration meanLatency() {
    return latencies.stream().reduce(Duration.ZERO, Duration::plus).dividedBy(latencies.size());
  }

  static double seconds(Duration duration) {
    return duration.toNanos() / 1e9;
  }
}
