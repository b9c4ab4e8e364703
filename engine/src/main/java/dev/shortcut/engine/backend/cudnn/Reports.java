package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.CudaDevice;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.engine.DeviceReport;
import dev.shortcut.engine.backend.PlatformThread;
import java.util.List;

/** What there is to tell people of GPUs. */
final class Reports {
  private Reports() {}

  /** What devices are, and how much of their memory is free now. */
  static List<DeviceReport> of(Cuda cuda, List<CudaDevice> devices) {
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
                driver))
        .toList();
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
