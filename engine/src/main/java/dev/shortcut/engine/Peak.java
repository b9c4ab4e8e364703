package dev.shortcut.engine;

import dev.shortcut.engine.backend.Backend;
import dev.shortcut.engine.backend.Backends;
import dev.shortcut.engine.cost.Roofline;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.graph.Weights;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Collectors;

/**
 * What throughput is measured against. Of a CPU it is the best that single layers which are bound
 * by arithmetic, not by memory, were seen to reach through the same backend with the same threads
 * and slots; of GPUs what their figures allow, {@link dev.shortcut.engine.cost.GpuPeaks}.
 *
 * @param flopsPerSecond floating-point operations per second, multiplication and addition apart
 * @param bytesPerSecond bytes per second to and from the devices' memory; empty where that is not
 *     known
 * @param origin which layer reached it, or whose figures it follows from, for people
 */
public record Peak(double flopsPerSecond, OptionalDouble bytesPerSecond, String origin) {
  /** Large batches of large layers, of which a processor's caches can hold what is reused. */
  private static final List<Probe> PROBES =
      List.of(
          new Probe(
              "linear layer 2048 to 2048",
              256,
              new Shape(2048, 1, 1),
              new Layer.Linear(2048, false)),
          new Probe(
              "1x1 convolution 512 to 512 of 28x28",
              8,
              new Shape(512, 28, 28),
              new Layer.Convolution(512, 1, 1, 0)),
          new Probe(
              "3x3 convolution 256 to 256 of 28x28",
              4,
              new Shape(256, 28, 28),
              new Layer.Convolution(256, 3, 1, 1)));

  /** So small that nothing overflows, and so large that nothing is denormal. */
  private static final float WEIGHT = 0x1p-10f;

  private record Probe(String name, int batch, Shape image, Layer layer) {
    Graph graph() {
      var g = new GraphBuilder(name, image);
      return g.build(g.add("layer", layer, g.input()));
    }
  }

  /** Checks that it is a rate. */
  public Peak {
    if (!(flopsPerSecond > 0) || Double.isInfinite(flopsPerSecond)) {
      throw new IllegalArgumentException("no rate to measure against: " + flopsPerSecond);
    }
  }

  /** Both peaks, where both are known. */
  public Optional<Roofline> roofline() {
    return bytesPerSecond.isEmpty()
        ? Optional.empty()
        : Optional.of(new Roofline(flopsPerSecond, bytesPerSecond.getAsDouble()));
  }

  /**
   * The peak of the options' backend with their precision, devices, slots and threads. To measure
   * it takes some seconds and, on each slot, some ten MB.
   *
   * @throws DeviceUnavailableException if the backend cannot run here
   * @throws InterruptedException if interrupted before it is known
   */
  public static Peak of(Options options) throws InterruptedException {
    try (Backend backend = Backends.open(options).backend()) {
      Optional<Peak> figures = ofFigures(backend.devices(), options.precision());
      if (figures.isPresent()) {
        return figures.get();
      }
    }
    Peak best = null;
    for (Probe probe : PROBES) {
      Options own =
          options
              .withMaxBatch(probe.batch)
              .withInput(new InputFormat.Float32Nchw())
              .withOutput(Options.Output.LOGITS)
              .withMemoryLimit(Long.MAX_VALUE);
      Graph graph = probe.graph();
      try (Weights weights = Weights.constant(graph, WEIGHT);
          Engine engine = Engine.open(Model.of(graph, weights), own)) {
        Measurement measured =
            Benchmark.of(engine)
                .batch(probe.batch)
                .warmUp(Duration.ofMillis(200))
                .rounds(3)
                .atLeast(Duration.ofMillis(500))
                .run();
        // The fastest batch, not the mean: what disturbs the machine meanwhile lowers no peak.
        double rate =
            measured.callers()
                * (double) probe.batch
                * measured.flopsPerImage()
                / Measurement.seconds(measured.latency(0));
        if (best == null || rate > best.flopsPerSecond) {
          best = new Peak(rate, OptionalDouble.empty(), "one " + probe.name);
        }
      }
    }
    return Objects.requireNonNull(best);
  }

  /** The peak of all of these together; empty without any, or if one of them is not known. */
  private static Optional<Peak> ofFigures(List<DeviceReport> devices, Precision precision) {
    double flops = 0;
    double bytes = 0;
    for (DeviceReport device : devices) {
      Optional<Roofline> roofline = device.peaks().roofline(precision);
      if (roofline.isEmpty()) {
        return Optional.empty();
      }
      flops += roofline.get().flopsPerSecond();
      bytes += roofline.get().bytesPerSecond();
    }
    return devices.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new Peak(
                flops,
                OptionalDouble.of(bytes),
                "the figures of "
                    + devices.stream().map(DeviceReport::name).collect(Collectors.joining(", "))));
  }
}
