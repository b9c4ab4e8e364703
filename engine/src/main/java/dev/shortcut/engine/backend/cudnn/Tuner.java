package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.CublasException;
import dev.shortcut.bindings.cublas.MatmulPlan;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cuda.CudaStatus;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Event;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.cudnn.CudnnException;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.cudnn.ExecutionPlan;
import dev.shortcut.bindings.cudnn.VariantPack;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.backend.cudnn.CudnnKernel.Stage;
import dev.shortcut.engine.graph.Shape;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedSet;

/**
 * Replaces what cuDNN and cuBLASLt hold best by what is fastest here: runs the first few candidates
 * that may be taken in turns, several rounds of them, and takes the one with the smallest median. A
 * residual is tried before the bias and behind it. What is taken stays for as long as the model
 * lives, so that its results are the same on every run; where choices are kept, later models on
 * such a device take it without timing anything.
 *
 * <p>Buffers are its own and hold zeros. Used by the compiling thread, with the context current.
 */
final class Tuner {
  private static final Logger LOG = System.getLogger(Tuner.class.getName());

  /** Of a kernel, and of a matrix product; twice as many where there are two orders. */
  private static final int MOST_CANDIDATES = 8;

  private static final int ROUNDS = 7;

  /** Runs between two events, which tell time to about half a microsecond. */
  private static final int RUNS = 4;

  private final CudnnDevice device;

  Tuner(CudnnDevice device) {
    this.device = device;
  }

  /** A candidate made ready. */
  private interface Run {
    void enqueue();
  }

  /**
   * Something to choose.
   *
   * @param run enqueues it once
   * @param choose is told that it is taken, and what is to be said of it
   */
  private record Candidate(String name, Run run, Taking choose) {}

  private interface Taking {
    void with(String remark);
  }

  /**
   * Chooses for everything that the programs run and that was not timed on such a device before.
   * They must be made anew then.
   */
  void tune(List<Program> programs) {
    SequencedSet<CudnnKernel> kernels = new LinkedHashSet<>();
    SequencedSet<MatrixProduct> products = new LinkedHashSet<>();
    for (Program program : programs) {
      for (Program.Step step : program.steps()) {
        switch (step) {
          case Program.Planned planned -> kernels.add(planned.kernel());
          case Program.Product product -> products.add(product.product());
          case Program.Legacy _, Program.Launch _ -> {}
        }
      }
    }
    kernels.removeIf(device.planner()::isTimed);
    products.removeIf(device.products()::isTimed);
    if (kernels.isEmpty() && products.isEmpty()) {
      return;
    }
    long start = System.nanoTime();
    kernels.forEach(kernel -> tune(kernel.toString(), slot -> candidates(kernel, slot)));
    products.forEach(product -> tune(product.toString(), slot -> candidates(product, slot)));
    LOG.log(
        Level.INFO,
        "timed {0} kernels and {1} matrix products on {2} in {3} s",
        kernels.size(),
        products.size(),
        device.name(),
        String.format(Locale.ROOT, "%.1f", (System.nanoTime() - start) / 1e9));
  }

  /** What candidates of one kernel share, freed behind it. */
  private record Bench(Stream stream, CudnnHandle handle, Closer owner) {
    /** The address of zeros. */
    long zeros(CudnnDevice device, long bytes) {
      DeviceMemory memory = owner.own(device.context().allocate(Math.max(1, bytes)));
      stream.fill(memory.address(), (byte) 0, memory.bytes());
      return memory.address();
    }
  }

  private interface Candidates {
    List<Candidate> on(Bench bench);
  }

