package dev.shortcut.engine;

import java.nio.file.Path;
import java.util.Locale;
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
 * @param library a shared library to use instead of the one found by search, or null
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
    @Nullable Path library) {

  /** The ways to run a model. */
  public enum BackendChoice {
    /** The best that this machine has; the engine says which it took and why. */
    AUTO,
    /** oneDNN on the CPU. */
    CPU,
    /** cuDNN on an NVIDIA GPU. */
    CUDA,
    /** cuDNN on an NVIDIA GPU, through JCuda. */
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
    /** What the last linear layer reads: 2048 (or 512) values after a ResNet's average pool. */
    FEATURES
  }

  /** Checks the numbers. */
  public Options {
    if (maxBatch < 1 || slots < 1 || threadsPerSlot < 0 || memoryLimit < 1) {
      throw new IllegalArgumentException(
          "bad options: maxBatch=%d slots=%d threadsPerSlot=%d memoryLimit=%d"
              .formatted(maxBatch, slots, threadsPerSlot, memoryLimit));
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
   * float NCHW to logits.
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
        null);
  }

  /** The same options with another backend. */
  public Options withBackend(BackendChoice value) {
    return new Options(
        value, precision, maxBatch, slots, threadsPerSlot, memoryLimit, input, output, library);
  }

  /** The same options with another precision. */
  public Options withPrecision(Precision value) {
    return new Options(
        backend, value, maxBatch, slots, threadsPerSlot, memoryLimit, input, output, library);
  }

  /** The same options with another largest batch, in images. */
  public Options withMaxBatch(int value) {
    return new Options(
        backend, precision, value, slots, threadsPerSlot, memoryLimit, input, output, library);
  }

  /** The same options with another number of slots. */
  public Options withSlots(int value) {
    return new Options(
        backend, precision, maxBatch, value, threadsPerSlot, memoryLimit, input, output, library);
  }

  /**
   * The same options with another number of CPU threads for each slot; 0 shares the processors
   * among the slots.
   */
  public Options withThreadsPerSlot(int value) {
    return new Options(
        backend, precision, maxBatch, slots, value, memoryLimit, input, output, library);
  }

  /** The same options with another memory limit, in bytes. */
  public Options withMemoryLimit(long value) {
    return new Options(
        backend, precision, maxBatch, slots, threadsPerSlot, value, input, output, library);
  }

  /** The same options with another input format. */
  public Options withInput(InputFormat value) {
    return new Options(
        backend, precision, maxBatch, slots, threadsPerSlot, memoryLimit, value, output, library);
  }

  /** The same options with another output. */
  public Options withOutput(Output value) {
    return new Options(
        backend, precision, maxBatch, slots, threadsPerSlot, memoryLimit, input, value, library);
  }

  /** The same options with the backend's library at that path. */
  public Options withLibrary(@Nullable Path value) {
    return new Options(
        backend, precision, maxBatch, slots, threadsPerSlot, memoryLimit, input, output, value);
  }
}
