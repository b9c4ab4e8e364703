package dev.shortcut.engine.backend.cudnn;

import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Graph;
import dev.shortcut.bindings.cuda.GraphExec;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.Closer;
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
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.HeapAllocation;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** An engine inside of a CUDA program that has its own context, streams, memory and graphs. */
@Tag("native")
class CudnnExecutionTest {
  private static final Shape IMAGE = new Shape(3, 8, 8);
  private static final int CLASSES = 5;
  private static final dev.shortcut.engine.graph.Graph NETWORK = network();
  private static final MapWeights WEIGHTS =
      MapWeights.integers(NETWORK, TestSeed.random("CudnnExecutionTest weights"));
  private static final InputFormat FLOATS = new InputFormat.Float32Nchw();

  private final Random random = TestSeed.random();

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

  private static Options options() {
    return Options.defaults().withBackend(BackendChoice.CUDA).withMaxBatch(4);
  }

  private static Engine open(Options options) {
    return Engine.open(Model.of(NETWORK, WEIGHTS), options);
  }

  private float[] images(int count) {
    return Tensors.integers(random, Math.toIntExact(count * IMAGE.elements()), 3);
  }

  /**
   * What somebody's CUDA program has: a context that is current on its thread, and what it made.
   */
  private static final class Program implements AutoCloseable {
    final Closer owner = new Closer();
    final Context context;

    Program(Context context) {
      this.context = owner.own(context);
      context.push();
    }

    static Program onDevice(int ordinal) {
      return new Program(Cuda.open().devices().get(ordinal).retainPrimary());
    }

    Stream stream() {
      return owner.own(context.newStream());
    }

    DeviceMemory room(long bytes) {
      return owner.own(context.allocate(bytes));
    }

    void write(Stream stream, DeviceMemory to, MemorySegment values) {
      try (Arena frame = Arena.ofConfined()) {
        MemorySegment host = frame.allocate(values.byteSize());
        host.copyFrom(values);
        stream.copyToDevice(to.address(), host, host.byteSize());
        stream.synchronize();
      }
    }

    DeviceMemory floats(Stream stream, float[] values) {
      DeviceMemory memory = room((long) values.length * Float.BYTES);
      write(stream, memory, MemorySegment.ofArray(values));
      return memory;
    }

    float[] read(Stream stream, DeviceMemory from) {
      try (Arena frame = Arena.ofConfined()) {
        MemorySegment host = frame.allocate(from.bytes());
        stream.copyToHost(host, from.address(), from.bytes());
        stream.synchronize();
        return host.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
      }
    }

    @Override
    public void close() {
      context.pop();
      owner.close();
    }
  }

  private static DeviceBuffer buffer(DeviceMemory memory) {
    return new DeviceBuffer(memory.address(), memory.bytes());
  }

  /** What an engine of plain Java makes of the images. */
  private static float[] expected(float[] images) throws InterruptedException {
    try (Engine reference = open(options().withBackend(BackendChoice.REFERENCE))) {
      return reference.run(images);
    }
  }

