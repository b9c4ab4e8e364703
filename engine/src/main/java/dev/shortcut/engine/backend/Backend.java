package dev.shortcut.engine.backend;

import dev.shortcut.engine.DeviceCheck;
import dev.shortcut.engine.DeviceReport;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Weights;
import java.util.List;
import java.util.Optional;

/**
 * One way to run graphs: everything that a backend's author implements. A backend holds its library
 * open and is used by any number of threads; closing it is the caller's business after all compiled
 * models are closed.
 */
public interface Backend extends AutoCloseable {
  /** A short name, such as {@code onednn}. */
  String name();

  /** Library, version and device in words, for people. */
  String description();

  /** Why this backend cannot compute in that precision here; empty where it can. */
  Optional<String> unsupported(Precision precision);

  /** The layout that the interior of a graph is given before it is compiled. */
  Layout layout();

  /** What happens to a batch that is none of the compiled sizes. */
  Tail tail();

  /** What happens to a batch that is none of the compiled sizes. */
  enum Tail {
    /** It is cut into compiled sizes: 33 runs as 32 and 1. */
    SPLIT,
    /** It is filled up to the next compiled size. */
    PAD
  }

  /**
   * Does all the slow work once: implementation choice, weight folding and reordering, memory,
   * warm-up.
   *
   * @param graph after passes
   * @param weights read here and not kept
   * @param batchSizes the sizes to prepare, ascending, the last one the largest
   * @param options precision, slots, threads, memory limit and input format
   * @throws dev.shortcut.engine.MemoryLimitException before anything is allocated
   * @throws dev.shortcut.engine.ModelException if a weight is missing or misshapen
   */
  CompiledModel compile(Graph graph, Weights weights, List<Integer> batchSizes, Options options);

  /** The GPUs that its models run on; none for a backend of the CPU. */
  default List<DeviceReport> devices() {
    return List.of();
  }

  /**
   * Tries something that must work on each of its GPUs.
   *
   * @param options names the precision
   * @return what was found, a line for each device; none for a backend of the CPU
   * @throws dev.shortcut.engine.ShortcutException if it is wrong
   */
  default List<String> check(DeviceCheck check, Options options) {
    return List.of();
  }

  @Override
  void close();
}
