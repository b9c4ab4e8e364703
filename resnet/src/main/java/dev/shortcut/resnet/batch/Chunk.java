package dev.shortcut.resnet.batch;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The memory of one batch, used for one batch after another. Filled by the source, decoded into by
 * workers (each picture has its own place), run by one runner, read by the writer; each hands it on
 * through a queue or the latch.
 */
final class Chunk {
  private static final Input NONE = Input.of("", new byte[0]);

  private final MemorySegment pixels;
  private final MemorySegment results;
  private final long inputBytes;
  private final int outputElements;
  private final Input[] inputs;
  private final @Nullable String[] errors;
  private final AtomicInteger undecoded = new AtomicInteger();
  private CountDownLatch done = new CountDownLatch(0);
  private long first;
  private int size;

  Chunk(int capacity, long inputBytes, int outputElements, Arena arena) {
    this.inputBytes = inputBytes;
    this.outputElements = outputElements;
    this.pixels = arena.allocate(capacity * inputBytes, 64);
    this.results = arena.allocate((long) capacity * outputElements * Float.BYTES, 64);
    this.inputs = new Input[capacity];
    this.errors = new String[capacity];
    Arrays.fill(inputs, NONE);
  }

  /** Begins a batch whose first picture is the {@code firstIndex}-th of all. */
  void begin(long firstIndex) {
    first = firstIndex;
    size = 0;
    Arrays.fill(errors, null);
    done = new CountDownLatch(1);
  }

  void add(Input input) {
    inputs[size++] = input;
  }

  boolean isFull() {
    return size == inputs.length;
  }

  int size() {
    return size;
  }

  long first() {
    return first;
  }

  Input input(int place) {
    return inputs[place];
  }

  @Nullable String error(int place) {
    return errors[place];
  }

  /** No more pictures come: as many calls of {@link #decoded} as there are pictures are awaited. */
  void seal() {
    undecoded.set(size);
  }

  MemorySegment pixels(int place) {
    return pixels.asSlice(place * inputBytes, inputBytes);
  }

  void fail(int place, String reason) {
    errors[place] = reason;
  }

  /** One picture has been decoded or has failed; true for the last one. */
  boolean decoded() {
    return undecoded.decrementAndGet() == 0;
  }

  /** Runs the good pictures; where some are bad, those behind them move up. */
  void run(Network network) throws InterruptedException {
    int good = 0;
    for (int place = 0; place < size; place++) {
      if (errors[place] == null) {
        if (good < place) {
          pixels(good).copyFrom(pixels(place));
        }
        good++;
      }
    }
    if (good > 0) {
      network.run(
          pixels.asSlice(0, good * inputBytes),
          results.asSlice(0, (long) good * outputElements * Float.BYTES),
          good);
    }
  }

  /** The network's values for the {@code good}-th good picture. */
  float[] values(int good) {
    long bytes = (long) outputElements * Float.BYTES;
    return results.asSlice(good * bytes, bytes).toArray(ValueLayout.JAVA_FLOAT);
  }

  void finish() {
    done.countDown();
  }

  void await() throws InterruptedException {
    done.await();
  }
}