  private void tune(String what, Candidates candidates) {
    var owner = new Closer();
    try {
      Stream stream = owner.own(device.context().newStream());
      CudnnHandle handle = owner.own(device.cudnn().newHandle());
      handle.setStream(stream);
      try {
        choose(what, candidates.on(new Bench(stream, handle, owner)), stream, owner);
        stream.synchronize();
      } catch (CudaException | CudnnException | CublasException e) {
        if (e instanceof CudaException cuda && cuda.status() == CudaStatus.OUT_OF_MEMORY) {
          stream.synchronize();
          LOG.log(
              Level.WARNING,
              "{0} is not timed on {1}, where there is no memory left for that: {2}",
              what,
              device.name(),
              e.getMessage());
        } else {
          throw device.health().failed("timing " + what, e, stream);
        }
      }
    } catch (Throwable t) {
      // Of a device that is lost nothing can be freed.
      if (!device.health().isLost()) {
        owner.closeAfter(t);
      }
      throw t;
    }
    owner.close();
  }

  private void choose(String what, List<Candidate> candidates, Stream stream, Closer owner) {
    List<Candidate> ready = new ArrayList<>();
    for (Candidate candidate : candidates) {
      try {
        // Libraries load their kernels at the first use.
        candidate.run().enqueue();
        stream.synchronize();
        ready.add(candidate);
      } catch (CudnnException | CublasException e) {
        LOG.log(Level.DEBUG, "{0}: {1} is not timed: {2}", what, candidate.name(), e.getMessage());
      }
    }
    if (ready.isEmpty()) {
      return;
    }
    if (ready.size() == 1) {
      ready.getFirst().choose().with("the only one that there is to time");
      return;
    }
    double[] micros = micros(ready, stream, owner);
    int fastest = 0;
    for (int i = 1; i < micros.length; i++) {
      // Of equally fast ones the library's own favourite.
      if (micros[i] < micros[fastest]) {
        fastest = i;
      }
    }
    String remark =
        String.format(
            Locale.ROOT,
            "the fastest of %d by %.1f us, the first taking %.1f us",
            micros.length,
            micros[fastest],
            micros[0]);
    LOG.log(Level.DEBUG, "{0}: {1} is {2}", what, ready.get(fastest).name(), remark);
    ready.get(fastest).choose().with(remark);
  }

  /** The median time of a run of each. */
  private double[] micros(List<Candidate> candidates, Stream stream, Closer owner) {
    List<Event> marks = new ArrayList<>();
    for (int i = 0; i <= candidates.size(); i++) {
      marks.add(owner.own(device.context().newTimedEvent()));
    }
    double[][] times = new double[candidates.size()][ROUNDS];
    // In turns, so that a clock that changes meanwhile changes for all.
    for (int round = 0; round < ROUNDS; round++) {
      stream.record(marks.getFirst());
      for (int i = 0; i < candidates.size(); i++) {
        for (int run = 0; run < RUNS; run++) {
          candidates.get(i).run().enqueue();
        }
        stream.record(marks.get(i + 1));
      }
      stream.synchronize();
      for (int i = 0; i < candidates.size(); i++) {
        times[i][round] = 1e3 * marks.get(i + 1).millisSince(marks.get(i)) / RUNS;
      }
    }
    return Arrays.stream(times).mapToDouble(Tuner::median).toArray();
  }

