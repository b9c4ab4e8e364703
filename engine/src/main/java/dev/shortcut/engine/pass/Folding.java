package dev.shortcut.engine.pass;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Parameter.Role;
import dev.shortcut.engine.graph.Weights;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.NoSuchElementException;

/**
 * The arithmetic that {@link FoldBatchNorm} puts off: at inference batch norm is one multiplication
 * and one addition per channel, so the weights and the bias of the layer before it absorb it (Ioffe
 * and Szegedy 2015, section 3.1). Sums and products are taken in double and rounded once.
 *
 * <p>Every tensor that a backend reads comes through here, so this is where its extents are
 * checked.
 */
public final class Folding {
  private Folding() {}

  /**
   * Writes the weights and the bias with which the main layer of {@code node} computes main layer
   * and batch norm in one.
   *
   * @param node a convolution, a linear layer, or what fusing made of one
   * @param weights the source of the node's tensors
   * @param filter receives the weights as floats in the order K,C/groups,R,S (linear: out,in); at
   *     least that large
   * @param bias receives one float per output channel, zeros where the node adds nothing; at least
   *     that large
   * @throws ModelException if a tensor is missing, has other extents, or has a variance that is no
   *     variance
   * @throws IllegalArgumentException if the node is of another kind
   */
  public static void fold(Node node, Weights weights, MemorySegment filter, MemorySegment bias) {
    Layer.Weighted main =
        switch (node.layer()) {
          case Layer.Weighted weighted -> weighted;
          case Layer.Fused fused -> fused.main();
          default ->
              throw new IllegalArgumentException(
                  "%s (%s) has no weights to fold into"
                      .formatted(node.name(), node.layer().kind()));
        };
    Parameter weight = parameter(node, Role.WEIGHT);
    read(node, weight, weights, filter);
    int channels = weight.dims().getFirst();
    if (main.bias()) {
      read(node, parameter(node, Role.BIAS), weights, bias);
    } else {
      bias.asSlice(0, (long) channels * Float.BYTES).fill((byte) 0);
    }
    if (node.layer() instanceof Layer.Fused fused && fused.batchNorm() != null) {
      Affine affine = affine(node, fused.batchNorm().layer(), weights);
      long perChannel = weight.elements() / channels;
      for (int c = 0; c < channels; c++) {
        double scale = affine.scale[c];
        for (long i = c * perChannel; i < (c + 1) * perChannel; i++) {
          float value = filter.getAtIndex(JAVA_FLOAT_UNALIGNED, i);
          filter.setAtIndex(JAVA_FLOAT_UNALIGNED, i, (float) (value * scale));
        }
        double shifted = bias.getAtIndex(JAVA_FLOAT_UNALIGNED, c) * scale + affine.shift[c];
        bias.setAtIndex(JAVA_FLOAT_UNALIGNED, c, (float) shifted);
      }
    }
  }

  /**
   * Writes a batch norm that stands alone as {@code y = x * scale + shift} per channel.
   *
   * @param node a batch norm
   * @param weights the source of the node's tensors
   * @param scale receives one float per channel
   * @param shift receives one float per channel
   * @throws ModelException if a tensor is missing, has other extents, or has a variance that is no
   *     variance
   * @throws IllegalArgumentException if the node is of another kind
   */
  public static void affine(Node node, Weights weights, MemorySegment scale, MemorySegment shift) {
    if (!(node.layer() instanceof Layer.BatchNorm batchNorm)) {
      throw new IllegalArgumentException(
          "%s (%s) is no batch norm".formatted(node.name(), node.layer().kind()));
    }
    Affine affine = affine(node, batchNorm, weights);
    for (int c = 0; c < affine.scale.length; c++) {
      scale.setAtIndex(JAVA_FLOAT_UNALIGNED, c, (float) affine.scale[c]);
      shift.setAtIndex(JAVA_FLOAT_UNALIGNED, c, (float) affine.shift[c]);
    }
  }

  private static final class Affine {
    final double[] scale;
    final double[] shift;

    Affine(int channels) {
      scale = new double[channels];
      shift = new double[channels];
    }
  }

  private static Affine affine(Node node, Layer.BatchNorm batchNorm, Weights weights) {
    float[] gamma = read(node, parameter(node, Role.SCALE), weights);
    float[] beta = read(node, parameter(node, Role.SHIFT), weights);
    float[] mean = read(node, parameter(node, Role.RUNNING_MEAN), weights);
    Parameter varianceParameter = parameter(node, Role.RUNNING_VARIANCE);
    float[] variance = read(node, varianceParameter, weights);
    var affine = new Affine(gamma.length);
    for (int c = 0; c < gamma.length; c++) {
      if (!(variance[c] >= 0)) {
        throw new ModelException(
            "%s: %s of channel %d is %s, which is no variance; the weights are damaged"
                .formatted(weights.description(), varianceParameter.name(), c, variance[c]));
      }
      affine.scale[c] = gamma[c] / Math.sqrt(variance[c] + batchNorm.epsilon());
      affine.shift[c] = beta[c] - mean[c] * affine.scale[c];
    }
    return affine;
  }

  private static Parameter parameter(Node node, Role role) {
    return node.parameter(role).orElseThrow();
  }

  private static float[] read(Node node, Parameter parameter, Weights weights) {
    float[] values = new float[Math.toIntExact(parameter.elements())];
    read(node, parameter, weights, MemorySegment.ofArray(values));
    return values;
  }

  /** Writes one tensor of {@code node} to {@code target} as floats, its extents checked. */
  public static void read(Node node, Parameter parameter, Weights weights, MemorySegment target) {
    if (!parameter.dims().equals(dims(parameter, weights))) {
      throw new ModelException(
          "%s: %s is %s, but %s (%s) needs %s"
              .formatted(
                  weights.description(),
                  parameter.name(),
                  dims(parameter, weights),
                  node.name(),
                  node.layer().description(),
                  parameter.dims()));
    }
    weights.read(parameter.name(), target);
  }

  private static List<Integer> dims(Parameter parameter, Weights weights) {
    try {
      return weights.dims(parameter.name());
    } catch (NoSuchElementException e) {
      throw new ModelException(
          "%s has no tensor called %s".formatted(weights.description(), parameter.name()), e);
    }
  }
}
