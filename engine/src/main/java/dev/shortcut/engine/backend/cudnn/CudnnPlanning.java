package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.cudnn.CudnnException;
import dev.shortcut.bindings.cudnn.DeviceProperties;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.nvidia.Finding;
import dev.shortcut.bindings.nvidia.PlanningLibraries;
import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.EnginePlan;
import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.MemoryReport;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.PlanReport;
import dev.shortcut.engine.PlannedKernel;
import dev.shortcut.engine.Planning;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Node;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Lowers a graph for a GPU that is described and not there. The graph is lowered again and again:
 * each time what was not known yet is taken to have a plan, and is then planned, several kernels at
 * a time; so that in the end exactly those kernels are planned that an engine on such a GPU plans.
 */
public final class CudnnPlanning {
  private final PlanningLibraries libraries;
  private final Planning planning;
  private final Graph graph;
  private final Arithmetic arithmetic;
  private final @Nullable PlanCache cache;
  private final Map<CudnnKernel, Planner.Outcome> outcomes = new HashMap<>();
  private boolean doubting;

  private CudnnPlanning(
      PlanningLibraries libraries,
      Planning planning,
      Graph graph,
      Arithmetic arithmetic,
      @Nullable PlanCache cache) {
    this.cache = cache;
    this.libraries = libraries;
    this.planning = planning;
    this.graph = graph;
    this.arithmetic = arithmetic;
  }

  /**
   * Plans.
   *
   * @param graph what is to be computed, after passes
   * @throws DeviceUnavailableException if cuDNN is missing, or refuses the description or the
   *     precision
   * @throws UncheckedIOException if the options name a folder for plans that cannot be used
   * @throws InterruptedException once the plans in the making are made
   */
  public static PlanReport run(Planning planning, Graph graph) throws InterruptedException {
    long start = System.nanoTime();
    Options options = planning.options();
    CudnnBackend.unsupported(options.precision(), List.of())
        .ifPresent(reason -> {
          throw new DeviceUnavailableException(
              "there are no plans in %s: %s".formatted(options.precision(), reason));
        });
    PlanningLibraries libraries = libraries();
    PlanCache cache = cache(options.planCache(), libraries);
    var run =
        new CudnnPlanning(libraries, planning, graph, Arithmetic.of(options.precision()), cache);
    try {
      run.planAll();
    } finally {
      // Also what was made before an interrupt is kept.
      if (cache != null) {
        cache.finish("%s for %s".formatted(graph.name(), planning.gpu().name()));
      }
    }
    if (cache != null && cache.failure().isPresent()) {
      throw unusable(options.planCache(), cache.failure().get());
    }
    return run.report(System.nanoTime() - start);
  }

  private static PlanningLibraries libraries() {
    try {
      return PlanningLibraries.open();
    } catch (LibraryException e) {
      throw new DeviceUnavailableException(
          "planning for a GPU needs cuDNN, which makes the plans, and cuBLASLt. " + e.getMessage(),
          e);
    }
  }

  /**
   * Who plans wants the plans to be kept: other than for an engine it is no use without. Those of
   * an incomplete set of libraries are not what a GPU's own set would take.
   */
  private static @Nullable PlanCache cache(@Nullable Path folder, PlanningLibraries libraries) {
    if (folder == null) {
      return null;
    }
    try {
      PlanCache cache = PlanCache.open(folder, PlanCache.Limits.DEFAULT);
      if (!libraries.missing().isEmpty()) {
        cache.keepNothing(
            libraries.missing().stream().map(Finding::name).collect(Collectors.joining(" and ")));
      }
      return cache;
    } catch (IOException e) {
      throw unusable(folder, e);
    }
  }

  private static UncheckedIOException unusable(@Nullable Path folder, IOException cause) {
    return new UncheckedIOException(
        new IOException("plans cannot be kept in %s: %s".formatted(folder, cause), cause));
  }

  private void planAll() throws InterruptedException {
    while (true) {
      Lowered lowered = lower(0);
      if (!lowered.unknown().isEmpty()) {
        plan(List.copyOf(lowered.unknown()));
      } else if (lowered.refused().isEmpty() || !doubtKeptRefusals()) {
        return;
      }
    }
  }

  /** That a network has no plan is not said on the strength of what was kept. */
  private boolean doubtKeptRefusals() {
    doubting = true;
    return Planner.removeKeptRefusals(outcomes);
  }

