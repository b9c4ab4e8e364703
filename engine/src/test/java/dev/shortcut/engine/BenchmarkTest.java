package dev.shortcut.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.testing.TestSeed;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BenchmarkTest {
  private static Measurement measurement(int batch, int callers, Duration elapsed, int... millis) {
    return new Measurement(
        batch,
        callers,
        elapsed,
        IntStream.of(millis).mapToObj(Duration::ofMillis).toList(),
        5_000_000,
        Optional.of(new Peak(4e9, OptionalDouble.empty(), "a layer")),
        OptionalDouble.of(80));
  }

  @Test
  void ratesAreOverTheWholeTime() {
    Measurement m = measurement(32, 2, Duration.ofSeconds(2), 900, 1000, 1100, 800);
    assertEquals(128, m.images());
    assertEquals(64, m.imagesPerSecond());
    assertEquals(320e6, m.flopsPerSecond());
    assertEquals(0.08, m.shareOfPeak().getAsDouble(), 1e-15);
    assertEquals(0.8, m.shareOfRoofline().getAsDouble(), 1e-15);
    assertEquals(Duration.ofMillis(950), m.meanLatency());
  }

  @Test
  void percentilesAreNearestRanks() {
    Measurement m =
        measurement(
            1, 1, Duration.ofSeconds(1), IntStream.rangeClosed(1, 20).map(i -> 21 - i).toArray());
    assertEquals(Duration.ofMillis(1), m.latency(0));
    assertEquals(Duration.ofMillis(1), m.latency(5));
    assertEquals(Duration.ofMillis(2), m.latency(5.1));
    assertEquals(Duration.ofMillis(10), m.latency(50));
    assertEquals(Duration.ofMillis(19), m.latency(95));
    assertEquals(Duration.ofMillis(20), m.latency(99));
    assertEquals(Duration.ofMillis(20), m.latency(100));
    assertThrows(IllegalArgumentException.class, () -> m.latency(101));
    assertThrows(IllegalArgumentException.class, () -> m.latency(Double.NaN));
  }

  @Test
  void aMeasurementOfNothingIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> measurement(1, 1, Duration.ofSeconds(1)));
    assertThrows(IllegalArgumentException.class, () -> measurement(1, 1, Duration.ZERO, 1));
  }

  private static Engine open(Options options) {
    return open(BackendUnderTest.REFERENCE, options);
  }

  private static Engine open(BackendUnderTest backend, Options options) {
    var g = new GraphBuilder("tiny", new Shape(3, 8, 8));
    Node x = g.convBnRelu("conv", "bn", "relu", g.input(), new Layer.Convolution(4, 3, 1, 1));
    Graph graph = g.build(g.add("fc", new Layer.Linear(10, true), x));
    MapWeights weights = MapWeights.integers(graph, TestSeed.random("BenchmarkTest"));
    return backend.open(graph, weights, options.withThreadsPerSlot(1));
  }

  @Test
  void everySlotRunsEveryRoundAndFlopsAreThoseOfTheGraphAsDefined() throws InterruptedException {
    try (Engine engine = open(Options.defaults().withSlots(2).withMaxBatch(4))) {
      Measurement m = Benchmark.of(engine).batch(5).warmUp(Duration.ZERO).rounds(3).run();
      assertEquals(5, m.batch());
      assertEquals(2, m.callers());
      assertEquals(6, m.latencies().size());
      assertEquals(2 * (8 * 8 * 4 * 3 * 9 + 8 * 8 * 4 * 10), m.flopsPerImage());
      assertTrue(m.shareOfPeak().isEmpty());
      assertTrue(m.shareOfRoofline().isEmpty());
      assertFalse(m.latency(100).compareTo(m.elapsed()) > 0);
    }
  }

  @Test
  void whatIsNotComputedIsNotCounted() throws InterruptedException {
    Options features =
        Options.defaults()
            .withOutput(Options.Output.FEATURES)
            .withInput(new InputFormat.Uint8Nhwc(List.of(0.5, 0.5, 0.5), List.of(1., 1., 1.)));
    try (Engine engine = open(features)) {
      Measurement m =
          Benchmark.of(engine)
              .batch(1)
              .warmUp(Duration.ZERO)
              .rounds(1)
              .peak(new Peak(1e12, OptionalDouble.of(1e3), "a layer"))
              .run();
      assertEquals(2 * 8 * 8 * 4 * 3 * 9, m.flopsPerImage());
      assertEquals(m.flopsPerSecond() / 1e12, m.shareOfPeak().getAsDouble());
      // So slow a memory decides alone: weights and biases, the image, the output.
      assertEquals(
          m.imagesPerSecond() * 4 * (4 * 27 + 4 + 3 * 64 + 4 * 64) / 1e3,
          m.shareOfRoofline().getAsDouble(),
          1e-9 * m.imagesPerSecond());
    }
  }

  @Test
  void aRoundGoesOnUntilTheTimeIsFull() throws InterruptedException {
    try (Engine engine = open(Options.defaults())) {
      Measurement m =
          Benchmark.of(engine)
              .batch(1)
              .warmUp(Duration.ZERO)
              .rounds(1)
              .atLeast(Duration.ofMillis(50))
              .run();
      assertTrue(m.elapsed().toMillis() >= 50, m::toString);
    }
  }

  @ParameterizedTest
  @EnumSource
  void theProfileNamesEveryKernelWithItsFlops(BackendUnderTest backend)
      throws InterruptedException {
    try (Engine engine = open(backend, Options.defaults().withMaxBatch(4))) {
      List<KernelTime> kernels =
          Benchmark.of(engine).batch(5).warmUp(Duration.ZERO).rounds(2).profile();
      List<String> names = kernels.stream().map(KernelTime::name).toList();
      assertEquals(List.of("input", "conv", "fc"), names.subList(0, 3));
      // On a GPU results are converted by a kernel of their own.
      assertEquals(
          engine.devices().isEmpty() ? List.of() : List.of("output"),
          names.subList(3, names.size()));
      assertEquals(5 * 2 * 8 * 8 * 4 * 3 * 9, kernels.get(1).flops());
      assertEquals(5 * 2 * 8 * 8 * 4 * 10, kernels.get(2).flops());
      assertTrue(kernels.get(1).flopsPerSecond() > 0);
    }
  }

  @Test
  void aKernelsRateIsItsFlopsOverItsTime() {
    assertEquals(2e9, new KernelTime("conv", Duration.ofMillis(3), 6_000_000).flopsPerSecond());
    assertEquals(0, new KernelTime("input", Duration.ZERO, 0).flopsPerSecond());
  }

  @Test
  void aClosedEngineFailsTheBenchmark() {
    Engine engine = open(Options.defaults());
    Benchmark benchmark = Benchmark.of(engine).batch(1);
    engine.close();
    assertThrows(IllegalStateException.class, benchmark::run);
  }
}
