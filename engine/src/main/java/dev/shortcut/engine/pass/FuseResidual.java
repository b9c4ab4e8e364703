package dev.shortcut.engine.pass;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import java.util.List;
import java.util.Optional;

/**
 * add(conv(x), y) and add(y, conv(x)) become one kernel that reads x and y, unless something else
 * reads the convolution's own output. Where both operands could, the first does: a residual unit's
 * own branch. Runs before ReLUs are fused, since a kernel adds before it cuts off.
 */
record FuseResidual() implements Pass {
  @Override
  public String name() {
    return "fuse residual add";
  }

  @Override
  public Graph apply(Graph graph) {
    return graph.rewrite((original, current) -> {
      if (!(current.layer() instanceof Layer.Add)) {
        return current;
      }
      for (int operand = 0; operand < 2; operand++) {
        Node source = current.inputs().get(operand);
        Node other = current.inputs().get(1 - operand);
        Optional<Layer.Fused> kernel = Kernels.open(source.layer()).filter(k -> !k.residual());
        if (kernel.isPresent() && graph.readers(original.inputs().get(operand)) == 1) {
          return source.with(kernel.get().withResidual(), List.of(source.input(), other));
        }
      }
      return current;
    });
  }
}