  private void plan(List<CudnnKernel> kernels) throws InterruptedException {
    int known = outcomes.size();
    int total = known + kernels.size();
    List<Planner.Outcome> planned =
        plan(
            libraries.cudnn(),
            planning.gpu(),
            kernels,
            planning.threads(),
            cache,
            doubting,
            done -> planning.progress().accept(new Planning.Progress(known + done, total)));
    for (int i = 0; i < kernels.size(); i++) {
      outcomes.put(kernels.get(i), planned.get(i));
    }
  }

  /** Told how many of the kernels are done, by one thread at a time. */
  @FunctionalInterface
  interface Done {
    void kernels(int done);
  }

  /**
   * What comes of looking for plans for a device that is described, in the kernels' order. Each
   * thread has descriptors of its own.
   */
  static List<Planner.Outcome> plan(
      Cudnn cudnn,
      GpuDescription gpu,
      List<CudnnKernel> kernels,
      int threads,
      @Nullable PlanCache cache,
      boolean doubting,
      Done progress)
      throws InterruptedException {
    var work = new Work(cudnn, gpu, kernels, cache, doubting, progress);
    List<Thread> workers = new ArrayList<>();
    for (int i = 0; i < Math.min(threads, kernels.size()); i++) {
      workers.add(Thread.ofPlatform().name("shortcut-plan-" + i).daemon().start(work));
    }
    boolean interrupted = false;
    for (Thread worker : workers) {
      while (true) {
        try {
          worker.join();
          break;
        } catch (InterruptedException _) {
          // What a thread is making it finishes, since nobody else could free it.
          interrupted = true;
          work.stop();
        }
      }
    }
    if (interrupted) {
      throw new InterruptedException("planning was interrupted");
    }
    return work.outcomes();
  }

  /** Kernels that several threads take one after another. */
  private static final class Work implements Runnable {
    private final Cudnn cudnn;
    private final GpuDescription gpu;
    private final List<CudnnKernel> kernels;
    private final @Nullable PlanCache cache;
    private final boolean doubting;
    private final Done progress;
    private final Planner.Outcome[] outcomes;
    private int next;
    private int done;
    private @Nullable RuntimeException failure;

    Work(
        Cudnn cudnn,
        GpuDescription gpu,
        List<CudnnKernel> kernels,
        @Nullable PlanCache cache,
        boolean doubting,
        Done progress) {
      this.cudnn = cudnn;
      this.gpu = gpu;
      this.kernels = kernels;
      this.cache = cache;
      this.doubting = doubting;
      this.progress = progress;
      this.outcomes = new Planner.Outcome[kernels.size()];
    }

    @Override
    public void run() {
      try (var owner = new Closer()) {
        var planner = new Planner(cudnn, properties(owner), cache);
        if (doubting) {
          planner.doubtKeptRefusals();
        }
        for (int i = take(); i >= 0; i = take()) {
          finished(i, planner.plan(kernels.get(i)));
        }
      } catch (RuntimeException e) {
        failed(e);
      }
    }

    private DeviceProperties properties(Closer owner) {
      try {
        return DeviceProperties.fromJson(cudnn, owner, gpu.json());
      } catch (CudnnException e) {
        throw new DeviceUnavailableException(
            "%s refuses the description of %s: %s".formatted(cudnn, gpu.name(), e.reason()), e);
      }
    }

    private synchronized int take() {
      return next < kernels.size() ? next++ : -1;
    }

    private synchronized void finished(int index, Planner.Outcome outcome) {
      outcomes[index] = outcome;
      done++;
      progress.kernels(done);
    }

    private synchronized void failed(RuntimeException e) {
      stop();
      if (failure == null) {
        failure = e;
      } else {
        failure.addSuppressed(e);
      }
    }

    synchronized void stop() {
      next = kernels.size();
    }

    synchronized List<Planner.Outcome> outcomes() {
      if (failure != null) {
        throw failure;
      }
      return List.of(outcomes);
    }
  }

  /** A lowering with what is known so far. */
  private Lowered lower(long productBytes) {
    var device = new DescribedDevice(outcomes, productBytes);
    List<Program> programs = new ArrayList<>();
    // The largest batch first, as an engine does.
    for (int batch : planning.batchSizes().reversed()) {
      programs.addFirst(new Lowering(graph, batch, planning.options(), arithmetic, device).lower());
    }
    return new Lowered(programs, device.constants().bytes(), device.unknown(), device.refused());
  }

  /**
   * What a lowering made.
   *
   * @param constants bytes of the weights
   * @param unknown kernels that were taken to have a plan
   * @param refused nodes without an implementation, and why
   */
  private record Lowered(
      List<Program> programs,
      long constants,
      SequencedSet<CudnnKernel> unknown,
      Map<Refusal, String> refused) {}

