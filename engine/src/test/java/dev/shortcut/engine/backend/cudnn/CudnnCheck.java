package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.GraphExec;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.cudnn.BehaviorNote;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.cudnn.DeviceProperties;
import dev.shortcut.bindings.cudnn.ExecutionPlan;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import dev.shortcut.engine.DeviceBuffer;
import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.DeviceException;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.EnginePlan;
import dev.shortcut.engine.Execution;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.MemoryReport;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.Options.Launch;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.Tolerance;
import dev.shortcut.engine.backend.CudaProgram;
import dev.shortcut.engine.backend.PlatformThread;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layer.Convolution;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntSupplier;

/**
 * Everything that must hold of the cuDNN backend, in little time: a program of its own, so that
 * {@link MutationTest} can run it on mutated classes. Ends with status 0 if all of it holds; else
 * it prints what does not, each line beginning with one of the {@link Noticed} words.
 */
final class CudnnCheck {
  /** By what a mistake shows. */
  enum Noticed {
    /** Results are not the reference's. */
    VALUES,
    /** The software device saw something that a GPU would not forgive. */
    COMPLAINT,
    /** Something lives on after everything was closed. */
    LEFT,
    /** Something failed that should have worked. */
    FAILURE,
    /** Memory is not what was announced. */
    MEMORY,
    /** The device did other work than it should have, or more. */
    WORK,
    /** A failure that had to be is not reported as it should be. */
    REPORT,
    /** The caller's CUDA context is not what it was. */
    CONTEXT
  }

  private static final int LARGEST_BATCH = 4;
  private static final int IMAGES = 7;

  /** What keeps the units' activations exact even as bfloat16s. */
  private static final int UNIT_TAPS = 1;

  /** With a variance of 1 - 0.25 the root is 1, so that folding rounds nothing. */
  private static final Layer.BatchNorm BATCH_NORM = new Layer.BatchNorm(0.25);

  private final List<String> findings = Collections.synchronizedList(new ArrayList<>());

  private CudnnCheck() {}

  /** Runs all checks until one finds something. */
  public static void main(String[] args) throws Exception {
    SoftwareDevice.install();
    var check = new CudnnCheck();
    check.units();
    check.otherLayers();
    check.legacyConvolutions();
    check.rounding();
    check.precisions();
    check.pixels();
    check.executions();
    check.failures();
    check.severalDevices();
    check.timedChoices();
    check.plansForAHandle();
    System.out.println("all of it holds");
    // Not by returning: a mutated engine may have left threads behind that are no daemons.
    System.exit(0);
  }

  // --- What is checked ---

  /** Residual units in every precision and every way to launch, exactly. */
  private void units() throws Exception {
    Graph graph = unitsGraph();
    var exact = new Exact(graph, UNIT_TAPS, new InputFormat.Float32Nchw());
    scene("units", seed(0), () -> exact.check(options(Precision.FP32)));
    scene("units", seed(1).eagerness(0.3), () -> exact.check(options(Precision.FP16)));
    scene("units", seed(2), () -> exact.check(options(Precision.FP32).withLaunch(Launch.EAGER)));
    scene("units", seed(3).eagerness(0.05), () -> exact.check(options(Precision.BF16)));
    scene("units", seed(4), () -> exact.check(options(Precision.TF32)));
    scene("work of a batch", seed(5), () -> work(graph));
  }

  /** What residual units do not have. */
  private void otherLayers() throws Exception {
    var exact = new Exact(otherGraph(), 2, new InputFormat.Float32Nhwc());
    scene("other layers", seed(6), () -> exact.check(options(Precision.FP32)));
    scene(
        "other layers",
        seed(7),
        () -> exact.check(options(Precision.FP16).withLaunch(Launch.STEPWISE)));
  }

