package dev.shortcut.engine.session;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.MemoryReport;
import dev.shortcut.engine.backend.Backend.Tail;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.testing.HeapAllocation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;

/** Leasing and handing over, on a model whose batches last for as long as a test wants. */
@Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
class SessionTest {
  private static final int MAX_BATCH = 4;

  /** Doubles each image's one float, once it has been given a permit to. */
  private static final class GatedModel implements CompiledModel {
    final Semaphore gate = new Semaphore(Integer.MAX_VALUE);
    final Semaphore entered = new Semaphore(0);
    final List<Integer> batches = Collections.synchronizedList(new ArrayList<>());
    final Set<Thread> threads = ConcurrentHashMap.newKeySet();
    final AtomicReference<Throwable> nextFailure = new AtomicReference<>();
    final List<Slot> slots;
    private final Arena arena = Arena.ofAuto();

    GatedModel(int count) {
      List<Slot> made = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        made.add(new GatedSlot());
      }
      slots = List.copyOf(made);
    }

    private final class GatedSlot implements Slot {
      final MemorySegment in = arena.allocate(JAVA_FLOAT, MAX_BATCH);
      final MemorySegment out = arena.allocate(JAVA_FLOAT, MAX_BATCH);
      final AtomicInteger running = new AtomicInteger();

      @Override
      public void attach() {
        threads.add(Thread.currentThread());
        throwNext();
      }

      @Override
      public MemorySegment inputStaging() {
        return in;
      }

      @Override
      public MemorySegment outputStaging() {
        return out;
      }

      @Override
      public void run(int images, MemorySegment input, MemorySegment output) {
        assertEquals(1, running.incrementAndGet(), "batches in one slot at a time");
        assertTrue(threads.contains(Thread.currentThread()), "runs on a slot's own thread");
        batches.add(images);
        entered.release();
        gate.acquireUninterruptibly();
        try {
          throwNext();
          for (int i = 0; i < images; i++) {
            output.setAtIndex(JAVA_FLOAT, i, 2 * input.getAtIndex(JAVA_FLOAT, i));
          }
        } finally {
          running.decrementAndGet();
        }
      }

      private void throwNext() {
        switch (nextFailure.getAndSet(null)) {
          case null -> {}
          case Error e -> throw e;
          case RuntimeException e -> throw e;
          case Throwable t -> throw new AssertionError(t);
        }
      }
    }

    @Override
    public MemoryReport memory() {
      return new MemoryReport(0, 0, 0, 0, slots.size());
    }

    @Override
    public List<KernelReport> kernels() {
      return List.of();
    }

    @Override
    public List<Slot> slots() {
      return slots;
    }

