package dev.shortcut.engine.pass;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;

/**
 * bn(conv(x)) becomes one kernel, unless something else reads the convolution's own output; the
 * same for linear layers. A batch norm with no such layer before it (a pre-activation network's)
 * stays a kernel of its own. What the weights become is computed later, by {@link Folding}.
 */
record FoldBatchNorm() implements Pass {
  @Override
  public String name() {
    return "fold batch norm";
  }

  @Override
  public Graph apply(Graph graph) {
    return graph.rewrite((original, current) ->
        current.layer() instanceof Layer.BatchNorm batchNorm
                && graph.readers(original.input()) == 1
                && current.input().layer() instanceof Layer.Weighted main
            ? fold(current, batchNorm, main)
            : current);
  }

  private static Node fold(Node node, Layer.BatchNorm batchNorm, Layer.Weighted main) {
    Node source = node.input();
    return source.with(Layer.Fused.of(main).withBatchNorm(node.name(), batchNorm), source.inputs());
  }
}
