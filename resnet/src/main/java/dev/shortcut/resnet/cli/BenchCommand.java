package dev.shortcut.resnet.cli;

import dev.shortcut.engine.Benchmark;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Measurement;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Peak;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.Overrides;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "bench",
    header = "Measure throughput and latency.",
    description = {
      "%nRuns batches of made-up images through networks with random weights and takes their times: images per second over all"
          + " slots, percentiles of the time that one batch takes, floating-point operations per second (counted on the network as"
          + " defined, a multiply-add being two), and which share that is of the peak. A CPU's peak is the best rate that it reaches"
          + " on single large layers with the same backend, precision, threads and slots; a GPU's follows from its clock and its"
          + " multiprocessors. The roofline of a GPU is the most images per second that arithmetic and memory allow together, kernel"
          + " by kernel.%n",
      "Decoding of pictures is not measured. On a machine that does other things meanwhile the numbers mean little.%n"
    },
    footer = {
      "%nExamples:",
      "  shortcut bench --model resnet50 --batch 1,8,32",
      "  shortcut bench --model resnet18,resnet34,resnet50 --batch 1 --seconds 10 --format csv"
    })
final class BenchCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private NetworksOption networks = new NetworksOption();

  @Option(
      names = "--batch",
      paramLabel = "N",
      split = ",",
      converter = DeviceOptions.Count.class,
      description = "Images that run at once. Default: ${DEFAULT-VALUE}.",
      defaultValue = "1,8,32")
  private List<Integer> batches = List.of();

  @Option(
      names = "--seconds",
      paramLabel = "S",
      description =
          "How long each line is measured, after a fifth of that to warm up. Default: ${DEFAULT-VALUE}.",
      defaultValue = "5",
      converter = DeviceOptions.Count.class)
  private int seconds = 5;

  @Mixin private DeviceOptions device = new DeviceOptions();

  @Mixin private PlanCacheOption plans = new PlanCacheOption();

  @Mixin private FormatOption format = new FormatOption();

  BenchCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException {
    Options base = device.options().withPlanCache(plans.folder());
    console.message("finding the machine's peak");
    Peak peak = BreakOff.atItsEnd(() -> Peak.of(base), Thread.currentThread()::interrupt, _ -> {});
    console.message(
        "peak %.1f GFLOP/s, of %s".formatted(peak.flopsPerSecond() / 1e9, peak.origin()));
    Table table =
        new Table()
            .column("network", "network")
            .column("batch", "batch")
            .column("images/s", "images_per_second", 2)
            .column("p50 ms", "latency_p50_ms", 2)
            .column("p90 ms", "latency_p90_ms", 2)
            .column("p99 ms", "latency_p99_ms", 2)
            .column("max ms", "latency_max_ms", 2)
            .column("batches", "batches")
            .column("GFLOP/s", "gflops_per_second", 1)
            .column("% of peak", "percent_of_peak", 1);
    if (peak.roofline().isPresent()) {
      table.column("% of roofline", "percent_of_roofline", 1);
    }
    String backend = "";
    for (Architecture network : networks.chosen()) {
      for (int batch : batches) {
        // An engine of its own for each line: a smaller batch of a larger engine would share its
        // buffers' layout.
        try (ImageModel model = ImageModel.random(network, 0, Overrides.NONE);
            Engine engine =
                OpenEngine.of(
                    model, model.toString(), base.withMaxBatch(batch), device.explain(), console)) {
          backend = engine.backend();
          add(network.name(), measure(engine, batch, peak), table);
        }
      }
    }
    print(table, backend, peak, base);
    return ExitCodes.OK;
  }

  private Measurement measure(Engine engine, int batch, Peak peak) throws InterruptedException {
    return Benchmark.of(engine)
        .batch(batch)
        .warmUp(Duration.ofMillis(200L * seconds))
        .rounds(3)
        .atLeast(Duration.ofSeconds(seconds))
        .peak(peak)
        .run();
  }

  private static void add(String network, Measurement m, Table table) {
    List<Object> row = new ArrayList<>();
    Collections.addAll(
        row,
        network,
        m.batch(),
        m.imagesPerSecond(),
        millis(m.latency(50)),
        millis(m.latency(90)),
        millis(m.latency(99)),
        millis(m.latency(100)),
        m.latencies().size(),
        m.flopsPerSecond() / 1e9,
        100 * m.shareOfPeak().orElse(0));
    m.shareOfRoofline().ifPresent(share -> row.add(100 * share));
    table.row(row.toArray());
  }

  private static double millis(Duration duration) {
    return duration.toNanos() / 1e6;
  }

  private void print(Table table, String backend, Peak peak, Options options) {
    if (format.chosen() != Format.JSON) {
      console.print(table.in(format.chosen()));
      return;
    }
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("backend", backend);
    all.put("precision", options.precision().toString());
    all.put("slots", options.slots());
    all.put("threads_per_slot", options.threads());
    all.put("java", Runtime.version().toString());
    all.put("peak_gflops_per_second", peak.flopsPerSecond() / 1e9);
    peak.bytesPerSecond().ifPresent(bytes -> all.put("peak_gigabytes_per_second", bytes / 1e9));
    all.put("peak_origin", peak.origin());
    all.put("measurements", table.objects());
    console.print(Table.json(all));
  }
}
