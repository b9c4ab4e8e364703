package dev.shortcut.resnet.cli;

import dev.shortcut.engine.BackendComparison;
import dev.shortcut.engine.Benchmark;
import dev.shortcut.engine.DeviceCheck;
import dev.shortcut.engine.DeviceReport;
import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.LibraryReport;
import dev.shortcut.engine.Measurement;
import dev.shortcut.engine.MemoryLimitException;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Tolerance;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.Overrides;
import dev.shortcut.resnet.image.Picture;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "selftest",
    header = "Check a backend on this machine.",
    description = {
      "%nRuns stages in this order: libraries, copy, own kernels, convolution, kernels (each distinct one of the family against"
          + " the plain-Java reference, which computes with double sums), networks, pictures, threads, foreign capture, lifetimes,"
          + " memory limit, throughput, two ways (a GPU's backends cuda and jcuda against each other; a difference names the"
          + " first kernel that has one). Stages that a backend has no use for are named as skipped.%n",
      "With --report each stage's results are on disk before the next one begins, so that a crash leaves those of the stages"
          + " before it; cuDNN's own log is written beside it. With --bundle nothing is checked: a folder is made that can be copied"
          + " to a machine with a GPU and neither Java nor network, to run this there.%n",
      "Exit status 0: all is well. 3: the backend cannot run here. 70: something is wrong; please report the output.%n"
    },
    footer = {
      "%nExamples:",
      "  shortcut selftest",
      "  shortcut selftest --quick",
      "  shortcut selftest --backend cuda --precision fp16 --report fp16.json",
      "  shortcut selftest --only convolution,networks --format json",
      "  shortcut selftest --bundle shortcut-gpu"
    })
final class SelftestCommand implements Callable<Integer> {
  private static final int THREADS = 16;
  private static final int ROUNDS = 200;
  private static final int QUICK_ROUNDS = 10;
  private static final int LARGEST_BATCH = 32;
  private static final int QUICK_BATCH = 2;

  private static final Duration LONGEST_END = Duration.ofSeconds(10);

  /** What an engine may leave behind in the driver's own pools. */
  private static final long DEVICE_BYTES_LEFT = 32 << 20;

  /** The family's kinds of units and stems; sizes at which the reference ends in seconds. */
  private static final List<Case> CASES =
      List.of(
          new Case("resnet18", 64, 3),
          new Case("resnet34", 40, 1),
          new Case("resnet50", 64, 5),
          new Case("resnet50-v1", 64, 1),
          new Case("plain18", 64, 2),
          new Case("vgg16", 64, 1),
          new Case("resnet20", 32, 33));

  /** One net of each kind of unit, on images of which the last stage leaves one pixel. */
  private static final List<Case> QUICK_CASES =
      List.of(new Case("resnet18", 32, 3), new Case("resnet50", 32, 2), new Case("resnet20", 8, 5));

  private static final int QUICK_PIXELS = 14;
  private static final long QUICK_WEIGHTS = 1 << 20;

  private record Case(String network, int size, int images) {}

  private final Console console;

  @Mixin private DeviceOptions device = new DeviceOptions();

  @Option(
      names = "--only",
      paramLabel = "STAGE[,STAGE...]",
      split = ",",
      description = "Run these stages only; libraries always runs.")
  private List<String> only = List.of();

  @Option(
      names = "--quick",
      description =
          "Smaller images and layers, fewer networks and rounds: minutes become seconds where the CPU computes, and less is"
              + " checked.")
  private boolean quick;

  @Option(
      names = "--report",
      paramLabel = "FILE",
      description = "Also write everything to this JSON file, from the first stage on.")
  private @Nullable Path reportFile;

  @Option(
      names = "--bundle",
      paramLabel = "FOLDER",
      description =
          "Make a folder with a Java of its own for machines that have none, and check nothing. It must not exist yet.")
  private @Nullable Path bundle;

  @Mixin private FormatOption format = new FormatOption();

  @Spec
  @SuppressWarnings("NullAway.Init")
  private CommandSpec spec;

  private SelftestReport report;

  SelftestCommand(Console console) {
    this.console = console;
    this.report = new SelftestReport(null, console);
  }

  /**
   * One stage.
   *
   * @param run adds its checks to the report
   */
  private record Stage(String name, Body run) {}

  private interface Body {
    void run() throws InterruptedException, IOException;
  }

