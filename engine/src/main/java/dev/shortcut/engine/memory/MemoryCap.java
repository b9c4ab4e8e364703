package dev.shortcut.engine.memory;

import dev.shortcut.engine.MemoryLimitException;
import dev.shortcut.engine.MemoryReport;
import dev.shortcut.engine.Options;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;

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
    int largest = batchSizes.getLast();
    MemoryReport report = need.apply(largest);
    long limit = options.memoryLimit();
    if (report.total() <= limit) {
      return report;
    }
    String remedy =
        batchSizes.reversed().stream()
            .filter(size -> need.apply(size).total() <= limit)
            .findFirst()
            .map(size -> "batches of up to %d fit".formatted(size))
            .orElse(
                report.slots() > 1
                    ? "not even batches of 1 fit; allow more or open fewer slots"
                    : "not even batches of 1 fit; allow more");
    throw new MemoryLimitException(
        "%s needs %s for batches of %d (weights %s, %d x %s for its slots), but may take %s; %s"
            .formatted(
                model,
                inWords(report.total()),
                largest,
                inWords(report.weights()),
                report.slots(),
                inWords((report.total() - report.weights()) / report.slots()),
                inWords(limit),
                remedy));
  }

  private static String inWords(long bytes) {
    return bytes < 10_000_000
        ? String.format(Locale.ROOT, "%,d bytes", bytes)
        : String.format(Locale.ROOT, "%,.1f MiB", bytes / 0x1p20);
  }
}
