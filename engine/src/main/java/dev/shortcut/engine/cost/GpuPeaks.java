package dev.shortcut.engine.cost;

import dev.shortcut.engine.Precision;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * The figures of a GPU that the most it can compute and move in a second follows from, present or
 * only described. A GPU under load mostly runs below its peak clock, so that data sheets name
 * somewhat lower rates: 989 TFLOP/s for an H100 in fp16, where its peak clock gives 1,071.
 *
 * @param product the vendor's name of it; what NVIDIA sells as GeForce sums into single precision
 *     at half the rate
 * @param computeCapability its generation: 90 for 9.0
 * @param multiprocessors how many it has
 * @param clockHertz their peak clock; 0 where it is not known
 * @param memoryClockHertz the memory's peak clock, data being moved twice in each of its cycles; 0
 *     where it is not known
 * @param memoryBusBits the width of the bus to its memory; 0 where it is not known
 */
public record GpuPeaks(
    String product,
    int computeCapability,
    int multiprocessors,
    double clockHertz,
    double memoryClockHertz,
    int memoryBusBits) {

  /**
   * The most floating-point operations per second, a multiplication and an addition counting as
   * two; empty for what this generation cannot do and for generations that are not known here.
   */
  public OptionalDouble flopsPerSecond(Precision precision) {
    double peak = flopsPerClock(precision) * (double) multiprocessors * clockHertz;
    return peak > 0 ? OptionalDouble.of(peak) : OptionalDouble.empty();
  }

  /** The most bytes per second to and from memory; empty where clock or width are not known. */
  public OptionalDouble bytesPerSecond() {
    double peak = memoryClockHertz * 2 * memoryBusBits / 8;
    return peak > 0 ? OptionalDouble.of(peak) : OptionalDouble.empty();
  }

  /** Both peaks; empty where one of them is not known. */
  public Optional<Roofline> roofline(Precision precision) {
    OptionalDouble flops = flopsPerSecond(precision);
    OptionalDouble bytes = bytesPerSecond();
    return flops.isEmpty() || bytes.isEmpty()
        ? Optional.empty()
        : Optional.of(new Roofline(flops.getAsDouble(), bytes.getAsDouble()));
  }

  /**
   * Operations of one multiprocessor in one cycle, dense, sums in single precision (in 32 bits for
   * int8); 0 where there are none or they are not known. From NVIDIA's white papers on the
   * architectures Turing, A100, GA102, Ada, H100, Blackwell and RTX Blackwell.
   */
  private int flopsPerClock(Precision precision) {
    int singles = singlesPerClock();
    int halves = halvesPerClock();
    boolean bfloats = computeCapability >= 80;
    boolean fp8 = computeCapability >= 89;
    return switch (precision) {
      case FP32 -> singles;
      // Before Ampere matrix units do not take single precision, and cuDNN computes it elsewhere.
      case TF32 -> bfloats ? halves / 2 : singles;
      case FP16 -> halves;
      case BF16 -> bfloats ? halves : 0;
      case FP8 -> fp8 ? 2 * halves : 0;
      // Sums are integers, which GeForce does at the full rate.
      case INT8 -> isGeForce() ? 4 * halves : 2 * halves;
    };
  }

  /** Single precision without matrix units: two for each of the FP32 lanes. */
  private int singlesPerClock() {
    return switch (computeCapability) {
      case 75, 80 -> 128;
      case 86, 89, 90, 100, 103, 120 -> 256;
      default -> 0;
    };
  }

  /** Half precision in the matrix units. */
  private int halvesPerClock() {
    int full =
        switch (computeCapability) {
          case 75, 86, 89, 120 -> 1024;
          case 80 -> 2048;
          case 90 -> 4096;
          case 100, 103 -> 8192;
          default -> 0;
        };
    return isGeForce() ? full / 2 : full;
  }

  private boolean isGeForce() {
    return product.contains("GeForce");
  }
}