  private List<Stage> stages() {
    return List.of(
        new Stage("copy", () -> onDevice(DeviceCheck.COPY)),
        new Stage("own kernels", () -> onDevice(DeviceCheck.KERNELS)),
        new Stage("plans", () -> onDevice(DeviceCheck.PLANS)),
        new Stage("convolution", this::convolution),
        new Stage("kernels", this::kernels),
        new Stage("networks", this::networks),
        new Stage("pictures", this::pictures),
        new Stage("threads", this::threads),
        new Stage("foreign capture", () -> onDevice(DeviceCheck.FOREIGN_CAPTURE)),
        new Stage("lifetimes", this::lifetimes),
        new Stage("memory limit", this::memoryLimit),
        new Stage("throughput", this::throughput),
        new Stage("two ways", this::twoWays));
  }

  @Override
  public Integer call() throws InterruptedException, IOException {
    if (bundle != null) {
      new Bundle(console).make(bundle);
      return ExitCodes.OK;
    }
    List<Stage> stages = chosen();
    report = new SelftestReport(reportFile, console);
    if (reportFile != null) {
      LibraryReport.logTo(Path.of(reportFile + ".cudnn.log"));
    }
    boolean usable = run(new Stage("libraries", this::libraries));
    if (usable) {
      for (Stage stage : stages) {
        run(stage);
      }
    }
    report.finish();
    console.print(report.in(format.chosen()));
    if (!usable) {
      return ExitCodes.NO_DEVICE;
    }
    return report.allWell() ? ExitCodes.OK : ExitCodes.BUG;
  }

  private List<Stage> chosen() {
    List<Stage> all = stages();
    List<String> names = all.stream().map(Stage::name).toList();
    for (String name : only) {
      if (!names.contains(name) && !name.equals("libraries")) {
        throw new ParameterException(
            spec.commandLine(),
            "Invalid value for option '--only': there is no stage '%s'; there are %s"
                .formatted(name, String.join(", ", names)));
      }
    }
    return only.isEmpty()
        ? all
        : all.stream().filter(stage -> only.contains(stage.name())).toList();
  }

  /** Runs a stage; whatever it throws is a result of it, and the next one may still be well. */
  private boolean run(Stage stage) throws InterruptedException {
    report.begin(stage.name());
    try {
      stage.run().run();
    } catch (IOException | RuntimeException e) {
      report.failed(e);
    }
    return report.end();
  }

  private void libraries() throws InterruptedException {
    for (LibraryReport library : LibraryReport.all()) {
      report.note(library.name(), library.usable() ? "found" : "missing", library.detail());
    }
    DeviceReport.all().forEach(gpu -> report.note("GPU " + gpu.number(), "found", gpu.toString()));
    try (ImageModel model = ImageModel.bundled();
        Engine engine = OpenEngine.of(model, options(model).withMaxBatch(1))) {
      report.setBackend(engine.backend());
      report.check("backend", true, "%s (%s)".formatted(engine.backend(), engine.choice()));
    } catch (DeviceUnavailableException e) {
      report.check("backend", false, String.valueOf(e.getMessage()));
    }
  }

  private void onDevice(DeviceCheck check) throws InterruptedException {
    List<String> found = BreakOff.atItsEnd(() -> check.run(device.options()), () -> {}, _ -> {});
    if (found.isEmpty()) {
      report.note(check.toString(), "skipped", "only cuda has it");
    }
    found.forEach(line -> report.check(check.toString(), true, line));
  }

  /** One convolution of small integers, whose sums every type holds exactly. */
  private void convolution() throws InterruptedException {
    FamilyKernel kernel = FamilyKernel.SAMPLE;
    report.check(kernel.toString(), kernel.compare(device.options()));
  }

  private void kernels() throws InterruptedException {
    Comparison worst = Comparison.EQUAL;
    int compared = 0;
    List<FamilyKernel> kernels =
        quick ? FamilyKernel.small(QUICK_PIXELS, QUICK_WEIGHTS) : FamilyKernel.all();
    for (FamilyKernel kernel : kernels) {
      Comparison result = kernel.compare(device.options());
      compared++;
      if (!result.well()) {
        report.check(kernel.toString(), result);
      }
      worst = worst.worse(result);
    }
    report.check("%d kernels".formatted(compared), worst);
  }

  private static ImageModel random(String network, int size) {
    var overrides = new Overrides(null, size, size, null, null, null, null);
    return ImageModel.random(Architecture.parse(network), 7, overrides);
  }

