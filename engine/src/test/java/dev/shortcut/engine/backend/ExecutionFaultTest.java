package dev.shortcut.engine.backend;

import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.engine.DeviceException;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Execution;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.ShortcutException;
import dev.shortcut.engine.backend.cudnn.EightKernels;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.EachGpuBackend;
import dev.shortcut.engine.testing.InjectedFault;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Every single call that an execution makes of NVIDIA's libraries, failing once. */
@EachGpuBackend
class ExecutionFaultTest {
  private static final Graph GRAPH = EightKernels.probabilities();
  private static final MapWeights WEIGHTS =
      EightKernels.sparse(GRAPH, TestSeed.random("ExecutionFaultTest weights"));
  private static final float[] IMAGES =
      Tensors.integers(
          TestSeed.random("ExecutionFaultTest images"), (int) EightKernels.IMAGE.elements(), 2);
  private static final InputFormat FLOATS = new InputFormat.Float32Nchw();
  private static final Logger LOG = Logger.getLogger("dev.shortcut");

  private final BackendUnderTest backend;
  private float[] expected = {};

  ExecutionFaultTest(BackendUnderTest backend) {
    this.backend = backend;
  }

  /** What is not freed is logged, again and again here. */
  @BeforeAll
  static void quiet() {
    LOG.setLevel(Level.OFF);
  }

  @AfterAll
  static void loud() {
    LOG.setLevel(null);
  }

  @BeforeEach
  void install() throws InterruptedException {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    try (Engine engine = open()) {
      expected = engine.run(IMAGES);
    }
  }

  private Engine open() {
    return Engine.open(Model.of(GRAPH, WEIGHTS), backend.options().withMaxBatch(1));
  }

  private static void leavesNothing(long call, List<String> wrong) {
    InjectedFault.leftBehind().forEach(left -> wrong.add("call %d, %s".formatted(call, left)));
  }

  @Test
  void everyFailedCallOfPreparingIsNamedAndLeavesNothingBehind() throws InterruptedException {
    // Bytes, whose normalisation is uploaded too.
    var bytes = new InputFormat.Uint8Nhwc(List.of(0.5, 0.5, 0.5), List.of(0.25, 0.25, 0.25));
    long calls;
    SoftwareDevice.reset();
    try (Engine engine = open()) {
      long before = SoftwareDevice.calls();
      Execution counted = engine.execution(1, bytes);
      calls = SoftwareDevice.calls() - before;
      counted.close();
    }
    int failed = 0;
    List<String> wrong = new ArrayList<>();
    for (long call = 1; call <= calls; call++) {
      SoftwareDevice.reset();
      try (Engine engine = open()) {
        SoftwareDevice.failCall(call);
        try (Execution execution = engine.execution(1, bytes)) {
          assertEquals(0, execution.capturedGraphs());
        } catch (ShortcutException e) {
          failed++;
          wrong.addAll(backend.wrongIn(e));
        } catch (RuntimeException e) {
          wrong.add("call %d, %s: %s".formatted(call, SoftwareDevice.fired(), e));
        }
        assertSameValues(expected, engine.run(IMAGES));
      }
      leavesNothing(call, wrong);
    }
    assertEquals(List.of(), wrong);
    assertTrue(failed > calls / 2, failed + " failures of " + calls);
  }

