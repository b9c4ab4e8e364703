package dev.shortcut.engine.backend.cudnn;

import static dev.shortcut.engine.testing.Tensors.assertClose;
import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.GraphExec;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.cudnn.CudnnStatus;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.engine.DeviceBuffer;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Execution;
import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.Options.Launch;
import dev.shortcut.engine.PlanReport;
import dev.shortcut.engine.PlannedKernel;
import dev.shortcut.engine.Planning;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.Tolerance;
import dev.shortcut.engine.backend.CudaProgram;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.HeapAllocation;
import dev.shortcut.testing.OtherProcess;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
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
import org.junit.jupiter.params.provider.ValueSource;

/** Convolutions that cuDNN's graph API has no plan for, on the software CUDA device. */
@Tag("native")
class LegacyConvolutionsTest {
  private static final int IMAGE = Math.toIntExact(EightKernels.IMAGE.elements());
  private static final String CALL = "cudnnConvolutionBiasActivationForward";
  private static final String FLAG = "--legacy-convolutions";

  /** All of {@link EightKernels} have this filter. */
  private static final int REFUSED = 3;

  private final Graph graph = EightKernels.logits();
  private final MapWeights weights = EightKernels.sparse(graph, TestSeed.random("weights"));
  private final float[] images = Tensors.integers(TestSeed.random("images"), 4 * IMAGE, 2);
  private float[] expected = {};

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset(settings());
    expected = BackendUnderTest.REFERENCE.run(graph, weights, 4, images);
  }

  @AfterEach
  void nothingIsLeftAndNothingWasWrong() {
    List<String> complaints = SoftwareDevice.complaints();
    Map<String, Long> live = SoftwareDevice.live();
    // Other tests take the device as they find it.
    SoftwareDevice.reset();
    assertEquals(List.of(), complaints);
    assertEquals(Map.of(), live);
  }

  private static SoftwareDevice.Settings settings() {
    return SoftwareDevice.settings().refuseToPlanConvolutions(REFUSED);
  }

  private static Options options() {
    return Options.defaults()
        .withBackend(BackendChoice.CUDA)
        .withMaxBatch(4)
        .withLegacyConvolutions(true);
  }

  private static Engine open(Graph graph, Weights weights, Options options) {
    return Engine.open(Model.of(graph, weights), options);
  }

  private static boolean isConvolution(Node node) {
    return switch (node.layer()) {
      case Layer.Convolution _ -> true;
      case Layer.Fused fused -> fused.main() instanceof Layer.Convolution;
      default -> false;
    };
  }

  @ParameterizedTest
  @EnumSource(names = {"FP32", "TF32", "FP16", "BF16"})
  void wholeNumbersComeOutExactlyInOneGraphLaunch(Precision precision) throws InterruptedException {
    try (Engine engine = open(graph, weights, options().withPrecision(precision).withSlots(2))) {
      for (KernelReport kernel : engine.kernels()) {
        boolean legacy = kernel.implementation().startsWith(CALL);
        assertEquals(isConvolution(kernel.node()), legacy, kernel::toString);
        String math = precision == Precision.FP32 ? "[FMA_MATH]" : "[TENSOR_OP_MATH]";
        assertTrue(!legacy || kernel.implementation().contains(math), kernel::toString);
        assertTrue(!legacy || kernel.scratchBytes() > 0, kernel::toString);
      }
      int before = SoftwareDevice.log().size();
      assertSameValues(expected, engine.run(images));
      List<String> calls = SoftwareDevice.log().subList(before, SoftwareDevice.log().size());
      assertEquals(1, calls.stream().filter(call -> call.contains("cuGraphLaunch")).count());
      assertEquals(2, calls.stream().filter(call -> call.contains("cuLaunchKernel")).count());
      assertEquals(0, calls.stream().filter(call -> call.contains(CALL)).count());
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
    Random random = TestSeed.random();
    MapWeights floats = EightKernels.realNumbers(graph, random);
    float[] batch = Tensors.gaussians(random, 4 * IMAGE);
    float[] judged = BackendUnderTest.REFERENCE.run(graph, floats, 4, batch);
    try (Engine engine = open(graph, floats, options().withPrecision(precision))) {
      assertClose(judged, engine.run(batch), Tolerance.ofLayers(precision).nmse());
    }
  }

  @ParameterizedTest
  @EnumSource
  void everyWayToLaunchGivesTheSame(Launch launch) throws InterruptedException {
    try (Engine engine =
        open(graph, weights, options().withPrecision(Precision.FP16).withLaunch(launch))) {
      assertSameValues(expected, engine.run(images));
    }
  }

  @Test
  void whatHasAPlanIsPlannedAndWhatHasNoneMayBeTimed() throws InterruptedException {
    SoftwareDevice.reset();
    try (Engine engine = open(graph, weights, options())) {
      for (KernelReport kernel : engine.kernels()) {
        assertFalse(kernel.implementation().contains(CALL), kernel::toString);
      }
    }
    SoftwareDevice.reset(settings().modelClock());
    try (Engine engine = open(graph, weights, options().withTuned(true))) {
      assertSameValues(expected, engine.run(images));
    }
  }

  @Test
  void withoutTheOptionTheErrorNamesIt() {
    var e =
        assertThrows(
            ModelException.class,
            () -> open(graph, weights, options().withLegacyConvolutions(false)));
    String message = String.valueOf(e.getMessage());
    assertTrue(message.contains("Options.withLegacyConvolutions(true)"), message);
    assertTrue(message.contains(FLAG), message);
    assertTrue(message.contains("conv1") && message.contains("no candidates"), message);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatThatCallCannotDoEitherIsRefusedWithBothReasons(boolean allowed) {
    SoftwareDevice.failFunction(
        "cudnnGetConvolutionForwardWorkspaceSize", 1, CudnnStatus.NOT_SUPPORTED.code());
    var e =
        assertThrows(
            ModelException.class,
            () -> open(graph, weights, options().withLegacyConvolutions(allowed)));
    String message = String.valueOf(e.getMessage());
    assertFalse(message.contains(FLAG), message);
    assertTrue(message.contains("no candidates"), message);
    assertTrue(message.contains("cudnnGetConvolutionForwardWorkspaceSize"), message);
  }

  /** NVIDIA also packs cuDNN without the parts that hold its older calls. */
  @Test
  void whereCudnnComesWithoutThatCallTheErrorSaysSo(@TempDir Path folder) throws Exception {
    Path complete = SoftwareDevice.library("cudnn").getParent();
    try (var files = Files.list(complete)) {
      for (Path file : files.toList()) {
        if (!file.getFileName().toString().equals("libcudnn_cnn.so.9")) {
          Files.createSymbolicLink(folder.resolve(file.getFileName()), file);
        }
      }
    }
    String said =
        OtherProcess.run(
            WithoutOlderCalls.class, Map.of(), folder.resolve("libcudnn.so.9").toString());
    assertTrue(said.contains("no implementation of conv1"), said);
    assertTrue(said.contains("its part libcudnn_cnn.so.9 cannot be opened"), said);
    assertFalse(said.contains(FLAG), said);
  }

  /** The other process: opens an engine with the cuDNN of that file, and prints why it is none. */
  static final class WithoutOlderCalls {
    private WithoutOlderCalls() {}

    public static void main(String[] args) {
      SoftwareDevice.install();
      SoftwareDevice.reset(settings());
      System.setProperty(NvidiaLibrary.CUDNN.property(), args[0]);
      Graph net = EightKernels.logits();
      MapWeights sparse = EightKernels.sparse(net, TestSeed.random("weights"));
      var e = assertThrows(ModelException.class, () -> open(net, sparse, options()));
      System.out.println(e.getMessage());
    }
  }

  @Test
  void scratchSpaceHasTheSameBoundAsAPlans() throws InterruptedException {
    SoftwareDevice.reset(settings().legacyWorkspace(Planner.WORKSPACE_LIMIT));
    try (Engine engine = open(graph, weights, options().withMaxBatch(1))) {
      assertTrue(engine.memory().arenaPerSlot() >= Planner.WORKSPACE_LIMIT);
      assertSameValues(
          Arrays.copyOf(expected, EightKernels.CLASSES), engine.run(Arrays.copyOf(images, IMAGE)));
    }
    SoftwareDevice.reset(settings().legacyWorkspace(Planner.WORKSPACE_LIMIT + 1));
    var e = assertThrows(ModelException.class, () -> open(graph, weights, options()));
    String message = String.valueOf(e.getMessage());
    assertTrue(message.contains("67,108,865 bytes of scratch space"), message);
    assertFalse(message.contains(FLAG), message);
  }

  /** Groups of whole 16 bytes stay groups, others become one; a bare convolution has no bias. */
  @ParameterizedTest
  @EnumSource(names = {"FP32", "TF32", "FP16", "BF16"})
  void groupsAndDilationsAreTheGraphs(Precision precision) throws InterruptedException {
    var g = new GraphBuilder("groups", new Shape(6, 9, 7));
    Node x = g.add("bare", new Layer.Convolution(16, 3, 1, 1), g.input());
    x = g.add("groups", new Layer.Convolution(32, 3, 1, 1, 1, 2, true), x);
    x = g.add("dilated", new Layer.Convolution(18, 3, 1, 2, 2, 1, true), x);
    x = g.add("narrow", new Layer.Convolution(12, 3, 2, 2, 2, 3, true), x);
    Graph groups = g.build(x);
    MapWeights sparse = EightKernels.sparse(groups, TestSeed.random("groups"));
    float[] batch = Tensors.integers(TestSeed.random("groups' images"), 4 * 6 * 9 * 7, 2);
    float[] judged = BackendUnderTest.REFERENCE.run(groups, sparse, 4, batch);
    try (Engine engine = open(groups, sparse, options().withPrecision(precision))) {
      assertSameValues(judged, engine.run(batch));
      for (KernelReport kernel : engine.kernels()) {
        assertTrue(kernel.implementation().startsWith(CALL), kernel::toString);
      }
    }
  }

  /** What an embedder enqueues and captures, without garbage. */
  @Test
  void executionsRunThemOnTheCallersStreamAndInItsCapture() throws InterruptedException {
    try (var program = new Closer();
        Engine engine = open(graph, weights, options())) {
      Context context = program.own(Cuda.open().devices().getFirst().retainPrimary());
      context.push();
      program.own(context::pop);
      Stream stream = program.own(context.newStream());
      try (Execution execution = engine.execution(4, new InputFormat.Float32Nchw())) {
        DeviceMemory in = program.own(context.allocate(execution.inputBytes()));
        DeviceMemory out = program.own(context.allocate(execution.outputBytes()));
        var input = new DeviceBuffer(in.address(), in.bytes());
        var output = new DeviceBuffer(out.address(), out.bytes());
        CudaProgram.write(stream, in, images);
        execution.enqueue(input, output, stream.handle());
        assertSameValues(expected, CudaProgram.read(stream, out));
        stream.beginCapture();
        execution.enqueue(input, output, stream.handle());
        try (var captured = stream.endCapture();
            GraphExec replay = captured.instantiate()) {
          stream.fill(out.address(), (byte) 0xFF, out.bytes());
          stream.launch(replay);
          assertSameValues(expected, CudaProgram.read(stream, out));
        }
      }
      Options eager = options().withLaunch(Launch.EAGER);
      try (Engine oneByOne = open(graph, weights, eager);
          Execution execution = oneByOne.execution(1, new InputFormat.Float32Nchw())) {
        DeviceMemory in = program.own(context.allocate(execution.inputBytes()));
        DeviceMemory out = program.own(context.allocate(execution.outputBytes()));
        var input = new DeviceBuffer(in.address(), in.bytes());
        var output = new DeviceBuffer(out.address(), out.bytes());
        CudaProgram.write(stream, in, Arrays.copyOf(images, IMAGE));
        int before = SoftwareDevice.log().size();
        long bytes =
            HeapAllocation.fewestBytes(
                new long[0], () -> execution.enqueue(input, output, stream.handle()));
        assertEquals(0, bytes);
        List<String> calls = SoftwareDevice.log().subList(before, SoftwareDevice.log().size());
        assertTrue(calls.stream().anyMatch(call -> call.contains(CALL)), calls::toString);
        stream.synchronize();
      }
    }
  }

  /** On a device that is only described nobody can ask for scratch space. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void planningForADescribedDeviceRefusesThemAndSaysWhatTheDeviceMayDo(boolean allowed)
      throws InterruptedException {
    PlanReport report =
        Planning.of(
                graph,
                GpuDescription.known("h100"),
                Options.defaults().withLegacyConvolutions(allowed))
            .withBatchSizes(List.of(1))
            .run();
    assertEquals(3, report.refused().size(), report::toString);
    for (PlannedKernel kernel : report.refused()) {
      assertTrue(
          kernel.implementation().contains("on the device")
              && kernel.implementation().contains(FLAG),
          kernel::toString);
    }
  }
}