  /** The same where cuDNN's graph API has no plan for any convolution. */
  private void legacyConvolutions() throws Exception {
    var units = new Exact(unitsGraph(), UNIT_TAPS, new InputFormat.Float32Nchw());
    var others = new Exact(otherGraph(), 2, new InputFormat.Float32Nhwc());
    scene(
        "units without plans",
        withoutPlans(seed(14)),
        () -> units.check(legacy(options(Precision.BF16))));
    scene(
        "other layers without plans",
        withoutPlans(seed(15)),
        () -> others.check(legacy(options(Precision.FP32))));
    scene(
        "what computes other layers without plans",
        withoutPlans(seed(15)),
        () -> {
          Graph graph = otherGraph();
          try (Engine engine = open(graph, weights(graph, 2), legacy(options(Precision.FP32)))) {
            for (KernelReport kernel : engine.kernels()) {
              // What was refused by that call, too, is computed in another way.
              expect(
                  Noticed.WORK,
                  !kernel.implementation().contains("by cuDNN's call from before the graph API"),
                  "%s became %s".formatted(kernel.node(), kernel.implementation()));
            }
          }
        });
    scene(
        "scratch space without bound",
        withoutPlans(seed(16)).legacyWorkspace(Planner.WORKSPACE_LIMIT + 1),
        () -> {
          Options options = legacy(options(Precision.FP16));
          try (Engine engine = open(unitsGraph(), weights(unitsGraph(), UNIT_TAPS), options)) {
            memory(engine, options);
          } catch (ModelException e) {
            expect(Noticed.REPORT, words(e).contains("scratch space"), words(e));
          }
        });
    // Whole numbers are exact whatever reads ten bits of them.
    Graph graph = unitsGraph();
    Random random = random("legacy convolutions");
    MapWeights weights = floats(graph, random);
    float[] batch = Tensors.gaussians(random, images(graph, 1));
    float[] expected =
        run(graph, weights, Options.defaults().withBackend(BackendChoice.REFERENCE), batch);
    scene(
        "floats without plans",
        withoutPlans(seed(17)),
        () -> {
          float[] results = run(graph, weights, legacy(options(Precision.FP32)), batch);
          double error = Tensors.nmse(expected, results);
          expect(
              Noticed.VALUES,
              error <= Tolerance.ofLayers(Precision.FP32).nmse(),
              "normalised mean square error " + error);
        });
    scene(
        "an option that is not set",
        withoutPlans(seed(18)),
        () -> {
          try (Engine engine = open(graph, weights, options(Precision.FP32))) {
            finding(Noticed.REPORT, "an engine was opened, " + engine);
          } catch (ModelException e) {
            expect(Noticed.REPORT, words(e).contains("withLegacyConvolutions"), words(e));
          }
        });
  }

  private static SoftwareDevice.Settings withoutPlans(SoftwareDevice.Settings settings) {
    return settings.refuseToPlanConvolutions(1, 2, 3, 7);
  }

  private static Options legacy(Options options) {
    return options.withLegacyConvolutions(true);
  }

  /** One graph launch and two edge kernels a batch, each kernel of the graph one piece of work. */
  private void work(Graph graph) throws Exception {
    Options options = options(Precision.FP32).withSlots(1);
    try (Engine engine = open(graph, weights(graph, UNIT_TAPS), options)) {
      float[] batch = Tensors.integers(random("work"), images(graph, LARGEST_BATCH), 4);
      engine.run(batch);
      int calls = SoftwareDevice.log().size();
      int done = SoftwareDevice.work().size();
      engine.run(batch);
      List<String> log = SoftwareDevice.log().subList(calls, SoftwareDevice.log().size());
      List<String> work = SoftwareDevice.work().subList(done, SoftwareDevice.work().size());
      long launches = log.stream().filter(line -> line.contains("cuLaunchKernel")).count();
      long graphs = log.stream().filter(line -> line.contains("cuGraphLaunch")).count();
      expect(Noticed.WORK, graphs == 1 && launches == 2, "calls of a batch: " + log);
      long kernels = work.stream().filter(name -> !name.contains("copy")).count();
      // Subsample is one of the graph's kernels, and both edges come on top.
      expect(
          Noticed.WORK,
          kernels == kernelsOf(engine) + 2,
          "%d kernels are not %d and two edges: %s".formatted(kernels, kernelsOf(engine), work));
      for (KernelReport kernel : engine.kernels()) {
        expect(
            Noticed.WORK,
            isOfTheBestKind(kernel),
            "%s became %s".formatted(kernel.node(), kernel.implementation()));
      }
    }
  }

  /** Convolutions need not be compiled at run time, and what cuDNN can do is left to it. */
  private static boolean isOfTheBestKind(KernelReport kernel) {
    return switch (kernel.node().layer()) {
      case Layer.Fused fused when fused.main() instanceof Convolution ->
          kernel.implementation().startsWith("cuDNN engine")
              && !kernel.implementation().contains(BehaviorNote.RUNTIME_COMPILATION.toString());
      case Layer.MaxPool _, Layer.GlobalAveragePool _ ->
          kernel.implementation().startsWith("cuDNN engine");
      default -> true;
    };
  }

  private static long kernelsOf(Engine engine) {
    return engine.kernels().stream().filter(kernel -> kernel.batch() == LARGEST_BATCH).count();
  }

