package dev.shortcut.engine;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.shortcut.engine.cost.CostReport;
import dev.shortcut.engine.cost.LayerCost;
import dev.shortcut.engine.cost.Traffic;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Runs batches of made-up images on an engine, as many at a time as it has slots, and takes their
 * times. Immutable: each setting gives a new benchmark.
 *
 * <pre>{@code
 * Measurement m = Benchmark.of(engine).batch(32).warmUp(Duration.ofSeconds(5)).rounds(10).run();
 * }</pre>
 */
public final class Benchmark {
  private final Engine engine;
  private final int batch;
  private final Duration warmUp;
  private final int rounds;
  private final Duration atLeast;
  private final @Nullable Peak peak;

  private Benchmark(
      Engine engine,
      int batch,
      Duration warmUp,
      int rounds,
      Duration atLeast,
      @Nullable Peak peak) {
    this.engine = engine;
    this.batch = batch;
    this.warmUp = warmUp;
    this.rounds = rounds;
    this.atLeast = atLeast;
    this.peak = peak;
  }

  /** Ten of the largest batches per slot after a warm-up of a second. */
  public static Benchmark of(Engine engine) {
    return new Benchmark(
        engine, engine.options().maxBatch(), Duration.ofSeconds(1), 10, Duration.ZERO, null);
  }

  /** With requests of that many images; those beyond the engine's largest batch run as several. */
  public Benchmark batch(int images) {
    if (images < 1) {
      throw new IllegalArgumentException("a batch needs at least one image, not " + images);
    }
    return new Benchmark(engine, images, warmUp, rounds, atLeast, peak);
  }

  /** After running untimed for that long, and for one batch at least. */
  public Benchmark warmUp(Duration time) {
    return new Benchmark(engine, batch, time, rounds, atLeast, peak);
  }