    @Override
    public void close() {}
  }

  private final List<Session> opened = new ArrayList<>();

  private Session open(GatedModel model) {
    var session =
        new Session(model, new BatchSizes(MAX_BATCH, Tail.SPLIT), Float.BYTES, 4, Float.BYTES);
    opened.add(session);
    return session;
  }

  @AfterEach
  void closeSessions() {
    opened.forEach(Session::close);
  }

  private static float[] run(Session session, float... images) throws InterruptedException {
    float[] output = new float[images.length];
    session.run(
        MemorySegment.ofArray(images),
        MemorySegment.ofArray(output),
        images.length,
        Session.FOREVER);
    return output;
  }

  /** A caller in the background, with what became of it. */
  private static final class Caller {
    final Thread thread;
    volatile float[] result = {};
    volatile Throwable failure = new AssertionError("has not ended");
    volatile boolean interruptedAtTheEnd;

    Caller(Session session, float... images) {
      thread =
          Thread.ofPlatform()
              .daemon()
              .start(() -> {
                try {
                  result = SessionTest.run(session, images);
                  failure = new AssertionError("did not fail");
                } catch (Throwable t) {
                  failure = t;
                }
                interruptedAtTheEnd = Thread.currentThread().isInterrupted();
              });
    }

    /** Returns once the caller waits, for a slot or for the end of its batch. */
    Caller waiting() throws InterruptedException {
      while (thread.getState() != Thread.State.WAITING) {
        Thread.sleep(1);
      }
      return this;
    }

    Caller ended() throws InterruptedException {
      thread.join();
      return this;
    }
  }

  @Test
  void requestsBeyondTheLargestBatchRunAsSeveral() throws InterruptedException {
    var model = new GatedModel(1);
    assertArrayEquals(
        new float[] {2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22},
        run(open(model), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    assertEquals(List.of(4, 4, 2, 1), model.batches);
  }

  @Test
  void waitersGetASlotFirstComeFirstServed() throws InterruptedException {
    var model = new GatedModel(1);
    Session session = open(model);
    model.gate.drainPermits();
    Caller first = new Caller(session, 0);
    model.entered.acquire();
    List<Caller> waiters = new ArrayList<>();
    for (int i = 1; i <= 8; i++) {
      // The number of images tells whose batch runs.
      waiters.add(new Caller(session, new float[1 + i % 2]).waiting());
    }
    model.gate.release(1000);
    first.ended();
    for (Caller waiter : waiters) {
      waiter.ended();
    }
    assertEquals(List.of(1, 2, 1, 2, 1, 2, 1, 2, 1), model.batches);
  }

  @Test
  void aWaiterThatIsInterruptedLosesNoSlot() throws InterruptedException {
    var model = new GatedModel(1);
    Session session = open(model);
    model.gate.drainPermits();
    Caller running = new Caller(session, 1);
    model.entered.acquire();
    Caller waiter = new Caller(session, 2).waiting();
    waiter.thread.interrupt();
    assertTrue(waiter.ended().failure instanceof InterruptedException, waiter.failure::toString);
    model.gate.release(1000);
    assertArrayEquals(new float[] {2}, running.ended().result);
    assertArrayEquals(new float[] {6}, run(session, 3));
  }

  @Test
  void anInterruptWhileRunningIsKeptUntilTheEnd() throws InterruptedException {
    var model = new GatedModel(1);
    Session session = open(model);
    model.gate.drainPermits();
    Caller caller = new Caller(session, 1, 2, 3, 4, 5);
    model.entered.acquire();
    caller.thread.interrupt();
    assertFalse(
        caller.thread.join(Duration.ofMillis(50)), "returned while its buffers were in use");
    model.gate.release(1000);
    assertArrayEquals(new float[] {2, 4, 6, 8, 10}, caller.ended().result);
    assertTrue(caller.interruptedAtTheEnd);
  }

  @Test
  void aTimeoutEndsTheWaitForASlotAndNothingElse() throws InterruptedException {
    var model = new GatedModel(1);
    Session session = open(model);
    model.gate.drainPermits();
    Caller running = new Caller(session, 1);
    model.entered.acquire();
    var in = MemorySegment.ofArray(new float[] {7});
    var out = MemorySegment.ofArray(new float[1]);
    assertFalse(session.run(in, out, 1, 0));
    assertFalse(session.run(in, out, 1, 1_000_000));
    assertEquals(1, model.batches.size());
    model.gate.release(1000);
    running.ended();
    assertTrue(session.run(in, out, 1, TimeUnit.SECONDS.toNanos(30)));
    assertEquals(14, out.get(JAVA_FLOAT, 0));
  }

  @Test
  void whatTheSlotThrowsReachesItsCallerOnly() throws InterruptedException {
    var model = new GatedModel(1);
    Session session = open(model);
    for (Throwable failure :
        List.of(new IllegalStateException("bad day"), new StackOverflowError())) {
      model.nextFailure.set(failure);
      Throwable thrown = assertThrows(failure.getClass(), () -> run(session, 1));
      assertSame(failure, thrown);
      assertTrue(
          Arrays.stream(thrown.getSuppressed()[0].getStackTrace())
              .anyMatch(
                  frame -> frame.getMethodName().equals("whatTheSlotThrowsReachesItsCallerOnly")),
          "the caller's own stack is attached");
      assertArrayEquals(new float[] {4}, run(session, 2));
    }
  }

  @Test
  void aSlotThatCannotAttachLeavesNoThreads() throws InterruptedException {
    var model = new GatedModel(3);
    model.nextFailure.set(new IllegalStateException("no device"));
    assertThrows(IllegalStateException.class, () -> open(model));
    for (Thread thread : model.threads) {
      assertFalse(thread.isAlive(), thread::getName);
    }
  }

  @Test
  void closeWaitsForRunningWorkAndFailsWaiters() throws InterruptedException {
    var model = new GatedModel(2);
    Session session = open(model);
    model.gate.drainPermits();
    Caller one = new Caller(session, 1, 2, 3, 4, 5);
    Caller two = new Caller(session, 6);
    model.entered.acquire(2);
    List<Caller> waiters = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      waiters.add(new Caller(session, i).waiting());
    }
    Thread closer = Thread.ofPlatform().start(session::close);
    Thread another = Thread.ofPlatform().start(session::close);
    for (Caller waiter : waiters) {
      assertTrue(waiter.ended().failure instanceof IllegalStateException, waiter.failure::toString);
    }
    assertTrue(closer.isAlive() && another.isAlive(), "closed while work was running");
    assertThrows(IllegalStateException.class, () -> run(session, 1));
    model.gate.release(1000);
    assertArrayEquals(new float[] {2, 4, 6, 8, 10}, one.ended().result);
    assertArrayEquals(new float[] {12}, two.ended().result);
    closer.join();
    another.join();
    for (Thread thread : model.threads) {
      assertFalse(thread.isAlive(), thread::getName);
    }
  }

  @Test
  void closeUnderLoadLosesNothingAndReturns() throws Exception {
    for (int round = 0; round < 50; round++) {
      var model = new GatedModel(2);
      Session session = open(model);
      var start = new CyclicBarrier(9);
      var wrong = new AtomicReference<Throwable>();
      List<Thread> callers = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        int value = i;
        callers.add(
            (i % 2 == 0 ? Thread.ofPlatform() : Thread.ofVirtual())
                .start(() -> runUntilClosed(session, start, value, wrong)));
      }
      start.await();
      session.close();
      for (Thread caller : callers) {
        caller.join();
      }
      assertEquals(null, wrong.get());
    }
  }

  private static void runUntilClosed(
      Session session, CyclicBarrier start, int value, AtomicReference<Throwable> wrong) {
    try {
      start.await();
      while (true) {
        assertArrayEquals(new float[] {2 * value}, run(session, value));
      }
    } catch (IllegalStateException _) {
      // closed, as it must be at some time
    } catch (InterruptedException | BrokenBarrierException | AssertionError e) {
      wrong.set(e);
    }
  }

  @Test
  void interruptsAndTimeoutsAtRandomLoseNoSlot() throws InterruptedException {
    var model = new GatedModel(2);
    Session session = open(model);
    List<Thread> callers = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      callers.add(Thread.ofVirtual().start(() -> runWithShortTimeouts(session)));
    }
    for (int i = 0; i < 2000; i++) {
      callers.get(i % callers.size()).interrupt();
      if (i % 10 == 0) {
        Thread.sleep(0, 100_000);
      }
    }
    for (Thread caller : callers) {
      caller.join();
    }
    // Both slots are there: two batches run at the same time, and a third one waits.
    model.entered.drainPermits();
    model.gate.drainPermits();
    Caller one = new Caller(session, 1);
    Caller two = new Caller(session, 2);
    model.entered.acquire(2);
    var out = MemorySegment.ofArray(new float[1]);
    assertFalse(session.run(out, out, 1, 0));
    model.gate.release(1000);
    assertArrayEquals(new float[] {2}, one.ended().result);
    assertArrayEquals(new float[] {4}, two.ended().result);
  }

  private static void runWithShortTimeouts(Session session) {
    var in = MemorySegment.ofArray(new float[] {1});
    var out = MemorySegment.ofArray(new float[1]);
    for (int i = 0; i < 1000; i++) {
      try {
        session.run(in, out, 1, i % 3 * 10_000L);
      } catch (InterruptedException _) {
        // that is what the test does to it
      }
    }
  }

  @Test
  void confinedMemoryIsCopiedByItsOwner() throws InterruptedException {
    Session session = open(new GatedModel(1));
    try (Arena confined = Arena.ofConfined()) {
      MemorySegment in = confined.allocateFrom(JAVA_FLOAT, 1, 2, 3, 4, 5);
      MemorySegment out = confined.allocate(JAVA_FLOAT, 5);
      session.run(in, out, 5, Session.FOREVER);
      assertArrayEquals(new float[] {2, 4, 6, 8, 10}, out.toArray(JAVA_FLOAT));
    }
  }

  /** Does as little as a slot can, without the lists that the other tests look at. */
  private static final class IdleSlot implements Slot {
    final MemorySegment staging = Arena.ofAuto().allocate(JAVA_FLOAT, MAX_BATCH);
    volatile long threadId;

    @Override
    public void attach() {
      threadId = Thread.currentThread().threadId();
    }

    @Override
    public MemorySegment inputStaging() {
      return staging;
    }

    @Override
    public MemorySegment outputStaging() {
      return staging;
    }

    @Override
    public void run(int images, MemorySegment input, MemorySegment output) {}
  }

  @Test
  void aBatchThatFindsASlotFreeAllocatesNothing() throws InterruptedException {
    var slot = new IdleSlot();
    var model =
        new CompiledModel() {
          @Override
          public MemoryReport memory() {
            return new MemoryReport(0, 0, 0, 0, 1);
          }

          @Override
          public List<KernelReport> kernels() {
            return List.of();
          }

          @Override
          public List<Slot> slots() {
            return List.of(slot);
          }

          @Override
          public void close() {}
        };
    try (var session =
            new Session(model, new BatchSizes(MAX_BATCH, Tail.SPLIT), Float.BYTES, 4, Float.BYTES);
        Arena arena = Arena.ofShared()) {
      MemorySegment in = arena.allocate(JAVA_FLOAT, MAX_BATCH);
      MemorySegment out = arena.allocate(JAVA_FLOAT, MAX_BATCH);
      MemorySegment heap = MemorySegment.ofArray(new float[MAX_BATCH]);
      long bytes =
          HeapAllocation.fewestBytes(
              new long[] {slot.threadId}, () -> runBatches(session, in, out, heap, 2000));
      assertEquals(0, bytes, "bytes allocated by caller and slot thread in 4000 batches");
    }
  }

  private static void runBatches(
      Session session, MemorySegment in, MemorySegment out, MemorySegment heap, int rounds)
      throws InterruptedException {
    for (int i = 0; i < rounds; i++) {
      session.run(in, out, MAX_BATCH, Session.FOREVER);
      session.run(heap, heap, MAX_BATCH, Session.FOREVER);
    }
  }
}