  private Options options(ImageModel model) {
    return device.options().withMaxBatch(LARGEST_BATCH).withInput(model.inputFormat());
  }

  private Tolerance tolerance() {
    return Tolerance.ofNetwork(device.options().precision());
  }

  private static byte[] pixels(ImageModel model, int images) {
    byte[] pixels = new byte[images * model.preprocessing().outputBytes()];
    new Random(images).nextBytes(pixels);
    return pixels;
  }

  private void networks() throws InterruptedException {
    for (Case one : quick ? QUICK_CASES : CASES) {
      network(one);
    }
  }

  /** On a GPU, kernel by kernel and as one CUDA graph must be bitwise the same. */
  private void network(Case one) throws InterruptedException {
    try (ImageModel model = random(one.network(), one.size());
        Engine tested = OpenEngine.of(model, options(model));
        Engine judge = OpenEngine.of(model, Comparison.reference(options(model)))) {
      String name =
          "%s, %d images of %dx%d".formatted(one.network(), one.images(), one.size(), one.size());
      byte[] pixels = pixels(model, one.images());
      float[] found = tested.run(pixels);
      report.check(name, Comparison.of(found, judge.run(pixels), tolerance()));
      report.check(
          name + ", again",
          Arrays.equals(found, tested.run(pixels)),
          "bitwise the same result is expected");
      if (!tested.devices().isEmpty()) {
        try (Engine eager = OpenEngine.of(model, options(model).withLaunch(Options.Launch.EAGER))) {
          report.check(
              name + ", eager",
              Arrays.equals(found, eager.run(pixels)),
              "bitwise what the captured graph gives is expected");
        }
      }
    }
  }

  /** Two backends that share nothing below the graph hardly make the same mistake. */
  private void twoWays() throws InterruptedException {
    String what = "cuda and jcuda";
    Options.BackendChoice chosen = device.options().backend();
    boolean onCpu =
        chosen == Options.BackendChoice.CPU || chosen == Options.BackendChoice.REFERENCE;
    if (onCpu || DeviceReport.all().isEmpty()) {
      report.note(what, "skipped", "this backend runs on the CPU");
      return;
    }
    for (Case one : QUICK_CASES) {
      try (ImageModel model = random(one.network(), one.size())) {
        String difference =
            BreakOff.atItsEnd(() -> compared(model, one.images()), () -> {}, _ -> {})
                .map(Object::toString)
                .orElse("");
        report.check(
            "%s, %s".formatted(one.network(), what),
            difference.isEmpty(),
            difference.isEmpty() ? "they agree" : difference);
      } catch (DeviceUnavailableException e) {
        report.note(what, "skipped", e.summary());
        return;
      }
    }
  }

  private Optional<BackendComparison.Difference> compared(ImageModel model, int images) {
    return BackendComparison.first(
        side(model, Options.BackendChoice.CUDA),
        side(model, Options.BackendChoice.JCUDA),
        MemorySegment.ofArray(pixels(model, images)),
        images,
        tolerance().nmse());
  }

  private BackendComparison.Side side(ImageModel model, Options.BackendChoice backend) {
    return new BackendComparison.Side(model, options(model).withBackend(backend));
  }

