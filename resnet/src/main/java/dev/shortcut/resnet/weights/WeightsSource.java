package dev.shortcut.resnet.weights;

import dev.shortcut.engine.graph.Weights;

/** Weights that can say which numbers they are. */
public sealed interface WeightsSource extends Weights permits WeightsFile, RandomWeights {
  /**
   * A SHA-256 in 64 lower-case hexadecimal digits: of a file's bytes, or of what random weights are
   * made from. Two sources with the same fingerprint hold the same numbers. Computed when first
   * asked for, which reads a whole file.
   *
   * @throws IllegalStateException if this source is closed
   */
  String fingerprint();
}
