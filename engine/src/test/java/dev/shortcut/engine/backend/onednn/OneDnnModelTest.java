package dev.shortcut.engine.backend.onednn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.MemoryLimitException;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.pass.Passes;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.ProcessStatus;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.HeapAllocation;
import dev.shortcut.testing.TestSeed;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.function.Supplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class OneDnnModelTest {
  private static final Options OPTIONS = Options.defaults().withMaxBatch(4).withThreadsPerSlot(2);
  private static final List<Integer> SIZES = List.of(1, 2, 4);

  /** The name of threads that run slots. */
  private static final String CALLER = "one slot's";

  private OneDnnBackend backend;

  @BeforeEach
  void open() {
    OneDnnLibraryTest.bundled();
    backend = OneDnnBackend.open(null);
  }

  @Test
  void aClosedModelLeavesNoHandleBehind() {
    long before = OneDnn.liveHandles();
    Graph graph = unit();
    CompiledModel model = compile(graph, weights(graph), OPTIONS.withSlots(2));
    assertTrue(OneDnn.liveHandles() > before);
    model.close();
    model.close();
    assertEquals(before, OneDnn.liveHandles());
  }

  @Test
  void aFailedCompileLeavesNoHandleBehind() {
    long before = OneDnn.liveHandles();
    assertThrows(ModelException.class, () -> compile(unit(), new MapWeights(), OPTIONS));
    assertEquals(before, OneDnn.liveHandles());
  }

  /** Reading would be refused too, since there are no weights, but with another exception. */
  @Test
  void aMemoryLimitRefusesBeforeAnyWeightIsRead() {
    long before = OneDnn.liveHandles();
    Graph graph = unit();
    var e =
        assertThrows(
            MemoryLimitException.class,
            () -> compile(graph, new MapWeights(), OPTIONS.withMemoryLimit(1000)));
    assertTrue(String.valueOf(e.getMessage()).contains("not even batches of 1"), e.getMessage());
    assertEquals(before, OneDnn.liveHandles());
  }

  @Test
  void batchSizesShareOneCopyOfTheWeights() {
    Graph graph = unit();
    MapWeights weights = weights(graph);
    long one;
    try (CompiledModel model = backend.compile(fused(graph), weights, List.of(4), OPTIONS)) {
      one = model.memory().weights();
    }
    try (CompiledModel model = compile(graph, weights, OPTIONS)) {
      assertEquals(one, model.memory().weights());
    }
  }

  @Test
  void noKernelOfAResidualUnitIsOneOfTheSlowLoops() {
    Graph graph = unit();
    try (CompiledModel model = compile(graph, weights(graph), OPTIONS)) {
      for (KernelReport kernel : model.kernels()) {
        assertFalse(kernel.implementation().startsWith("ref"), kernel::toString);
        assertFalse(kernel.implementation().startsWith("simple"), kernel::toString);
      }
    }
  }

  @Test
  void sameInputsGiveBitwiseTheSameOutputs() {
    Random random = TestSeed.random();
    Graph graph = unit();
    MapWeights weights = weights(graph);
    float[] input = Tensors.gaussians(random, 4 * 3 * 40 * 40);
    List<float[]> results = new ArrayList<>();
    for (int model = 0; model < 2; model++) {
      try (CompiledModel compiled = compile(graph, weights, OPTIONS)) {
        for (int run = 0; run < 5; run++) {
          results.add(run(compiled.slots().getFirst(), 4, input, 10));
        }
      }
    }
    results.forEach(result -> assertArrayEquals(results.getFirst(), result));
  }

  @Test
  void aRunAllocatesNothingOnTheJavaHeap() throws InterruptedException {
    Graph graph = unit();
    var pixels = new InputFormat.Uint8Nhwc(List.of(0.5, 0.4, 0.3), List.of(0.2, 0.3, 0.4));
    try (CompiledModel model =
        compile(graph, weights(graph), OPTIONS.withInput(pixels).withThreadsPerSlot(1))) {
      Slot slot = model.slots().getFirst();
      slot.attach();
      // Downcalls allocate while they are interpreted.
      for (int i = 0; i < 20_000; i++) {
        slot.run(1, slot.inputStaging(), slot.outputStaging());
      }
      long bytes =
          HeapAllocation.fewestBytes(
              new long[0], () -> slot.run(1, slot.inputStaging(), slot.outputStaging()));
      assertEquals(0, bytes);
    }
  }

  @Test
  void slotsUseAsManyThreadsAsTheyWereGivenAndGiveThemBack() throws Exception {
    Graph graph = unit();
    int slots = 3;
    assertEquals(slots * OPTIONS.threadsPerSlot(), runAll(graph, slots));
    assertEquals(List.of(), ProcessStatus.threadsLeft(CALLER));
  }

  @Test
  void memoryIsWhatTheProcessGrowsBy() throws InterruptedException {
    var g = new GraphBuilder("large", new Shape(3, 96, 96));
    Node x = g.add("stem", new Layer.Convolution(512, 3, 2, 1), g.input());
    for (int i = 0; i < 6; i++) {
      x = g.add("conv" + i, new Layer.Convolution(512, 3, 1, 1), x);
    }
    Graph graph = g.build(g.add("pool", new Layer.GlobalAveragePool(), x));
    List<Integer> sizes = List.of(24);
    Options options = OPTIONS.withMaxBatch(24);
    Supplier<CompiledModel> compile =
        () -> backend.compile(fused(graph), Weights.constant(graph, 0), sizes, options);
    long reported;
    // Generated code stays in oneDNN's own cache and is no part of the report.
    try (CompiledModel first = compile.get()) {
      reported = first.memory().total();
    }
    assertTrue(reported > 150_000_000, () -> "too small to measure: " + reported);
    List<CompiledModel> compiled = new ArrayList<>();
    try {
      long most = Math.round(1.05 * reported);
      long grown = ProcessStatus.growth(most, () -> compiled.add(compile.get()));
      assertEquals(reported, grown, 0.05 * reported);
    } finally {
      compiled.forEach(CompiledModel::close);
    }
  }

  @Test
  void twoHundredModelsLeaveMemoryWhereItWas() throws InterruptedException {
    Graph graph = unit();
    MapWeights weights = weights(graph);
    float[] input = Tensors.gaussians(TestSeed.random(), 3 * 40 * 40);
    Options options = OPTIONS.withMaxBatch(16).withThreadsPerSlot(1);
    ProcessStatus.Rounds twoHundred =
        () -> {
          for (int round = 0; round < 200; round++) {
            try (CompiledModel model =
                backend.compile(fused(graph), weights, List.of(1, 16), options)) {
              run(model.slots().getFirst(), 1, input, 10);
            }
          }
        };
    long taken;
    try (CompiledModel model = backend.compile(fused(graph), weights, List.of(1, 16), options)) {
      taken = model.memory().total();
    }
    // What the C library keeps for reuse and the code that the virtual machine compiles come and
    // go by tens of megabytes; a model that is not freed adds up to hundreds.
    long bound = 200 * taken / 4;
    assertTrue(bound > 80_000_000, () -> "too small to tell: " + bound);
    long grown = ProcessStatus.growth(bound, twoHundred);
    assertTrue(grown < bound, () -> "grew by %d of %d".formatted(grown, bound));
  }

  /** A stem, a bottleneck unit with a projection and one without, a head. */
  private static Graph unit() {
    var g = new GraphBuilder("unit", new Shape(3, 40, 40));
    Node x = g.convBnRelu("conv1", "bn1", "relu", g.input(), new Layer.Convolution(32, 7, 2, 3));
    x = g.add("maxpool", new Layer.MaxPool(3, 2, 1), x);
    for (int i = 0; i < 2; i++) {
      g.block("unit" + i);
      Node y = g.convBnRelu("conv1", "bn1", "relu1", x, new Layer.Convolution(32, 1, 1, 0));
      y = g.convBnRelu("conv2", "bn2", "relu2", y, new Layer.Convolution(32, 3, 1, 1));
      y = g.convBn("conv3", "bn3", y, new Layer.Convolution(128, 1, 1, 0));
      Node shortcut =
          i == 0 ? g.convBn("down", "downbn", x, new Layer.Convolution(128, 1, 1, 0)) : x;
      x = g.addRelu("add", "relu", y, shortcut);
    }
    g.block("");
    x = g.add("pool", new Layer.GlobalAveragePool(), x);
    return g.build(g.add("fc", new Layer.Linear(10, true), x));
  }

  private CompiledModel compile(Graph graph, Weights weights, Options options) {
    return backend.compile(fused(graph), weights, SIZES, options);
  }

  private Graph fused(Graph graph) {
    return Passes.apply(graph, Passes.all(backend.layout()));
  }

  private static MapWeights weights(Graph graph) {
    return MapWeights.integers(graph, TestSeed.random("weights"));
  }

  private static float[] run(Slot slot, int images, float[] input, int outputs) {
    slot.attach();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment output = arena.allocate(ValueLayout.JAVA_FLOAT, (long) images * outputs);
      slot.run(images, arena.allocateFrom(ValueLayout.JAVA_FLOAT, input), output);
      return output.toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  /**
   * Runs every slot on a thread of its own and returns how many threads there were meanwhile, those
   * that oneDNN started for them included.
   */
  private int runAll(Graph graph, int slots) throws Exception {
    try (CompiledModel model = compile(graph, weights(graph), OPTIONS.withSlots(slots))) {
      var ran = new CountDownLatch(slots);
      var counted = new CountDownLatch(1);
      List<Thread> threads = new ArrayList<>();
      for (Slot slot : model.slots()) {
        threads.add(
            Thread.ofPlatform()
                .name(CALLER)
                .start(() -> {
                  slot.attach();
                  slot.run(4, slot.inputStaging(), slot.outputStaging());
                  ran.countDown();
                  try {
                    counted.await();
                  } catch (InterruptedException e) {
                    throw new AssertionError("nobody interrupts a test", e);
                  }
                }));
      }
      ran.await();
      int count = ProcessStatus.threads(CALLER).size();
      counted.countDown();
      for (Thread thread : threads) {
        thread.join();
      }
      return count;
    }
  }
}
