package dev.shortcut.engine.pass;

import dev.shortcut.engine.graph.Layer;
import java.util.Optional;

/** What the fusing passes have in common. */
final class Kernels {
  private Kernels() {}

  /**
   * The layer as a kernel that something can still be fused to: one that does not end with a ReLU
   * yet.
   */
  static Optional<Layer.Fused> open(Layer layer) {
    return switch (layer) {
      case Layer.Weighted main -> Optional.of(Layer.Fused.of(main));
      case Layer.Fused fused when !fused.relu() -> Optional.of(fused);
      default -> Optional.empty();
    };
  }
}
