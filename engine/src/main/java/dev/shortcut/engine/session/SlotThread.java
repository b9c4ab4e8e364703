package dev.shortcut.engine.session;

import dev.shortcut.engine.backend.Slot;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A slot and the platform thread on which all of its native work runs. One caller at a time hands
 * over a batch and waits; neither side allocates anything for that.
 */
final class SlotThread implements AutoCloseable {
  private enum State {
    /** The last batch has ended, well or not. */
    IDLE,
    /** The thread has something to do and a caller waits for it. */
    BUSY,
    /** The thread is to end. */
    STOPPING
  }

  private final Slot slot;
  private final Thread thread;

  // Written by one side before it changes the state, read by the other after it has seen the
  // change.
  private @Nullable Thread caller;
  private int images;
  private MemorySegment input = MemorySegment.NULL;
  private MemorySegment output = MemorySegment.NULL;
  private Slot.@Nullable Stopwatch stopwatch;
  private @Nullable Throwable failure;
  private volatile State state = State.IDLE;

  /** Starts the thread and returns when it is attached to the slot. */
  SlotThread(String name, Slot slot) {
    this.slot = slot;
    thread = Thread.ofPlatform().daemon().name(name).unstarted(this::serve);
    caller = Thread.currentThread();
    state = State.BUSY;
    thread.start();
    try {
      await();
    } catch (Throwable t) {
      close();
      throw t;
    }
  }

  Slot slot() {
    return slot;
  }

  /** Whether the slot's thread may touch that memory. */
  boolean mayAccess(MemorySegment segment) {
    return segment.isAccessibleBy(thread);
  }

  /**
   * Runs one batch on the slot's thread and returns at its end, interrupted or not, since the
   * buffers are in use until then. Whatever the slot throws is thrown here.
   */
  void run(int batch, MemorySegment in, MemorySegment out, Slot.@Nullable Stopwatch timing) {
    images = batch;
    input = in;
    output = out;
    stopwatch = timing;
    caller = Thread.currentThread();
    state = State.BUSY;
    LockSupport.unpark(thread);
    await();
  }

  private void await() {
    boolean interrupted = false;
    while (state == State.BUSY) {
      LockSupport.park(this);
      // A thread whose flag is set does not park, so the flag is put aside until the batch has
      // ended.
      interrupted |= Thread.interrupted();
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    Throwable failed = failure;
    failure = null;
    if (failed != null) {
      // Its stack is the slot thread's; this one tells who was waiting.
      failed.addSuppressed(new CallerStack(thread.getName()));
    }
    switch (failed) {
      case null -> {}
      case Error error -> throw error;
      case RuntimeException exception -> throw exception;
      default -> throw new AssertionError("slots throw no checked exceptions", failed);
    }
  }

  private void serve() {
    boolean attached = false;
    while (state != State.STOPPING) {
      if (state == State.IDLE) {
        LockSupport.park(this);
        continue;
      }
      try {
        if (!attached) {
          slot.attach();
          attached = true;
        } else if (stopwatch == null) {
          slot.run(images, input, output);
        } else {
          slot.profile(images, input, output, stopwatch);
        }
      } catch (Throwable t) {
        failure = t;
      }
      Thread waiting = Objects.requireNonNull(caller);
      // What the caller owns must not be kept alive by an idle slot.
      caller = null;
      input = MemorySegment.NULL;
      output = MemorySegment.NULL;
      stopwatch = null;
      state = State.IDLE;
      LockSupport.unpark(waiting);
    }
  }

  /** Ends the thread and waits for it; no batch may be running. */
  @Override
  public void close() {
    state = State.STOPPING;
    LockSupport.unpark(thread);
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException _) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Carries the stack of the thread that handed a failed batch to a slot. */
  private static final class CallerStack extends RuntimeException {
    private static final long serialVersionUID = 1L;

    CallerStack(String slotThread) {
      super("the batch was handed to " + slotThread + " here");
    }
  }
}