  @Test
  void everyFailedCallOfABatchIsNamedAndLeavesItUsable() {
    for (boolean capturing : List.of(false, true)) {
      SoftwareDevice.reset();
      List<String> wrong = new ArrayList<>();
      try (var program = CudaProgram.onDevice(0);
          Engine engine = open();
          Execution execution = engine.execution(1, FLOATS)) {
        // Batches on another stream each, so that handles have to follow.
        List<Stream> streams = List.of(program.stream(), program.stream());
        DeviceMemory in = program.floats(streams.getFirst(), IMAGES);
        DeviceMemory other = program.floats(streams.getFirst(), new float[IMAGES.length]);
        DeviceMemory out = program.room(execution.outputBytes());
        DeviceMemory lost = program.room(execution.outputBytes());
        enqueue(execution, in, out, streams.getFirst(), capturing);
        long before = SoftwareDevice.calls();
        enqueue(execution, in, out, streams.getLast(), capturing);
        long calls = SoftwareDevice.calls() - before;
        assertTrue(calls > 7, calls + " calls");
        // The last one that enqueueing makes takes the context away again; where that fails nobody
        // can do anything. A capture's first call is the caller's, and so are its last four.
        for (long call = capturing ? 2 : 1; call < (capturing ? calls - 4 : calls); call++) {
          Stream stream = streams.get((int) call % 2);
          Stream next = streams.get((int) (call + 1) % 2);
          SoftwareDevice.failCall(call);
          try {
            enqueue(execution, other, lost, stream, capturing);
            wrong.add("call %d, %s, was not noticed".formatted(call, SoftwareDevice.fired()));
          } catch (DeviceException e) {
            assertFalse(e.fatal(), e.getMessage());
            wrong.addAll(backend.wrongIn(e));
          }
          assertEquals(0, execution.capturedGraphs(), () -> SoftwareDevice.fired().toString());
          // What is enqueued of the failed batch must not run beside the next one.
          enqueue(execution, in, out, next, false);
          assertSameValues(expected, CudaProgram.read(next, out));
        }
        streams.forEach(Stream::synchronize);
      }
      assertEquals(List.of(), wrong);
      assertEquals(List.of(), InjectedFault.leftBehind());
    }
  }

  @Test
  void whatIsEnqueuedOfAFailedBatchIsWaitedForBeforeAnythingIsFreed() {
    List<String> wrong = new ArrayList<>();
    long calls = 0;
    for (long call = 0; call == 0 || call < calls; call++) {
      // What is enqueued waits until somebody waits for it.
      SoftwareDevice.reset(SoftwareDevice.settings().eagerness(0));
      try (var program = CudaProgram.onDevice(0);
          Engine engine = open()) {
        Stream stream = program.stream();
        Execution execution = engine.execution(1, FLOATS);
        DeviceMemory in = program.floats(stream, IMAGES);
        DeviceMemory out = program.room(execution.outputBytes());
        long before = SoftwareDevice.calls();
        if (call > 0) {
          SoftwareDevice.failCall(call);
        }
        try {
          enqueue(execution, in, out, stream, false);
          calls = SoftwareDevice.calls() - before;
        } catch (DeviceException e) {
          assertFalse(e.fatal(), e.getMessage());
        }
        execution.close();
        stream.synchronize();
      }
      leavesNothing(call, wrong);
    }
    assertEquals(List.of(), wrong);
    assertTrue(calls > 6, calls + " calls");
  }

  private static void enqueue(
      Execution execution, DeviceMemory in, DeviceMemory out, Stream stream, boolean capturing) {
    if (!capturing) {
      execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
      return;
    }
    stream.beginCapture();
    try {
      execution.enqueue(CudaProgram.buffer(in), CudaProgram.buffer(out), stream.handle());
    } finally {
      try {
        stream.endCapture().close();
      } catch (CudaException _) {
        // A failed call may have spoiled it, and it is over all the same.
      }
    }
  }

  @Test
  void everyFailedCallOfClosingLeavesNothingBehind() {
    long calls = closing(0);
    List<String> wrong = new ArrayList<>();
    for (long call = 1; call <= calls; call++) {
      closing(call);
      leavesNothing(call, wrong);
    }
    assertEquals(List.of(), wrong);
    assertTrue(calls > 7, calls + " calls");
  }

  /** Closes an execution that has run, a call of that failing; returns how many calls it made. */
  private long closing(long failing) {
    SoftwareDevice.reset();
    try (var program = CudaProgram.onDevice(0);
        Engine engine = open()) {
      Execution execution = engine.execution(1, FLOATS);
      Stream stream = program.stream();
      DeviceMemory in = program.floats(stream, IMAGES);
      DeviceMemory out = program.room(execution.outputBytes());
      enqueue(execution, in, out, stream, false);
      stream.synchronize();
      if (failing > 0) {
        SoftwareDevice.failCall(failing);
      }
      long before = SoftwareDevice.calls();
      try {
        execution.close();
      } catch (DeviceException e) {
        assertFalse(e.fatal(), e.getMessage());
      }
      long calls = SoftwareDevice.calls() - before;
      execution.close();
      return calls;
    }
  }
}
