package dev.shortcut.resnet;

/** What runs past a residual unit: He et al. 2015, "Deep Residual Learning", section 4.1. */
public enum Shortcut {
  /**
   * The input itself; where the shape changes, every second pixel of it, with channels of zeros. No
   * parameters.
   */
  A,
  /**
   * The input itself; where the shape changes, a 1x1 convolution and a batch norm. What torchvision
   * has.
   */
  B,
  /** A 1x1 convolution and a batch norm past every unit. */
  C,
  /** Nothing: the paper's plain networks. */
  NONE
}
