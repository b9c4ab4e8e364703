package dev.shortcut.engine;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Weights;

/** A network and where its numbers come from: what an engine is opened with. */
public interface Model {
  /** The network as defined, before any pass. */
  Graph graph();

  /** The source of its tensors; read while the engine opens, not needed afterwards. */
  Weights weights();

  /** A graph and its weights, nothing more. */
  static Model of(Graph graph, Weights weights) {
    record Plain(Graph graph, Weights weights) implements Model {}
    return new Plain(graph, weights);
  }
}
