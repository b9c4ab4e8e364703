package dev.shortcut.resnet.batch;

import dev.shortcut.engine.ShortcutException;
import dev.shortcut.resnet.image.PictureException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/**
 * A batch job that has been started. Thread-safe.
 *
 * <p>Inputs are cut into batches at fixed places, so that the same inputs always meet in the same
 * batch, in a run that was broken and resumed too. One thread reads the source, workers decode, one
 * thread for each slot runs batches, one thread writes rows; a fixed number of batches is in
 * flight, whose memory is used again and again.
 */
public final class Job {
  /**
   * Everything that a job needs.
   *
   * @param networks one for each batch that may run at once
   * @param reader makes a network's input of a picture
   * @param inputBytes of one picture
   * @param outputElements floats of one picture
   * @param batch pictures in a batch
   * @param batches how many batches are in flight at most
   * @param workers threads that decode
   * @param row makes a row of an id and the network's values
   * @param total number of inputs, where known
   */
  record Plan(
      List<Network> networks,
      PictureReader reader,
      long inputBytes,
      int outputElements,
      int batch,
      int batches,
      int workers,
      BiFunction<String, float[], Row> row,
      OptionalLong total) {}

  private static final float[] NOTHING = {};

  private final Plan plan;
  private final Inputs inputs;
  private final RowSink sink;
  private final Progress.Listener listener;
  private final RowSink.Resumed resumed;
  private final long started = System.nanoTime();
  private final Arena arena = Arena.ofShared();
  private final BlockingQueue<Chunk> free;
  private final BlockingQueue<Chunk> inOrder = new LinkedBlockingQueue<>();
  private final BlockingQueue<Network> idle;
  private final Chunk end;
  private final ExecutorService decoders;
  private final ExecutorService runners;
  private final Thread source;
  private final CountDownLatch ended = new CountDownLatch(1);
  private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
  private volatile boolean cancelled;
  private volatile boolean finished;

  // The writer's; others read them once the latch is open.
  private long rows;
  private long failed;
  private Duration elapsed = Duration.ZERO;

  private Job(Plan plan, Inputs inputs, RowSink sink, Progress.Listener listener) {
    this.plan = plan;
    this.inputs = inputs;
    this.sink = sink;
    this.listener = listener;
    this.resumed = sink.resumed();
    this.free = new ArrayBlockingQueue<>(plan.batches());
    this.idle = new ArrayBlockingQueue<>(plan.networks().size(), true, plan.networks());
    this.end = new Chunk(1, 0, 0, arena);
    for (int i = 0; i < plan.batches(); i++) {
      free.add(new Chunk(plan.batch(), plan.inputBytes(), plan.outputElements(), arena));
    }
    this.decoders = Executors.newFixedThreadPool(plan.workers(), threads("decode"));
    this.runners = Executors.newFixedThreadPool(plan.networks().size(), threads("run"));
    this.source = threads("source").newThread(this::readSource);
  }

  /** Starts the threads; {@code sink} belongs to the job from now on. */
  static Job start(Plan plan, Inputs inputs, RowSink sink, Progress.Listener listener) {
    var job = new Job(plan, inputs, sink, listener);
    threads("writer").newThread(job::writeRows).start();
    if (!job.resumed.finished()) {
      job.source.start();
    }
    return job;
  }

  private static ThreadFactory threads(String name) {
    // Daemons: a source that blocks for ever must not keep the program alive once the job has been
    // cancelled.
    return Thread.ofPlatform().daemon().name("shortcut-job-" + name + "-", 0).factory();
  }

  /**
   * Ends the job early, at once: pictures in flight are given up, rows that have been written stay,
   * and the output can be gone on with. Returns without waiting; {@link #join} waits. Without
   * effect on a job that has ended.
   */
  public void cancel() {
    cancelled = true;
    source.interrupt();
    inOrder.add(end);
    // What has not begun must still be counted down, or the writer would wait for it.
    decoders.shutdownNow().forEach(Runnable::run);
    runners.shutdownNow().forEach(Runnable::run);
  }

  /**
   * Waits for the end of the job.
   *
   * @return what it did, also if it was cancelled
   * @throws InterruptedException if the waiting thread was interrupted; the job goes on
   * @throws RuntimeException whatever ended the job: a failure of the engine, of the source or of
   *     writing the output
   */
  public Summary join() throws InterruptedException {
    ended.await();
    switch (failure.get()) {
      case null -> {
        return new Summary(rows, failed, resumed.rows(), !finished, elapsed);
      }
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      case Throwable e -> throw new IllegalStateException("the job was ended by " + e, e);
    }
  }

  private void fail(Throwable cause) {
    if (!cancelled && failure.compareAndSet(null, cause)) {
      cancel();
    }
  }

