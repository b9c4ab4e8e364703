package dev.shortcut.engine.graph;

/** How the values of a batch lie in memory. */
public enum Layout {
  /** Image, channel, row, column: PyTorch's default. */
  NCHW,
  /** Image, row, column, channel: what pictures and tensor cores use. */
  NHWC,
  /** Whatever the backend's kernels prefer; never visible outside of a compiled model. */
  BACKEND
}
