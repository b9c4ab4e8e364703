package dev.shortcut.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.backend.ExecutionSlot;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.testing.TestSeed;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What an execution checks before its backend is asked; what backends make of it they test. */
class ExecutionTest {
  private static final long IN = 0x7f0000000000L;
  private static final long OUT = 0x7f0000100000L;

  private final Recorder slot = new Recorder();
  private final List<Execution> closed = new ArrayList<>();
  private final Execution execution =
      new Execution(slot, "unit", 4, 400, 80, Float.BYTES, closed::add);

  private static final class Recorder implements ExecutionSlot {
    final List<String> calls = new ArrayList<>();
    final AtomicInteger running = new AtomicInteger();
    int graphs;
    @Nullable RuntimeException failure;

    @Override
    public long bytes() {
      return 1234;
    }

    @Override
    public void enqueue(long input, long output, long stream) {
      assertEquals(1, running.incrementAndGet(), "batches that are enqueued at the same time");
      calls.add("enqueue %x %x %x".formatted(input, output, stream));
      running.decrementAndGet();
    }

    @Override
    public int capturedGraphs() {
      return graphs;
    }

    @Override
    public void close() {
      calls.add("close");
      if (failure != null) {
        throw failure;
      }
    }
  }

  @Test
  void aBatchIsHandedOnAsItIs() {
    execution.enqueue(new DeviceBuffer(IN, 400), new DeviceBuffer(OUT, 999), 0x55);
    assertEquals(List.of("enqueue 7f0000000000 7f0000100000 55"), slot.calls);
    assertEquals(1234, execution.bytes());
  }

  @Test
  void aBufferThatIsTooSmallIsRefused() {
    var input =
        assertThrows(
            IllegalArgumentException.class,
            () -> execution.enqueue(new DeviceBuffer(IN, 399), new DeviceBuffer(OUT, 80), 0));
    assertEquals(
        "the input buffer has 399 bytes, but 4 images of unit need 400", input.getMessage());
    assertThrows(
        IllegalArgumentException.class,
        () -> execution.enqueue(new DeviceBuffer(IN, 400), new DeviceBuffer(OUT, 79), 0));
    assertEquals(List.of(), slot.calls);
  }

  @Test
  void anAddressThatFloatsCannotHaveIsRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () -> execution.enqueue(new DeviceBuffer(IN + 2, 400), new DeviceBuffer(OUT, 80), 0));
    assertThrows(
        IllegalArgumentException.class,
        () -> execution.enqueue(new DeviceBuffer(IN, 400), new DeviceBuffer(OUT + 1, 80), 0));
    assertEquals(List.of(), slot.calls);
  }

  @Test
  void closingTwiceFreesOnceAndEndsIt() {
    execution.close();
    execution.close();
    assertEquals(List.of("close"), slot.calls);
    assertEquals(List.of(execution), closed);
    assertThrows(
        IllegalStateException.class,
        () -> execution.enqueue(new DeviceBuffer(IN, 400), new DeviceBuffer(OUT, 80), 0));
  }

  @Test
  void whatFailsOnTheWayDownIsThrownOnceAndItIsClosedAllTheSame() {
    slot.failure = new IllegalStateException("the last batch failed");
    assertSame(slot.failure, assertThrows(IllegalStateException.class, execution::close));
    assertEquals(List.of(execution), closed);
    execution.close();
    assertEquals(List.of("close"), slot.calls);
    assertEquals(List.of(execution), closed);
  }

  @Test
  void itDoesNotCloseUnderAGraphThatCapturedIt() {
    slot.graphs = 2;
    var failure = assertThrows(IllegalStateException.class, execution::close);
    assertTrue(String.valueOf(failure.getMessage()).contains("2 CUDA graphs"), failure::toString);
    assertEquals(List.of(), slot.calls);
    execution.enqueue(new DeviceBuffer(IN, 400), new DeviceBuffer(OUT, 80), 0);
    slot.graphs = 0;
    execution.close();
    assertEquals("close", slot.calls.getLast());
  }

  @Test
  void manyThreadsEnqueueOneAfterAnother() throws Exception {
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> all = new ArrayList<>();
      IntStream.range(0, 1000)
          .forEach(i ->
              all.add(
                  threads.submit(() ->
                      execution.enqueue(new DeviceBuffer(IN, 400), new DeviceBuffer(OUT, 80), i))));
      for (Future<?> one : all) {
        one.get();
      }
    }
    assertEquals(1000, slot.calls.size());
  }

  @Test
  void anEngineOnTheCpuHasNone() {
    Graph graph = linear();
    try (Engine engine =
        Engine.open(
            Model.of(graph, MapWeights.integers(graph, TestSeed.random())),
            Options.defaults().withBackend(BackendChoice.REFERENCE).withMaxBatch(2))) {
      var refused =
          assertThrows(
              DeviceUnavailableException.class,
              () -> engine.execution(2, new InputFormat.Float32Nchw()));
      assertTrue(String.valueOf(refused.getMessage()).contains("CPU"), refused::toString);
      assertThrows(
          IllegalArgumentException.class, () -> engine.execution(3, new InputFormat.Float32Nchw()));
      assertThrows(
          IllegalArgumentException.class,
          () ->
              engine.execution(1, new InputFormat.Uint8Nhwc(List.of(0.5, 0.5), List.of(0.5, 0.5))));
    }
  }

  @Test
  void aClosedEngineHasNone() {
    Graph graph = linear();
    Engine engine =
        Engine.open(
            Model.of(graph, MapWeights.integers(graph, TestSeed.random())),
            Options.defaults().withBackend(BackendChoice.REFERENCE));
    engine.close();
    assertThrows(
        IllegalStateException.class, () -> engine.execution(1, new InputFormat.Float32Nchw()));
  }

  private static Graph linear() {
    var g = new GraphBuilder("linear", new Shape(3, 1, 1));
    return g.build(g.add("fc", new Layer.Linear(2, true), g.input()));
  }
}