  /** Two classes may be so close for a picture that rounding decides; so values are compared. */
  private void pictures() throws InterruptedException {
    try (ImageModel model = ImageModel.bundled();
        Engine engine = OpenEngine.of(model, options(model));
        Engine judge = OpenEngine.of(model, Comparison.reference(options(model)))) {
      int right = 0;
      Comparison worst = Comparison.EQUAL;
      for (String name : BundledPictures.names()) {
        Picture picture = model.preprocessing().apply(Picture.decode(BundledPictures.read(name)));
        float[] logits = engine.run(picture.rgb());
        worst = worst.worse(Comparison.of(logits, judge.run(picture.rgb()), tolerance()));
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
          best = logits[i] > logits[best] ? i : best;
        }
        right += name.startsWith(model.labels().get(best)) ? 1 : 0;
      }
      report.check(
          "the bundled pictures",
          worst.well(),
          "%s, %d of %d labelled rightly".formatted(worst, right, BundledPictures.names().size()));
    }
  }

  private void threads() throws InterruptedException {
    try (ImageModel model = ImageModel.bundled();
        Engine engine = OpenEngine.of(model, options(model).withSlots(2));
        ExecutorService callers = Executors.newFixedThreadPool(THREADS)) {
      byte[] pixels = pixels(model, 3);
      float[] expected = engine.run(pixels);
      List<Future<Boolean>> results = new ArrayList<>();
      for (int i = 0; i < 10 * THREADS; i++) {
        results.add(callers.submit(() -> Arrays.equals(expected, engine.run(pixels))));
      }
      boolean same = true;
      for (Future<Boolean> result : results) {
        same &= result.get();
      }
      report.check(
          "%d threads on two slots".formatted(THREADS),
          same,
          "%d requests, %s"
              .formatted(
                  results.size(), same ? "every result bitwise the same" : "results differ"));
    } catch (ExecutionException e) {
      report.check(
          "%d threads on two slots".formatted(THREADS), false, String.valueOf(e.getCause()));
    }
  }

  private void lifetimes() throws InterruptedException {
    int rounds = quick ? QUICK_ROUNDS : ROUNDS;
    try (ImageModel model = ImageModel.bundled()) {
      byte[] pixels = pixels(model, 1);
      int running = 0;
      long freeBefore = 0;
      for (int round = 0; round <= rounds; round++) {
        try (Engine engine = OpenEngine.of(model, options(model))) {
          engine.run(pixels);
          running = Math.max(running, engineThreads());
        }
        if (round == 0) {
          freeBefore = freeOnDevices(); // what the first one leaves in libraries may stay
        }
      }
      long lost = freeBefore - freeOnDevices();
      if (freeBefore > 0) {
        report.check(
            "device memory after %d engines".formatted(rounds),
            lost <= DEVICE_BYTES_LEFT,
            "%,d bytes less are free than after one".formatted(Math.max(0, lost)));
      }
      int left = engineThreads();
      long deadline = System.nanoTime() + LONGEST_END.toNanos();
      while (left > 0 && System.nanoTime() < deadline) {
        Thread.sleep(10); // an OpenMP library's threads end some time after the one they worked for
        left = engineThreads();
      }
      report.check(
          "%d engines opened and closed".formatted(rounds),
          left == 0,
          running == 0
              ? "threads cannot be counted here"
              : "%d OS threads while one ran, %d after".formatted(running, left));
    }
  }

  private static long freeOnDevices() {
    return DeviceReport.all().stream().mapToLong(DeviceReport::free).sum();
  }

  /**
   * OS threads of engines in this process; a native thread has the name of the one that started it.
   * The virtual machine's own come and go as it likes.
   */
  private static int engineThreads() {
    int count = 0;
    try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
      for (Path task : tasks) {
        count += isEngineThread(task) ? 1 : 0;
      }
    } catch (IOException _) {
      return 0;
    }
    return count;
  }

  private static boolean isEngineThread(Path task) {
    try {
      return Files.readString(task.resolve("comm")).startsWith("shortcut-");
    } catch (IOException _) {
      return false; // it has just ended
    }
  }

  private void memoryLimit() throws InterruptedException {
    try (ImageModel model = random("resnet18", 64);
        Engine engine = OpenEngine.of(model, options(model).withMemoryLimit(1 << 20))) {
      report.check(
          "the memory limit",
          false,
          "%,d bytes were taken of 1 MiB".formatted(engine.memory().total()));
    } catch (MemoryLimitException _) {
      report.check("the memory limit", true, "a network that needs more than allowed is refused");
    }
  }

  private void throughput() throws InterruptedException {
    if (device.options().backend() == Options.BackendChoice.REFERENCE) {
      report.note("throughput", "skipped", "the reference is for comparing, not for speed");
      return;
    }
    String network = quick ? "resnet18" : "resnet50";
    int size = quick ? 32 : 224;
    for (int batch = 1; batch <= (quick ? QUICK_BATCH : LARGEST_BATCH); batch *= 2) {
      try (ImageModel model = random(network, size);
          Engine engine = OpenEngine.of(model, options(model).withMaxBatch(batch))) {
        Measurement m =
            Benchmark.of(engine)
                .batch(batch)
                .warmUp(Duration.ofMillis(200))
                .rounds(3)
                .atLeast(Duration.ofMillis(500))
                .run();
        report.check(
            "%s, batches of %d, %dx%d".formatted(network, batch, size, size),
            true,
            String.format(
                Locale.ROOT,
                "%.1f images/s, median %.2f ms, %.1f GFLOP/s",
                m.imagesPerSecond(),
                m.latency(50).toNanos() / 1e6,
                m.flopsPerSecond() / 1e9));
      }
    }
  }
}
