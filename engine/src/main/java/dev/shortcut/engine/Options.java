package dev.shortcut.engine;

import java.nio.file.Path;
import java.util.Locale;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * How an engine is opened. Immutable; begin with {@link #defaults} and change what matters.
 *
 * @param backend which way to run
 * @param precision the type to compute in
 * @param maxBatch the largest batch that runs at once, in images; larger requests are split
 * @param slots how many batches may run at the same time
 * @param threadsPerSlot CPU threads of each slot; 0 shares the machine's processors among the slots
 * @param memoryLimit the most bytes that weights and slots together may take
 * @param input what batches look like when they are handed over
 * @param output which values come out
 * @param topK how many classes come out of {@link Output#TOP_K}
 * @param library a shared library to use instead of the one found by search, or null; of the
 *     backend {@code cpu} only, since a GPU needs a set of them
 * @param devices which GPUs, or whose CUDA context
 * @param launch how a batch's kernels get to a GPU
 * @param planCache a folder in which plans for GPUs are kept from one start to the next, or null;
 *     of the backend {@code cuda} only. It may be shared by processes and by kinds of GPU, must not
 *     be writable by others, and is ignored, with a warning, where it cannot be used
 * @param tuned whether implementations that were not timed on such a GPU before are timed while the
 *     engine opens
 * @param legacyConvolutions whether a convolution for which cuDNN's graph API has no plan is left
 *     to its call from before that API
 */
public record Options(
    BackendChoice backend,
    Precision precision,
    int maxBatch,
    int slots,
    int threadsPerSlot,
    long memoryLimit,
    InputFormat input,
    Output output,
    int topK,
    @Nullable Path library,
    DeviceChoice devices,
    Launch launch,
    @Nullable Path planCache,
    boolean tuned,
    boolean legacyConvolutions) {

  /** The ways to run a model. */
  public enum BackendChoice {
    /** The best that this machine has; the engine says which it took and why. */
    AUTO,
    /** oneDNN on the CPU. */
    CPU,
    /** cuDNN on an NVIDIA GPU. */
    CUDA,
    /** cuDNN on an NVIDIA GPU, through JCuda, which has to be added. */
    JCUDA,
    /** Plain Java, slow, the judge of the others. */
    REFERENCE;

    /** The name as the command line spells it, such as {@code cpu}. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * Which values of the network come out, as floats in channel, row, column order, image after
   * image.
   */
  public enum Output {
    /** What the graph's output node computes. */
    LOGITS,
    /** Softmax of it. */
    PROBABILITIES,
    /**
     * The likeliest classes: {@link Options#topK} probabilities, largest first, then as many
     * numbers of classes from 0 on, as floats too, in the same order. Of equal probabilities the
     * class that comes first is first.
     */
    TOP_K,
    /** What the last linear layer reads: 2048 (or 512) values after a ResNet's average pool. */
    FEATURES
  }

  /**
   * How a batch's kernels get to a GPU; all ways compute bitwise the same. Backends of the CPU have
   * one way only.
   */
  public enum Launch {
    /** As one CUDA graph, which was captured when the engine opened. */
    GRAPH,
    /** One by one. */
    EAGER,
    /** One by one, waiting for each, so that a failure names the layer it came from. Slow. */
    STEPWISE
  }

  /** Checks the numbers. */
  public Options {
    if (maxBatch < 1 || slots < 1 || threadsPerSlot < 0 || memoryLimit < 1 || topK < 1) {
      throw new IllegalArgumentException(
          "bad options: maxBatch=%d slots=%d threadsPerSlot=%d memoryLimit=%d topK=%d"
              .formatted(maxBatch, slots, threadsPerSlot, memoryLimit, topK));
    }
  }

  /**
   * CPU threads of each slot, at least 1: as many as were asked for, or the slot's share of the
   * machine's processors.
   */
  public int threads() {
    return threadsPerSlot > 0
        ? threadsPerSlot
        : Math.max(1, Runtime.getRuntime().availableProcessors() / slots);
  }

  /**
   * Whatever is best here, fp32, batches of up to 32, one slot, all processors, no memory limit,
   * float NCHW to logits, the first GPU's CUDA graphs, no plans kept.
   */
  public static Options defaults() {
    return new Options(
        BackendChoice.AUTO,
        Precision.FP32,
        32,
        1,
        0,
        Long.MAX_VALUE,
        new InputFormat.Float32Nchw(),
        Output.LOGITS,
        5,
        null,
        new DeviceChoice.First(),
        Launch.GRAPH,
        null,
        false,
        false);
  }

  /** The same options with another backend. */
  public Options withBackend(BackendChoice value) {
    return with(changed -> changed.backend = value);
  }

  /** The same options with another precision. */
  public Options withPrecision(Precision value) {
    return with(changed -> changed.precision = value);
  }

  /** The same options with another largest batch, in images. */
  public Options withMaxBatch(int value) {
    return with(changed -> changed.maxBatch = value);
  }

  /** The same options with another number of slots. */
  public Options withSlots(int value) {
    return with(changed -> changed.slots = value);
  }

  /**
   * The same options with another number of CPU threads for each slot; 0 shares the processors
   * among the slots.
   */
  public Options withThreadsPerSlot(int value) {
    return with(changed -> changed.threadsPerSlot = value);
  }

  /** The same options with another memory limit, in bytes. */
  public Options withMemoryLimit(long value) {
    return with(changed -> changed.memoryLimit = value);
  }

  /** The same options with another input format. */
  public Options withInput(InputFormat value) {
    return with(changed -> changed.input = value);
  }

  /** The same options with another output. */
  public Options withOutput(Output value) {
    return with(changed -> changed.output = value);
  }

  /** The same options with the {@code k} likeliest classes as output, {@link Output#TOP_K}. */
  public Options withTopK(int k) {
    return with(changed -> {
      changed.output = Output.TOP_K;
      changed.topK = k;
    });
  }

  /** The same options with the backend's library at that path. */
  public Options withLibrary(@Nullable Path value) {
    return with(changed -> changed.library = value);
  }

  /** The same options with other devices. */
  public Options withDevices(DeviceChoice value) {
    return with(changed -> changed.devices = value);
  }

  /** The same options with another way to launch kernels. */
  public Options withLaunch(Launch value) {
    return with(changed -> changed.launch = value);
  }

  /** The same options with another folder for plans, or with none. */
  public Options withPlanCache(@Nullable Path value) {
    return with(changed -> changed.planCache = value);
  }

  /**
   * The same options, with or without timing. With it, opening an engine on a GPU runs several
   * implementations of each kernel and takes the fastest, instead of what cuDNN and cuBLASLt hold
   * best; that takes seconds, or minutes where kernels are compiled for it. With a folder for plans
   * it is done once for each kind of GPU and version of cuDNN and cuBLASLt, before cuDNN 9.24 also
   * of the driver: later engines take what was the fastest then, also those that are opened without
   * timing. Else two engines may choose differently and then differ in rounding; one engine's
   * results are bitwise the same on every run, as always. The backend {@code cuda} only; others
   * have nothing to choose from.
   */
  public Options withTuned(boolean value) {
    return with(changed -> changed.tuned = value);
  }

  /**
   * The same options, with or without cuDNN's convolution from before its graph API ({@code
   * cudnnConvolutionBiasActivationForward}). It is taken only where the graph API has no plan that
   * may be taken, on GPUs and for shapes that have none; without it such a network is refused. It
   * has one algorithm, which is not chosen for the shape and may be slow, and what it needs can be
   * told on the GPU only, not by {@link Planning}. Results are as precise as asked for and bitwise
   * the same on every run, as always. The backend {@code cuda} only.
   */
  public Options withLegacyConvolutions(boolean value) {
    return with(changed -> changed.legacyConvolutions = value);
  }

  private Options with(Consumer<Draft> change) {
    var draft = new Draft(this);
    change.accept(draft);
    return draft.options();
  }

  /** The components while one of them changes, so that each is copied in one place. */
  private static final class Draft {
    BackendChoice backend;
    Precision precision;
    int maxBatch;
    int slots;
    int threadsPerSlot;
    long memoryLimit;
    InputFormat input;
    Output output;
    int topK;
    @Nullable Path library;
    DeviceChoice devices;
    Launch launch;
    @Nullable Path planCache;
    boolean tuned;
    boolean legacyConvolutions;

    Draft(Options options) {
      backend = options.backend;
      precision = options.precision;
      maxBatch = options.maxBatch;
      slots = options.slots;
      threadsPerSlot = options.threadsPerSlot;
      memoryLimit = options.memoryLimit;
      input = options.input;
      output = options.output;
      topK = options.topK;
      library = options.library;
      devices = options.devices;
      launch = options.launch;
      planCache = options.planCache;
      tuned = options.tuned;
      legacyConvolutions = options.legacyConvolutions;
    }

    Options options() {
      return new Options(
          backend,
          precision,
          maxBatch,
          slots,
          threadsPerSlot,
          memoryLimit,
          input,
          output,
          topK,
          library,
          devices,
          launch,
          planCache,
          tuned,
          legacyConvolutions);
    }
  }
}
