package dev.shortcut.engine.backend.cudnn;

import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.PlatformThread;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.pass.Passes;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What only the backend of cuDNN's graph API does: it has plans to choose from. */
@Tag("native")
class CudnnModelTest {
  private static final int IMAGE = Math.toIntExact(EightKernels.IMAGE.elements());

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
  }

  @AfterEach
  void nothingIsLeftAndNothingWasWrong() {
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
    assertEquals(0, SoftwareDevice.bytesInUse(0));
  }

  private static Options options() {
    return Options.defaults().withBackend(BackendChoice.CUDA).withMaxBatch(4);
  }

  private static Engine open(Graph graph, Weights weights, Options options) {
    return Engine.open(Model.of(graph, weights), options);
  }

  private static MapWeights sparse(Graph graph) {
    return EightKernels.sparse(graph, TestSeed.random("weights"));
  }

  private static float[] wholeNumbers(int images) {
    return Tensors.integers(TestSeed.random("images"), images * IMAGE, 2);
  }

  /** Of a plan that does not come back from its text nobody notices anything. */
  @ParameterizedTest
  @EnumSource(names = {"FP32", "TF32", "FP16", "BF16"})
  void plansThatAreNotTakenBackAreBuiltForTheDevice(Precision precision)
      throws InterruptedException {
    SoftwareDevice.reset(SoftwareDevice.settings().refuseToRestorePlans());
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    float[] images = wholeNumbers(4);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
    try (Engine engine = open(graph, weights, options().withPrecision(precision).withSlots(2))) {
      assertSameValues(expected, engine.run(images));
    }
  }

  @Test
  void theFastestOfTheCandidatesIsTaken() throws InterruptedException {
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    float[] images = wholeNumbers(4);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
    Options options = options().withPrecision(Precision.FP16);
    List<Long> engines = List.of(0L, 10L, 11L);
    for (long fastest : engines) {
      var settings = SoftwareDevice.settings().modelClock();
      for (long engine : engines) {
        settings = settings.engineMicros(engine, engine == fastest ? 20 : 30);
      }
      for (int algorithm : List.of(13, 21)) {
        settings = settings.algorithmMicros(algorithm, algorithm == 13 ? 5 : 6);
      }
      SoftwareDevice.reset(settings);
      try (Engine engine = open(graph, weights, options.withTuned(true))) {
        for (KernelReport kernel : engine.kernels()) {
          String implementation = kernel.implementation();
          switch (kernel.node().name()) {
            case "conv1", "conv2", "conv3" ->
                assertTrue(
                    implementation.matches("cuDNN engine %d\\b.*".formatted(fastest))
                        && implementation.contains("by 20.0 us"),
                    implementation);
            case "fc" ->
                assertTrue(
                    implementation.startsWith("cuBLASLt algorithm 13,")
                        && implementation.contains("by 5.0 us"),
                    implementation);
            default -> assertFalse(implementation.contains("other order"), implementation);
          }
        }
        assertSameValues(expected, engine.run(images));
      }
    }
  }

  @Test
  void theFastestIsKeptForTheNextStart(@TempDir Path folder) {
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    Options options =
        options().withPrecision(Precision.FP16).withPlanCache(folder.resolve("plans"));
    var settings = SoftwareDevice.settings().modelClock().engineMicros(11, 10);
    SoftwareDevice.reset(settings);
    open(graph, weights, options.withTuned(true)).close();
    SoftwareDevice.reset();
    try (Engine engine = open(graph, weights, options)) {
      for (KernelReport kernel : engine.kernels()) {
        if (kernel.node().name().startsWith("conv")) {
          assertTrue(
              kernel.implementation().matches("cuDNN engine 11\\b.*"), kernel::implementation);
        }
      }
    }
  }

  /** Timing would tell them apart: to each of them another engine and algorithm is the fastest. */
  @Test
  void equalDevicesTakeWhatWasChosenOnceAndGiveTheSameBits() {
    Graph graph = EightKernels.logits();
    Graph fused = Passes.trace(graph, Passes.all(Layout.NHWC)).getLast().after();
    Random random = TestSeed.random();
    MapWeights weights = EightKernels.realNumbers(graph, random);
    float[] images = Tensors.gaussians(random, 4 * IMAGE);
    Options options = options().withPrecision(Precision.TF32).withSlots(4).withTuned(true);
    var settings =
        SoftwareDevice.settings()
            .modelClock()
            .engineMicrosOn(0, 10, 10)
            .algorithmMicrosOn(0, 21, 10)
            .engineMicrosOn(1, 11, 10)
            .algorithmMicrosOn(1, 13, 10);
    Map<String, Long> alone = Map.of();
    for (int devices = 1; devices <= 2; devices++) {
      SoftwareDevice.reset(settings.devices(devices));
      try (CompiledModel model =
          CudnnBackend.open(new DeviceChoice.All()).compile(fused, weights, List.of(4), options)) {
        Map<String, Long> choosing = new HashMap<>();
        for (String call :
            List.of("cudnn heuristics", "cudnn planning", "cuda cuEventElapsedTime")) {
          long times = SoftwareDevice.log().stream().filter(line -> line.startsWith(call)).count();
          assertTrue(times > 0, call);
          choosing.put(call, times);
        }
        assertEquals(devices == 1 ? choosing : alone, choosing);
        alone = choosing;
        List<float[]> results = model.slots().stream().map(slot -> run(slot, images)).toList();
        assertEquals(4, results.size());
        results.forEach(result -> assertArrayEquals(results.getFirst(), result));
      }
    }
  }

  private static float[] run(Slot slot, float[] images) {
    return PlatformThread.call(
        "slot",
        () -> {
          slot.attach();
          slot.inputStaging().copyFrom(MemorySegment.ofArray(images));
          slot.run(4, slot.inputStaging(), slot.outputStaging());
          return slot.outputStaging().toArray(ValueLayout.JAVA_FLOAT);
        });
  }

  @Test
  void devicesThatDifferChooseForThemselves() throws InterruptedException {
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    float[] images = wholeNumbers(4);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
    Options options = options().withDevices(new DeviceChoice.All()).withSlots(2);
    List<Long> rankings = new ArrayList<>();
    for (int second : List.of(90, 80)) {
      SoftwareDevice.reset(SoftwareDevice.settings().devices(2).computeCapability(90, second));
      try (Engine engine = open(graph, weights, options)) {
        rankings.add(
            SoftwareDevice.log().stream()
                .filter(line -> line.startsWith("cudnn heuristics"))
                .count());
        assertSameValues(expected, engine.run(images));
      }
    }
    assertEquals(2 * rankings.getFirst(), rankings.getLast());
  }

  /** The sum with the bias first is compiled at run time, which may be faster. */
  @Test
  void aResidualIsAddedBehindTheBiasWhereThatIsFaster() throws InterruptedException {
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    float[] images = wholeNumbers(4);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
    SoftwareDevice.reset(SoftwareDevice.settings().modelClock().engineMicros(7, 50));
    try (Engine engine =
        open(graph, weights, options().withPrecision(Precision.FP16).withTuned(true))) {
      List<String> implementations =
          engine.kernels().stream()
              .filter(kernel -> kernel.node().name().equals("conv3"))
              .map(KernelReport::implementation)
              .toList();
      assertEquals(3, implementations.size());
      for (String implementation : implementations) {
        assertTrue(
            implementation.matches("cuDNN engine 7\\b.*") && implementation.contains("is slower"),
            implementation);
      }
      assertSameValues(expected, engine.run(images));
    }
  }

  @Test
  void noPlanIsTakenThatComputesSomethingElse() {
    Graph graph = EightKernels.logits();
    boolean passedOver = false;
    try (Engine engine = open(graph, sparse(graph), options())) {
      for (KernelReport kernel : engine.kernels()) {
        String[] parts = kernel.implementation().split("passed over", 2);
        passedOver |= parts.length > 1;
        assertFalse(
            parts[0].matches(
                ".*(TENSOR_CORE|DOWN_CONVERT_INPUTS|NONDETERMINISTIC|REDUCED_PRECISION).*"),
            kernel::toString);
      }
    }
    assertTrue(passedOver, "the device offers no bad candidates");
  }
}