  @ParameterizedTest
  @EnumSource
  void aBatchOnTheCallersStreamGivesWhatItShould(Options.Launch launch) throws Exception {
    for (int count = 1; count <= 4; count++) {
      float[] images = images(count);
      try (var program = Program.onDevice(0);
          Engine engine = open(options().withLaunch(launch));
          Execution execution = engine.execution(count, FLOATS)) {
        Stream stream = program.stream();
        DeviceMemory in = program.floats(stream, images);
        // No byte longer than it must be, so that a longer result would be noticed.
        DeviceMemory out = program.room(execution.outputBytes());
        execution.enqueue(buffer(in), buffer(out), stream.handle());
        assertSameValues(expected(images), program.read(stream, out));
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
    try (var program = Program.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(2, format)) {
      assertEquals(pixels.length, execution.inputBytes());
      Stream stream = program.stream();
      DeviceMemory in = program.room(pixels.length);
      program.write(stream, in, MemorySegment.ofArray(pixels));
      DeviceMemory out = program.room(execution.outputBytes());
      execution.enqueue(buffer(in), buffer(out), stream.handle());
      Tensors.assertClose(expected, program.read(stream, out), 1e-5);
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
    try (var program = Program.onDevice(0);
        Engine engine = open(options().withTopK(CLASSES));
        Execution execution = engine.execution(3, FLOATS)) {
      assertEquals(3L * 2 * CLASSES * Float.BYTES, execution.outputBytes());
      Stream stream = program.stream();
      DeviceMemory in = program.floats(stream, images);
      DeviceMemory out = program.room(execution.outputBytes());
      execution.enqueue(buffer(in), buffer(out), stream.handle());
      Tensors.assertClose(expected, program.read(stream, out), 1e-12);
    }
  }

  /** The captured graph reads the buffers as they are at each replay, and holds the execution. */
  @Test
  void aGraphOfTheCallersCapturesItAndReplays() throws Exception {
    try (var program = Program.onDevice(0);
        Engine engine = open(options())) {
      Execution execution = engine.execution(3, FLOATS);
      Stream stream = program.stream();
      DeviceMemory in = program.room(execution.inputBytes());
      DeviceMemory out = program.room(execution.outputBytes());
      stream.beginCapture();
      execution.enqueue(buffer(in), buffer(out), stream.handle());
      Graph graph = stream.endCapture();
      assertEquals(1, execution.capturedGraphs());
      GraphExec replay = graph.instantiate();
      graph.close();
      assertEquals(1, execution.capturedGraphs());
      for (int round = 0; round < 3; round++) {
        float[] images = images(3);
        program.write(stream, in, MemorySegment.ofArray(images));
        stream.launch(replay);
        assertSameValues(expected(images), program.read(stream, out));
      }
      var failure = assertThrows(IllegalStateException.class, execution::close);
      assertTrue(String.valueOf(failure.getMessage()).contains("destroy them first"));
      assertThrows(IllegalStateException.class, engine::close);
      float[] images = images(3);
      program.write(stream, in, MemorySegment.ofArray(images));
      execution.enqueue(buffer(in), buffer(out), stream.handle());
      assertSameValues(expected(images), program.read(stream, out));
      replay.close();
      assertEquals(0, execution.capturedGraphs());
      execution.close();
    }
  }

  @Test
  void aCaptureThatComesToNothingHoldsNothing() {
    try (var program = Program.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(1, FLOATS)) {
      Stream stream = program.stream();
      DeviceMemory in = program.room(execution.inputBytes());
      DeviceMemory out = program.room(execution.outputBytes());
      stream.beginCapture();
      execution.enqueue(buffer(in), buffer(out), stream.handle());
      stream.endCapture().close();
      assertEquals(0, execution.capturedGraphs());
    }
  }

  /** Each batch must wait for the one before, since they share the execution's buffers. */
  @Test
  void batchesOnManyStreamsFollowOneAnother() throws Exception {
    try (var program = Program.onDevice(0);
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
        execution.enqueue(buffer(ins.get(i)), buffer(outs.get(i)), streams.get(i).handle());
      }
      for (int i = 5; i >= 0; i--) {
        assertSameValues(expected(images.get(i)), program.read(streams.get(i), outs.get(i)));
      }
    }
  }

  @Test
  void theCallersContextIsCurrentAgainAfterwards() throws Exception {
    Cuda cuda = Cuda.open();
    try (var program = Program.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(1, FLOATS)) {
      Stream stream = program.stream();
      float[] images = images(1);
      DeviceMemory in = program.floats(stream, images);
      DeviceMemory out = program.room(execution.outputBytes());
      try (var other = Program.onDevice(1)) {
        long before = cuda.currentContext();
        execution.enqueue(buffer(in), buffer(out), stream.handle());
        assertEquals(before, cuda.currentContext());
        assertEquals(before, other.context.handle());
      }
      Thread bare =
          Thread.ofPlatform()
              .start(() -> {
                execution.enqueue(buffer(in), buffer(out), stream.handle());
                assertEquals(0, cuda.currentContext());
              });
      bare.join();
      assertSameValues(expected(images), program.read(stream, out));
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
        try (var program = new Program(cuda.borrow(own));
            Engine engine = open(options().withDevices(choice));
            Execution execution = engine.execution(2, FLOATS)) {
          Stream stream = program.stream();
          DeviceMemory in = program.floats(stream, images);
          DeviceMemory out = program.room(execution.outputBytes());
          execution.enqueue(buffer(in), buffer(out), stream.handle());
          assertSameValues(expected, program.read(stream, out));
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
    try (var program = Program.onDevice(0);
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
            threads.submit(() -> execution.enqueue(buffer(in), buffer(out), stream.handle())));
      }
      for (Future<?> one : running) {
        one.get();
      }
      float[] expected = expected(images);
      for (DeviceMemory out : outs) {
        assertSameValues(expected, program.read(stream, out));
      }
    }
  }

  @Test
  void enqueueingMakesNoGarbage() throws Exception {
    SoftwareDevice.reset(SoftwareDevice.settings().work(false));
    try (var program = Program.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(1, FLOATS)) {
      Stream stream = program.stream();
      DeviceBuffer in = buffer(program.room(execution.inputBytes()));
      DeviceBuffer out = buffer(program.room(execution.outputBytes()));
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

  /** One exception that names the call, nothing leaked, and usable again. */
  @Test
  void aFailureAtAnyCallOfABatchLeavesItUsable() throws Exception {
    float[] images = images(1);
    float[] expected = expected(images);
    try (var program = Program.onDevice(0);
        Engine engine = open(options());
        Execution execution = engine.execution(1, FLOATS)) {
      Stream stream = program.stream();
      DeviceMemory in = program.floats(stream, images);
      DeviceMemory out = program.room(execution.outputBytes());
      long before = SoftwareDevice.calls();
      execution.enqueue(buffer(in), buffer(out), stream.handle());
      long calls = SoftwareDevice.calls() - before;
      assertTrue(calls > 5, () -> "only " + calls + " calls");
      // The last call takes the context away again; where that fails nobody can do anything.
      for (int n = 1; n < calls; n++) {
        SoftwareDevice.failCall(n);
        var failure =
            assertThrows(
                DeviceException.class,
                () -> execution.enqueue(buffer(in), buffer(out), stream.handle()));
        assertTrue(String.valueOf(failure.getMessage()).contains("cu"), failure::toString);
        assertEquals(n, SoftwareDevice.fired().size(), failure::toString);
        stream.synchronize();
      }
      execution.enqueue(buffer(in), buffer(out), stream.handle());
      assertSameValues(expected, program.read(stream, out));
    }
  }
}
