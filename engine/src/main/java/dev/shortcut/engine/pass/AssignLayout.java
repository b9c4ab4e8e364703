package dev.shortcut.engine.pass;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layout;

/**
 * Everything between the input and the output gets the backend's layout; those two stay as the
 * caller knows them, so that only the first kernel and the last one convert.
 *
 * @param interior the backend's layout
 */
record AssignLayout(Layout interior) implements Pass {
  @Override
  public String name() {
    return "assign layout";
  }

  @Override
  public Graph apply(Graph graph) {
    return graph.rewrite((original, current) ->
        original == graph.input() || original == graph.output() || current.layout() == interior
            ? current
            : current.with(interior));
  }
}
