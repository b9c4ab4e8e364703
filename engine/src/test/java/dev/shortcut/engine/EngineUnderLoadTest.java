package dev.shortcut.engine;

import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.ProcessStatus;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.HeapAllocation;
import dev.shortcut.testing.TestSeed;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Many callers on one engine, and one engine behind another. */
class EngineUnderLoadTest {
  private static final int SLOTS = 3;
  private static final int THREADS = 2;
  private static final int LARGEST_REQUEST = 7;

  /** What the names of an engine's threads begin with. */
  private static final String OURS = "shortcut-";

  /** How long many callers use one engine: {@code -Dload.seconds=N}. */
  private static final Duration LOAD = Duration.ofSeconds(Long.getLong("load.seconds", 2));

  private static final Graph GRAPH = graph(8, 10);
  private static final int IMAGE = Math.toIntExact(GRAPH.input().shape().elements());

  /**
   * Two residual units of {@code width} channels, and a linear layer that reads all their pixels.
   */
  private static Graph graph(int width, int classes) {
    var g = new GraphBuilder("load", new Shape(3, 8, 8));
    Node x = g.convBnRelu("conv1", "bn1", "relu", g.input(), new Layer.Convolution(width, 3, 1, 1));
    for (String unit : List.of("unit1", "unit2")) {
      g.block(unit);
      Node y = g.convBnRelu("conv1", "bn1", "relu1", x, new Layer.Convolution(width, 3, 1, 1));
      x =
          g.addRelu(
              "add",
              "relu2",
              g.convBn("conv2", "bn2", y, new Layer.Convolution(width, 3, 1, 1)),
              x);
    }
    g.block("");
    return g.build(g.add("fc", new Layer.Linear(classes, true), x));
  }

  private static MapWeights weights(Graph graph) {
    return MapWeights.integers(graph, TestSeed.random("EngineUnderLoadTest"));
  }

  private static Engine open(BackendUnderTest backend, Graph graph, Options options) {
    return backend.open(graph, weights(graph), options);
  }

  private static Options options(BackendUnderTest backend) {
    return backend.options().withMaxBatch(4).withSlots(SLOTS).withThreadsPerSlot(THREADS);
  }

  /** Requests of every size from 1 on, with the results that they gave when nothing else ran. */
  private record Requests(float[] images, List<float[]> results) {
    static Requests of(Engine engine) throws InterruptedException {
      Random random = TestSeed.random("EngineUnderLoadTest images");
      float[] images = Tensors.gaussians(random, LARGEST_REQUEST * IMAGE);
      List<float[]> results = new ArrayList<>();
      for (int count = 1; count <= LARGEST_REQUEST; count++) {
        results.add(engine.run(Arrays.copyOf(images, count * IMAGE)));
      }
      return new Requests(images, results);
    }

    void check(Engine engine, int count) throws InterruptedException {
      assertSameValues(results.get(count - 1), engine.run(Arrays.copyOf(images, count * IMAGE)));
    }
  }

  @ParameterizedTest
  @EnumSource
  void sixteenPlatformThreadsAndAThousandVirtualOnesGetTheirOwnResults(BackendUnderTest backend)
      throws InterruptedException {
    // What another test's OpenMP library has not yet ended is not this engine's.
    int before = ProcessStatus.threadsLeft(OURS).size();
    int most = 0;
    try (Engine engine = open(backend, GRAPH, options(backend))) {
      Requests requests = Requests.of(engine);
      var wrong = new AtomicReference<Throwable>();
      var answered = new LongAdder();
      long end = System.nanoTime() + LOAD.toNanos();
      List<Thread> callers = new ArrayList<>();
      for (int i = 0; i < 1016; i++) {
        int seed = i;
        var caller = i < 16 ? Thread.ofPlatform().name("caller-" + i) : Thread.ofVirtual();
        callers.add(
            caller.start(() -> {
              for (int round = 0; round == 0 || System.nanoTime() < end; round++) {
                call(engine, requests, 1, seed + round, wrong);
                answered.increment();
              }
            }));
      }
      for (Thread caller : callers) {
        while (!caller.join(Duration.ofMillis(5))) {
          most = Math.max(most, ProcessStatus.threads(OURS).size());
        }
      }
      assertEquals(null, wrong.get());
      System.err.printf(
          "%s: %d requests answered, each as it should be%n", backend, answered.sum());
      most = Math.max(most, ProcessStatus.threads(OURS).size());
    }
    int seen = most - before;
    assertTrue(seen >= SLOTS, () -> "the slots' threads were not seen, only " + seen);
    assertTrue(
        seen <= SLOTS * THREADS,
        () -> "%d threads for %d slots of %d".formatted(seen, SLOTS, THREADS));
  }

  private static void call(
      Engine engine, Requests requests, int times, int seed, AtomicReference<Throwable> wrong) {
    try {
      for (int i = 0; i < times; i++) {
        requests.check(engine, 1 + (seed + i) % LARGEST_REQUEST);
      }
    } catch (InterruptedException | RuntimeException | AssertionError e) {
      wrong.set(e);
    }
  }

