package dev.shortcut.engine.backend.reference;

import dev.shortcut.engine.Options;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.backend.Backend;
import dev.shortcut.engine.backend.CompiledModel;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Weights;
import java.util.List;
import java.util.Optional;

/**
 * Plain Java with double sums, rounded to float between nodes. It takes graphs before passes as
 * well as after them, and batch norms that were folded are computed unfolded, so that it judges
 * passes and folding too. Its results do not depend on the number of threads.
 */
public final class ReferenceBackend implements Backend {
  @Override
  public String name() {
    return "reference";
  }

  @Override
  public String description() {
    return "plain Java with double sums on Java " + Runtime.version();
  }

  @Override
  public Optional<String> unsupported(Precision precision) {
    return precision == Precision.FP32
        ? Optional.empty()
        : Optional.of("it is what fp32 is measured against and has no other precision");
  }

  @Override
  public Layout layout() {
    return Layout.NCHW;
  }

  @Override
  public Tail tail() {
    return Tail.SPLIT;
  }

  @Override
  public CompiledModel compile(
      Graph graph, Weights weights, List<Integer> batchSizes, Options options) {
    return ReferenceModel.compile(graph, weights, batchSizes, options);
  }

  /** Nothing to release: there is no library. */
  @Override
  public void close() {}
}
