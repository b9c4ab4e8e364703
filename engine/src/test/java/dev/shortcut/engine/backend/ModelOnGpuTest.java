package dev.shortcut.engine.backend;

import static dev.shortcut.engine.testing.Tensors.assertClose;
import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.DeviceException;
import dev.shortcut.engine.DeviceUnavailableException;
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
import dev.shortcut.engine.backend.cudnn.CudnnBackend;
import dev.shortcut.engine.backend.cudnn.EightKernels;
import dev.shortcut.engine.backend.jcudnn.JCudnnBackend;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.EachGpuBackend;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a compiled model does on GPUs, whatever calls its backend makes. */
@EachGpuBackend
class ModelOnGpuTest {
  private static final int IMAGE = Math.toIntExact(EightKernels.IMAGE.elements());

  private final BackendUnderTest backend;
  private final Expectations expectations;

  private boolean expectsComplaints;

  ModelOnGpuTest(BackendUnderTest backend) {
    this.backend = backend;
    this.expectations = Expectations.of(backend);
  }

  /**
   * What differs from backend to backend.
   *
   * @param open the backend itself
   * @param calls of the driver for a batch of three images where there is room for four
   * @param implementations how what is said of a node's kernel begins
   * @param tooManyImages for a device that is full with two
   */
  private record Expectations(
      Supplier<Backend> open,
      List<String> calls,
      Map<String, String> implementations,
      int tooManyImages) {
    static Expectations of(BackendUnderTest backend) {
      return switch (backend) {
        case CUDNN ->
            new Expectations(
                () -> CudnnBackend.open(new DeviceChoice.First()),
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
                Map.of(
                    "conv1", "cuDNN engine",
                    "conv2", "cuDNN engine",
                    "conv3", "cuDNN engine",
                    "maxpool", "cuDNN engine",
                    "avgpool", "cuDNN engine",
                    "fc", "cuBLASLt",
                    "skip", "subsample",
                    "softmax", "softmax"),
                64);
        case JCUDNN ->
            new Expectations(
                () -> JCudnnBackend.open(new DeviceChoice.First()),
                List.of(
                    "cuMemcpyHtoDAsync_v2",
                    "cuMemsetD8Async",
                    "cuGraphLaunch",
                    "cuMemcpyDtoHAsync_v2",
                    "cuEventRecord",
                    "cuEventSynchronize"),
                Map.of(
                    "conv1", "cudnnConvolutionBiasActivationForward",
                    "conv2", "cudnnConvolutionBiasActivationForward",
                    "conv3", "cudnnConvolutionBiasActivationForward",
                    "maxpool", "cudnnPoolingForward",
                    "avgpool", "cudnnPoolingForward",
                    "fc", "cublasGemmEx",
                    "skip", "thin_out",
                    "softmax", "cudnnSoftmaxForward"),
                1024);
        default -> throw new IllegalArgumentException(backend + " is not one of GPUs");
      };
    }
  }

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

