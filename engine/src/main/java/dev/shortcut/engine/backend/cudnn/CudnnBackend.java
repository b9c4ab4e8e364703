package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cudnn.CudnnException;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import dev.shortcut.bindings.nvidia.VendorLog;
import dev.shortcut.engine.DeviceCheck;
import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.DeviceReport;
import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.LibraryReport;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.backend.Backend;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.backend.DeviceTarget;
import dev.shortcut.engine.backend.NvidiaReports;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Weights;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * cuDNN's graph API on NVIDIA GPUs, its older convolution where that is allowed and there is no
 * plan, cuBLASLt for linear layers, a few kernels of our own, and one CUDA graph a batch. Same
 * device, libraries, precision and batch size give bitwise the same results on every run, and so do
 * equal devices of a model.
 */
public final class CudnnBackend implements Backend {
  private final NvidiaLibraries libraries;
  private final List<DeviceTarget> targets;

  private CudnnBackend(NvidiaLibraries libraries, List<DeviceTarget> targets) {
    this.libraries = libraries;
    this.targets = targets;
  }

  /**
   * Opens the libraries and looks for the devices.
   *
   * @throws DeviceUnavailableException if a library, the driver or a device is missing; it says
   *     what was tried
   */
  public static CudnnBackend open(DeviceChoice devices) {
    try {
      NvidiaLibraries libraries = NvidiaLibraries.open();
      return new CudnnBackend(libraries, DeviceTarget.choose(libraries.cuda(), devices));
    } catch (LibraryException | CudaException e) {
      throw new DeviceUnavailableException(String.valueOf(e.getMessage()), e);
    }
  }

  /** The GPUs that this process may use; none where there is no driver that starts. */
  public static List<DeviceReport> allDevices() {
    try {
      Cuda cuda = Cuda.open();
      return NvidiaReports.of(cuda, cuda.devices());
    } catch (LibraryException | CudaException _) {
      return List.of(); // the reports on libraries tell why
    }
  }

  /**
   * The first of the devices that are meant, as cuDNN describes it.
   *
   * @throws DeviceUnavailableException if a library, the driver or the device is missing; it says
   *     what was tried
   */
  public static GpuDescription describe(DeviceChoice devices) {
    CudnnBackend backend = open(devices);
    var checks = new DeviceChecks(backend.libraries, backend.targets.getFirst());
    try {
      return checks.describe();
    } catch (CudaException | CudnnException | IllegalArgumentException e) {
      throw new DeviceUnavailableException(
          "cannot describe %s: %s".formatted(backend.targets.getFirst().device(), e.getMessage()),
          e);
    }
  }

  /** What searches for NVIDIA's libraries find, and whether those found fit together. */
  public static List<LibraryReport> examine() {
    return NvidiaReports.ofLibraries();
  }

  /** Lets cuDNN write its errors and warnings to a file, if it is not opened yet. */
  public static void logTo(Path file) {
    VendorLog.to(file);
  }

  @Override
  public List<String> check(DeviceCheck check, Options options) {
    List<String> found = new ArrayList<>();
    for (DeviceTarget target : targets) {
      var checks = new DeviceChecks(libraries, target);
      found.add(
          switch (check) {
            case COPY -> checks.copy();
            case KERNELS -> checks.kernels(options);
            case PLANS -> checks.plans(options);
            case FOREIGN_CAPTURE ->
                checks.foreignCapture(new CudnnBackend(libraries, List.of(target)), options);
          });
    }
    return found;
  }

  @Override
  public List<DeviceReport> devices() {
    return NvidiaReports.of(libraries.cuda(), targets.stream().map(DeviceTarget::device).toList());
  }

  @Override
  public String name() {
    return "cudnn";
  }

  @Override
  public String description() {
    return "%s, on %s"
        .formatted(
            libraries,
            targets.stream()
                .map(target ->
                    "%s (%s, %s)"
                        .formatted(
                            target.device().name(),
                            target.device().computeCapability().architecture(),
                            target.device().uuid()))
                .collect(Collectors.joining(", ")));
  }

  @Override
  public Optional<String> unsupported(Precision precision) {
    return unsupported(precision, targets);
  }

  /** Why none of the backend's arithmetics is that precision, or not on one of the devices. */
  static Optional<String> unsupported(Precision precision, List<DeviceTarget> targets) {
    return switch (precision) {
      case FP32, TF32, FP16 -> Optional.empty();
      case BF16 -> DeviceTarget.withoutBfloat16(targets);
      case INT8, FP8 -> Optional.of(DeviceTarget.withoutScales(precision));
    };
  }

  @Override
  public Layout layout() {
    return Layout.NHWC;
  }

  @Override
  public Tail tail() {
    return Tail.PAD;
  }

  @Override
  public CompiledModel compile(
      Graph graph, Weights weights, List<Integer> batchSizes, Options options) {
    return CudnnModel.compile(libraries, targets, graph, weights, batchSizes, options);
  }

  /** Does nothing: libraries stay open, and contexts are the models'. */
  @Override
  public void close() {}
}