  private PlanReport report(long nanos) {
    Lowered lowered = lower(0);
    boolean complete = lowered.refused().isEmpty();
    return new PlanReport(
        Cudnn.text(libraries.cudnn().version()),
        planning.gpu(),
        planning.options().precision(),
        lowered.programs().stream().flatMap(program -> kernels(program, lowered)).toList(),
        complete ? memory(lowered) : null,
        complete ? memory(lower(Planner.WORKSPACE_LIMIT)) : null,
        libraries.missing().stream().map(Finding::toString).toList(),
        Duration.ofNanos(nanos));
  }

  private MemoryReport memory(Lowered lowered) {
    int largest = planning.batchSizes().getLast();
    return new MemoryReport(
        lowered.constants(),
        Program.arenaBytes(lowered.programs(), largest),
        0,
        Program.stagingBytes(graph, planning.options(), largest),
        planning.options().slots());
  }

  private static Stream<PlannedKernel> kernels(Program program, Lowered lowered) {
    Map<String, Program.Step> mainSteps = new HashMap<>();
    for (Program.Step step : program.steps()) {
      mainSteps.putIfAbsent(step.node(), step);
    }
    return program.kernels().stream()
        .map(kernel -> {
          String refusal = lowered.refused().get(new Refusal(kernel.node(), kernel.batch()));
          return refusal == null
              ? kernel(kernel, mainSteps.get(kernel.node().name()))
              : new PlannedKernel(
                  kernel.node(),
                  kernel.batch(),
                  PlannedKernel.Kind.NONE,
                  kernel.node().layer().description(),
                  refusal,
                  null);
        });
  }

  private static PlannedKernel kernel(KernelReport report, Program.@Nullable Step step) {
    return switch (step) {
      case Program.Planned planned ->
          row(
              report,
              planned.kernel() instanceof CudnnKernel.Convolution
                  ? PlannedKernel.Kind.CONVOLUTION
                  : PlannedKernel.Kind.POOLING,
              planned.kernel().toString(),
              planned.plan().report());
      case Program.Legacy legacy ->
          row(report, PlannedKernel.Kind.CONVOLUTION, legacy.kernel().toString(), null);
      case Program.Product product ->
          row(report, PlannedKernel.Kind.PRODUCT, product.product().toString(), null);
      case Program.Launch launch ->
          row(report, PlannedKernel.Kind.OWN, launch.function() + " " + launch.purpose(), null);
      case null -> throw new IllegalStateException("no step for " + report.node());
    };
  }

  private static PlannedKernel row(
      KernelReport report, PlannedKernel.Kind kind, String operation, @Nullable EnginePlan plan) {
    return new PlannedKernel(
        report.node(), report.batch(), kind, operation, report.implementation(), plan);
  }

  /** A node that has no implementation at a batch size. */
  private record Refusal(Node node, int batch) {}

  /** Answers a lowering from what is known so far. */
  private static final class DescribedDevice implements Choices {
    private static final Planner.Outcome ASSUMED = new Planner.Found(Plan.assumed());

    private final Map<CudnnKernel, Planner.Outcome> known;
    private final long productBytes;
    private final Constants constants = new Constants();
    private final SequencedSet<CudnnKernel> unknown = new LinkedHashSet<>();
    private final Map<Refusal, String> refused = new LinkedHashMap<>();

    /**
     * A device.
     *
     * @param productBytes scratch space that matrix products are taken to need
     */
    DescribedDevice(Map<CudnnKernel, Planner.Outcome> known, long productBytes) {
      this.known = known;
      this.productBytes = productBytes;
    }

    SequencedSet<CudnnKernel> unknown() {
      return unknown;
    }

    Map<Refusal, String> refused() {
      return refused;
    }

    @Override
    public Planner.Outcome plan(CudnnKernel kernel) {
      Planner.Outcome outcome = known.get(kernel);
      if (outcome == null) {
        unknown.add(kernel);
        return ASSUMED;
      }
      return outcome;
    }

    @Override
    public LegacyConvolutions.Answer legacy(CudnnKernel.Convolution kernel) {
      return new LegacyConvolutions.Unknown();
    }

    @Override
    public Products.Choice choose(MatrixProduct product) {
      return new Products.Choice(0, productBytes, "cuBLASLt, which chooses on the device", "");
    }

    @Override
    public Constants constants() {
      return constants;
    }

    @Override
    public RuntimeException failed(String attempted, RuntimeException cause) {
      return new IllegalStateException(attempted, cause);
    }

    @Override
    public void refused(Node node, int batch, ModelException why) {
      refused.put(new Refusal(node, batch), String.valueOf(why.getMessage()));
    }
  }
}
