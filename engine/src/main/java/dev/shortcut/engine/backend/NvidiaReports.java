package dev.shortcut.engine.backend;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.CudaDevice;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cuda.DeviceAttribute;
import dev.shortcut.bindings.library.Attempt;
import dev.shortcut.bindings.nvidia.Finding;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import dev.shortcut.engine.DeviceReport;
import dev.shortcut.engine.LibraryReport;
import dev.shortcut.engine.cost.GpuPeaks;
import java.util.List;

/** What there is to tell people of GPUs. */
public final class NvidiaReports {
  private NvidiaReports() {}

  /** What devices are, and how much of their memory is free now. */
  public static List<DeviceReport> of(Cuda cuda, List<CudaDevice> devices) {
    String driver =
        "CUDA driver %d.%d"
            .formatted(cuda.driverVersion() / 1000, cuda.driverVersion() % 1000 / 10);
    return devices.stream()
        .map(device ->
            new DeviceReport(
                device.ordinal(),
                device.uuid(),
                device.name(),
                device.computeCapability().architecture(),
                device.totalMemory(),
                PlatformThread.call("shortcut-cuda-report", () -> free(device)),
                driver,
                peaks(device)))
        .toList();
  }

  /** What there is of NVIDIA's libraries, and whether they fit together. */
  public static List<LibraryReport> ofLibraries() {
    return NvidiaLibraries.examine().stream()
        .map(finding ->
            new LibraryReport(
                finding.name(),
                finding.usable(),
                detail(finding),
                finding.attempts().stream().map(Attempt::toString).toList()))
        .toList();
  }

  private static String detail(Finding finding) {
    String found =
        finding.file().isEmpty()
            ? ""
            : "%s%s"
                .formatted(
                    finding.version().isEmpty() ? "" : "version " + finding.version() + ", ",
                    finding.file());
    if (finding.usable()) {
      return found;
    }
    return "%s%s %s"
        .formatted(found.isEmpty() ? "" : found + ": ", finding.detail(), finding.remedy())
        .strip();
  }

  private static GpuPeaks peaks(CudaDevice device) {
    return new GpuPeaks(
        device.name(),
        device.computeCapability().number(),
        attribute(device, DeviceAttribute.MULTIPROCESSOR_COUNT),
        1e3 * attribute(device, DeviceAttribute.CLOCK_RATE),
        1e3 * attribute(device, DeviceAttribute.MEMORY_CLOCK_RATE),
        attribute(device, DeviceAttribute.GLOBAL_MEMORY_BUS_WIDTH));
  }

  /** 0 where the driver does not tell. */
  private static int attribute(CudaDevice device, DeviceAttribute attribute) {
    try {
      return device.attribute(attribute);
    } catch (CudaException _) {
      return 0;
    }
  }

  /** Bytes; 0 for a device that cannot even be asked. */
  private static long free(CudaDevice device) {
    try (Context context = device.retainPrimary()) {
      context.push();
      try {
        return context.memory().free();
      } finally {
        context.pop();
      }
    } catch (CudaException _) {
      return 0;
    }
  }
}
