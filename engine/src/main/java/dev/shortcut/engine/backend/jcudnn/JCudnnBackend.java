package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.DeviceReport;
import dev.shortcut.engine.DeviceUnavailableException;
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
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import jcuda.JCudaVersion;

/**
 * cuDNN's fused convolution and pooling from before its graph API, cuBLAS for linear layers and a
 * few kernels of our own, all through JCuda, and one CUDA graph a batch. Same device, libraries,
 * precision and batch size give bitwise the same results on every run.
 */
public final class JCudnnBackend implements Backend {

  private final NvidiaLibraries libraries;
  private final List<DeviceTarget> targets;

  private JCudnnBackend(NvidiaLibraries libraries, List<DeviceTarget> targets) {
    this.libraries = libraries;
    this.targets = targets;
  }

  /**
   * Opens NVIDIA's libraries, loads JCuda and looks for the devices.
   *
   * @throws DeviceUnavailableException if JCuda, a library, the driver or a device is missing; it
   *     says what to add or what was tried
   */
  public static JCudnnBackend open(DeviceChoice devices) {
    try {
      NvidiaLibraries libraries = JCudaLibrary.open();
      return new JCudnnBackend(libraries, DeviceTarget.choose(libraries.cuda(), devices));
    } catch (LibraryException | CudaException e) {
      throw new DeviceUnavailableException(String.valueOf(e.getMessage()), e);
    }
  }

  /** Whether JCuda is there, and what to add where it is not. */
  public static LibraryReport examine() {
    return JCudaLibrary.examine();
  }

  @Override
  public List<DeviceReport> devices() {
    return NvidiaReports.of(libraries.cuda(), targets.stream().map(DeviceTarget::device).toList());
  }

  @Override
  public String name() {
    return "jcudnn";
  }

  @Override
  public String description() {
    return "%s, through JCuda %s, on %s"
        .formatted(
            libraries,
            JCudaVersion.get(),
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
    return switch (precision) {
      case FP32, TF32, FP16 -> Optional.empty();
      case BF16 -> DeviceTarget.withoutBfloat16(targets);
      case INT8 -> Optional.of(DeviceTarget.withoutScales(precision));
      case FP8 ->
          Optional.of(
              DeviceTarget.withoutScales(precision)
                  + "; cuDNN's calls from before its graph API, which are this backend's, have no fp8 convolution besides");
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
    return JCudnnModel.compile(libraries, targets, graph, weights, batchSizes, options);
  }

  /** Does nothing: libraries stay open, and contexts are the models'. */
  @Override
  public void close() {}
}