  /** Weights and activations are rounded to nearest, ties to even. */
  private void rounding() throws Exception {
    var g = new GraphBuilder("rounding", new Shape(8, 3, 3));
    Graph convolution = g.build(g.add("conv", new Convolution(8, 1, 1, 0), g.input()));
    var h = new GraphBuilder("identity", new Shape(3, 5, 4));
    Graph identity = h.build(h.add("relu", new Layer.Relu(), h.input()));
    for (Precision precision : List.of(Precision.FP16, Precision.BF16)) {
      scene(
          "rounding in " + precision,
          seed(8),
          () -> {
            Random random = random("rounding");
            float[] values = Tensors.gaussians(random, 64);
            var weights = new MapWeights().put("conv.weight", List.of(8, 8, 1, 1), values);
            // Each pixel has one channel that is 1, so that the results are the weights.
            float[] image = new float[72];
            for (int pixel = 0; pixel < 8; pixel++) {
              image[pixel * 9 + pixel] = 1;
            }
            float[] expected = new float[72];
            for (int k = 0; k < 8; k++) {
              for (int c = 0; c < 8; c++) {
                expected[k * 9 + c] = rounded(precision, values[k * 8 + c]);
              }
            }
            same(expected, run(convolution, weights, options(precision), image));
            float[] positive = Tensors.gaussians(random, images(identity, 1));
            for (int i = 0; i < positive.length; i++) {
              positive[i] = Math.abs(positive[i]);
            }
            float[] nearest = positive.clone();
            for (int i = 0; i < nearest.length; i++) {
              nearest[i] = rounded(precision, nearest[i]);
            }
            same(nearest, run(identity, new MapWeights(), options(precision), positive));
          });
    }
  }

  private static float rounded(Precision precision, float value) {
    if (precision == Precision.FP16) {
      return Float.float16ToFloat(Float.floatToFloat16(value));
    }
    // The nearest of the two floats that end in 16 zeros, of which one is even.
    float low = Float.intBitsToFloat(Float.floatToRawIntBits(value) & 0xffff0000);
    float high = Float.intBitsToFloat((Float.floatToRawIntBits(value) & 0xffff0000) + 0x10000);
    double below = Math.abs((double) value - low);
    double above = Math.abs((double) value - high);
    boolean lowIsEven = (Float.floatToRawIntBits(low) >> 16 & 1) == 0;
    return below < above || (below == above && lowIsEven) ? low : high;
  }

  /** Each precision is as precise as its name says, softmax included. */
  private void precisions() throws Exception {
    Graph graph = unitsGraph();
    Random random = random("precisions");
    MapWeights weights = floats(graph, random);
    float[] batch = Tensors.gaussians(random, images(graph, LARGEST_BATCH));
    Options reference =
        Options.defaults()
            .withBackend(BackendChoice.REFERENCE)
            .withOutput(Options.Output.PROBABILITIES);
    float[] expected = run(graph, weights, reference, batch);
    for (Precision precision : List.of(Precision.FP32, Precision.TF32, Precision.FP16)) {
      scene(
          "softmax in " + precision,
          seed(9),
          () -> {
            Options options = options(precision).withOutput(Options.Output.PROBABILITIES);
            double error = Tensors.nmse(expected, run(graph, weights, options, batch));
            expect(
                Noticed.VALUES,
                error <= Tolerance.ofLayers(precision).nmse(),
                "normalised mean square error " + error);
          });
    }
  }

  /** Bytes are normalised as the CPU does it, bit by bit. */
  private void pixels() throws Exception {
    var g = new GraphBuilder("pixels", new Shape(3, 5, 4));
    Graph graph = g.build(g.add("relu", new Layer.Relu(), g.input()));
    var format =
        new InputFormat.Uint8Nhwc(List.of(0.485, 0.456, 0.406), List.of(0.229, 0.224, 0.225));
    byte[] images = new byte[images(graph, 3)];
    random("pixels").nextBytes(images);
    float[] expected;
    var weights = new MapWeights();
    try (Engine judge =
        open(
            graph,
            weights,
            Options.defaults().withBackend(BackendChoice.REFERENCE).withInput(format))) {
      expected = judge.run(images);
    }
    scene(
        "pixels",
        seed(10),
        () -> {
          try (Engine engine = open(graph, weights, options(Precision.FP32).withInput(format))) {
            same(expected, engine.run(images));
          }
        });
  }

  /** Batches of an embedder: on several of his streams, from threads of any context, captured. */
  private void executions() throws Exception {
    Graph graph = unitsGraph();
    MapWeights weights = weights(graph, UNIT_TAPS);
    float[] images = Tensors.integers(random("executions"), images(graph, 4), 2);
    float[] expected =
        run(graph, weights, Options.defaults().withBackend(BackendChoice.REFERENCE), images);
    scene(
        "executions",
        seed(20).devices(2),
        () -> {
          try (var program = new Closer();
              Engine engine = open(graph, weights, options(Precision.FP32))) {
            Context context = program.own(Cuda.open().devices().getFirst().retainPrimary());
            context.push();
            program.own(context::pop);
            executions(engine, program, context, images, expected);
          }
        });
  }

