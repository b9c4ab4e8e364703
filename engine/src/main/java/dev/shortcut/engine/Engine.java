package dev.shortcut.engine;

import static java.lang.System.Logger.Level.DEBUG;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.backend.Backend;
import dev.shortcut.engine.backend.Backends;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.pass.Passes;
import dev.shortcut.engine.session.BatchSizes;
import dev.shortcut.engine.session.Session;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A model on a device, ready to run: what users hold. Opening it does everything that is slow;
 * running allocates nothing beyond what it says.
 *
 * <p>An engine may be shared by any number of threads, platform and virtual. Each request leases
 * one of the engine's slots, first come first served; the work itself runs on the slot's own
 * thread. Requests of one size with one input give bitwise the same result every time on the same
 * machine, backend, precision and number of threads.
 *
 * <pre>{@code
 * try (Engine engine = Engine.open(Model.of(graph, weights), Options.defaults())) {
 *   float[] logits = engine.run(images); // float NCHW, any number of images
 * }
 * }</pre>
 */
public final class Engine implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(Engine.class.getName());

  private final Graph graph;
  private final Options options;
  private final Backends.Chosen chosen;
  private final List<Passes.Application> passes;
  private final Shape outputShape;
  private final CompiledModel compiled;
  private final Session session;
  // Both guarded by owned, which is the lock of opening executions and of closing.
  private final Closer owned;
  private final List<Execution> executions = new ArrayList<>();
  private boolean closed;

  private Engine(Model model, Options options, Closer owned) {
    this.graph = model.graph();
    this.options = options;
    this.owned = owned;
    checkInput(graph, options.input());
    Graph wanted = wanted(graph, options);
    WeightsMatch.of(wanted, model.weights()).requireSufficient();
    chosen = Backends.open(options);
    Backend backend = owned.own(chosen.backend());
    passes = Passes.trace(wanted, Passes.all(backend.layout()));
    Graph optimised = passes.getLast().after();
    outputShape = optimised.output().shape();
    var sizes = new BatchSizes(options.maxBatch(), backend.tail());
    compiled = owned.own(backend.compile(optimised, model.weights(), sizes.all(), options));
    session =
        owned.own(
            new Session(
                compiled,
                sizes,
                inputBytes(),
                options.input().bytesPerValue(),
                (long) outputElements() * Float.BYTES));
    LOG.log(DEBUG, () -> "%s opened on %s (%s)".formatted(graph.name(), backend(), choice()));
  }

  /**
   * Chooses a backend and makes the model ready on it. The model's weights are not needed
   * afterwards.
   *
   * @throws IllegalArgumentException if the options do not fit the graph
   * @throws DeviceUnavailableException if the backend asked for cannot run here
   * @throws ModelException if the weights do not fit the graph
   * @throws MemoryLimitException if the model would take more memory than the options allow
   */
  public static Engine open(Model model, Options options) {
    var owned = new Closer();
    try {
      return new Engine(model, options, owned);
    } catch (Throwable t) {
      owned.closeAfter(t);
      throw t;
    }
  }

  static void checkInput(Graph graph, InputFormat format) {
    int channels = graph.input().shape().channels();
    if (format instanceof InputFormat.Uint8Nhwc bytes && bytes.mean().size() != channels) {
      throw new IllegalArgumentException(
          "%s takes images of %d channels, but the normalisation is for %d"
              .formatted(graph.name(), channels, bytes.mean().size()));
    }
  }

  static Graph wanted(Graph graph, Options options) {
    return switch (options.output()) {
      case LOGITS -> graph;
      case PROBABILITIES -> probabilities(graph);
      case TOP_K -> probabilities(graph).append("top_k", new Layer.TopK(options.topK()));
      case FEATURES ->
          graph.nodes().reversed().stream()
              .filter(node -> node.layer() instanceof Layer.Linear)
              .findFirst()
              .map(last -> graph.upTo(last.input().name()))
              .orElseThrow(() ->
                  new ModelException(
                      "%s has no linear layer, so that there are no features before one; ask for its output instead"
                          .formatted(graph.name())));
    };
  }

  private static Graph probabilities(Graph graph) {
    return graph.output().layer() instanceof Layer.Softmax
        ? graph
        : graph.append("softmax", new Layer.Softmax());
  }

  /** The network as defined, before any pass and whatever the output: what FLOPs are counted on. */
  public Graph graph() {
    return graph;
  }

  /** What is computed, before any pass: the graph up to the output that was asked for. */
  Graph computed() {
    return passes.getFirst().before();
  }

  /** What it was opened with. */
  public Options options() {
    return options;
  }

  /** The shape of one image. */
  public Shape inputShape() {
    return graph.input().shape();
  }

  /** Bytes of one image in the options' input format. */
  public long inputBytes() {
    return inputShape().elements() * options.input().bytesPerValue();
  }

  /** The shape of one image's results; they come as floats in channel, row, column order. */
  public Shape outputShape() {
    return outputShape;
  }

  /** Floats that come out for one image. */
  public int outputElements() {
    return Math.toIntExact(outputShape.elements());
  }

  /** The backend's name, its library's version and the device, for people. */
  public String backend() {
    return chosen.backend().name() + ": " + chosen.backend().description();
  }

  /** Which backend was taken and why, for people. */
  public String choice() {
    return chosen.choice();
  }

  /** The GPUs that it runs on; none where it runs on the CPU. */
  public List<DeviceReport> devices() {
    return chosen.backend().devices();
  }

  /** The memory that it takes. */
  public MemoryReport memory() {
    return compiled.memory();
  }

  /** What each kernel became, for every compiled batch size. */
  public List<KernelReport> kernels() {
    return compiled.kernels();
  }

  /**
   * Runs a number of images and returns when their results are in {@code output}. A request of more
   * than the largest batch runs as several batches, one after another on one slot.
   *
   * <p>Native memory that every thread may access (a shared, automatic or global arena's) is used
   * in place and must stay allocated until this returns; other memory is copied by the calling
   * thread. An interrupt is heeded while waiting for a slot; once the images run, it is kept until
   * they have ended.
   *
   * @param input {@code images * inputBytes()} bytes or more, in the options' input format
   * @param output room for {@code images * outputElements()} floats or more
   * @param images how many; 0 does nothing
   * @throws InterruptedException if interrupted before the images began to run
   * @throws IllegalArgumentException if a segment is too small
   * @throws IllegalStateException if the engine is closed
   */
  public void run(MemorySegment input, MemorySegment output, int images)
      throws InterruptedException {
    check(input, output, images);
    session.run(input, output, images, Session.FOREVER);
  }

  /**
   * As {@link #run(MemorySegment, MemorySegment, int)}, but waits for a slot for a limited time
   * only.
   *
   * @return false if no slot became free in time; nothing was done then
   */
  public boolean run(MemorySegment input, MemorySegment output, int images, Duration timeout)
      throws InterruptedException {
    check(input, output, images);
    long nanos = Math.min(TimeUnit.NANOSECONDS.convert(timeout), Session.FOREVER - 1);
    return session.run(input, output, images, nanos);
  }

  /** Runs a number of images, telling what each step of each batch took. */
  void profile(MemorySegment input, MemorySegment output, int images, Slot.Stopwatch stopwatch)
      throws InterruptedException {
    check(input, output, images);
    session.profile(input, output, images, stopwatch);
  }

  /**
   * The results of a number of images, one image's behind another's.
   *
   * @param images whole images in the options' input format, which must be one of floats
   */
  public float[] run(float[] images) throws InterruptedException {
    if (options.input() instanceof InputFormat.Uint8Nhwc) {
      throw new IllegalArgumentException(
          "%s was opened for images of bytes, but was given floats".formatted(graph.name()));
    }
    return run(MemorySegment.ofArray(images));
  }

  /**
   * The results of a number of images, one image's behind another's.
   *
   * @param images whole images in the options' input format, which must be one of bytes
   */
  public float[] run(byte[] images) throws InterruptedException {
    if (!(options.input() instanceof InputFormat.Uint8Nhwc)) {
      throw new IllegalArgumentException(
          "%s was opened for images of floats, but was given bytes".formatted(graph.name()));
    }
    return run(MemorySegment.ofArray(images));
  }

  private float[] run(MemorySegment input) throws InterruptedException {
    if (input.byteSize() % inputBytes() != 0) {
      throw new IllegalArgumentException(
          "%s takes images of %s, which are %d bytes each; %d bytes are no whole number of them"
              .formatted(graph.name(), inputShape(), inputBytes(), input.byteSize()));
    }
    int images = Math.toIntExact(input.byteSize() / inputBytes());
    float[] output = new float[Math.multiplyExact(images, outputElements())];
    run(input, MemorySegment.ofArray(output), images);
    return output;
  }

  /**
   * A set of buffers of the caller's own on this engine's GPU, for batches that lie on the GPU
   * already and results that stay there. It computes the options' output, shares the engine's
   * weights, and takes device memory for one more slot until it is closed. The caller then enqueues
   * batches on his own streams; see {@link Execution}.
   *
   * @param images how many make up each batch; at most the options' largest
   * @param input what the batches look like, which need not be the options' format
   * @throws DeviceUnavailableException if the engine runs on the CPU, or on several devices
   * @throws MemoryLimitException if its buffers, with those of other executions, would exceed the
   *     options' limit, or the device's memory
   * @throws IllegalArgumentException if the batch is too large or the format does not fit the graph
   * @throws IllegalStateException if the engine is closed
   */
  public Execution execution(int images, InputFormat input) {
    if (images < 1 || images > options.maxBatch()) {
      throw new IllegalArgumentException(
          "an execution of %s takes 1 to %d images at once (the options' largest batch), not %d"
              .formatted(graph.name(), options.maxBatch(), images));
    }
    checkInput(graph, input);
    synchronized (owned) {
      if (closed) {
        throw new IllegalStateException("the engine is closed");
      }
      var execution =
          new Execution(
              compiled.execution(
                  images, input, executions.stream().mapToLong(Execution::bytes).sum()),
              graph.name(),
              images,
              images * inputShape().elements() * input.bytesPerValue(),
              (long) images * outputElements() * Float.BYTES,
              input.bytesPerValue(),
              this::forget);
      executions.add(execution);
      return execution;
    }
  }

  private void forget(Execution execution) {
    synchronized (owned) {
      executions.remove(execution);
    }
  }

  private void check(MemorySegment input, MemorySegment output, int images) {
    if (images < 0) {
      throw new IllegalArgumentException("cannot run %d images".formatted(images));
    }
    checkSize("input", input, images, inputBytes());
    checkSize("output", output, images, (long) outputElements() * Float.BYTES);
    if (output.isReadOnly()) {
      throw new IllegalArgumentException("the output segment is read-only");
    }
  }

  private void checkSize(String what, MemorySegment segment, int images, long bytesPerImage) {
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException("the %s segment's arena is closed".formatted(what));
    }
    if (segment.byteSize() < images * bytesPerImage) {
      throw new IllegalArgumentException(
          "the %s segment has %d bytes, but %d images of %s need %d bytes each, %d in all"
              .formatted(
                  what,
                  segment.byteSize(),
                  images,
                  graph.name(),
                  bytesPerImage,
                  images * bytesPerImage));
    }
  }

  /**
   * Everything that was decided when it opened, for people: the graph after each pass, where each
   * kernel's output lies, and what computes it.
   */
  public String explain() {
    return new Explanation(backend(), choice(), passes, memory(), kernels()).toString();
  }

  /**
   * Refuses new work, fails those who wait for a slot, waits for running work, then frees
   * everything, open executions included. Idempotent, and may be called from any thread.
   *
   * @throws IllegalStateException if a graph of the caller's that captured an execution is not
   *     destroyed yet; nothing is closed then
   */
  @Override
  public void close() {
    synchronized (owned) {
      executions.forEach(Execution::requireNoGraphs);
      closed = true;
      try (var all = new Closer()) {
        all.own(owned);
        executions.forEach(all::own);
      }
    }
  }

  /** The network, where it runs and how. */
  @Override
  public String toString() {
    return "%s on %s, %s, batches of up to %d, %d slots"
        .formatted(
            graph.name(), backend(), options.precision(), options.maxBatch(), options.slots());
  }
}
