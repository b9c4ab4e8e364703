package dev.shortcut.engine.cost;

/**
 * Which activations cross the device's memory: three ways to run the same network. A kernel reads
 * what it needs of its inputs and writes its output, each once; weights are counted apart.
 */
public enum Traffic {
  /** One kernel for each layer as defined. */
  UNFUSED,
  /** One kernel for each convolution or linear layer with what is fused to it: how backends run. */
  FUSED,
  /**
   * One kernel for each residual unit; what lies outside of units as {@link #FUSED}, but a max pool
   * in one kernel with what it pools.
   */
  BLOCK
}