  private void executions(
      Engine engine, Closer program, Context context, float[] images, float[] expected)
      throws Exception {
    int in = images.length / 2;
    int out = expected.length / 2;
    List<Stream> streams = new ArrayList<>();
    List<DeviceMemory> inputs = new ArrayList<>();
    List<DeviceMemory> outputs = new ArrayList<>();
    try (Execution execution = engine.execution(2, new InputFormat.Float32Nchw())) {
      for (int half = 0; half < 2; half++) {
        Stream stream = program.own(context.newStream());
        streams.add(stream);
        inputs.add(program.own(context.allocate(execution.inputBytes())));
        outputs.add(program.own(context.allocate(execution.outputBytes())));
        CudaProgram.write(
            stream, inputs.get(half), Arrays.copyOfRange(images, half * in, (half + 1) * in));
      }
      for (int half = 0; half < 2; half++) {
        enqueueFromElsewhere(
            execution, inputs.get(half), outputs.get(half), streams.get(half).handle());
      }
      for (int half = 1; half >= 0; half--) {
        float[] results = CudaProgram.read(streams.get(half), outputs.get(half));
        same(Arrays.copyOfRange(expected, half * out, (half + 1) * out), results);
      }
      Stream stream = streams.getFirst();
      stream.beginCapture();
      enqueue(execution, inputs.getFirst(), outputs.getFirst(), stream.handle());
      try (var captured = stream.endCapture();
          GraphExec replay = captured.instantiate()) {
        CudaProgram.write(stream, inputs.getFirst(), Arrays.copyOfRange(images, in, 2 * in));
        stream.launch(replay);
        same(
            Arrays.copyOfRange(expected, out, 2 * out),
            CudaProgram.read(stream, outputs.getFirst()));
        expect(Noticed.REPORT, execution.capturedGraphs() == 1, "the captured graph is forgotten");
      }
      CudaProgram.write(stream, inputs.getFirst(), Arrays.copyOf(images, in));
      // Closing waits for it.
      enqueue(execution, inputs.getFirst(), outputs.getFirst(), stream.handle());
    }
    same(Arrays.copyOf(expected, out), CudaProgram.read(streams.getFirst(), outputs.getFirst()));
  }

  /** On a thread to which the other device's context is current. */
  private void enqueueFromElsewhere(
      Execution execution, DeviceMemory input, DeviceMemory output, long stream) {
    PlatformThread.call(
        "caller",
        () -> {
          try (Context other = Cuda.open().devices().getLast().retainPrimary()) {
            other.push();
            enqueue(execution, input, output, stream);
            long now = Cuda.open().currentContext();
            expect(
                Noticed.CONTEXT,
                now == other.handle(),
                "0x%x is current, not 0x%x".formatted(now, other.handle()));
            other.pop();
          }
          return null;
        });
  }

  private static void enqueue(
      Execution execution, DeviceMemory input, DeviceMemory output, long stream) {
    execution.enqueue(
        new DeviceBuffer(input.address(), input.bytes()),
        new DeviceBuffer(output.address(), output.bytes()),
        stream);
  }

  /** Failures are reported once, name what failed, and leave nothing behind. */
  private void failures() throws Exception {
    Graph graph = unitsGraph();
    MapWeights weights = weights(graph, UNIT_TAPS);
    float[] batch = Tensors.integers(random("failures"), images(graph, 2), 4);
    scene(
        "a failure while a graph is captured",
        seed(11),
        () -> {
          Options options = options(Precision.FP32).withMaxBatch(1).withSlots(1);
          SoftwareDevice.reset(seed(11));
          long executions;
          try (Engine engine = open(graph, weights, options)) {
            executions = calls("cudnnBackendExecute");
            engine.run(Arrays.copyOf(batch, images(graph, 1)));
          }
          // The first half of them was the first run.
          SoftwareDevice.failFunction("cudnnBackendExecute", executions / 2 + 2, 5000);
          try (Engine engine = open(graph, weights, options)) {
            finding(Noticed.REPORT, "an engine was opened, " + engine);
          } catch (DeviceException e) {
            expect(Noticed.REPORT, words(e).contains("recording"), words(e));
            expect(Noticed.REPORT, !e.fatal(), "the device is not lost: " + words(e));
          }
        });
    scene(
        "a device that is lost",
        seed(12),
        () -> {
          Engine engine = open(graph, weights, options(Precision.FP32).withLaunch(Launch.STEPWISE));
          engine.run(batch);
          int done = SoftwareDevice.work().size();
          engine.run(batch);
          List<String> work = SoftwareDevice.work();
          // A copy and the input's conversion come before the first layer, which is conv1.
          int before = work.subList(done, work.size()).indexOf(firstConvolution(work, done));
          SoftwareDevice.failWork(before + 1, 700);
          for (int attempt = 0; attempt < 2; attempt++) {
            try {
              engine.run(batch);
              finding(Noticed.REPORT, "a lost device computes");
            } catch (DeviceException e) {
              expect(Noticed.REPORT, words(e).contains("restart"), words(e));
              expect(Noticed.REPORT, e.fatal(), "fatal: " + words(e));
              expect(Noticed.REPORT, attempt > 0 || words(e).startsWith("conv1"), words(e));
            }
          }
          int calls = SoftwareDevice.log().size();
          engine.close();
          List<String> log = SoftwareDevice.log();
          expect(
              Noticed.REPORT,
              log.size() == calls,
              "calls at the close of a lost device: " + log.subList(calls, log.size()));
          SoftwareDevice.reset();
        });
  }

