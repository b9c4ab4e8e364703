package dev.shortcut.engine.backend.cudnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cudnn.CudnnStatus;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.ModelException;
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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

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
   * @param timings how often the device was asked how long something took
   * @param log what the cache had to say
   * @param kernels by what each node was computed, with its batch
   */
  private record Run(
      float[] results,
      long rankings,
      long made,
      long timings,
      List<String> log,
      Map<String, String> kernels) {
    String kernel(String node) {
      return Objects.requireNonNull(kernels.get(node + IMAGES));
    }
  }

  private Run run() throws InterruptedException {
    return run(options);
  }

  private Run runTuned() throws InterruptedException {
    return run(options.withTuned(true));
  }

  private Run run(Options options) throws InterruptedException {
    int before = SoftwareDevice.log().size();
    try (var logged = new Logged(PlanCache.class);
        Engine engine = Engine.open(Model.of(GRAPH, weights), options)) {
      float[] results = engine.run(images);
      List<String> log = SoftwareDevice.log().subList(before, SoftwareDevice.log().size());
      Map<String, String> kernels = new HashMap<>();
      for (KernelReport kernel : engine.kernels()) {
        kernels.put(kernel.node().name() + kernel.batch(), kernel.implementation());
      }
      return new Run(
          results,
          count(log, "cudnn heuristics"),
          count(log, "cudnn planning"),
          count(log, "cuda cuEventElapsedTime"),
          logged.lines(),
          kernels);
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
    rewritten(entry -> {
      PlanKey key = entry.key();
      return new PlanEntry(
          new PlanKey(key.kernel(), "cudnn91100", key.architecture(), key.device()),
          entry.timed(),
          entry.kept());
    });
    Run other = run();
    assertEquals(first.rankings(), other.rankings());
    assertEquals(1, other.log().size(), other.log()::toString);
    assertTrue(
        other.log().getFirst().contains("kept for another cuDNN or in another format"),
        other.log()::toString);
    assertArrayEquals(first.results(), other.results());
  }

  /** Something else instead of everything that is kept, with a right hash. */
  private void rewritten(UnaryOperator<PlanEntry> change) {
    try (Stream<Path> files = Files.list(options.planCache())) {
      for (Path file : files.toList()) {
        PlanEntry changed = change.apply(PlanEntry.read(Files.readAllBytes(file)));
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
    rewritten(entry -> {
      var plan = (PlanEntry.Engine) entry.kept();
      return new PlanEntry(
          entry.key(),
          entry.timed(),
          new PlanEntry.Engine(
              "{}",
              plan.engine(),
              plan.knobs(),
              plan.numericalNotes(),
              plan.behaviorNotes(),
              plan.workspaceBytes()));
    });
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

  /** Engine 11 and algorithm 13 are never cuDNN's and cuBLASLt's own favourites. */
  private static SoftwareDevice.Settings favouringOthers() {
    return SoftwareDevice.settings().modelClock().engineMicros(11, 10).algorithmMicros(13, 5);
  }

  private static void assertTakesTheFastest(Run run) {
    for (String node : List.of("conv1", "conv2", "conv3")) {
      assertTrue(run.kernel(node).matches("cuDNN engine 11\\b.*"), run::toString);
    }
    assertTrue(run.kernel("fc").startsWith("cuBLASLt algorithm 13,"), run::toString);
  }

  @Test
  void aSecondTunedStartMakesNoPlanAndTimesNothing() throws InterruptedException {
    SoftwareDevice.reset(favouringOthers());
    Run first = runTuned();
    assertTrue(first.made() > 0 && first.timings() > 0, first::toString);
    assertTakesTheFastest(first);
    // Whoever timed once more would now take something else.
    SoftwareDevice.reset(SoftwareDevice.settings().modelClock());
    for (Run later : List.of(runTuned(), run(), runTuned())) {
      assertEquals(0, later.rankings());
      assertEquals(0, later.made());
      assertEquals(0, later.timings());
      assertEquals(List.of(), later.log());
      assertTakesTheFastest(later);
      assertArrayEquals(first.results(), later.results());
    }
  }

  @Test
  void whatWasTakenWithoutTimingIsTimedOnceThatIsAskedFor() throws InterruptedException {
    SoftwareDevice.reset(favouringOthers());
    Run untimed = run();
    assertEquals(0, untimed.timings());
    assertFalse(untimed.kernel("conv1").startsWith("cuDNN engine 11,"), untimed::toString);
    Run timed = runTuned();
    assertTrue(timed.timings() > 0, timed::toString);
    assertTakesTheFastest(timed);
    assertEquals(0, runTuned().timings());
  }

  @Test
  void whatWasTheFastestOnAnotherDeviceIsTakenAndTimedOnceThatIsAskedFor()
      throws InterruptedException {
    SoftwareDevice.reset(favouringOthers());
    long timings = runTuned().timings();
    SoftwareDevice.reset(favouringOthers().driverVersion(13000));
    Run other = run();
    assertEquals(0, other.rankings());
    assertTrue(other.kernel("conv1").startsWith("cuDNN engine 11,"), other::toString);
    // cuBLASLt's ranking is another one there, for all that is known.
    assertTrue(other.kernel("fc").startsWith("cuBLASLt algorithm 21,"), other::toString);
    assertEquals(timings, runTuned().timings());
    assertEquals(0, runTuned().timings());
    SoftwareDevice.reset(favouringOthers());
    assertEquals(0, runTuned().timings());
  }

  /** A mark that stays where a plan's text is refused and the same engine is built anew. */
  @Test
  void whatWasTimedIsMadeAgainWithoutBeingTimed() throws InterruptedException {
    SoftwareDevice.reset(favouringOthers());
    runTuned();
    rewritten(entry ->
        entry.kept() instanceof PlanEntry.Engine plan
            ? new PlanEntry(
                entry.key(),
                entry.timed(),
                new PlanEntry.Engine(
                    "{}",
                    plan.engine(),
                    plan.knobs(),
                    plan.numericalNotes(),
                    plan.behaviorNotes(),
                    plan.workspaceBytes()))
            : entry);
    for (int start = 0; start < 2; start++) {
      Run later = runTuned();
      assertEquals(start == 0, later.made() > 0);
      assertEquals(0, later.timings());
      assertTakesTheFastest(later);
    }
  }

  /** Where cuDNN takes no text of a plan back for a handle. */
  @Test
  void whatIsBuiltForTheDeviceIsTimedAndKeptToo() throws InterruptedException {
    SoftwareDevice.reset(favouringOthers().refuseToRestorePlans());
    Run first = runTuned();
    assertTakesTheFastest(first);
    Run second = runTuned();
    assertEquals(0, second.timings());
    assertTakesTheFastest(second);
    assertArrayEquals(first.results(), second.results());
  }

  /** Whatever is said of a suggestion, cuBLASLt is asked for it and has the last word. */
  @Test
  void aSuggestionThatIsNoLongerTheSameIsIgnoredWithOneLineAndChosenAnew()
      throws InterruptedException {
    SoftwareDevice.reset(favouringOthers());
    Run first = runTuned();
    for (UnaryOperator<PlanEntry.Rank> change :
        List.<UnaryOperator<PlanEntry.Rank>>of(
            rank -> new PlanEntry.Rank(0, rank.workspaceBytes(), rank.algorithm()),
            rank -> new PlanEntry.Rank(Integer.MAX_VALUE, rank.workspaceBytes(), rank.algorithm()),
            rank -> new PlanEntry.Rank(rank.rank(), -1, rank.algorithm()),
            rank -> new PlanEntry.Rank(rank.rank(), 1L << 62, rank.algorithm()),
            rank -> new PlanEntry.Rank(rank.rank(), rank.workspaceBytes(), "cuBLASLt"))) {
      rewritten(entry ->
          entry.kept() instanceof PlanEntry.Rank rank
              ? new PlanEntry(entry.key(), true, change.apply(rank))
              : entry);
      Run second = run();
      // One for each batch size.
      assertEquals(IMAGES, second.log().size(), second.log()::toString);
      assertTrue(
          second.log().getFirst().contains("is ignored and made anew: suggestion "),
          second.log()::toString);
      assertTrue(second.kernel("fc").startsWith("cuBLASLt algorithm 21,"), second::toString);
      Run tuned = runTuned();
      assertTrue(tuned.timings() > 0, tuned::toString);
      assertTakesTheFastest(tuned);
      assertArrayEquals(first.results(), tuned.results());
    }
    assertEquals(0, runTuned().timings());
  }

  @Test
  void aSuggestionWithOtherSettingsIsNotTheSame() throws InterruptedException {
    SoftwareDevice.reset(favouringOthers());
    runTuned();
    for (SoftwareDevice.Settings other :
        List.of(
            favouringOthers().algorithmSettings(1, 0), favouringOthers().algorithmSettings(0, 1))) {
      SoftwareDevice.reset(other);
      Run run = run();
      assertEquals(IMAGES, run.log().size(), run.log()::toString);
      assertTrue(run.log().getFirst().contains("made anew: suggestion "), run.log()::toString);
      assertTrue(run.kernel("fc").startsWith("cuBLASLt algorithm 21,"), run::toString);
    }
  }

  /** Pooling's engines, on this device. */
  private static final List<Long> POOLING = List.of(2L, 3L);

  private static SoftwareDevice.Settings refusing(List<Long> engines, int status) {
    var settings = SoftwareDevice.settings();
    for (long engine : engines) {
      settings = settings.refuseEngine(engine, status);
    }
    return settings;
  }

  @ParameterizedTest
  @EnumSource(names = {"NOT_SUPPORTED_SHAPE", "INTERNAL_ERROR_UNEXPECTED_VALUE"})
  void whatCudnnRefusedIsNotSearchedForAgain(CudnnStatus status) throws InterruptedException {
    SoftwareDevice.reset(refusing(POOLING, status.code()));
    Run first = run();
    assertTrue(first.kernel("maxpool").contains("cannot be made: "), first::toString);
    // Nobody asks whether it can be made by now.
    SoftwareDevice.reset();
    Run second = run();
    assertEquals(0, second.rankings());
    assertEquals(0, second.made());
    assertEquals(List.of(), second.log());
    assertEquals(first.kernel("maxpool"), second.kernel("maxpool"));
    assertArrayEquals(first.results(), second.results());
    for (SoftwareDevice.Settings other :
        List.of(
            SoftwareDevice.settings().driverVersion(13000),
            SoftwareDevice.settings().multiprocessors(16))) {
      SoftwareDevice.reset(other);
      Run there = run();
      assertTrue(there.kernel("maxpool").startsWith("cuDNN engine 3 "), there::toString);
      assertEquals(1, there.log().size(), there.log()::toString);
    }
  }

  /**
   * Neither a refusal for want of a library, or of another version of one, nor a choice without
   * what it would have offered.
   */
  @ParameterizedTest
  @EnumSource(
      names = {
        "SUBLIBRARY_LOADING_FAILED",
        "NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER",
        "NOT_SUPPORTED_INCOMPATIBLE_CUDART",
        "NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING",
        "NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE",
        "INTERNAL_ERROR_HOST_ALLOCATION_FAILED"
      })
  void whatMayWorkAtTheNextStartIsTriedThen(CudnnStatus status) throws InterruptedException {
    Run complete = run(options.withPlanCache(null));
    SoftwareDevice.reset(refusing(List.of(2L, 3L, 10L, 32L), status.code()));
    Run lacking = run();
    assertTrue(lacking.kernel("maxpool").startsWith("pool, since "), lacking::toString);
    assertTrue(lacking.kernel("conv2").startsWith("cuDNN engine 11,"), lacking::toString);
    SoftwareDevice.reset();
    assertEquals(complete.kernels(), run().kernels());
  }

  /** Another NVRTC or driver may compile it; but some candidates can be compiled nowhere. */
  @Test
  void whatCouldNotBeCompiledIsTriedAgainOnlyWhereNothingElseCouldBeTaken()
      throws InterruptedException {
    Run complete = run(options.withPlanCache(null));
    SoftwareDevice.reset(
        refusing(List.of(2L, 3L, 10L, 32L), CudnnStatus.INTERNAL_ERROR_COMPILATION_FAILED.code()));
    Run lacking = run();
    assertTrue(lacking.kernel("maxpool").startsWith("pool, since "), lacking::toString);
    assertTrue(lacking.kernel("conv2").startsWith("cuDNN engine 11,"), lacking::toString);
    SoftwareDevice.reset();
    Run later = run();
    assertEquals(complete.kernel("maxpool"), later.kernel("maxpool"));
    assertTrue(later.kernel("conv2").startsWith("cuDNN engine 11,"), later::toString);
    assertTrue(later.rankings() < complete.rankings(), later::toString);
    assertEquals(0, run().rankings());
  }

  /** Not even if that was true once. */
  @Test
  void thatANetworkCannotRunIsNotSaidOnTheStrengthOfWhatWasKept() throws InterruptedException {
    Run good = run(options.withPlanCache(null));
    SoftwareDevice.reset(
        refusing(LongStream.range(0, 60).boxed().toList(), CudnnStatus.NOT_SUPPORTED_SHAPE.code()));
    for (int start = 0; start < 2; start++) {
      var e = assertThrows(ModelException.class, this::run);
      assertTrue(e.getMessage().contains("has no implementation of conv1"), e.getMessage());
    }
    SoftwareDevice.reset();
    Run later = run();
    assertEquals(good.kernel("conv1"), later.kernel("conv1"));
    assertArrayEquals(good.results(), later.results());
  }

  /** Nor that it can only by slower calls. */
  @Test
  void thatANetworkNeedsOlderCallsIsNotSaidOnTheStrengthOfWhatWasKept()
      throws InterruptedException {
    Options allowed = options.withLegacyConvolutions(true);
    Run good = run(options.withPlanCache(null));
    SoftwareDevice.reset(SoftwareDevice.settings().refuseToPlanConvolutions(3));
    Run first = run(allowed);
    Run second = run(allowed);
    for (Run refused : List.of(first, second)) {
      assertTrue(
          refused.kernel("conv1").startsWith("cudnnConvolutionBiasActivationForward "),
          refused::toString);
      assertTrue(refused.rankings() > 0, refused::toString);
    }
    assertTrue(second.rankings() < first.rankings(), second::toString);
    SoftwareDevice.reset();
    Run later = run(allowed);
    assertEquals(good.kernel("conv1"), later.kernel("conv1"));
    assertArrayEquals(good.results(), later.results());
    assertEquals(0, run(allowed).rankings());
  }

  /** Right keys and hashes around what nobody would write for such a key. */
  @Test
  void whatHasNoBusinessUnderItsKeyIsHarmless() throws InterruptedException {
    SoftwareDevice.reset(favouringOthers());
    Run first = runTuned();
    for (PlanEntry.Kept kept :
        List.of(
            new PlanEntry.Slower(),
            new PlanEntry.Refusal(Map.of("why not", List.of())),
            new PlanEntry.Rank(0, 0, "cuBLASLt"),
            new PlanEntry.Engine("{}", -1, List.of(), Set.of(), Set.of(), -1),
            new PlanEntry.Engine("", Long.MIN_VALUE, List.of(), Set.of(), Set.of(), 1L << 62))) {
      for (boolean timed : List.of(true, false)) {
        rewritten(entry -> new PlanEntry(entry.key(), timed, kept));
        assertArrayEquals(first.results(), run().results(), kept::toString);
        assertArrayEquals(first.results(), runTuned().results(), kept::toString);
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
