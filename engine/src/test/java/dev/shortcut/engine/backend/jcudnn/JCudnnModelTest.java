package dev.shortcut.engine.backend.jcudnn;

import static dev.shortcut.engine.testing.Tensors.assertClose;
import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
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
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.Options.Launch;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.PlatformThread;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.engine.backend.cudnn.EightKernels;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.testing.BackendUnderTest;
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
import jcuda.driver.JCudaDriver;
import jcuda.jcudnn.JCudnn;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The backend through JCuda's own native parts on the software CUDA device. */
@Tag("native")
class JCudnnModelTest {
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
    return Options.defaults().withBackend(BackendChoice.JCUDA).withMaxBatch(4);
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
    assertEquals(precision == Precision.FP8, message.contains("no fp8 convolution"), message);
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
    Options options = options().withInput(pixels);
    float[] expected;
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
              .map(line -> line.split(" ")[1].replace("_v2", ""))
              .toList();
      assertEquals(
          List.of(
              "cuMemcpyHtoDAsync",
              "cuMemsetD8Async",
              "cuGraphLaunch",
              "cuMemcpyDtoHAsync",
              "cuEventRecord",
              "cuEventSynchronize"),
          calls);
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
            () -> open(graph, sparse(graph), options().withMaxBatch(1024)));
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
    Engine engine =
        open(graph, sparse(graph), options().withMaxBatch(1).withLaunch(Launch.STEPWISE));
    // The upload and the conversion of the images come first, then a step each.
    SoftwareDevice.failWork(2 + 3, 700);
    var e = assertThrows(DeviceException.class, () -> engine.run(wholeNumbers(1)));
    String third = engine.kernels().get(2).node().name();
    assertTrue(String.valueOf(e.getMessage()).contains(third), e.getMessage());
    engine.close();
  }

  @Test
  void aLayerThatCudnnDoesNotDoIsRefusedByItsName() {
    Graph graph = EightKernels.probabilities();
    for (String function :
        List.of(
            "cudnnGetConvolutionForwardWorkspaceSize", "cudnnConvolutionBiasActivationForward")) {
      SoftwareDevice.reset();
      SoftwareDevice.failFunction(function, 2, 3000);
      var e =
          assertThrows(
              ModelException.class, () -> open(graph, sparse(graph), options().withMaxBatch(1)));
      String message = String.valueOf(e.getMessage());
      assertTrue(message.contains("conv2") && message.contains(function), message);
    }
  }

  @Test
  void severalDevicesShareTheBatchesOfManyThreads() throws InterruptedException {
    SoftwareDevice.reset(SoftwareDevice.settings().devices(3));
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    float[] images = wholeNumbers(4);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
    Options options = options().withDevices(new DeviceChoice.All()).withSlots(4);
    try (Engine engine = open(graph, weights, options)) {
      for (int device = 0; device < 3; device++) {
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
    for (int device = 0; device < 3; device++) {
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
              case "conv1", "conv2", "conv3" -> "cudnnConvolutionBiasActivationForward";
              case "maxpool", "avgpool" -> "cudnnPoolingForward";
              case "fc" -> "cublasGemmEx";
              case "skip" -> "thin_out";
              case "softmax" -> "cudnnSoftmaxForward";
              default -> throw new AssertionError(kernel);
            };
        assertTrue(kernel.implementation().startsWith(expected), kernel::toString);
      }
    }
  }

  @Test
  void theStepsOfABatchAreTimed() throws InterruptedException {
    Graph graph = EightKernels.logits();
    try (var backend = JCudnnBackend.open(new DeviceChoice.First());
        CompiledModel model =
            backend.compile(graph, sparse(graph), List.of(2), options().withMaxBatch(2));
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

  /** A program may have told JCuda to throw, which then holds for us as well. */
  @Test
  void exceptionsOfJCudasSayTheSame() {
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    open(graph, weights, options()).close();
    List<String> functions =
        List.of(
            "cuMemAlloc_v2",
            "cudnnCreateTensorDescriptor",
            "cudnnGetConvolutionForwardWorkspaceSize");
    List<List<String>> messages = new ArrayList<>();
    for (boolean throwing : List.of(false, true)) {
      JCudaDriver.setExceptionsEnabled(throwing);
      JCudnn.setExceptionsEnabled(throwing);
      List<String> said = new ArrayList<>();
      try {
        for (String function : functions) {
          SoftwareDevice.reset();
          SoftwareDevice.failFunction(function, 1, function.startsWith("cu") ? 2 : 0);
          var e = assertThrows(RuntimeException.class, () -> open(graph, weights, options()));
          said.add(String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
        }
      } finally {
        JCudaDriver.setExceptionsEnabled(false);
        JCudnn.setExceptionsEnabled(false);
      }
      messages.add(said);
    }
    assertEquals(messages.getFirst(), messages.getLast());
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
}
