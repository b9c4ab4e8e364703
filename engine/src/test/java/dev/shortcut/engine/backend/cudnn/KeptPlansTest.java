package dev.shortcut.engine.backend.cudnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Engines that are opened again, on the same device or another one, with a folder of plans. */
@Tag("native")
class KeptPlansTest {
  private static final int IMAGES = 2;
  private static final Graph GRAPH = EightKernels.logits();

  @TempDir private Path temporary;
  private Options options;
  private MapWeights weights;
  private float[] images;

  @BeforeEach
  void prepare() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    options =
        Options.defaults()
            .withBackend(BackendChoice.CUDA)
            .withPrecision(Precision.FP16)
            .withMaxBatch(IMAGES)
            .withPlanCache(temporary.resolve("plans"));
    weights = EightKernels.sparse(GRAPH, TestSeed.random("weights"));
    images =
        Tensors.integers(
            TestSeed.random("images"), IMAGES * Math.toIntExact(EightKernels.IMAGE.elements()), 2);
  }

  @AfterEach
  void nothingIsLeftAndNothingWasWrong() {
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  /**
   * What came out of an engine.
   *
   * @param results of the images
   * @param rankings how often cuDNN was asked for engines
   * @param made how many plans it made
   * @param log what the cache had to say
   */
  private record Run(float[] results, long rankings, long made, List<String> log) {}

  private Run run() throws InterruptedException {
    int before = SoftwareDevice.log().size();
    try (var logged = new Logged(PlanCache.class);
        Engine engine = Engine.open(Model.of(GRAPH, weights), options)) {
      float[] results = engine.run(images);
      List<String> log = SoftwareDevice.log().subList(before, SoftwareDevice.log().size());
      return new Run(
          results, count(log, "cudnn heuristics"), count(log, "cudnn planning"), logged.lines());
    }
  }

  private static long count(List<String> log, String call) {
    return log.stream().filter(line -> line.startsWith(call)).count();
  }

  private long files() throws IOException {
    try (Stream<Path> files = Files.list(options.planCache())) {
      return files.count();
    }
  }

  @Test
  void aSecondStartMakesNoPlan() throws InterruptedException {
    Run first = run();
    assertTrue(first.rankings() > 0 && first.made() > 0, first::toString);
    Run second = run();
    assertEquals(0, second.rankings());
    assertEquals(0, second.made());
    assertEquals(List.of(), second.log());
    assertArrayEquals(first.results(), second.results());
  }

  @Test
  void anotherDriverTakesEnginesAndSettingsAndLeavesTheFirstOnesPlans()
      throws InterruptedException, IOException {
    Run first = run();
    long plans = files();
    SoftwareDevice.reset(SoftwareDevice.settings().driverVersion(13000));
    Run other = run();
    assertEquals(0, other.rankings());
    assertEquals(plans, other.made());
    assertEquals(1, other.log().size(), other.log()::toString);
    assertTrue(
        other.log().getFirst().contains("(driverVer 13000, not 12090)"), other.log()::toString);
    assertArrayEquals(first.results(), other.results());
    assertEquals(2 * plans, files());
    assertEquals(0, run().made());
    SoftwareDevice.reset();
    assertEquals(0, run().made());
  }

  @Test
  void aSliceOfADeviceTakesEnginesAndSettings() throws InterruptedException {
    Run first = run();
    SoftwareDevice.reset(SoftwareDevice.settings().multiprocessors(16));
    Run slice = run();
    assertEquals(0, slice.rankings());
    assertEquals(1, slice.log().size(), slice.log()::toString);
    assertTrue(
        slice.log().getFirst().contains("(multiProcessorCount 16, not 132)"),
        slice.log()::toString);
    assertArrayEquals(first.results(), slice.results());
  }

  @Test
  void anotherArchitectureIsPlannedForAnew() throws InterruptedException {
    Run first = run();
    SoftwareDevice.reset(SoftwareDevice.settings().computeCapability(80));
    Run other = run();
    assertEquals(first.rankings() > 0, other.rankings() > 0);
    assertEquals(List.of(), other.log());
    assertArrayEquals(first.results(), other.results());
  }

  @Test
  void anotherCudnnPlansAnew() throws InterruptedException {
    Run first = run();
    rewritten(key -> new PlanKey(key.kernel(), 91100, key.architecture(), key.device()));
    Run other = run();
    assertEquals(first.rankings(), other.rankings());
    assertEquals(1, other.log().size(), other.log()::toString);
    assertTrue(
        other.log().getFirst().contains("kept for another cuDNN or in another format"),
        other.log()::toString);
    assertArrayEquals(first.results(), other.results());
  }

  /** Every plan that is kept as if it were for something else, with a right hash. */
  private void rewritten(UnaryOperator<PlanKey> change) {
    try (Stream<Path> files = Files.list(options.planCache())) {
      for (Path file : files.toList()) {
        PlanEntry entry = PlanEntry.read(Files.readAllBytes(file));
        var changed =
            new PlanEntry(
                change.apply(entry.key()),
                entry.json(),
                entry.engine(),
                entry.knobs(),
                entry.numericalNotes(),
                entry.behaviorNotes(),
                entry.workspaceBytes());
        Files.delete(file);
        Path moved =
            Files.write(options.planCache().resolve(changed.key().fileName()), changed.bytes());
        Files.setPosixFilePermissions(moved, PosixFilePermissions.fromString("rw-------"));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Right keys and hashes around texts that are no plans: engines and settings still serve. */
  @Test
  void aTextThatCudnnRefusesIsMadeAgain() throws InterruptedException, IOException {
    Run first = run();
    long plans = files();
    try (Stream<Path> files = Files.list(options.planCache())) {
      for (Path file : files.toList()) {
        PlanEntry entry = PlanEntry.read(Files.readAllBytes(file));
        var nonsense =
            new PlanEntry(
                entry.key(),
                "{}",
                entry.engine(),
                entry.knobs(),
                entry.numericalNotes(),
                entry.behaviorNotes(),
                entry.workspaceBytes());
        Files.write(file, nonsense.bytes());
      }
    }
    Run second = run();
    assertEquals(0, second.rankings());
    assertEquals(plans, second.made());
    assertEquals(1, second.log().size(), second.log()::toString);
    assertArrayEquals(first.results(), second.results());
    assertEquals(0, run().made());
  }

  /** Also that one order of a sum is slower than the other. */
  @Test
  void whatWasTimedNeedNotBeTimedAgain() throws InterruptedException {
    SoftwareDevice.reset(SoftwareDevice.settings().modelClock().engineMicros(7, 50));
    Engine.open(Model.of(GRAPH, weights), options.withTuned(true)).close();
    for (int driver : List.of(12090, 13000)) {
      SoftwareDevice.reset(SoftwareDevice.settings().driverVersion(driver));
      int before = SoftwareDevice.log().size();
      try (Engine engine = Engine.open(Model.of(GRAPH, weights), options)) {
        List<String> log = SoftwareDevice.log().subList(before, SoftwareDevice.log().size());
        assertEquals(0, count(log, "cudnn heuristics"));
        assertEquals(driver == 12090, count(log, "cudnn planning") == 0);
        List<String> implementations =
            engine.kernels().stream()
                .filter(kernel -> kernel.node().name().equals("conv3"))
                .map(KernelReport::implementation)
                .toList();
        assertEquals(2, implementations.size());
        for (String implementation : implementations) {
          assertTrue(
              implementation.matches("cuDNN engine 7\\b.*") && implementation.contains("is slower"),
              implementation);
        }
      }
    }
  }

  @Test
  void aFolderThatOthersCanWriteIsWarnedOfAndDoesNotStopTheEngine()
      throws InterruptedException, IOException {
    Run first = run();
    Files.setPosixFilePermissions(
        options.planCache(), PosixFilePermissions.fromString("rwxrwxrwx"));
    Run second = run();
    assertEquals(first.rankings(), second.rankings());
    assertEquals(1, second.log().size(), second.log()::toString);
    assertArrayEquals(first.results(), second.results());
  }
}