  private static String firstConvolution(List<String> work, int from) {
    return work.subList(from, work.size()).stream()
        .filter(name -> name.contains("conv"))
        .findFirst()
        .orElseThrow();
  }

  private static long calls(String function) {
    return SoftwareDevice.log().stream().filter(line -> line.contains(function)).count();
  }

  private static String words(Throwable t) {
    return String.valueOf(t.getMessage());
  }

  /** Two devices, each with its own weights. */
  private void severalDevices() throws Exception {
    var exact = new Exact(unitsGraph(), UNIT_TAPS, new InputFormat.Float32Nchw());
    scene(
        "two devices",
        seed(13).devices(2),
        () -> exact.check(options(Precision.FP32).withDevices(new DeviceChoice.All())));
    scene(
        "two equal devices",
        seed(13).devices(2),
        () -> {
          Graph graph = unitsGraph();
          Options options = options(Precision.FP32);
          open(graph, weights(graph, UNIT_TAPS), options).close();
          long alone = calls("cudnn planning");
          SoftwareDevice.reset(seed(13).devices(2));
          Options all = options.withDevices(new DeviceChoice.All());
          open(graph, weights(graph, UNIT_TAPS), all).close();
          expect(Noticed.WORK, calls("cudnn planning") == alone, "equal devices plan twice");
        });
  }

  /** What is the fastest is taken, is the fastest for that device alone, and is timed once. */
  private void timedChoices() throws Exception {
    Path folder = Files.createTempDirectory("plans");
    try {
      Options options = options(Precision.FP16).withPlanCache(folder).withTuned(true);
      var exact = new Exact(unitsGraph(), UNIT_TAPS, new InputFormat.Float32Nchw());
      var settings = seed(14).modelClock().engineMicros(11, 10).algorithmMicros(13, 5);
      scene("a choice without timing", settings, () -> exact.check(options.withTuned(false)));
      List<Long> timings = new ArrayList<>();
      scene("timing", settings, () -> timings.add(fastest(options, exact)));
      scene(
          "timed before",
          settings,
          () -> {
            long again = fastest(options, exact);
            expect(Noticed.WORK, again == 0, "timed once more: " + again);
          });
      scene(
          "timed elsewhere",
          settings.driverVersion(13000),
          () -> {
            long there = fastest(options, exact);
            expect(
                Noticed.WORK,
                there == timings.getFirst() && there > 0,
                "timed %s before, %d there".formatted(timings, there));
          });
      scene(
          "a suggestion that is none",
          settings,
          () -> {
            replaceRanks(folder, new PlanEntry.Rank(1000, 0, "cuBLASLt"));
            exact.check(options.withTuned(false));
          });
      scene(
          "a library that was missing",
          settings.driverVersion(12080),
          () -> {
            // Pooling's two, for want of what may be there the next time.
            SoftwareDevice.reset(
                settings.driverVersion(12080).refuseEngine(2, 3009).refuseEngine(3, 3009));
            Options other = options.withPlanCache(folder.resolve("other")).withTuned(false);
            exact.check(other);
            SoftwareDevice.reset(settings.driverVersion(12080));
            try (Engine engine = open(exact.graph, exact.weights, other)) {
              for (KernelReport kernel : engine.kernels()) {
                expect(
                    Noticed.WORK,
                    isOfTheBestKind(kernel),
                    "%s became %s".formatted(kernel.node(), kernel.implementation()));
              }
            }
          });
    } finally {
      delete(folder);
    }
  }

  /** Checks what is taken, and returns how often a time was asked for to find out. */
  private long fastest(Options options, Exact exact) throws Exception {
    try (Engine engine = open(exact.graph, exact.weights, options)) {
      for (KernelReport kernel : engine.kernels()) {
        boolean convolution =
            kernel.node().layer() instanceof Layer.Fused fused
                && fused.main() instanceof Convolution;
        expect(
            Noticed.WORK,
            !convolution || kernel.implementation().startsWith("cuDNN engine 11,"),
            "not the fastest: " + kernel.implementation());
        expect(
            Noticed.WORK,
            !kernel.node().name().equals("fc")
                || kernel.implementation().startsWith("cuBLASLt algorithm 13,"),
            "not the fastest: " + kernel.implementation());
      }
    }
    long timings = calls("cuEventElapsedTime");
    exact.check(options);
    return timings;
  }