  private static double median(double[] times) {
    double[] sorted = times.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  private List<Candidate> candidates(CudnnKernel kernel, Bench bench) {
    Map<CudnnKernel, List<Plan>> plans = new LinkedHashMap<>();
    plans.put(kernel, device.planner().alternatives(kernel, MOST_CANDIDATES));
    if (kernel instanceof CudnnKernel.Convolution convolution) {
      convolution
          .otherOrder()
          .ifPresent(
              other -> plans.put(other, device.planner().alternatives(other, MOST_CANDIDATES)));
    }
    Map<Long, Long> tensors = tensors(kernel, bench);
    long[] ids = tensors.keySet().stream().mapToLong(Long::longValue).toArray();
    long[] addresses = tensors.values().stream().mapToLong(Long::longValue).toArray();
    long most =
        plans.values().stream()
            .flatMap(List::stream)
            .mapToLong(Plan::workspaceBytes)
            .max()
            .orElse(0);
    long workspace = most == 0 ? 0 : bench.zeros(device, most);
    List<Candidate> candidates = new ArrayList<>();
    plans.forEach((order, alternatives) -> {
      for (Plan plan : alternatives) {
        try {
          ExecutionPlan made =
              SlotPlans.ready(
                  device,
                  order,
                  plan,
                  bench.handle(),
                  bench.owner(),
                  refusal ->
                      LOG.log(
                          Level.DEBUG,
                          "{0}: {1} is built for the device: {2}",
                          order,
                          plan,
                          refusal.getMessage()));
          VariantPack pack =
              VariantPack.of(
                  device.cudnn(),
                  bench.owner(),
                  ids,
                  addresses,
                  made.workspaceBytes() == 0 ? 0 : workspace);
          candidates.add(
              new Candidate(
                  plan.description(),
                  () -> bench.handle().execute(made, pack),
                  remark -> take(kernel, order, plan, remark)));
        } catch (CudnnException e) {
          LOG.log(Level.DEBUG, "{0}: {1} is not timed: {2}", kernel, plan, e.getMessage());
        }
      }
    });
    return candidates;
  }

  /**
   * @param asked what lowering asks for first
   * @param order what is taken: the same, or the same sum in the other order
   */
  private void take(CudnnKernel asked, CudnnKernel order, Plan plan, String remark) {
    device.planner().choose(asked, order, plan.describedAs(plan.description() + ", " + remark));
  }

  /** Zeros for each of a kernel's tensors, by unique id. */
  private Map<Long, Long> tensors(CudnnKernel kernel, Bench bench) {
    Map<Long, Long> tensors = new LinkedHashMap<>();
    int width = kernel.arithmetic().bytes();
    tensors.put(CudnnGraphs.X, bench.zeros(device, bytes(kernel, kernel.x())));
    tensors.put(CudnnGraphs.Y, bench.zeros(device, bytes(kernel, kernel.y())));
    if (kernel instanceof CudnnKernel.Convolution c) {
      long outputs = c.y().channels();
      long taps = (long) c.kernel() * c.kernel() * (c.x().channels() / c.groups());
      tensors.put(CudnnGraphs.W, bench.zeros(device, outputs * taps * width));
      if (c.stages().contains(Stage.BIAS)) {
        tensors.put(CudnnGraphs.BIAS, bench.zeros(device, outputs * width));
      }
      if (c.stages().contains(Stage.SHORTCUT)) {
        tensors.put(CudnnGraphs.SHORTCUT, bench.zeros(device, bytes(kernel, c.y())));
      }
    }
    return tensors;
  }

  private static long bytes(CudnnKernel kernel, Shape shape) {
    return kernel.batch() * shape.elements() * kernel.arithmetic().bytes();
  }

  private List<Candidate> candidates(MatrixProduct product, Bench bench) {
    List<Products.Choice> choices = device.products().alternatives(product, MOST_CANDIDATES);
    long width = product.arithmetic().bytes();
    long x = bench.zeros(device, width * product.rows() * product.depth());
    long w = bench.zeros(device, width * product.columns() * product.depth());
    long bias = bench.zeros(device, width * product.columns());
    long y = bench.zeros(device, width * product.rows() * product.columns());
    long most = choices.stream().mapToLong(Products.Choice::workspaceBytes).max().orElseThrow();
    long workspace = most == 0 ? 0 : bench.zeros(device, most);
    List<Candidate> candidates = new ArrayList<>();
    for (Products.Choice choice : choices) {
      MatmulPlan plan = bench.owner().own(choice.plan(device.blas(), product));
      candidates.add(
          new Candidate(
              choice.description(),
              () -> plan.run(bench.stream(), x, w, bias, y, workspace),
              remark -> device.products().choose(product, choice, remark)));
    }
    return candidates;
  }
}
