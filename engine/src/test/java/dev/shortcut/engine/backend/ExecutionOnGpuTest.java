package dev.shortcut.engine.backend;

import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Graph;
import dev.shortcut.bindings.cuda.GraphExec;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.engine.DeviceBuffer;
import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.DeviceException;
import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Execution;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.MemoryLimitException;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.EachGpuBackend;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.HeapAllocation;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** An engine inside of a CUDA program that has its own context, streams, memory and graphs. */
@EachGpuBackend
class ExecutionOnGpuTest {
  private static final Shape IMAGE = new Shape(3, 8, 8);
  private static final int CLASSES = 5;
  private static final dev.shortcut.engine.graph.Graph NETWORK = network();
  private static final MapWeights WEIGHTS =
      MapWeights.integers(NETWORK, TestSeed.random("ExecutionOnGpuTest weights"));
  private static final InputFormat FLOATS = new InputFormat.Float32Nchw();

  private final Random random = TestSeed.random();
  private final BackendUnderTest backend;

  ExecutionOnGpuTest(BackendUnderTest backend) {
    this.backend = backend;
  }

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().devices(2));
  }

  @AfterEach
  void nothingIsLeft() {
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  private static dev.shortcut.engine.graph.Graph network() {
    var g = new GraphBuilder("unit", IMAGE);
    Node x = g.add("conv1", new Layer.Convolution(8, 3, 1, 1).withBias(), g.input());
    x = g.add("relu1", new Layer.Relu(), x);
    Node y = g.add("conv2", new Layer.Convolution(8, 3, 1, 1), x);
    x = g.addRelu("add", "relu2", y, x);
    x = g.add("pool", new Layer.MaxPool(2, 2, 0), x);
    x = g.add("mean", new Layer.GlobalAveragePool(), x);
    return g.build(g.add("fc", new Layer.Linear(CLASSES, true), x));
  }

  private Options options() {
    return backend.options().withMaxBatch(4);
  }

  private static Engine open(Options options) {
    return Engine.open(Model.of(NETWORK, WEIGHTS), options);
  }

  private float[] images(int count) {
    return Tensors.integers(random, Math.toIntExact(count * IMAGE.elements()), 3);
  }

  /** What an engine of plain Java makes of the images. */
  private float[] expected(float[] images) throws InterruptedException {
    try (Engine reference = open(options().withBackend(BackendChoice.REFERENCE))) {
      return reference.run(images);
    }
  }

  @ParameterizedTest
  @EnumSource
  void aBatchOnTheCallersStreamGivesWhatItShould(Options.Launch launch) throws Exception {
    for (int count = 1; count <= 4; count++) {
      float[] images = images(count);
      try (var program = CudaProgram.onDevice(0);
          Engine engine = open(options().withLaunch(launch));
          Execution execution = engine.execution(count, FLOATS)) {
        Stream stream = program.stream();
        DeviceMemory in = program.floats(stream, images);
        // No byte longer than it must be, so that a longer result would be noticed.
        DeviceMemory out = program.room(execution.outputBytes());
        execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
        assertSameValues(expected(images), CudaProgram.read(stream, out));
      }
    }
  }

  @Test
  void theFormatNeedNotBeTheEngines() throws Exception {
    byte[] pixels = new byte[2 * 3 * 64];
    random.nextBytes(pixels);
    var format = new InputFormat.Uint8Nhwc(List.of(0.25, 0.5, 0.75), List.of(0.5, 0.125, 0.25));
    float[] expected;
    try (Engine reference =
        open(options().withBackend(BackendChoice.REFERENCE).withInput(format))) {
      expected = reference.run(pixels);
    }
    try (var program = CudaProgram.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(2, format)) {
      assertEquals(pixels.length, execution.inputBytes());
      Stream stream = program.stream();
      DeviceMemory in = program.room(pixels.length);
      CudaProgram.write(stream, in, MemorySegment.ofArray(pixels));
      DeviceMemory out = program.room(execution.outputBytes());
      execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
      Tensors.assertClose(expected, CudaProgram.read(stream, out), 1e-5);
    }
  }

  /** Floats are more bytes than the engine, of bytes and small activations, has room for. */
  @Test
  void anEngineOfBytesTakesFloatsToo() throws Exception {
    var shape = new Shape(8, 16, 16);
    var g = new GraphBuilder("means", shape);
    var graph = g.build(g.add("mean", new Layer.GlobalAveragePool(), g.input()));
    List<Double> zeros = Collections.nCopies(8, 0.0);
    List<Double> ones = Collections.nCopies(8, 1.0);
    Options bytes =
        options().withPrecision(Precision.FP16).withInput(new InputFormat.Uint8Nhwc(zeros, ones));
    float[] images = Tensors.integers(random, Math.toIntExact(4 * shape.elements()), 3);
    float[] expected = BackendUnderTest.REFERENCE.run(graph, new MapWeights(), 4, images);
    try (var program = CudaProgram.onDevice(0);
        Engine engine = Engine.open(Model.of(graph, new MapWeights()), bytes);
        Execution execution = engine.execution(4, FLOATS)) {
      Stream stream = program.stream();
      DeviceMemory in = program.floats(stream, images);
      DeviceMemory out = program.room(execution.outputBytes());
      execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
      Tensors.assertClose(expected, CudaProgram.read(stream, out), 1e-6);
    }
  }

  @Test
  void theLikeliestClassesComeOutOnTheDevice() throws Exception {
    float[] images = images(3);
    float[] expected;
    try (Engine reference =
        open(options().withBackend(BackendChoice.REFERENCE).withTopK(CLASSES))) {
      expected = reference.run(images);
    }
    try (var program = CudaProgram.onDevice(0);
        Engine engine = open(options().withTopK(CLASSES));
        Execution execution = engine.execution(3, FLOATS)) {
      assertEquals(3L * 2 * CLASSES * Float.BYTES, execution.outputBytes());
      Stream stream = program.stream();
      DeviceMemory in = program.floats(stream, images);
      DeviceMemory out = program.room(execution.outputBytes());
      execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
      Tensors.assertClose(expected, CudaProgram.read(stream, out), 1e-12);
    }
  }

  /** The captured graph reads the buffers as they are at each replay, and holds the execution. */
  @Test
  void aGraphOfTheCallersCapturesItAndReplays() throws Exception {
    try (var program = CudaProgram.onDevice(0);
        Engine engine = open(options())) {
      Execution execution = engine.execution(3, FLOATS);
      Stream stream = program.stream();
      DeviceMemory in = program.room(execution.inputBytes());
      DeviceMemory out = program.room(execution.outputBytes());
      stream.beginCapture();
      execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
      Graph graph = stream.endCapture();
      assertEquals(1, execution.capturedGraphs());
      GraphExec replay = graph.instantiate();
      graph.close();
      assertEquals(1, execution.capturedGraphs());
      for (int round = 0; round < 3; round++) {
        float[] images = images(3);
        CudaProgram.write(stream, in, MemorySegment.ofArray(images));
        stream.launch(replay);
        assertSameValues(expected(images), CudaProgram.read(stream, out));
      }
      var failure = assertThrows(IllegalStateException.class, execution::close);
      assertTrue(String.valueOf(failure.getMessage()).contains("destroy them first"));
      assertThrows(IllegalStateException.class, engine::close);
      float[] images = images(3);
      CudaProgram.write(stream, in, MemorySegment.ofArray(images));
      execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
      assertSameValues(expected(images), CudaProgram.read(stream, out));
      replay.close();
      assertEquals(0, execution.capturedGraphs());
      execution.close();
    }
  }

  @Test
  void aCaptureThatComesToNothingHoldsNothing() {
    try (var program = CudaProgram.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(1, FLOATS)) {
      Stream stream = program.stream();
      DeviceMemory in = program.room(execution.inputBytes());
      DeviceMemory out = program.room(execution.outputBytes());
      stream.beginCapture();
      execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
      stream.endCapture().close();
      assertEquals(0, execution.capturedGraphs());
    }
  }

  @Test
  void aCaptureThatIsSpoiledIsToldFromARunningOne() {
    try (var program = CudaProgram.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(1, FLOATS)) {
      Stream stream = program.stream();
      DeviceBuffer in = CudaProgram.buffer(program.room(execution.inputBytes()));
      DeviceBuffer out = CudaProgram.buffer(program.room(execution.outputBytes()));
      stream.beginCapture();
      assertThrows(CudaException.class, stream::synchronize);
      var refused =
          assertThrows(
              IllegalStateException.class, () -> execution.enqueue(in, out, stream.handle()));
      assertTrue(String.valueOf(refused.getMessage()).contains("end it"), refused::toString);
      assertThrows(CudaException.class, stream::endCapture);
      assertEquals(0, execution.capturedGraphs());
      execution.enqueue(in, out, stream.handle());
      stream.synchronize();
    }
    assertEquals(
        List.of("cuStreamSynchronize is not permitted on a capturing stream"),
        SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
    SoftwareDevice.reset();
  }

  /** Each batch must wait for the one before, since they share the execution's buffers. */
  @Test
  void batchesOnManyStreamsFollowOneAnother() throws Exception {
    try (var program = CudaProgram.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(2, FLOATS)) {
      List<float[]> images = new ArrayList<>();
      List<Stream> streams = new ArrayList<>();
      List<DeviceMemory> ins = new ArrayList<>();
      List<DeviceMemory> outs = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        Stream stream = i < 3 ? program.stream() : streams.get(i - 3);
        streams.add(stream);
        images.add(images(2));
        ins.add(program.floats(stream, images.get(i)));
        outs.add(program.room(execution.outputBytes()));
      }
      for (int i = 0; i < 6; i++) {
        execution.enqueue(
            CudaProgram.buffer(ins.get(i)),
            CudaProgram.buffer(outs.get(i)),
            streams.get(i).handle());
      }
      for (int i = 5; i >= 0; i--) {
        assertSameValues(expected(images.get(i)), CudaProgram.read(streams.get(i), outs.get(i)));
      }
    }
  }

  @Test
  void theCallersContextIsCurrentAgainAfterwards() throws Exception {
    Cuda cuda = Cuda.open();
    try (var program = CudaProgram.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(1, FLOATS)) {
      Stream stream = program.stream();
      float[] images = images(1);
      DeviceMemory in = program.floats(stream, images);
      DeviceMemory out = program.room(execution.outputBytes());
      try (var other = CudaProgram.onDevice(1)) {
        long before = cuda.currentContext();
        execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
        assertEquals(before, cuda.currentContext());
        assertEquals(before, other.context.handle());
      }
      Thread bare =
          Thread.ofPlatform()
              .start(() -> {
                execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
                assertEquals(0, cuda.currentContext());
              });
      bare.join();
      assertSameValues(expected(images), CudaProgram.read(stream, out));
    }
  }

  /** A context that the program made itself, not the device's primary one. */
  @Test
  void anEngineRunsInAContextOfTheCallers() throws Exception {
    Cuda cuda = Cuda.open();
    NativeLibrary driver = cuda.library();
    MethodHandle create =
        driver.function("cuCtxCreate_v2", CTypes.INT, CTypes.POINTER, CTypes.INT, CTypes.INT);
    MethodHandle destroy = driver.function("cuCtxDestroy_v2", CTypes.INT, CTypes.POINTER);
    float[] images = images(2);
    float[] expected = expected(images);
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment made = frame.allocate(CTypes.POINTER);
      assertEquals(0, invokeCreate(create, made));
      long own = made.get(CTypes.POINTER, 0).address();
      for (DeviceChoice choice :
          List.of(new DeviceChoice.Context(own), new DeviceChoice.CurrentContext())) {
        try (var program = new CudaProgram(cuda.borrow(own));
            Engine engine = open(options().withDevices(choice));
            Execution execution = engine.execution(2, FLOATS)) {
          Stream stream = program.stream();
          DeviceMemory in = program.floats(stream, images);
          DeviceMemory out = program.room(execution.outputBytes());
          execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
          assertSameValues(expected, CudaProgram.read(stream, out));
          assertSameValues(expected, engine.run(images));
        }
      }
      assertEquals(0, invokeDestroy(destroy, made.get(CTypes.POINTER, 0)));
    }
  }

  private static int invokeCreate(MethodHandle create, MemorySegment made) {
    try {
      return (int) create.invokeExact(made, 0, 0);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  private static int invokeDestroy(MethodHandle destroy, MemorySegment context) {
    try {
      return (int) destroy.invokeExact(context);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  @Test
  void withoutACurrentContextNoneIsTaken() throws Exception {
    Thread bare =
        Thread.ofPlatform()
            .start(() -> {
              var refused =
                  assertThrows(
                      DeviceUnavailableException.class,
                      () -> open(options().withDevices(new DeviceChoice.CurrentContext())));
              assertTrue(refused.summary().contains("no CUDA context"), refused::toString);
            });
    bare.join();
  }

  @Test
  void anEngineOnSeveralDevicesHasNone() {
    try (Engine engine = open(options().withDevices(new DeviceChoice.All()))) {
      var refused =
          assertThrows(DeviceUnavailableException.class, () -> engine.execution(1, FLOATS));
      assertTrue(refused.summary().contains("runs on 2"), refused::toString);
    }
  }

  @Test
  void itsBuffersCountAgainstTheMemoryLimit() {
    try (Engine engine = open(options())) {
      long limit = engine.memory().total() + 1;
      try (Engine limited = open(options().withMemoryLimit(limit))) {
        assertThrows(MemoryLimitException.class, () -> limited.execution(4, FLOATS));
      }
    }
  }

  @Test
  void severalCountAgainstTheMemoryLimitTogether() {
    long room;
    try (Engine engine = open(options());
        Execution execution = engine.execution(4, FLOATS)) {
      room = engine.memory().total() + 2 * execution.bytes() - 1;
    }
    try (Engine limited = open(options().withMemoryLimit(room))) {
      try (Execution _ = limited.execution(4, FLOATS)) {
        var refused = assertThrows(MemoryLimitException.class, () -> limited.execution(4, FLOATS));
        assertTrue(String.valueOf(refused.getMessage()).contains("open executions"), room + "");
      }
      limited.execution(4, FLOATS).close();
    }
  }

  @Test
  void itsBuffersAreWhatTheDeviceGrowsBy() {
    try (Engine engine = open(options())) {
      long before = SoftwareDevice.bytesInUse(0);
      try (Execution execution = engine.execution(4, FLOATS)) {
        assertEquals(execution.bytes(), SoftwareDevice.bytesInUse(0) - before);
      }
      assertEquals(before, SoftwareDevice.bytesInUse(0));
    }
  }

  @Test
  void aDeviceWithoutRoomForItIsToldSo() throws Exception {
    float[] images = images(1);
    try (Engine engine = open(options())) {
      SoftwareDevice.failFunction("cuMemAlloc_v2", 1, 2);
      var refused = assertThrows(MemoryLimitException.class, () -> engine.execution(1, FLOATS));
      assertTrue(String.valueOf(refused.getMessage()).contains("not free"), refused::toString);
      assertSameValues(expected(images), engine.run(images));
    }
  }

  @Test
  void aLostDeviceSaysRestartAndFreesNothing() {
    // What is enqueued waits until somebody waits for it.
    SoftwareDevice.reset(SoftwareDevice.settings().eagerness(0));
    // On a thread that ends, since the lost context cannot be taken off it.
    PlatformThread.call(
        "host",
        () -> {
          CudaProgram program = CudaProgram.onDevice(0);
          Engine engine = open(options());
          Execution execution = engine.execution(1, FLOATS);
          Stream stream = program.stream();
          DeviceBuffer in = CudaProgram.buffer(program.room(execution.inputBytes()));
          DeviceBuffer out = CudaProgram.buffer(program.room(execution.outputBytes()));
          SoftwareDevice.failWork(2, 700);
          execution.enqueue(in, out, stream.handle());
          assertThrows(CudaException.class, stream::synchronize);
          for (int round = 0; round < 2; round++) {
            var lost =
                assertThrows(
                    DeviceException.class, () -> execution.enqueue(in, out, stream.handle()));
            assertTrue(lost.fatal(), lost::toString);
            assertTrue(String.valueOf(lost.getMessage()).contains("restart"), lost::toString);
          }
          assertThrows(DeviceException.class, () -> engine.execution(1, FLOATS));
          int before = SoftwareDevice.log().size();
          execution.close();
          engine.close();
          assertEquals(before, SoftwareDevice.log().size(), "calls on a lost device");
          return null;
        });
    SoftwareDevice.reset();
  }

  @Test
  void ofADeviceThatIsLostWhileItIsPreparedNothingIsFreed() {
    Engine engine = open(options());
    SoftwareDevice.failWork(3, 700);
    int before = SoftwareDevice.log().size();
    var lost = assertThrows(DeviceException.class, () -> engine.execution(1, FLOATS));
    assertTrue(lost.fatal(), lost::toString);
    List<String> calls = SoftwareDevice.log().subList(before, SoftwareDevice.log().size());
    assertTrue(calls.stream().anyMatch(call -> call.contains("cuStreamCreate")), calls::toString);
    assertEquals(
        List.of(),
        calls.stream().filter(call -> call.matches("cuda .*(Destroy|Free|Release).*")).toList());
    engine.close();
    SoftwareDevice.reset();
  }

  @Test
  void closingTheEngineClosesItsExecutions() {
    Execution execution;
    try (Engine engine = open(options())) {
      execution = engine.execution(1, FLOATS);
    }
    assertThrows(
        IllegalStateException.class,
        () -> execution.enqueue(new DeviceBuffer(256, 10_000), new DeviceBuffer(256, 10_000), 0));
  }

  @Test
  void manyVirtualThreadsShareOne() throws Exception {
    try (var program = CudaProgram.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(1, FLOATS);
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Stream stream = program.stream();
      float[] images = images(1);
      DeviceMemory in = program.floats(stream, images);
      List<DeviceMemory> outs = new ArrayList<>();
      List<Future<?>> running = new ArrayList<>();
      for (int i = 0; i < 100; i++) {
        DeviceMemory out = program.room(execution.outputBytes());
        outs.add(out);
        running.add(
            threads.submit(() ->
                execution.enqueue(
                    CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle())));
      }
      for (Future<?> one : running) {
        one.get();
      }
      float[] expected = expected(images);
      for (DeviceMemory out : outs) {
        assertSameValues(expected, CudaProgram.read(stream, out));
      }
    }
  }

  @Test
  void enqueueingMakesNoGarbage() throws Exception {
    SoftwareDevice.reset(SoftwareDevice.settings().work(false));
    try (var program = CudaProgram.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(1, FLOATS)) {
      Stream stream = program.stream();
      DeviceBuffer in = CudaProgram.buffer(program.room(execution.inputBytes()));
      DeviceBuffer out = CudaProgram.buffer(program.room(execution.outputBytes()));
      long handle = stream.handle();
      long bytes =
          HeapAllocation.fewestBytes(
              new long[0],
              () -> {
                for (int i = 0; i < 20; i++) {
                  execution.enqueue(in, out, handle);
                }
              });
      assertEquals(0, bytes);
      stream.synchronize();
    }
  }
}
