package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.graph.Node;

/** What lowering a graph asks of a device, be it there or only described. */
interface Choices {
  /** The plan for a kernel, if there is one. */
  Planner.Outcome plan(CudnnKernel kernel);

  /** Whether cuDNN's call from before the graph API computes a convolution with all its stages. */
  LegacyConvolutions.Answer legacy(CudnnKernel.Convolution kernel);

  /** The algorithm for a matrix product. */
  Products.Choice choose(MatrixProduct product);

  /** Where weights are given their places. */
  Constants constants();

  /**
   * What to throw when a library failed.
   *
   * @param attempted what it was to do, with the node
   */
  RuntimeException failed(String attempted, RuntimeException cause);

  /** Takes note that there is no implementation of a node at a batch size, or throws. */
  void refused(Node node, int batch, ModelException why);
}
