package dev.shortcut.benchmarks;

import ai.onnxruntime.OrtException;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Peak;
import dev.shortcut.engine.cost.CostReport;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.weights.RandomWeights;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import org.openjdk.jmh.util.Statistics;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Runs one network side by side in Shortcut and in ONNX Runtime: same graph, weights, images,
 * threads and precision, each engine with buffers bound as it likes them best.
 */
@Command(
    name = "peers",
    description =
        "Compares Shortcut with ONNX Runtime on the same network, weights and number of threads,"
            + " by turns in one process.",
    showDefaultValues = true,
    mixinStandardHelpOptions = true)
final class Peers implements Callable<Integer> {
  @Option(names = "--model", defaultValue = "resnet50", description = "The network.")
  private String model = "";

  @Option(
      names = "--batch",
      split = ",",
      defaultValue = "1,8,32",
      description = "Batch sizes, in images.")
  private List<Integer> batches = List.of();

  @Option(
      names = "--threads",
      defaultValue = "0",
      description = "Threads of each engine; 0: the machine's processors.")
  private int threads;

  @Option(names = "--rounds", defaultValue = "20", description = "Pairs of turns per batch size.")
  private int rounds;

  @Option(names = "--turn", defaultValue = "1", description = "Seconds of one turn, about.")
  private double turn;

  @Option(names = "--warm-up", defaultValue = "3", description = "Seconds of warm-up per engine.")
  private double warmUp;

  @Override
  public Integer call() throws Exception {
    PrintStream out = System.out;
    Graph graph = Architecture.parse(model).graph();
    Options options =
        Fixture.options().withThreadsPerSlot(threads).withMaxBatch(Collections.max(batches));
    Peak peak = Peak.of(options);
    try (var weights = new RandomWeights(graph, Fixture.SEED);
        var peer = new OnnxSession(graph, weights, options.threads(), null);
        var engine = Engine.open(Model.of(graph, weights), options)) {
      check(engine, peer);
      long flops = CostReport.of(graph, options.precision()).total().flops();
      out.printf(
          "%s, %s, %s, weights %s, %d threads, %.3f GFLOP per image%n",
          model,
          graph.input().shape(),
          options.precision(),
          weights.description(),
          options.threads(),
          flops / 1e9);
      out.printf("Shortcut: %s%n", engine.backend());
      out.printf("peer: %s%n", peer.description());
      out.printf("peak: %.1f GFLOP/s (%s)%n", peak.flopsPerSecond() / 1e9, peak.origin());
      out.printf(
          "%n%5s  %-8s %9s %8s %8s %8s %8s %8s %9s %6s %12s%n",
          "batch",
          "engine",
          "images/s",
          "p10 ms",
          "p50 ms",
          "p90 ms",
          "p99 ms",
          "cpu ms",
          "GFLOP/s",
          "peak",
          "bytes/batch");
      for (int batch : batches) {
        PairedRun run = measure(engine, peer, batch);
        print(out, batch, "Shortcut", run.first(), flops, peak);
        print(out, batch, "peer", run.second(), flops, peak);
        Statistics ratio = run.ratio();
        out.printf(
            "%5d  Shortcut runs %.3f times as many images/s (median of %d pairs; quartiles %.3f and %.3f)%n%n",
            batch,
            ratio.getPercentile(50),
            ratio.getN(),
            ratio.getPercentile(25),
            ratio.getPercentile(75));
      }
    }
    return CommandLine.ExitCode.OK;
  }

  /** Speed is compared only where the results agree. */
  private static void check(Engine engine, OnnxSession peer)
      throws OrtException, InterruptedException {
    float[] images = Fixture.images(engine.inputShape(), 2);
    double error = Agreement.relativeError(peer.run(images), engine.run(images));
    if (!(error <= Agreement.BOUND)) {
      throw new IllegalStateException(
          "%s and %s are %g apart, which is more than %g: not comparing their speed"
              .formatted(engine, peer.description(), error, Agreement.BOUND));
    }
  }

  private PairedRun measure(Engine engine, OnnxSession peer, int batch) throws Exception {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment images =
          arena.allocateFrom(ValueLayout.JAVA_FLOAT, Fixture.images(engine.inputShape(), batch));
      MemorySegment results =
          arena.allocate(ValueLayout.JAVA_FLOAT, (long) batch * engine.outputElements());
      try (OnnxSession.Batch bound = peer.bind(images, results, batch)) {
        return PairedRun.measure(
            () -> engine.run(images, results, batch),
            bound::run,
            seconds(warmUp),
            rounds,
            seconds(turn));
      }
    }
  }

  private static void print(
      PrintStream out, int batch, String name, PairedRun.Times times, long flops, Peak peak) {
    Statistics nanos = times.nanos();
    double imagesPerSecond = batch * 1e9 / nanos.getPercentile(50);
    out.printf(
        "%5d  %-8s %9.2f %8.2f %8.2f %8.2f %8.2f %8.2f %9.1f %5.1f%% %12.1f%n",
        batch,
        name,
        imagesPerSecond,
        nanos.getPercentile(10) / 1e6,
        nanos.getPercentile(50) / 1e6,
        nanos.getPercentile(90) / 1e6,
        nanos.getPercentile(99) / 1e6,
        times.cpuNanosPerBatch() / 1e6,
        imagesPerSecond * flops / 1e9,
        100 * imagesPerSecond * flops / peak.flopsPerSecond(),
        times.allocatedPerBatch());
  }

  private static Duration seconds(double seconds) {
    return Duration.ofNanos(Math.round(seconds * 1e9));
  }
}
