package dev.shortcut.engine.session;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.Slot;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The slots of a compiled model and who may use them. Safe for any number of threads, virtual ones
 * included; a platform thread that finds a slot free allocates nothing on the Java heap.
 */
public final class Session implements AutoCloseable {
  /** To wait for a slot for as long as it takes. */
  public static final long FOREVER = Long.MAX_VALUE;

  private final BatchSizes sizes;
  private final long inputBytes;
  private final int inputAlignment;
  private final long outputBytes;
  private final int slots;

  // Fair, so that slots are leased first come first served. Each permit stands for a slot in free.
  private final Semaphore permits;
  // The slot that was used last is used next: its memory is still in the caches.
  private final Deque<SlotThread> free;
  private volatile boolean closing;
  private final Closer threads = new Closer();

  /**
   * Starts a thread for each slot.
   *
   * @param model runs the batches; closed by its owner, after this
   * @param sizes the sizes that it was compiled for
   * @param inputBytes bytes of one image as it is handed over
   * @param inputAlignment what an address must be a multiple of to be read in place
   * @param outputBytes bytes of one image's results
   */
  public Session(
      CompiledModel model,
      BatchSizes sizes,
      long inputBytes,
      int inputAlignment,
      long outputBytes) {
    this.sizes = sizes;
    this.inputBytes = inputBytes;
    this.inputAlignment = inputAlignment;
    this.outputBytes = outputBytes;
    List<Slot> prepared = model.slots();
    slots = prepared.size();
    permits = new Semaphore(slots, true);
    free = new ArrayDeque<>(slots);
    try {
      for (int i = 0; i < slots; i++) {
        free.add(threads.own(new SlotThread("shortcut-slot-" + i, prepared.get(i))));
      }
    } catch (Throwable t) {
      threads.closeAfter(t);
      throw t;
    }
  }

  /**
   * Leases a slot, runs the images on it as one batch or several, and gives it back. Both segments
   * must be large enough; an interrupt while the batches run is kept for later.
   *
   * @param timeoutNanos how long to wait for a slot; {@link #FOREVER} has no end
   * @return false if no slot became free in time
   * @throws InterruptedException if interrupted before a slot was leased
   * @throws IllegalStateException if the session is closed, or closes before a slot was leased
   */
  public boolean run(MemorySegment input, MemorySegment output, int images, long timeoutNanos)
      throws InterruptedException {
    return run(input, output, images, timeoutNanos, null);
  }

  /**
   * As {@link #run(MemorySegment, MemorySegment, int, long)}, waiting for a slot for as long as it
   * takes, and telling what each step took.
   */
  public void profile(
      MemorySegment input, MemorySegment output, int images, Slot.Stopwatch stopwatch)
      throws InterruptedException {
    run(input, output, images, FOREVER, stopwatch);
  }

  private boolean run(
      MemorySegment input,
      MemorySegment output,
      int images,
      long timeoutNanos,
      Slot.@Nullable Stopwatch stopwatch)
      throws InterruptedException {
    if (closing) {
      throw closed();
    }
    if (timeoutNanos == FOREVER) {
      permits.acquire();
    } else if (!permits.tryAcquire(timeoutNanos, TimeUnit.NANOSECONDS)) {
      return false;
    }
    try {
      SlotThread slot = lease();
      if (slot == null) {
        throw closed();
      }
      try {
        run(slot, input, output, images, stopwatch);
      } finally {
        giveBack(slot);
      }
    } finally {
      permits.release();
    }
    return true;
  }

  private void run(
      SlotThread slot,
      MemorySegment input,
      MemorySegment output,
      int images,
      Slot.@Nullable Stopwatch stopwatch) {
    boolean inPlace = isInPlace(slot, input, inputAlignment);
    boolean outPlace = isInPlace(slot, output, Float.BYTES);
    MemorySegment inputStaging = slot.slot().inputStaging();
    MemorySegment outputStaging = slot.slot().outputStaging();
    for (int done = 0, batch; done < images; done += batch) {
      batch = sizes.next(images - done);
      long in = done * inputBytes;
      long out = done * outputBytes;
      if (!inPlace) {
        MemorySegment.copy(input, in, inputStaging, 0, batch * inputBytes);
      }
      slot.run(
          batch,
          inPlace ? from(input, in) : inputStaging,
          outPlace ? from(output, out) : outputStaging,
          stopwatch);
      if (!outPlace) {
        MemorySegment.copy(outputStaging, 0, output, out, batch * outputBytes);
      }
    }
  }

  /** Whether the slot can use the caller's memory itself; if not, the caller's thread copies it. */
  private static boolean isInPlace(SlotThread slot, MemorySegment segment, int alignment) {
    return segment.isNative() && slot.mayAccess(segment) && segment.address() % alignment == 0;
  }

  /** A request that is one batch makes no new object. */
  private static MemorySegment from(MemorySegment segment, long offset) {
    return offset == 0 ? segment : segment.asSlice(offset);
  }

  private @Nullable SlotThread lease() {
    synchronized (free) {
      return closing ? null : free.poll();
    }
  }

  private void giveBack(SlotThread slot) {
    synchronized (free) {
      free.push(slot);
      free.notifyAll();
    }
  }

  private static IllegalStateException closed() {
    return new IllegalStateException("the engine is closed");
  }

  /**
   * Refuses new work, fails those who wait for a slot, waits for running work, and ends the
   * threads. Idempotent; a second caller returns when the first one has finished.
   */
  @Override
  public synchronized void close() {
    boolean interrupted = false;
    synchronized (free) {
      if (!closing) {
        closing = true;
        // More than can be waiting: they get a permit, find no slot, and leave.
        permits.release(Integer.MAX_VALUE / 2);
      }
      while (free.size() < slots) {
        try {
          free.wait();
        } catch (InterruptedException _) {
          interrupted = true;
        }
      }
    }
    threads.close();
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
