package dev.shortcut.engine;

import dev.shortcut.engine.graph.Node;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What is to run for one kernel of a graph.
 *
 * @param node the node of the graph after passes
 * @param batch images
 * @param kind what computes it
 * @param operation all that the choice depended on, as text; kernels with the same share one plan
 * @param implementation what was taken and what was passed over, or why there is none, for people
 * @param plan cuDNN's plan; null for what is not cuDNN's, and where there is none
 */
public record PlannedKernel(
    Node node,
    int batch,
    Kind kind,
    String operation,
    String implementation,
    @Nullable EnginePlan plan) {
  /** What computes a kernel. */
  public enum Kind {
    /** A convolution of cuDNN, with what is fused into it. */
    CONVOLUTION,
    /** A pooling of cuDNN. */
    POOLING,
    /** A matrix product of cuBLASLt, which chooses its algorithm on the device. */
    PRODUCT,
    /** A kernel of our own. */
    OWN,
    /** Nothing: there is no implementation. */
    NONE;

    /** Such as {@code convolution}. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }
}
