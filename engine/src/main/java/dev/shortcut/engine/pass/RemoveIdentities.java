package dev.shortcut.engine.pass;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import java.util.List;

/**
 * Dropout disappears. Flatten disappears where it changes nothing: before a linear layer, which
 * reads its input in flattened order anyway, and behind one value per channel. Elsewhere (before a
 * softmax over all pixels, say) it stays.
 */
record RemoveIdentities() implements Pass {
  @Override
  public String name() {
    return "remove identities";
  }

  @Override
  public Graph apply(Graph graph) {
    return graph.rewrite((_, current) ->
        switch (current.layer()) {
          case Layer.Dropout _ -> current.input();
          case Layer.Flatten _ when current.input().shape().isFlat() -> current.input();
          case Layer.Linear linear when current.input().layer() instanceof Layer.Flatten ->
              current.with(linear, List.of(unflattened(current.input())));
          default -> current;
        });
  }

  private static Node unflattened(Node node) {
    Node source = node;
    while (source.layer() instanceof Layer.Flatten) {
      source = source.input();
    }
    return source;
  }
}
