package dev.shortcut.engine;

import dev.shortcut.engine.pass.Passes;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What an engine decided when it opened, as text.
 *
 * @param backend name, library, device
 * @param choice why that one
 * @param passes what each of them was given and made
 * @param memory the bytes that it takes
 * @param kernels what each kernel became
 */
record Explanation(
    String backend,
    String choice,
    List<Passes.Application> passes,
    MemoryReport memory,
    List<KernelReport> kernels) {
  @Override
  public String toString() {
    List<String> lines = new ArrayList<>();
    lines.add("backend " + backend);
    lines.add("chosen  " + choice);
    lines.add("");
    lines.add("as defined: " + passes.getFirst().before());
    for (Passes.Application pass : passes) {
      lines.add("");
      lines.add(pass.diff().stripTrailing());
    }
    lines.add("");
    lines.add(
        String.format(
            Locale.ROOT,
            "memory in bytes: weights %,d + %d slots x (arena %,d + workspace %,d + staging %,d) = %,d",
            memory.weights(),
            memory.slots(),
            memory.arenaPerSlot(),
            memory.workspacePerSlot(),
            memory.stagingPerSlot(),
            memory.total()));
    int batch = -1;
    for (KernelReport kernel : kernels) {
      if (kernel.batch() != batch) {
        batch = kernel.batch();
        lines.add("");
        lines.add("kernels for batches of %d".formatted(batch));
        lines.add(
            "%14s %14s %14s  %-28s %s"
                .formatted("arena offset", "bytes", "scratch", "implementation", "node"));
      }
      lines.add(row(kernel));
    }
    return String.join(System.lineSeparator(), lines) + System.lineSeparator();
  }

  private static String row(KernelReport kernel) {
    return String.format(
        Locale.ROOT,
        "%14s %,14d %,14d  %-28s %s",
        kernel.arenaOffset() < 0
            ? "outside"
            : String.format(Locale.ROOT, "%,d", kernel.arenaOffset()),
        kernel.outputBytes(),
        kernel.scratchBytes(),
        kernel.implementation(),
        kernel.node());
  }
}
