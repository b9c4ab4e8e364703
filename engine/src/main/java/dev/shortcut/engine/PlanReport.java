package dev.shortcut.engine;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What came of planning a network for a GPU that need not be there.
 *
 * @param library cuDNN's version, such as {@code 9.20.0}
 * @param gpu what was planned for
 * @param precision the type to compute in
 * @param kernels a row for each kernel and batch size, in the order of the schedule
 * @param memory the memory contract: what an engine with these batch sizes takes; null where some
 *     kernel has no implementation
 * @param memoryAtMost the same if cuBLASLt, which is not asked before it is on the device, took as
 *     much scratch space as it is allowed; usually equal to {@code memory}, since there is room in
 *     the arena when it runs; null likewise
 * @param missing what cuDNN had to do without, each with what to install; kernels that can only be
 *     compiled have no plan then
 * @param time what all of it took
 */
public record PlanReport(
    String library,
    GpuDescription gpu,
    Precision precision,
    List<PlannedKernel> kernels,
    @Nullable MemoryReport memory,
    @Nullable MemoryReport memoryAtMost,
    List<String> missing,
    Duration time) {
  /** Copies the lists. */
  public PlanReport {
    kernels = List.copyOf(kernels);
    missing = List.copyOf(missing);
  }

  /** cuDNN's plans, each once, by {@link PlannedKernel#operation}. */
  public Map<String, EnginePlan> plans() {
    Map<String, EnginePlan> plans = new LinkedHashMap<>();
    for (PlannedKernel kernel : kernels) {
      if (kernel.plan() != null) {
        plans.putIfAbsent(kernel.operation(), kernel.plan());
      }
    }
    return plans;
  }

  /** The kernels that have no implementation; none where the network can run. */
  public List<PlannedKernel> refused() {
    return kernels.stream().filter(kernel -> kernel.kind() == PlannedKernel.Kind.NONE).toList();
  }
}
