package dev.shortcut.engine.cost;

import dev.shortcut.engine.graph.Node;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Function;

/**
 * The time that a device's peaks allow a network for a batch, kernel behind kernel. This is a
 * prediction from the device's figures, nothing that was measured: real kernels take longer, but
 * for what lies in a cache and need not cross memory. Pictures on their way to the device and
 * results on their way back are not in it. Immutable.
 *
 * @param roofline the device's peaks
 * @param batch images that share one reading of the weights
 * @param kernels one for each kernel after fusion, in the order of the schedule
 */
public record Prediction(Roofline roofline, int batch, List<KernelPrediction> kernels) {
  /**
   * What starting one kernel of a CUDA graph behind another takes in seconds: an assumption, which
   * stands for the gap between two kernels and for filling and emptying the multiprocessors, about
   * a microsecond each.
   */
  public static final double LAUNCH_SECONDS = 2e-6;

  /** Copies the list. */
  public Prediction {
    kernels = List.copyOf(kernels);
  }

  /**
   * Predicts.
   *
   * @param report what the network costs in the precision that the roofline is of
   * @param batch images
   */
  public static Prediction of(CostReport report, Roofline roofline, int batch) {
    if (batch < 1) {
      throw new IllegalArgumentException("a batch needs at least one image, not " + batch);
    }
    List<KernelPrediction> kernels = new ArrayList<>();
    for (LayerCost layer : report.layers()) {
      Cost cost = layer.cost();
      if (cost.fusedKernels() > 0) {
        long flops = Math.multiplyExact((long) batch, cost.flops());
        long bytes = cost.bytes(Traffic.FUSED, batch);
        kernels.add(
            new KernelPrediction(
                layer.node(),
                flops,
                bytes,
                flops / roofline.flopsPerSecond(),
                bytes / roofline.bytesPerSecond(),
                LAUNCH_SECONDS));
      }
    }
    return new Prediction(roofline, batch, kernels);
  }

  /** Seconds for one batch. */
  public double seconds() {
    return kernels.stream().mapToDouble(KernelPrediction::seconds).sum();
  }

  /** Images per second. */
  public double imagesPerSecond() {
    return batch / seconds();
  }

  /** Floating-point operations, a multiplication and an addition counting as two. */
  public long flops() {
    return kernels.stream().mapToLong(KernelPrediction::flops).sum();
  }

  /** Weights and activations that cross memory. */
  public long bytes() {
    return kernels.stream().mapToLong(KernelPrediction::bytes).sum();
  }

  /** Each stage by itself, in the order of the network. */
  public SequencedMap<String, Prediction> byStage() {
    return by(Node::stage);
  }

  /**
   * Each residual unit by itself, in the order of the network; what lies outside of units is under
   * its stage's name.
   */
  public SequencedMap<String, Prediction> byBlock() {
    return by(node -> node.block().isEmpty() ? node.stage() : node.block());
  }

  private SequencedMap<String, Prediction> by(Function<Node, String> part) {
    SequencedMap<String, List<KernelPrediction>> parts = new LinkedHashMap<>();
    for (KernelPrediction kernel : kernels) {
      parts.computeIfAbsent(part.apply(kernel.node()), _ -> new ArrayList<>()).add(kernel);
    }
    SequencedMap<String, Prediction> predictions = new LinkedHashMap<>();
    parts.forEach((name, own) -> predictions.put(name, new Prediction(roofline, batch, own)));
    return Collections.unmodifiableSequencedMap(predictions);
  }
}
