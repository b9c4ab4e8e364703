package dev.shortcut.engine.backend.cudnn;

import static dev.shortcut.engine.testing.Tensors.assertClose;
import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.DeviceException;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.MemoryLimitException;
import dev.shortcut.engine.MemoryReport;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.Options.Launch;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.Tolerance;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The backend on the software CUDA device, which judges every call. */
@Tag("native")
class CudnnModelTest {
  private static final int IMAGE = Math.toIntExact(EightKernels.IMAGE.elements());

  private boolean expectsComplaints;

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
  }

  @AfterEach
  void nothingIsLeftAndNothingWasWrong() {
    if (!expectsComplaints) {
      assertEquals(List.of(), SoftwareDevice.complaints());
      assertEquals(Map.of(), SoftwareDevice.live());
      assertEquals(0, SoftwareDevice.bytesInUse(0));
    }
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

  @ParameterizedTest
  @EnumSource(names = {"FP32", "TF32", "FP16", "BF16"})
  void wholeNumbersComeOutExactlyInEveryPrecision(Precision precision) throws InterruptedException {
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    float[] images = wholeNumbers(4);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
    assertTrue(new HashSet<>(Tensors.boxed(expected)).size() > 3, "a net that says something");
    try (Engine engine = open(graph, weights, options().withPrecision(precision))) {
      assertSameValues(expected, engine.run(images));
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FP32", "TF32", "FP16", "BF16"})
  void realNumbersComeOutWithinThePrecisionsError(Precision precision) throws InterruptedException {
    Graph graph = EightKernels.logits();
    Random random = TestSeed.random();
    var weights = new MapWeights();
    graph
        .parameters()
        .forEach(p -> {
          float[] values = Tensors.gaussians(random, Math.toIntExact(p.elements()));
          for (int i = 0; i < values.length; i++) {
            // Positive, since a variance is among them.
            values[i] = 0.02f + 0.2f * Math.abs(values[i]);
          }
          weights.put(p.name(), p.dims(), values);
        });
    float[] images = Tensors.gaussians(random, 4 * IMAGE);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
    try (Engine engine = open(graph, weights, options().withPrecision(precision))) {
      assertClose(expected, engine.run(images), Tolerance.ofLayers(precision).nmse());
    }
  }

  @Test
  void aBatchIsOneGraphLaunchAndTwoEdgeKernels() throws InterruptedException {
    Graph graph = EightKernels.probabilities();
    float[] images = wholeNumbers(3);
    try (Engine engine = open(graph, sparse(graph), options())) {
      int before = SoftwareDevice.log().size();
      engine.run(images);
      List<String> calls =
          SoftwareDevice.log().subList(before, SoftwareDevice.log().size()).stream()
              .map(line -> line.split(" ")[1])
              .toList();
      assertEquals(
          List.of(
              "cuMemcpyHtoDAsync_v2",
              "cuEventRecord",
              "cuStreamWaitEvent",
              "cuLaunchKernel",
              "cuGraphLaunch",
              "cuLaunchKernel",
              "cuEventRecord",
              "cuStreamWaitEvent",
              "cuMemcpyDtoHAsync_v2",
              "cuEventRecord",
              "cuEventSynchronize"),
          calls);
      assertEquals(8, engine.kernels().stream().filter(kernel -> kernel.batch() == 4).count());
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FP32", "TF32", "FP16", "BF16"})
  void probabilitiesAreNotRoundedToThePrecision(Precision precision) throws InterruptedException {
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    float[] images = wholeNumbers(4);
    Options options = options().withPrecision(precision);
    float[] probabilities;
    Options wanted = options.withOutput(Options.Output.PROBABILITIES);
    try (Engine judge =
            open(
                graph,
                weights,
                wanted.withPrecision(Precision.FP32).withBackend(BackendChoice.REFERENCE));
        Engine engine = open(graph, weights, wanted)) {
      probabilities = engine.run(images);
      assertClose(judge.run(images), probabilities, 1e-12);
    }
    try (Engine engine = open(graph, weights, options.withTopK(2))) {
      float[] ranked = engine.run(images);
      for (int image = 0; image < 4; image++) {
        int largest = Math.round(ranked[4 * image + 2]);
        int second = Math.round(ranked[4 * image + 3]);
        float[] of =
            Arrays.copyOfRange(
                probabilities, image * EightKernels.CLASSES, (image + 1) * EightKernels.CLASSES);
        assertEquals(of[largest], ranked[4 * image]);
        assertEquals(of[second], ranked[4 * image + 1]);
        for (int c = 0; c < of.length; c++) {
          assertTrue(of[c] < of[largest] || (of[c] == of[largest] && c >= largest), "first");
          assertTrue(
              c == largest || of[c] < of[second] || (of[c] == of[second] && c >= second), "second");
        }
      }
    }
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
  void everyWayToLaunchGivesTheSameBits() throws InterruptedException {
    Graph graph = EightKernels.probabilities();
    MapWeights weights = sparse(graph);
    float[] images = Tensors.gaussians(TestSeed.random(), 7 * IMAGE);
    List<float[]> results = new ArrayList<>();
    for (Launch launch : Launch.values()) {
      Options options = options().withPrecision(Precision.FP16).withLaunch(launch).withSlots(2);
      try (Engine engine = open(graph, weights, options)) {
        results.add(engine.run(images));
        results.add(engine.run(images));
      }
    }
    results.forEach(result -> assertArrayEquals(results.getFirst(), result));
  }

  @Test
  void bytesAreNormalisedAsOnTheCpu() throws InterruptedException {
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    var pixels =
        new InputFormat.Uint8Nhwc(List.of(0.485, 0.456, 0.406), List.of(0.229, 0.224, 0.225));
    byte[] images = new byte[3 * IMAGE];
    TestSeed.random().nextBytes(images);
    float[] expected;
    Options options = options().withInput(pixels);
    try (Engine engine = open(graph, weights, options.withBackend(BackendChoice.REFERENCE))) {
      expected = engine.run(images);
    }
    try (Engine engine = open(graph, weights, options)) {
      assertClose(expected, engine.run(images), 1e-12);
    }
  }

  @Test
  void memoryIsWhatTheDeviceGrowsBy() {
    Graph graph = EightKernels.probabilities();
    try (Engine engine = open(graph, sparse(graph), options().withSlots(3))) {
      MemoryReport memory = engine.memory();
      long onDevice = memory.total() - memory.slots() * memory.stagingPerSlot();
      assertEquals(onDevice, SoftwareDevice.bytesInUse(0), 0.05 * onDevice);
    }
  }

  @Test
  void aDeviceThatIsTooSmallIsToldWithWhatWouldFit() {
    Graph graph = EightKernels.probabilities();
    long small;
    try (Engine engine = open(graph, sparse(graph), options().withMaxBatch(2))) {
      small = engine.memory().total();
    }
    SoftwareDevice.reset(SoftwareDevice.settings().memory(small));
    var e =
        assertThrows(
            MemoryLimitException.class,
            () -> open(graph, sparse(graph), options().withMaxBatch(64)));
    String message = String.valueOf(e.getMessage());
    assertTrue(message.contains("free") && message.contains("batches of up to "), message);
  }

  @Test
  void aLostDeviceSaysRestartAndFreesNothing() {
    expectsComplaints = true;
    Graph graph = EightKernels.probabilities();
    Engine engine = open(graph, sparse(graph), options());
    SoftwareDevice.failWork(3, 700);
    var e = assertThrows(DeviceException.class, () -> engine.run(wholeNumbers(1)));
    assertTrue(e.fatal());
    assertTrue(String.valueOf(e.getMessage()).contains("restart"), e.getMessage());
    var again = assertThrows(DeviceException.class, () -> engine.run(wholeNumbers(1)));
    assertTrue(again.fatal());
    int before = SoftwareDevice.log().size();
    engine.close();
    assertEquals(before, SoftwareDevice.log().size(), "calls on a lost device");
  }

  @Test
  void stepwiseLaunchesNameTheLayerThatFailed() {
    expectsComplaints = true;
    Graph graph = EightKernels.probabilities();
    Engine engine = open(graph, sparse(graph), options().withLaunch(Launch.STEPWISE));
    // The upload and the conversion of the images come first, then a step each.
    SoftwareDevice.failWork(2 + 3, 700);
    var e = assertThrows(DeviceException.class, () -> engine.run(wholeNumbers(1)));
    String third = engine.kernels().get(2).node().name();
    assertTrue(String.valueOf(e.getMessage()).contains(third), e.getMessage());
    engine.close();
  }

  @Test
  void severalDevicesShareTheBatches() throws InterruptedException {
    SoftwareDevice.reset(SoftwareDevice.settings().devices(4));
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    float[] images = wholeNumbers(4);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
    Options options = options().withDevices(new DeviceChoice.All()).withSlots(4);
    try (Engine engine = open(graph, weights, options)) {
      for (int device = 0; device < 4; device++) {
        assertTrue(SoftwareDevice.bytesInUse(device) > 0, "device " + device);
      }
      List<Thread> callers = new ArrayList<>();
      Set<String> wrong = new HashSet<>();
      for (int i = 0; i < 16; i++) {
        callers.add(
            Thread.ofVirtual()
                .start(() -> {
                  try {
                    assertSameValues(expected, engine.run(images));
                  } catch (InterruptedException | RuntimeException | AssertionError e) {
                    synchronized (wrong) {
                      wrong.add(String.valueOf(e));
                    }
                  }
                }));
      }
      for (Thread caller : callers) {
        caller.join();
      }
      assertEquals(Set.of(), wrong);
    }
    for (int device = 0; device < 4; device++) {
      assertEquals(0, SoftwareDevice.bytesInUse(device), "device " + device);
    }
  }

  @Test
  void everyKernelSaysWhatItBecame() {
    Graph graph = EightKernels.probabilities();
    try (Engine engine = open(graph, sparse(graph), options().withPrecision(Precision.FP16))) {
      for (KernelReport kernel : engine.kernels()) {
        String expected =
            switch (kernel.node().name()) {
              case "conv1", "conv2", "conv3", "maxpool", "avgpool" -> "cuDNN engine";
              case "fc" -> "cuBLASLt";
              case "skip" -> "subsample";
              case "softmax" -> "softmax";
              default -> throw new AssertionError(kernel);
            };
        assertTrue(kernel.implementation().startsWith(expected), kernel::toString);
        assertFalse(kernel.implementation().contains("then elementwise"), kernel::toString);
      }
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

  @Test
  void aPartOfABatchLeavesTheRestAlone() throws InterruptedException {
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    float[] images = wholeNumbers(4);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
    try (Engine engine = open(graph, weights, options())) {
      for (int count = 4; count > 0; count--) {
        assertSameValues(
            Arrays.copyOf(expected, count * EightKernels.CLASSES),
            engine.run(Arrays.copyOf(images, count * IMAGE)));
      }
    }
  }
}
