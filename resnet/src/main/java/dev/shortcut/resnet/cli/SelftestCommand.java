package dev.shortcut.resnet.cli;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.MemoryLimitException;
import dev.shortcut.engine.Options;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.BundledPictures;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.resnet.Overrides;
import dev.shortcut.resnet.image.Picture;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "selftest",
    header = "Check a backend on this machine.",
    description = {
      "%nRuns networks of the family on the chosen backend and on the plain-Java reference, which computes with double sums, and"
          + " compares; labels the bundled pictures; runs one engine from many threads; opens and closes engines; and looks"
          + " whether the memory limit is kept. One line for each check.%n",
      "Exit status 0: all is well. 70: something is wrong; please report the output.%n"
    },
    footer = {
      "%nExamples:",
      "  shortcut selftest",
      "  shortcut selftest --backend cpu --format json"
    })
final class SelftestCommand implements Callable<Integer> {
  /** Of float sums in two orders; what goes wrong in earnest is orders of magnitude above. */
  private static final double LARGEST_NMSE = 1e-10;

  private static final double LARGEST_DIFFERENCE = 1e-4;

  private static final int THREADS = 16;
  private static final int ROUNDS = 20;

  private static final Duration LONGEST_END = Duration.ofSeconds(10);

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

  private record Case(String network, int size, int images) {}

  private final Console console;

  @Mixin private DeviceOptions device = new DeviceOptions();

  @Mixin private FormatOption format = new FormatOption();

  private final Table findings =
      new Table().column("check", "check").column("state", "state").column("detail", "detail");
  private boolean allWell = true;

  SelftestCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException {
    for (Case one : CASES) {
      compare(one);
    }
    pictures();
    threads();
    lifetimes();
    memoryLimit();
    console.print(findings.in(format.chosen()));
    return allWell ? ExitCodes.OK : ExitCodes.BUG;
  }

  private void add(String check, boolean well, String detail) {
    findings.row(check, well ? "ok" : "WRONG", detail);
    allWell &= well;
    console.message("%s: %s, %s".formatted(check, well ? "ok" : "WRONG", detail));
  }

  private static ImageModel random(String network, int size) {
    var overrides = new Overrides(null, size, size, null, null, null, null);
    return ImageModel.random(Architecture.parse(network), 7, overrides);
  }

  private Options options(ImageModel model) {
    return device.options().withMaxBatch(32).withInput(model.inputFormat());
  }

  private static byte[] pixels(ImageModel model, int images) {
    byte[] pixels = new byte[images * model.preprocessing().outputBytes()];
    new Random(images).nextBytes(pixels);
    return pixels;
  }

  private void compare(Case one) throws InterruptedException {
    try (ImageModel model = random(one.network(), one.size());
        Engine tested = Engine.open(model, options(model));
        Engine reference =
            Engine.open(
                model,
                options(model)
                    .withBackend(Options.BackendChoice.REFERENCE)
                    .withThreadsPerSlot(0)
                    .withLibrary(null))) {
      if (one.equals(CASES.getFirst())) {
        console.message("checking %s (%s)".formatted(tested.backend(), tested.choice()));
      }
      byte[] pixels = pixels(model, one.images());
      float[] found = tested.run(pixels);
      float[] expected = reference.run(pixels);
      double nmse = nmse(found, expected);
      double difference = difference(found, expected);
      boolean repeats = Arrays.equals(found, tested.run(pixels));
      add(
          "%s, %d images of %dx%d".formatted(one.network(), one.images(), one.size(), one.size()),
          nmse <= LARGEST_NMSE && difference <= LARGEST_DIFFERENCE && repeats,
          String.format(
              Locale.ROOT,
              "NMSE %.1e, max|a-b|/max|b| %.1e from the reference, %s",
              nmse,
              difference,
              repeats ? "the second run bitwise the same" : "the second run differs"));
    }
  }

  private static double nmse(float[] found, float[] expected) {
    double error = 0;
    double power = 0;
    for (int i = 0; i < expected.length; i++) {
      error += Math.pow((double) found[i] - expected[i], 2);
      power += Math.pow(expected[i], 2);
    }
    return error / power;
  }

  private static double difference(float[] found, float[] expected) {
    double error = 0;
    double largest = 0;
    for (int i = 0; i < expected.length; i++) {
      error = Math.max(error, Math.abs((double) found[i] - expected[i]));
      largest = Math.max(largest, Math.abs(expected[i]));
    }
    return Double.isNaN(nmse(found, expected)) ? Double.NaN : error / largest;
  }

  private void pictures() throws InterruptedException {
    try (ImageModel model = ImageModel.bundled();
        Engine engine = Engine.open(model, options(model))) {
      int right = 0;
      for (String name : BundledPictures.names()) {
        Picture picture = model.preprocessing().apply(Picture.decode(BundledPictures.read(name)));
        float[] logits = engine.run(picture.rgb());
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
          best = logits[i] > logits[best] ? i : best;
        }
        right += name.startsWith(model.labels().get(best)) ? 1 : 0;
      }
      int all = BundledPictures.names().size();
      add("the bundled pictures", right == all, "%d of %d labelled rightly".formatted(right, all));
    }
  }

  private void threads() throws InterruptedException {
    try (ImageModel model = ImageModel.bundled();
        Engine engine = Engine.open(model, options(model).withSlots(2));
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
      add(
          "%d threads on two slots".formatted(THREADS),
          same,
          "%d requests, %s"
              .formatted(
                  results.size(), same ? "every result bitwise the same" : "results differ"));
    } catch (ExecutionException e) {
      add("%d threads on two slots".formatted(THREADS), false, String.valueOf(e.getCause()));
    }
  }

  private void lifetimes() throws InterruptedException {
    try (ImageModel model = ImageModel.bundled()) {
      byte[] pixels = pixels(model, 1);
      int running = 0;
      for (int round = 0; round < ROUNDS; round++) {
        try (Engine engine = Engine.open(model, options(model))) {
          engine.run(pixels);
          running = Math.max(running, engineThreads());
        }
      }
      int left = engineThreads();
      long deadline = System.nanoTime() + LONGEST_END.toNanos();
      while (left > 0 && System.nanoTime() < deadline) {
        Thread.sleep(10); // an OpenMP library's threads end some time after the one they worked for
        left = engineThreads();
      }
      add(
          "%d engines opened and closed".formatted(ROUNDS),
          left == 0,
          running == 0
              ? "threads cannot be counted here"
              : "%d OS threads while one ran, %d after".formatted(running, left));
    }
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

  private void memoryLimit() {
    try (ImageModel model = random("resnet18", 64);
        Engine engine = Engine.open(model, options(model).withMemoryLimit(1 << 20))) {
      add(
          "the memory limit",
          false,
          "%,d bytes were taken of 1 MiB".formatted(engine.memory().total()));
    } catch (MemoryLimitException _) {
      add("the memory limit", true, "a network that needs more than allowed is refused");
    }
  }
}
