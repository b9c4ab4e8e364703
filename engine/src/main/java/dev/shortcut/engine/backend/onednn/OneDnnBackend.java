package dev.shortcut.engine.backend.onednn;

import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.LibraryReport;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.backend.Backend;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Weights;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * oneDNN on the CPU: generated code for the machine's own vector instructions, in single precision.
 * Same machine, threads and batch size give bitwise the same results on every run.
 */
public final class OneDnnBackend implements Backend {
  private final OneDnn oneDnn;

  private OneDnnBackend(OneDnn oneDnn) {
    this.oneDnn = oneDnn;
  }

  /**
   * Opens oneDNN.
   *
   * @param library the file to use instead of searching, or null
   * @throws DeviceUnavailableException if there is none that can be used; it lists what was tried
   */
  public static OneDnnBackend open(@Nullable Path library) {
    return new OneDnnBackend(OneDnnLibrary.open(library));
  }

  /** What a search for oneDNN finds. */
  public static LibraryReport examine() {
    return OneDnnLibrary.examine();
  }

  @Override
  public String name() {
    return "onednn";
  }

  @Override
  public String description() {
    return "oneDNN %s with %s, from %s"
        .formatted(
            oneDnn.version(),
            instructions(oneDnn.getEffectiveCpuIsa()),
            oneDnn.library().location());
  }

  @Override
  public Optional<String> unsupported(Precision precision) {
    return precision == Precision.FP32
        ? Optional.empty()
        : Optional.of("the oneDNN backend computes in fp32 only");
  }

  @Override
  public Layout layout() {
    return Layout.BACKEND;
  }

  @Override
  public Tail tail() {
    return Tail.SPLIT;
  }

  @Override
  public CompiledModel compile(
      Graph graph, Weights weights, List<Integer> batchSizes, Options options) {
    return OneDnnModel.compile(oneDnn, graph, weights, batchSizes, options);
  }

  /** Does nothing: the library stays open, since its threads may outlive any model. */
  @Override
  public void close() {}

  /** The widest instruction set in {@code dnnl_cpu_isa_t}'s bits that matters for fp32. */
  private static String instructions(int isa) {
    int avx2 = 0x7;
    int avx512 = 0x27;
    if ((isa & avx512) == avx512) {
      return "AVX-512";
    }
    if ((isa & avx2) == avx2) {
      return "AVX2";
    }
    return "instruction set 0x%x".formatted(isa);
  }
}