  private void readSource() {
    try {
      // Rows of a torn batch are computed again, so that the batch is what it was.
      long from = resumed.rows() / plan.batch() * plan.batch();
      var ids = new IdDigest();
      Iterator<Input> iterator = inputs.open();
      long index = 0;
      @Nullable Chunk chunk = null;
      for (; !cancelled && iterator.hasNext(); index++) {
        Input input = iterator.next();
        if (index < resumed.rows()) {
          ids.add(input.id());
        } else if (index == resumed.rows()) {
          requireSameIds(ids);
        }
        if (index < from) {
          continue;
        }
        if (chunk == null) {
          chunk = free.take();
          chunk.begin(index);
        }
        chunk.add(input);
        if (chunk.isFull()) {
          submit(chunk);
          chunk = null;
        }
      }
      if (index <= resumed.rows()) {
        requireSameIds(ids);
      }
      if (chunk != null) {
        submit(chunk);
      }
      inOrder.add(end);
    } catch (Throwable t) {
      fail(t);
    }
  }

  private void requireSameIds(IdDigest ids) {
    if (!MessageDigest.isEqual(ids.value(), resumed.ids())) {
      throw new ResumeException(
          "the output cannot be gone on with: its %d rows belong to other inputs, or to the same in another order; begin anew with --overwrite"
              .formatted(resumed.rows()));
    }
  }

  private void submit(Chunk chunk) {
    chunk.seal();
    inOrder.add(chunk);
    for (int place = 0; place < chunk.size(); place++) {
      int mine = place;
      execute(decoders, () -> decode(chunk, mine));
    }
  }

  /**
   * After {@link #cancel} the executors take nothing; the task then runs here and only counts down.
   */
  private static void execute(ExecutorService executor, Runnable task) {
    try {
      executor.execute(task);
    } catch (RejectedExecutionException e) {
      task.run();
    }
  }

  private void decode(Chunk chunk, int place) {
    if (!cancelled) {
      try {
        plan.reader().read(chunk.input(place).source().read(), chunk.pixels(place));
      } catch (IOException e) {
        chunk.fail(place, Reasons.of(e));
      } catch (PictureException e) {
        chunk.fail(place, e.reason());
      } catch (ShortcutException e) {
        chunk.fail(place, String.valueOf(e.getMessage()));
      } catch (RuntimeException | OutOfMemoryError | StackOverflowError e) {
        // Whatever one picture does to its decoder, the others are not to suffer.
        chunk.fail(place, "it cannot be decoded: " + e);
      }
    }
    if (chunk.decoded()) {
      execute(runners, () -> run(chunk));
    }
  }

  private void run(Chunk chunk) {
    try {
      if (!cancelled) {
        Network network = idle.take();
        try {
          chunk.run(network);
        } finally {
          idle.add(network);
        }
      }
    } catch (Throwable t) {
      fail(t);
    } finally {
      chunk.finish();
    }
  }

  private void writeRows() {
    try {
      boolean whole = resumed.finished();
      while (!whole && !cancelled) {
        Chunk chunk = inOrder.take();
        whole = chunk == end;
        if (!whole) {
          chunk.await();
          if (!cancelled) {
            write(chunk);
            free.add(chunk);
          }
        }
      }
      if (!cancelled) {
        sink.finish();
        finished = true;
      }
    } catch (Throwable t) {
      fail(t);
    } finally {
      end();
    }
  }

  private void write(Chunk chunk) {
    int good = 0;
    for (int place = 0; place < chunk.size(); place++) {
      String id = chunk.input(place).id();
      @Nullable String error = chunk.error(place);
      float[] values = error == null ? chunk.values(good++) : NOTHING;
      if (chunk.first() + place < resumed.rows()) {
        continue;
      }
      if (error == null) {
        sink.write(plan.row().apply(id, values));
      } else {
        sink.write(new Row.Failed(id, error));
        failed++;
      }
      rows++;
    }
    sink.flush();
    listener.progress(new Progress(rows, failed, resumed.rows(), plan.total(), sinceStart()));
  }

  private Duration sinceStart() {
    return Duration.ofNanos(System.nanoTime() - started);
  }

  private void end() {
    try {
      sink.close();
    } catch (RuntimeException e) {
      failure.compareAndSet(null, e);
    }
    decoders.shutdown();
    runners.shutdown();
    try {
      // Memory that a thread may still write to is not given back.
      if (decoders.awaitTermination(Long.MAX_VALUE, TimeUnit.NANOSECONDS)
          && runners.awaitTermination(Long.MAX_VALUE, TimeUnit.NANOSECONDS)) {
        arena.close();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    elapsed = sinceStart();
    ended.countDown();
  }
}
