package dev.shortcut.engine.pass;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import java.util.Optional;

/** relu(conv(x)) becomes one kernel, unless something else reads the convolution's own output. */
record FuseActivation() implements Pass {
  @Override
  public String name() {
    return "fuse ReLU";
  }

  @Override
  public Graph apply(Graph graph) {
    return graph.rewrite((original, current) -> {
      if (!(current.layer() instanceof Layer.Relu) || graph.readers(original.input()) != 1) {
        return current;
      }
      Node source = current.input();
      Optional<Layer.Fused> kernel = Kernels.open(source.layer());
      return kernel.isPresent() ? source.with(kernel.get().withRelu(), source.inputs()) : current;
    });
  }
}
