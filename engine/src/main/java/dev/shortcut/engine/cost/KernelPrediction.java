package dev.shortcut.engine.cost;

import dev.shortcut.engine.graph.Node;

/**
 * The time that a device's peaks allow one kernel for a batch: a prediction, nothing that was
 * measured.
 *
 * @param node the layer as defined at which the kernel begins, in its graph
 * @param flops floating-point operations, a multiplication and an addition counting as two
 * @param bytes weights and activations that cross memory
 * @param computingSeconds what the operations take at the peak
 * @param movingSeconds what the bytes take at the peak
 * @param launchSeconds what starting the kernel takes
 */
public record KernelPrediction(
    Node node,
    long flops,
    long bytes,
    double computingSeconds,
    double movingSeconds,
    double launchSeconds) {

  /** What a kernel spends most of its time on. */
  public enum Bound {
    /** Arithmetic. */
    COMPUTE,
    /** Reading and writing memory. */
    MEMORY,
    /** Starting. */
    LAUNCH
  }

  /** Computing or moving, whichever takes longer, behind the launch. */
  public double seconds() {
    return Math.max(computingSeconds, movingSeconds) + launchSeconds;
  }

  /** What most of {@link #seconds} goes to. */
  public Bound bound() {
    if (launchSeconds > Math.max(computingSeconds, movingSeconds)) {
      return Bound.LAUNCH;
    }
    return computingSeconds > movingSeconds ? Bound.COMPUTE : Bound.MEMORY;
  }
}
