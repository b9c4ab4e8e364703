package dev.shortcut.engine.memory;

import dev.shortcut.engine.MemoryLimitException;
import dev.shortcut.engine.MemoryReport;
import dev.shortcut.engine.Options;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/** Refuses what would take more memory than it may, before any of it is allocated. */
public final class MemoryCap {
  private MemoryCap() {}

  /**
   * The memory of a model for its largest batch, if the options allow that much.
   *
   * @param model what is about to be compiled, for the message
   * @param batchSizes the sizes to prepare, ascending
   * @param need the memory of the model if a given one of the sizes were the largest
   * @throws MemoryLimitException with what is needed, what is allowed and the largest size that
   *     fits
   */
  public static MemoryReport check(
      String model, List<Integer> batchSizes, Options options, IntFunction<MemoryReport> need) {
    MemoryReport report = need.apply(batchSizes.getLast());
    long limit = options.memoryLimit();
    if (report.total() > limit) {
      throw refusal(model, batchSizes, limit, "may take " + inWords(limit), need, null);
    }
    return report;
  }

  /**
   * Refuses a model that a device has no room for.
   *
   * @param model what is about to be compiled, for the message
   * @param batchSizes the sizes to prepare, ascending
   * @param device its name, for the message
   * @param free its free bytes
   * @param need what the model takes of the device if a given one of the sizes were the largest
   * @throws MemoryLimitException with what is needed, what is free and the largest size that fits
   */
  public static void checkFree(
      String model,
      List<Integer> batchSizes,
      String device,
      long free,
      IntFunction<MemoryReport> need) {
    if (need.apply(batchSizes.getLast()).total() > free) {
      throw exhausted(model, batchSizes, device, free, need, null);
    }
  }

  /** What to throw when a device had no room although more was free than the model takes. */
  public static MemoryLimitException exhausted(
      String model,
      List<Integer> batchSizes,
      String device,
      long free,
      IntFunction<MemoryReport> need,
      @Nullable Throwable cause) {
    String has =
        "%s has %s free%s"
            .formatted(device, inWords(free), cause == null ? "" : ": " + cause.getMessage());
    return refusal(model, batchSizes, free, has, need, cause);
  }

  /**
   * Refuses an execution that takes more than the options allow beside its model and others.
   *
   * @param execution what is about to be prepared, for the message
   * @param bytes that it takes
   * @param others what executions take that are open already
   * @param model what the model takes
   */
  public static void checkExecution(
      String execution, long bytes, long others, MemoryReport model, Options options) {
    if (bytes > options.memoryLimit() - model.total() - others) {
      throw new MemoryLimitException(
          "%s needs %,d bytes beside the model's %,d and those of open executions, %,d, but %,d are allowed in all"
              .formatted(execution, bytes, model.total(), others, options.memoryLimit()));
    }
  }

  /** What to throw when a device had no room for an execution. */
  public static MemoryLimitException exhaustedByExecution(
      String execution, long bytes, String device, Throwable cause) {
    return new MemoryLimitException(
        "%s needs %,d bytes, which %s has not free: %s; close another one, or take smaller batches"
            .formatted(execution, bytes, device, cause.getMessage()),
        cause);
  }

  private static MemoryLimitException refusal(
      String model,
      List<Integer> batchSizes,
      long limit,
      String limited,
      IntFunction<MemoryReport> need,
      @Nullable Throwable cause) {
    int largest = batchSizes.getLast();
    MemoryReport report = need.apply(largest);
    String remedy =
        batchSizes.reversed().stream()
            .filter(size -> need.apply(size).total() <= limit)
            .findFirst()
            .map(size -> "batches of up to %d fit".formatted(size))
            .orElse(
                report.slots() > 1
                    ? "not even batches of 1 fit; allow more or open fewer slots"
                    : "not even batches of 1 fit; allow more");
    String message =
        "%s needs %s for batches of %d (weights %s, %d x %s for its slots), but %s; %s"
            .formatted(
                model,
                inWords(report.total()),
                largest,
                inWords(report.weights()),
                report.slots(),
                inWords((report.total() - report.weights()) / report.slots()),
                limited,
                remedy);
    return cause == null
        ? new MemoryLimitException(message)
        : new MemoryLimitException(message, cause);
  }

  private static String inWords(long bytes) {
    return bytes < 10_000_000
        ? String.format(Locale.ROOT, "%,d bytes", bytes)
        : String.format(Locale.ROOT, "%,.1f MiB", bytes / 0x1p20);
  }
}