  private Options options() {
    return backend.options().withMaxBatch(4);
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
      for (int count = 3; count > 0; count--) {
        assertSameValues(
            Arrays.copyOf(expected, count * EightKernels.CLASSES),
            engine.run(Arrays.copyOf(images, count * IMAGE)));
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FP32", "TF32", "FP16", "BF16"})
  void realNumbersComeOutWithinThePrecisionsError(Precision precision) throws InterruptedException {
    Graph graph = EightKernels.logits();
    Random random = TestSeed.random();
    MapWeights weights = EightKernels.realNumbers(graph, random);
    float[] images = Tensors.gaussians(random, 4 * IMAGE);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
    try (Engine engine = open(graph, weights, options().withPrecision(precision))) {
      assertClose(expected, engine.run(images), Tolerance.ofLayers(precision).nmse());
    }
  }

  @Test
  void realNumbersComeOutTheSameEveryTime() throws InterruptedException {
    Graph graph = EightKernels.logits();
    Random random = TestSeed.random();
    MapWeights weights = sparse(graph);
    float[] images = Tensors.gaussians(random, 4 * IMAGE);
    List<float[]> results = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      try (Engine engine = open(graph, weights, options().withPrecision(Precision.TF32))) {
        results.add(engine.run(images));
      }
    }
    results.forEach(result -> assertArrayEquals(results.getFirst(), result));
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

  @ParameterizedTest
  @EnumSource(names = {"INT8", "FP8"})
  void precisionsThatItLacksAreRefusedWithTheReason(Precision precision) {
    Graph graph = EightKernels.logits();
    var e =
        assertThrows(
            DeviceUnavailableException.class,
            () -> open(graph, sparse(graph), options().withPrecision(precision)));
    String message = String.valueOf(e.getMessage());
    assertTrue(message.contains("fp32, tf32, fp16 and bf16"), message);
    assertTrue(message.contains("a scale for each activation"), message);
    assertEquals(
        backend == BackendUnderTest.JCUDNN && precision == Precision.FP8,
        message.contains("no fp8 convolution"),
        message);
  }

  @Test
  void bf16NeedsAnAmpere() {
    SoftwareDevice.reset(SoftwareDevice.settings().computeCapability(75));
    Graph graph = EightKernels.logits();
    var e =
        assertThrows(
            DeviceUnavailableException.class,
            () -> open(graph, sparse(graph), options().withPrecision(Precision.BF16)));
    assertTrue(String.valueOf(e.getMessage()).contains("8.0"), e.getMessage());
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
  void floatsMayLieByPixelOrByChannel() throws InterruptedException {
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    float[] byChannel = wholeNumbers(2);
    float[] byPixel = new float[byChannel.length];
    int channels = EightKernels.IMAGE.channels();
    int plane = IMAGE / channels;
    for (int i = 0; i < byChannel.length; i++) {
      int image = i / IMAGE;
      int c = i % IMAGE / plane;
      byPixel[image * IMAGE + i % plane * channels + c] = byChannel[i];
    }
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 2, byChannel);
    try (Engine engine = open(graph, weights, options())) {
      assertSameValues(expected, engine.run(byChannel));
    }
    try (Engine engine = open(graph, weights, options().withInput(new InputFormat.Float32Nhwc()))) {
      assertSameValues(expected, engine.run(byPixel));
    }
  }

  @Test
  void aBatchIsOneGraphLaunch() throws InterruptedException {
    Graph graph = EightKernels.probabilities();
    try (Engine engine = open(graph, sparse(graph), options())) {
      int before = SoftwareDevice.log().size();
      engine.run(wholeNumbers(3));
      List<String> calls =
          SoftwareDevice.log().subList(before, SoftwareDevice.log().size()).stream()
              .map(line -> line.split(" ")[1])
              .toList();
      assertEquals(expectations.calls, calls);
      assertEquals(8, engine.kernels().stream().filter(kernel -> kernel.batch() == 4).count());
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
            () -> open(graph, sparse(graph), options().withMaxBatch(expectations.tooManyImages)));
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

  @ParameterizedTest
  @ValueSource(ints = {3, 4})
  void severalDevicesShareTheBatchesOfManyThreads(int devices) throws InterruptedException {
    SoftwareDevice.reset(SoftwareDevice.settings().devices(devices));
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    float[] images = wholeNumbers(4);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
    Options options = options().withDevices(new DeviceChoice.All()).withSlots(4);
    try (Engine engine = open(graph, weights, options)) {
      for (int device = 0; device < devices; device++) {
        assertTrue(SoftwareDevice.bytesInUse(device) > 0, "device " + device);
      }
      assertEquals(4, engine.memory().slots());
      var wrong = new ConcurrentLinkedQueue<String>();
      List<Thread> callers = new ArrayList<>();
      for (int i = 0; i < 16; i++) {
        Thread.Builder caller = i % 2 == 0 ? Thread.ofVirtual() : Thread.ofPlatform();
        callers.add(
            caller.start(() -> {
              try {
                assertSameValues(expected, engine.run(images));
              } catch (InterruptedException | RuntimeException | AssertionError e) {
                wrong.add(String.valueOf(e));
              }
            }));
      }
      for (Thread caller : callers) {
        caller.join();
      }
      assertEquals(List.of(), List.copyOf(wrong));
    }
    for (int device = 0; device < devices; device++) {
      assertEquals(0, SoftwareDevice.bytesInUse(device), "device " + device);
    }
  }

  @Test
  void everyKernelSaysWhatItBecame() {
    Graph graph = EightKernels.probabilities();
    try (Engine engine = open(graph, sparse(graph), options().withPrecision(Precision.FP16))) {
      for (KernelReport kernel : engine.kernels()) {
        String beginning = expectations.implementations.get(kernel.node().name());
        assertTrue(kernel.implementation().startsWith(beginning), kernel::toString);
        assertFalse(kernel.implementation().contains("then elementwise"), kernel::toString);
      }
    }
  }

  @Test
  void theStepsOfABatchAreTimed() throws InterruptedException {
    Graph graph = EightKernels.logits();
    try (Backend opened = expectations.open.get();
        CompiledModel model =
            opened.compile(graph, sparse(graph), List.of(2), options().withMaxBatch(2));
        Arena arena = Arena.ofShared()) {
      Slot slot = model.slots().getFirst();
      MemorySegment input = arena.allocateFrom(ValueLayout.JAVA_FLOAT, wholeNumbers(2));
      MemorySegment output = arena.allocate(ValueLayout.JAVA_FLOAT, 2L * EightKernels.CLASSES);
      Set<String> names =
          PlatformThread.call(
              "slot",
              () -> {
                var told = new LinkedHashSet<String>();
                slot.attach();
                slot.profile(2, input, output, (name, nanos) -> told.add(name));
                return told;
              });
      List<String> steps = new ArrayList<>(List.of("input"));
      graph.nodes().stream()
          .filter(node -> node.layer().isKernel())
          .forEach(node -> steps.add(node.name()));
      steps.add("output");
      assertEquals(steps, List.copyOf(names));
    }
  }
}
