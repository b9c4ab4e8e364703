package dev.shortcut.engine.backend.reference;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;

/**
 * Working space of one thread of a slot.
 *
 * @param plane one padded input plane
 * @param sums the sums of a block of output planes
 */
record Scratch(double[] plane, double[] sums) {
  /** How many doubles the largest convolution of a graph needs of each. */
  record Size(int plane, int sums) {
    static Size of(Graph graph) {
      int plane = 0;
      int sums = 0;
      for (Node node : graph.nodes()) {
        Layer main = node.layer() instanceof Layer.Fused fused ? fused.main() : node.layer();
        if (main instanceof Layer.Convolution convolution) {
          plane = Math.max(plane, ConvolutionKernel.plane(convolution, node.input().shape()));
          sums =
              Math.max(
                  sums, ConvolutionKernel.sums(convolution, node.input().shape(), node.shape()));
        }
      }
      return new Size(plane, sums);
    }

    long bytes() {
      return (long) Double.BYTES * plane + (long) Double.BYTES * sums;
    }

    Scratch allocate() {
      return new Scratch(new double[plane], new double[sums]);
    }
  }
}