  @ParameterizedTest
  @EnumSource
  void theSameRequestGivesTheSameBitsInEveryEngine(BackendUnderTest backend)
      throws InterruptedException {
    Requests requests;
    try (Engine engine = open(backend, GRAPH, options(backend))) {
      requests = Requests.of(engine);
      for (int i = 0; i < 20; i++) {
        requests.check(engine, 1 + i % LARGEST_REQUEST);
      }
    }
    try (Engine another = open(backend, GRAPH, options(backend))) {
      for (int count = 1; count <= LARGEST_REQUEST; count++) {
        requests.check(another, count);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void aCallerThatIsInterruptedOrRunsOutOfTimeDisturbsNobody(BackendUnderTest backend)
      throws InterruptedException {
    try (Engine engine = open(backend, GRAPH, options(backend))) {
      Requests requests = Requests.of(engine);
      var wrong = new AtomicReference<Throwable>();
      List<Thread> callers = new ArrayList<>();
      List<Thread> troubled = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        callers.add(
            Thread.ofPlatform().start(() -> call(engine, requests, 60, callers.size(), wrong)));
        troubled.add(Thread.ofPlatform().start(() -> callImpatiently(engine, requests, 100)));
      }
      while (callers.stream().anyMatch(Thread::isAlive)) {
        troubled.forEach(Thread::interrupt);
        Thread.sleep(1);
      }
      for (Thread thread : troubled) {
        thread.interrupt();
        thread.join();
      }
      assertEquals(null, wrong.get());
      requests.check(engine, LARGEST_REQUEST);
    }
  }

  private static void callImpatiently(Engine engine, Requests requests, int times) {
    MemorySegment in = MemorySegment.ofArray(requests.images);
    MemorySegment out = MemorySegment.ofArray(new float[10 * LARGEST_REQUEST]);
    for (int i = 0; i < times; i++) {
      try {
        engine.run(in, out, 1 + i % LARGEST_REQUEST, Duration.ofNanos(i % 5 * 100_000L));
      } catch (InterruptedException _) {
        // that is what the test does to it
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void twoHundredEnginesLeaveMemoryAndThreadsAsTheyWere(BackendUnderTest backend)
      throws InterruptedException {
    Graph wide = graph(8, 4096); // 8 MB of weights
    MapWeights weights = weights(wide);
    Options options = options(backend).withMaxBatch(2);
    float[] images = Tensors.gaussians(TestSeed.random(), 3 * IMAGE);
    long perEngine = 0;
    // As many as fill what is kept of the past, such as the software device's log of its calls.
    for (int i = 0; i < 50; i++) {
      perEngine = openAndClose(backend, wide, weights, options, images);
    }
    // What the JVM's heap and the allocator's caches may differ by: four engines of two hundred.
    long bound = 32L << 20;
    long grown =
        ProcessStatus.growth(
            bound,
            () -> {
              for (int i = 0; i < 200; i++) {
                openAndClose(backend, wide, weights, options, images);
              }
            });
    long taken = perEngine;
    assertTrue(
        taken > 8 << 20, () -> "an engine that takes %d bytes shows no leak".formatted(taken));
    assertTrue(grown < bound, () -> "%d bytes more, an engine takes %d".formatted(grown, taken));
    assertEquals(List.of(), ProcessStatus.threadsLeft(OURS));
  }

  private static long openAndClose(
      BackendUnderTest backend, Graph graph, MapWeights weights, Options options, float[] images)
      throws InterruptedException {
    try (Engine engine = backend.open(graph, weights, options)) {
      engine.run(images);
      return engine.memory().total();
    }
  }

  @ParameterizedTest
  @EnumSource
  void theMemoryLimitRefusesBeforeAnythingIsAllocated(BackendUnderTest backend)
      throws InterruptedException {
    Options tooMuch = options(backend).withMaxBatch(1 << 20).withMemoryLimit(64 << 20);
    long bound = 16 << 20;
    long grown =
        ProcessStatus.growth(
            bound,
            () -> {
              for (int i = 0; i < 5; i++) {
                assertThrows(MemoryLimitException.class, () -> open(backend, GRAPH, tooMuch));
              }
            });
    assertTrue(grown < bound, () -> "memory grew by %d bytes".formatted(grown));
    assertEquals(List.of(), ProcessStatus.threadsLeft(OURS));
  }

  @ParameterizedTest
  @EnumSource
  void aBatchAllocatesNothingOnTheHeap(BackendUnderTest backend) throws InterruptedException {
    try (Engine engine = open(backend, GRAPH, options(backend).withSlots(1));
        Arena arena = Arena.ofShared()) {
      MemorySegment in = arena.allocate(4 * engine.inputBytes());
      MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, 4L * engine.outputElements());
      long[] slotThreads =
          Thread.getAllStackTraces().keySet().stream()
              .filter(thread -> thread.getName().startsWith("shortcut-"))
              .mapToLong(Thread::threadId)
              .toArray();
      long bytes =
          HeapAllocation.fewestBytes(
              slotThreads,
              () -> {
                for (int i = 0; i < 100; i++) {
                  engine.run(in, out, 4);
                }
              });
      assertEquals(0, bytes, "bytes of Java heap for 100 batches, all threads together");
    }
  }
}