  /** Timing that many batches on each slot, or more if {@link #atLeast} says so. */
  public Benchmark rounds(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("a benchmark needs at least one round, not " + count);
    }
    return new Benchmark(engine, batch, warmUp, count, atLeast, peak);
  }

  /** Going on until that much time has been measured, however many rounds it takes. */
  public Benchmark atLeast(Duration time) {
    return new Benchmark(engine, batch, warmUp, rounds, time, peak);
  }

  /**
   * Telling which share of this rate was reached; measure it once for all engines on one backend.
   */
  public Benchmark peak(Peak rate) {
    return new Benchmark(engine, batch, warmUp, rounds, atLeast, rate);
  }

  /**
   * Runs it.
   *
   * @throws InterruptedException if interrupted; batches that run are waited for
   * @throws IllegalStateException if the engine is closed
   */
  public Measurement run() throws InterruptedException {
    int callers = engine.options().slots();
    try (Arena arena = Arena.ofShared();
        ExecutorService threads =
            Executors.newThreadPerTaskExecutor(Thread.ofPlatform().factory())) {
      MemorySegment input = arena.allocate(batch * engine.inputBytes(), 64);
      fill(input, engine.options().input());
      List<Caller> work =
          Stream.generate(() ->
                  new Caller(
                      input,
                      arena.allocate((long) batch * engine.outputElements() * Float.BYTES, 64)))
              .limit(callers)
              .toList();
      all(threads, work, caller -> caller.untimed(warmUp));
      long start = System.nanoTime();
      all(threads, work, Caller::timed);
      Duration elapsed = Duration.ofNanos(System.nanoTime() - start);
      return new Measurement(
          batch,
          callers,
          elapsed,
          work.stream().flatMap(caller -> caller.latencies.stream()).toList(),
          cost().total().flops(),
          Optional.ofNullable(peak),
          rooflineImagesPerSecond());
    }
  }

  private OptionalDouble rooflineImagesPerSecond() {
    int runs = Math.min(batch, engine.options().maxBatch());
    return Optional.ofNullable(peak)
        .flatMap(Peak::roofline)
        .map(roofline -> roofline.imagesPerSecond(cost(), Traffic.FUSED, runs))
        .map(OptionalDouble::of)
        .orElse(OptionalDouble.empty());
  }

  /**
   * Runs the rounds on one slot and tells what each kernel took, in the order in which they run.
   * Taking their times makes batches slower, so that the sum may exceed what {@link #run} finds.
   *
   * @throws InterruptedException if interrupted
   * @throws IllegalStateException if the engine is closed
   */
  public List<KernelTime> profile() throws InterruptedException {
    Map<String, Long> nanos = new LinkedHashMap<>();
    try (Arena arena = Arena.ofShared()) {
      MemorySegment input = arena.allocate(batch * engine.inputBytes(), 64);
      fill(input, engine.options().input());
      MemorySegment output =
          arena.allocate((long) batch * engine.outputElements() * Float.BYTES, 64);
      new Caller(input, output).untimed(warmUp);
      for (int round = 0; round < rounds; round++) {
        engine.profile(input, output, batch, (name, time) -> nanos.merge(name, time, Long::sum));
      }
    }
    Map<String, Long> flops = new HashMap<>();
    for (LayerCost layer : cost().layers()) {
      flops.put(layer.node().name(), layer.cost().flops());
    }
    return nanos.entrySet().stream()
        .map(step ->
            new KernelTime(
                step.getKey(),
                Duration.ofNanos(step.getValue() / rounds),
                batch * flops.getOrDefault(step.getKey(), 0L)))
        .toList();
  }

  private CostReport cost() {
    return CostReport.of(engine.computed(), engine.options().precision());
  }

  private interface Part {
    void run(Caller caller) throws InterruptedException;
  }

  /** Runs a part of every caller's work at the same time, each on its own thread. */
  private static void all(ExecutorService threads, List<Caller> callers, Part part)
      throws InterruptedException {
    List<Future<?>> running = new ArrayList<>();
    for (Caller caller : callers) {
      running.add(
          threads.submit(() -> {
            part.run(caller);
            return null;
          }));
    }
    try {
      for (Future<?> one : running) {
        one.get();
      }
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case RuntimeException failure -> throw failure;
        case Error failure -> throw failure;
        case InterruptedException failure -> throw failure;
        case null, default -> throw new IllegalStateException(e);
      }
    } finally {
      // The batches use the arena that is about to close.
      running.forEach(one -> one.cancel(true));
    }
  }

  private final class Caller {
    final List<Duration> latencies = new ArrayList<>();
    private final MemorySegment input;
    private final MemorySegment output;

    Caller(MemorySegment input, MemorySegment output) {
      this.input = input;
      this.output = output;
    }

    void untimed(Duration time) throws InterruptedException {
      long end = System.nanoTime() + time.toNanos();
      do {
        engine.run(input, output, batch);
      } while (System.nanoTime() - end < 0);
    }

    void timed() throws InterruptedException {
      long start = System.nanoTime();
      long before = start;
      while (latencies.size() < rounds || before - start < atLeast.toNanos()) {
        engine.run(input, output, batch);
        long now = System.nanoTime();
        latencies.add(Duration.ofNanos(now - before));
        before = now;
      }
    }
  }

  /** Values as real images have them: no zeros to skip and no denormals to stumble over. */
  private static void fill(MemorySegment images, InputFormat format) {
    var random = new Random(1);
    switch (format) {
      case InputFormat.Uint8Nhwc _ -> {
        for (long i = 0; i < images.byteSize(); i++) {
          images.set(JAVA_BYTE, i, (byte) random.nextInt(256));
        }
      }
      case InputFormat.Float32Nchw _, InputFormat.Float32Nhwc _ -> {
        for (long i = 0; i < images.byteSize() / Float.BYTES; i++) {
          images.setAtIndex(JAVA_FLOAT, i, random.nextFloat() - 0.5f);
        }
      }
    }
  }
}
