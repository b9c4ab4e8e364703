package dev.shortcut.engine.cost;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.Precision;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GpuPeaksTest {
  /** TFLOP/s without sparsity and GB/s as NVIDIA's data sheets and white papers print them. */
  @ParameterizedTest
  @CsvSource({
    "t4, FP32, 8.1, 320",
    "t4, TF32, 8.1, 320",
    "t4, FP16, 65, 320",
    "t4, INT8, 130, 320",
    "a10, FP32, 31.2, 600",
    "a10, TF32, 62.5, 600",
    "a10, BF16, 125, 600",
    "a100, FP32, 19.5, 2039",
    "a100, TF32, 156, 2039",
    "a100, FP16, 312, 2039",
    "a100, INT8, 624, 2039",
    "l4, FP32, 30.3, 300",
    "l4, TF32, 60, 300",
    "l4, FP16, 121, 300",
    "l4, FP8, 242.5, 300",
    "rtx5090, FP32, 104.8, 1792",
    "rtx5090, TF32, 104.8, 1792",
    "rtx5090, FP16, 209.5, 1792",
    "rtx5090, FP8, 419, 1792",
    "rtx5090, INT8, 838, 1792",
    "h100, FP32, 67, 3350",
    "h200, FP32, 67, 4800",
  })
  void peaksAreThoseOfDataSheets(String name, Precision precision, double tera, double giga) {
    GpuPeaks peaks = GpuDescription.known(name).peaks();
    assertEquals(tera * 1e12, peaks.flopsPerSecond(precision).orElse(0), 0.015 * tera * 1e12);
    assertEquals(giga * 1e9, peaks.bytesPerSecond().orElse(0), 0.03 * giga * 1e9);
  }

  /** Data sheets of these give the matrix units' rates at a clock below the peak. */
  @ParameterizedTest
  @CsvSource({
    "h100, FP16, 989.4, 1830",
    "h100, TF32, 494.7, 1830",
    "h100, FP8, 1978.9, 1830",
    "b200, BF16, 2250, 1856",
    "b200, TF32, 1125, 1856",
    "b200, FP8, 4500, 1856",
  })
  void atTheDataSheetsClockTheRatesAreIts(
      String name, Precision precision, double tera, double megahertz) {
    GpuPeaks peak = GpuDescription.known(name).peaks();
    double rate = peak.flopsPerSecond(precision).orElse(0) * megahertz * 1e6 / peak.clockHertz();
    assertEquals(tera * 1e12, rate, 0.002 * tera * 1e12);
  }

  @Test
  void byHand() {
    var peaks = new GpuPeaks("a GPU", 80, 10, 1e9, 2e9, 64);
    assertEquals(OptionalDouble.of(10 * 2048 * 1e9), peaks.flopsPerSecond(Precision.FP16));
    assertEquals(OptionalDouble.of(2e9 * 2 * 8), peaks.bytesPerSecond());
    assertEquals(Optional.of(new Roofline(10 * 2048 * 1e9, 32e9)), peaks.roofline(Precision.FP16));
  }

  @Test
  void whatIsNotThereOrNotKnownHasNoPeak() {
    assertEquals(
        OptionalDouble.empty(), GpuDescription.known("t4").peaks().flopsPerSecond(Precision.BF16));
    assertEquals(
        OptionalDouble.empty(), GpuDescription.known("a100").peaks().flopsPerSecond(Precision.FP8));
    var future = new GpuPeaks("a GPU", 999, 100, 1e9, 1e9, 64);
    assertEquals(OptionalDouble.empty(), future.flopsPerSecond(Precision.FP32));
    assertEquals(Optional.empty(), future.roofline(Precision.FP32));
    var noBus = GpuDescription.known("a100").withMemoryBusWidth(0).peaks();
    assertEquals(OptionalDouble.empty(), noBus.bytesPerSecond());
    assertEquals(Optional.empty(), noBus.roofline(Precision.FP32));
    var noClock = new GpuPeaks("a GPU", 80, 100, 0, 1e9, 64);
    assertEquals(OptionalDouble.empty(), noClock.flopsPerSecond(Precision.FP32));
  }
}
