package dev.shortcut.engine;

import dev.shortcut.engine.backend.Backend;
import dev.shortcut.engine.backend.Backends;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.pass.Passes;
import dev.shortcut.engine.session.BatchSizes;
import java.util.List;
import java.util.function.Consumer;

/**
 * Plans a network for a GPU that need not be there, by the same code that an engine on such a GPU
 * uses. Needs cuDNN on this machine, and no weights. Immutable.
 *
 * <pre>{@code
 * PlanReport report =
 *     Planning.of(graph, GpuDescription.known("h100"), Options.defaults().withPrecision(FP16))
 *         .withBatchSizes(List.of(32))
 *         .run();
 * }</pre>
 *
 * @param graph the network as defined, before any pass
 * @param gpu what to plan for
 * @param options of the engine that is planned for: precision, input, output and slots matter, and
 *     the folder in which plans are kept
 * @param batchSizes in images, ascending
 * @param threads how many plans are made at the same time
 * @param progress told after each plan, by one thread at a time
 */
public record Planning(
    Graph graph,
    GpuDescription gpu,
    Options options,
    List<Integer> batchSizes,
    int threads,
    Consumer<Progress> progress) {
  /**
   * How far planning has come.
   *
   * @param done kernels that were planned
   * @param total kernels known of so far; refusals may make it grow
   */
  public record Progress(int done, int total) {}

  /** Checks the numbers. */
  public Planning {
    batchSizes = batchSizes.stream().sorted().distinct().toList();
    if (batchSizes.isEmpty() || batchSizes.getFirst() < 1 || threads < 1) {
      throw new IllegalArgumentException(
          "bad planning: batch sizes %s, %d threads".formatted(batchSizes, threads));
    }
  }

  /**
   * Planning for the batch sizes that an engine with these options has, 1, 2, 4 and so on up to the
   * largest, on all processors.
   */
  public static Planning of(Graph graph, GpuDescription gpu, Options options) {
    return new Planning(
        graph,
        gpu,
        options,
        new BatchSizes(options.maxBatch(), Backend.Tail.PAD).all(),
        Runtime.getRuntime().availableProcessors(),
        _ -> {});
  }

  /** The same for other batch sizes. */
  public Planning withBatchSizes(List<Integer> value) {
    return new Planning(graph, gpu, options, value, threads, progress);
  }

  /** The same on so many threads. */
  public Planning withThreads(int value) {
    return new Planning(graph, gpu, options, batchSizes, value, progress);
  }

  /** The same, telling somebody how far it has come. */
  public Planning withProgress(Consumer<Progress> value) {
    return new Planning(graph, gpu, options, batchSizes, threads, value);
  }

  /**
   * Does it. Kernels that have no implementation are reported, not thrown.
   *
   * @throws DeviceUnavailableException if cuDNN is missing, naming what to install, or if it
   *     refuses the description of the GPU
   * @throws IllegalArgumentException if the options do not fit the graph
   * @throws java.io.UncheckedIOException if the options name a folder for plans and it cannot be
   *     used: other users can write it, or this one cannot
   * @throws InterruptedException if interrupted; plans that were being made are finished first
   */
  public PlanReport run() throws InterruptedException {
    Engine.checkInput(graph, options.input());
    Graph wanted = Engine.wanted(graph, options);
    return Backends.plan(this, Passes.trace(wanted, Passes.all(Layout.NHWC)).getLast().after());
  }
}