  private static void replaceRanks(Path folder, PlanEntry.Rank by) throws IOException {
    for (Path file : files(folder)) {
      PlanEntry entry = PlanEntry.read(Files.readAllBytes(file));
      if (entry.kept() instanceof PlanEntry.Rank) {
        Files.write(file, new PlanEntry(entry.key(), true, by).bytes());
      }
    }
  }

  private static void delete(Path folder) throws IOException {
    for (Path file : files(folder)) {
      if (Files.isDirectory(file)) {
        delete(file);
      } else {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }

  private static List<Path> files(Path folder) throws IOException {
    List<Path> files = new ArrayList<>();
    try (DirectoryStream<Path> all = Files.newDirectoryStream(folder)) {
      all.forEach(files::add);
    }
    return files;
  }

  /** A plan that is built for the handle at once is the one that was chosen, or as good. */
  private void plansForAHandle() throws Exception {
    scene(
        "plans for a handle",
        seed(15),
        () -> {
          NvidiaLibraries libraries = NvidiaLibraries.open();
          try (var owner = new Closer()) {
            Context context = owner.own(Cuda.open().devices().getFirst().retainPrimary());
            context.push();
            owner.own(context::pop);
            CudnnHandle handle = owner.own(libraries.cudnn().newHandle());
            var planner =
                new Planner(
                    libraries.cudnn(), DeviceProperties.of(libraries.cudnn(), owner, handle), null);
            int withScratchSpace = 0;
            for (int channels = 8; channels <= 64; channels += 8) {
              CudnnKernel kernel = convolution(channels);
              for (Plan chosen : planner.alternatives(kernel, 8)) {
                withScratchSpace += chosen.workspaceBytes() > 0 ? 1 : 0;
                String built = straight(planner, kernel, chosen, handle, owner).json();
                expect(Noticed.WORK, built.equals(chosen.json()), built + " is another plan");
              }
              for (long engine : List.of(999, 49)) {
                ExecutionPlan built = straight(planner, kernel, without(engine), handle, owner);
                expect(
                    Noticed.MEMORY,
                    built.workspaceBytes() == 0,
                    "it takes %d bytes of scratch space".formatted(built.workspaceBytes()));
                expect(
                    Noticed.WORK,
                    !built.json().contains("\"engine\":49,"),
                    "it converts what it reads: " + built.json());
              }
            }
            if (withScratchSpace == 0) {
              throw new IllegalStateException("no plan takes scratch space");
            }
          }
        });
  }

  private static CudnnKernel convolution(int channels) {
    var image = new Shape(channels, 5, 5);
    return new CudnnKernel.Convolution(
        Arithmetic.FP16,
        2,
        image,
        image,
        3,
        1,
        1,
        1,
        1,
        List.of(CudnnKernel.Stage.BIAS, CudnnKernel.Stage.RELU));
  }

  private static ExecutionPlan straight(
      Planner planner, CudnnKernel kernel, Plan chosen, CudnnHandle handle, Closer owner) {
    return planner.straight(kernel, chosen, handle, owner).orElseThrow();
  }

  /** A plan of an engine that there is not or that must not be taken, without scratch space. */
  private static Plan without(long engine) {
    return new Plan(
        "",
        engine,
        List.of(),
        Set.of(),
        Set.of(),
        0,
        0,
        EnginePlan.Source.HEURISTICS,
        0,
        "for a check");
  }

  /** Integer data, of which every sum is exact in every precision. */
  private final class Exact {
    private final Graph graph;
    private final MapWeights weights;
    private final InputFormat format;
    private final float[] images;
    private final float[] expected;

    Exact(Graph graph, int taps, InputFormat format) throws InterruptedException {
      this.graph = graph;
      this.format = format;
      this.weights = weights(graph, taps);
      this.images = Tensors.integers(random(graph.name()), images(graph, IMAGES), 2);
      this.expected =
          run(
              graph,
              weights,
              Options.defaults().withBackend(BackendChoice.REFERENCE).withInput(format),
              images);
      Set<Float> distinct = new TreeSet<>();
      for (float value : expected) {
        distinct.add(value);
      }
      if (distinct.size() < 8) {
        throw new IllegalStateException("too few different results to tell anything: " + distinct);
      }
    }

    /** Every size of request from two threads at once, on two slots. */
    void check(Options options) throws Exception {
      try (Engine engine = open(graph, weights, options.withInput(format))) {
        memory(engine, options);
        try (ExecutorService callers = Executors.newFixedThreadPool(2)) {
          List<Future<Void>> results = new ArrayList<>();
          for (int caller = 0; caller < 2; caller++) {
            int first = caller;
            results.add(
                callers.submit(() -> {
                  request(engine, first, IMAGES - first);
                  for (int size : List.of(3, 1, 4, 2)) {
                    request(engine, (size + first) % 3, size);
                  }
                  return null;
                }));
          }
          for (Future<Void> result : results) {
            result.get();
          }
        }
      }
    }

    private void request(Engine engine, int first, int count) throws InterruptedException {
      int in = images(graph, 1);
      int out = engine.outputElements();
      float[] results = engine.run(Arrays.copyOfRange(images, first * in, (first + count) * in));
      same(Arrays.copyOfRange(expected, first * out, (first + count) * out), results);
    }
  }

  /** What the devices hold is what was announced. */
  private void memory(Engine engine, Options options) {
    MemoryReport report = engine.memory();
    boolean two = options.devices() instanceof DeviceChoice.All;
    long held = SoftwareDevice.bytesInUse(0) + (two ? SoftwareDevice.bytesInUse(1) : 0);
    long announced =
        report.weights() + report.slots() * (report.arenaPerSlot() + report.workspacePerSlot());
    expect(
        Noticed.MEMORY,
        held >= announced && held <= announced * 1.05 + (1 << 16),
        "%d bytes are held on the devices, %s were announced".formatted(held, report));
    expect(
        Noticed.MEMORY,
        !two || SoftwareDevice.bytesInUse(0) == SoftwareDevice.bytesInUse(1),
        "one device holds more than the other");
    for (KernelReport kernel : engine.kernels()) {
      expect(
          Noticed.MEMORY,
          kernel.scratchBytes() <= Planner.WORKSPACE_LIMIT,
          "%s takes %d bytes of scratch space".formatted(kernel.node(), kernel.scratchBytes()));
    }
  }

  // --- How ---

  private interface Scene {
    void play() throws Exception;
  }

  /** Plays a scene on a fresh device, and ends the program if anything was found. */
  private void scene(String name, SoftwareDevice.Settings settings, Scene scene) {
    SoftwareDevice.reset(settings);
    try {
      scene.play();
    } catch (Throwable t) {
      finding(Noticed.FAILURE, t.toString());
      t.printStackTrace();
    }
    SoftwareDevice.complaints().forEach(complaint -> finding(Noticed.COMPLAINT, complaint));
    if (!SoftwareDevice.live().isEmpty()) {
      finding(Noticed.LEFT, SoftwareDevice.live().toString());
    }
    if (!findings.isEmpty()) {
      System.out.println(name + ", " + settings.values());
      findings.stream().distinct().limit(20).forEach(System.out::println);
      System.exit(1);
    }
  }

  private void expect(Noticed word, boolean holds, String what) {
    if (!holds) {
      finding(word, what);
    }
  }

  private void finding(Noticed word, String what) {
    findings.add(word + " " + what);
  }

  private void same(float[] expected, float[] actual) {
    try {
      Tensors.assertSameValues(expected, actual);
    } catch (AssertionError e) {
      finding(Noticed.VALUES, words(e));
    }
  }

  private static SoftwareDevice.Settings seed(int purpose) {
    return SoftwareDevice.settings().seed(TestSeed.value() + purpose).eagerness(0);
  }

  private static Random random(String purpose) {
    return TestSeed.random("CudnnCheck " + purpose);
  }

  private static Options options(Precision precision) {
    return Options.defaults()
        .withBackend(BackendChoice.CUDA)
        .withPrecision(precision)
        .withMaxBatch(LARGEST_BATCH)
        .withSlots(2);
  }

  private static Engine open(Graph graph, MapWeights weights, Options options) {
    return Engine.open(Model.of(graph, weights), options);
  }

  private static float[] run(Graph graph, MapWeights weights, Options options, float[] images)
      throws InterruptedException {
    try (Engine engine = open(graph, weights, options)) {
      return engine.run(images);
    }
  }

  private static int images(Graph graph, int count) {
    return Math.toIntExact(count * graph.input().shape().elements());
  }

  // --- The nets ---

  /** A ResNet in small: every kind of kernel that the family has, and option A. */
  private static Graph unitsGraph() {
    var g = new GraphBuilder("units", new Shape(3, 32, 32));
    Node x = relu(g, "conv1", convBn(g, "conv1", g.input(), new Convolution(16, 7, 2, 3)));
    x = g.add("maxpool", new Layer.MaxPool(3, 2, 1), x);
    x = unit(g, "unit1", x, 16, 1, x);
    Node projected = convBn(g, "unit2.downsample", x, new Convolution(24, 1, 2, 0));
    x = unit(g, "unit2", x, 24, 2, projected);
    x = unit(g, "unit3", x, 32, 2, g.add("unit3.shortcut", new Layer.Subsample(2, 4, 4), x));
    x = g.add("avgpool", new Layer.GlobalAveragePool(), x);
    return g.build(
        g.add("fc", new Layer.Linear(10, true), g.add("flatten", new Layer.Flatten(), x)));
  }

  private static Node unit(
      GraphBuilder g, String name, Node x, int channels, int stride, Node shortcut) {
    Node y = convBn(g, name + ".conv1", x, new Convolution(channels, 3, stride, 1));
    y = convBn(g, name + ".conv2", relu(g, name + ".conv1", y), new Convolution(channels, 3, 1, 1));
    return g.addRelu(name + ".add", name + ".relu", y, shortcut);
  }

  /** Odd channels, an oblong image, and layers that stand alone. */
  private static Graph otherGraph() {
    var g = new GraphBuilder("other layers", new Shape(5, 9, 7));
    Node x = g.add("conv1", new Convolution(13, 3, 1, 1).withBias(), g.input());
    x = g.add("maxpool", new Layer.MaxPool(3, 1, 1), x);
    x = g.add("bn", BATCH_NORM, x);
    Node kept = g.add("conv2", new Convolution(13, 3, 1, 1), x);
    // Windows of four: their means are exact.
    x = g.add("avgpool", new Layer.AveragePool(2, 1, 1), kept);
    x = g.add("conv3", new Convolution(16, 2, 1, 0), x);
    x = g.add("conv4", new Convolution(13, 1, 1, 0, 1, 1, true), x);
    x = g.add("add", new Layer.Add(), x, relu(g, "kept", kept));
    x = g.add("grouped", new Convolution(16, 3, 2, 1), x);
    x = g.add("grouped2", new Convolution(16, 3, 1, 1, 1, 2, false), x);
    x = g.add("fc1", new Layer.Linear(20, true), g.add("flatten", new Layer.Flatten(), x));
    x = g.add("fc2", new Layer.Linear(9, true), relu(g, "fc1", x));
    return g.build(x);
  }

  private static Node convBn(GraphBuilder g, String name, Node x, Convolution layer) {
    return g.add(name + ".bn", BATCH_NORM, g.add(name, layer, x));
  }

  private static Node relu(GraphBuilder g, String name, Node x) {
    return g.add(name + ".relu", new Layer.Relu(), x);
  }

  /**
   * Whole numbers, so few of them not zero that every activation has few digits.
   *
   * @param taps how many values of a filter or of a matrix's row are not zero, at most
   */
  private static MapWeights weights(Graph graph, int taps) {
    Random random = random(graph.name() + " weights");
    var weights = new MapWeights();
    for (Parameter parameter : graph.parameters()) {
      float[] values = new float[Math.toIntExact(parameter.elements())];
      switch (parameter.role()) {
        case WEIGHT -> {
          int outputs = parameter.dims().getFirst();
          int perOutput = values.length / outputs;
          for (int k = 0; k < outputs; k++) {
            for (int tap = 0; tap < taps; tap++) {
              int at = k * perOutput + random.nextInt(perOutput);
              values[at] = random.nextInt(4) == 0 ? -1 : 1;
            }
          }
        }
        case SCALE -> fill(values, () -> random.nextInt(4) == 0 ? -1 : 1);
        case BIAS, SHIFT, RUNNING_MEAN -> fill(values, () -> random.nextInt(-1, 2));
        case RUNNING_VARIANCE -> Arrays.fill(values, 0.75f);
      }
      weights.put(parameter.name(), parameter.dims(), values);
    }
    return weights;
  }

  private static void fill(float[] values, IntSupplier numbers) {
    for (int i = 0; i < values.length; i++) {
      values[i] = numbers.getAsInt();
    }
  }

  /** Weights that keep the size of activations. */
  private static MapWeights floats(Graph graph, Random random) {
    var weights = new MapWeights();
    for (Parameter parameter : graph.parameters()) {
      int count = Math.toIntExact(parameter.elements());
      float[] values = Tensors.gaussians(random, count);
      double spread = Math.sqrt(2.0 * parameter.dims().getFirst() / count);
      for (int i = 0; i < count; i++) {
        values[i] =
            switch (parameter.role()) {
              case WEIGHT -> (float) (values[i] * spread);
              case RUNNING_VARIANCE, SCALE -> 0.75f + 0.1f * Math.abs(values[i]);
              case BIAS, SHIFT, RUNNING_MEAN -> 0.1f * values[i];
            };
      }
      weights.put(parameter.name(), parameter.dims(), values);
    }
    return weights;
  }
}
