package dev.shortcut.engine.pass;

import dev.shortcut.engine.graph.Graph;

/** A pure function from graph to graph that keeps what the network computes. */
public interface Pass {
  /** What it does, in two or three words, for people: {@code fold batch norm}. */
  String name();

  /** The rewritten graph; {@code graph} is left as it is. */
  Graph apply(Graph graph);
}
