package dev.shortcut.engine.graph;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a node computes, as numbers: immutable, without weights, without knowledge of any backend.
 * The set is closed, so that a {@code switch} over it is checked by the compiler wherever a layer
 * type matters.
 *
 * <p>Every layer works on each image of a batch apart. Names and meaning of the numbers are
 * PyTorch's.
 */
public sealed interface Layer {
  /** How many inputs a node with this layer has. */
  default int arity() {
    return 1;
  }

  /**
   * The shape that comes out when {@code inputs} go in.
   *
   * @throws IllegalArgumentException if the layer cannot take these inputs, saying why
   */
  Shape outputShape(List<Shape> inputs);

  /**
   * The tensors that a node called {@code name} needs from its weights, in a fixed order; none by
   * default.
   */
  default List<Parameter> parameters(String name, List<Shape> inputs) {
    return List.of();
  }

  /** The layer's type in one word, for tables. */
  default String kind() {
    return getClass().getSimpleName();
  }

  /** The layer's type and numbers, for people: {@code Convolution 64 3x3/2 pad 1}. */
  default String description() {
    return switch (this) {
      case Input input -> kind() + " " + input.shape();
      case Convolution c ->
          "%s %d %s%s%s%s"
              .formatted(
                  kind(),
                  c.outChannels(),
                  window(c.kernel(), c.stride(), c.padding()),
                  c.dilation() == 1 ? "" : " dilation " + c.dilation(),
                  c.groups() == 1 ? "" : " groups " + c.groups(),
                  c.bias() ? "+Bias" : "");
      case Linear linear -> kind() + " " + linear.outFeatures() + (linear.bias() ? "+Bias" : "");
      case MaxPool p -> kind() + " " + window(p.kernel(), p.stride(), p.padding());
      case AveragePool p -> kind() + " " + window(p.kernel(), p.stride(), p.padding());
      case AdaptiveAveragePool p -> kind() + " " + p.size() + "x" + p.size();
      case Subsample s ->
          "%s /%d channels +%d+%d"
              .formatted(kind(), s.stride(), s.channelsBefore(), s.channelsAfter());
      case Fused f -> f.main().withoutBias().description() + f.fused();
      case TopK t -> kind() + " " + t.k();
      case BatchNorm _, Relu _, Add _, GlobalAveragePool _, Flatten _, Dropout _, Softmax _ ->
          kind();
    };
  }

  private static String window(int kernel, int stride, int padding) {
    return kernel
        + "x"
        + kernel
        + (stride == 1 ? "" : "/" + stride)
        + (padding == 0 ? "" : " pad " + padding);
  }

  /**
   * Whether this layer computes or moves values. An input is only there, dropout does nothing at
   * inference, and flatten only renames what lies in memory (a backend whose layout makes it a copy
   * does not count it either).
   */
  default boolean isKernel() {
    return switch (this) {
      case Input _, Dropout _, Flatten _ -> false;
      case Convolution _, Linear _, BatchNorm _, Relu _, Add _, MaxPool _, AveragePool _ -> true;
      case GlobalAveragePool _, AdaptiveAveragePool _, Subsample _, Softmax _, TopK _, Fused _ ->
          true;
    };
  }

  /** A layer that multiplies its input by a tensor of weights: what a fused kernel begins with. */
  sealed interface Weighted extends Layer permits Convolution, Linear {
    /** Whether one value is added to each output channel. */
    boolean bias();

    /** The same layer, adding nothing. */
    Weighted withoutBias();
  }

  /**
   * Where the images enter the graph.
   *
   * @param shape the shape of one image
   */
  record Input(Shape shape) implements Layer {
    @Override
    public int arity() {
      return 0;
    }

    @Override
    public Shape outputShape(List<Shape> inputs) {
      return shape;
    }
  }

  /**
   * A square two-dimensional convolution (cross-correlation), zero padded.
   *
   * @param outChannels number of filters, a multiple of {@code groups}
   * @param kernel rows and columns of the filter
   * @param stride step in both directions
   * @param padding rows and columns of zeros on each side
   * @param dilation distance between the taps of the filter, 1 for a dense one
   * @param groups number of groups that the channels are split into, 1 for a full convolution
   * @param bias whether one value is added to each output channel
   */
  record Convolution(
      int outChannels, int kernel, int stride, int padding, int dilation, int groups, boolean bias)
      implements Weighted {
    /** Checks the numbers on their own; {@link #outputShape} checks them against an input. */
    public Convolution {
      if (outChannels < 1
          || kernel < 1
          || stride < 1
          || padding < 0
          || dilation < 1
          || groups < 1) {
        throw new IllegalArgumentException(
            "bad convolution: outChannels=%d kernel=%d stride=%d padding=%d dilation=%d groups=%d"
                .formatted(outChannels, kernel, stride, padding, dilation, groups));
      }
      if (outChannels % groups != 0) {
        throw new IllegalArgumentException(
            "%d output channels cannot be split into %d groups".formatted(outChannels, groups));
      }
    }

    /** A dense convolution of one group without bias, as ResNets use them. */
    public Convolution(int outChannels, int kernel, int stride, int padding) {
      this(outChannels, kernel, stride, padding, 1, 1, false);
    }

    /** The same convolution with a bias. */
    public Convolution withBias() {
      return new Convolution(outChannels, kernel, stride, padding, dilation, groups, true);
    }

    @Override
    public Convolution withoutBias() {
      return new Convolution(outChannels, kernel, stride, padding, dilation, groups, false);
    }

    /** Rows (and columns) that the dilated filter covers. */
    public long extent() {
      return (long) dilation * (kernel - 1) + 1;
    }

    @Override
    public Shape outputShape(List<Shape> inputs) {
      Shape x = inputs.getFirst();
      if (x.channels() % groups != 0) {
        throw new IllegalArgumentException(
            "%d input channels cannot be split into %d groups".formatted(x.channels(), groups));
      }
      return new Shape(
          outChannels,
          slide(x.height(), extent(), stride, padding),
          slide(x.width(), extent(), stride, padding));
    }

    @Override
    public List<Parameter> parameters(String name, List<Shape> inputs) {
      var weight =
          new Parameter(
              name + ".weight",
              Parameter.Role.WEIGHT,
              List.of(outChannels, inputs.getFirst().channels() / groups, kernel, kernel));
      return bias
          ? List.of(
              weight, new Parameter(name + ".bias", Parameter.Role.BIAS, List.of(outChannels)))
          : List.of(weight);
    }
  }

  /**
   * Batch normalisation at inference: {@code scale * (x - mean) / sqrt(variance + epsilon) +
   * shift}, per channel.
   *
   * @param epsilon added to the variance, PyTorch's default is 1e-5
   */
  record BatchNorm(double epsilon) implements Layer {
    /** PyTorch's default. */
    public static final BatchNorm DEFAULT = new BatchNorm(1e-5);

    /** Checks that epsilon is positive and finite. */
    public BatchNorm {
      if (!(epsilon > 0) || Double.isInfinite(epsilon)) {
        throw new IllegalArgumentException(
            "batch norm needs a positive epsilon, but was " + epsilon);
      }
    }

    @Override
    public Shape outputShape(List<Shape> inputs) {
      return inputs.getFirst();
    }

    @Override
    public List<Parameter> parameters(String name, List<Shape> inputs) {
      List<Integer> dims = List.of(inputs.getFirst().channels());
      return List.of(
          new Parameter(name + ".weight", Parameter.Role.SCALE, dims),
          new Parameter(name + ".bias", Parameter.Role.SHIFT, dims),
          new Parameter(name + ".running_mean", Parameter.Role.RUNNING_MEAN, dims),
          new Parameter(name + ".running_var", Parameter.Role.RUNNING_VARIANCE, dims));
    }
  }

  /** The larger of the value and zero. */
  record Relu() implements Layer {
    @Override
    public Shape outputShape(List<Shape> inputs) {
      return inputs.getFirst();
    }
  }

  /**
   * The sum of two inputs of the same shape: the end of a residual unit. The second input is the
   * shortcut.
   */
  record Add() implements Layer {
    @Override
    public int arity() {
      return 2;
    }

    @Override
    public Shape outputShape(List<Shape> inputs) {
      if (!inputs.getFirst().equals(inputs.getLast())) {
        throw new IllegalArgumentException(
            "cannot add %s to %s: the shapes differ; a shortcut across a change of shape needs a projection or a"
                    .formatted(inputs.getLast(), inputs.getFirst())
                + " subsampling");
      }
      return inputs.getFirst();
    }
  }

  /**
   * The largest value of each window; padding never wins.
   *
   * @param kernel rows and columns of the window
   * @param stride step in both directions
   * @param padding rows and columns on each side, at most half of the kernel
   */
  record MaxPool(int kernel, int stride, int padding) implements Layer {
    /** Checks the numbers as PyTorch does. */
    public MaxPool {
      checkWindow("max pool", kernel, stride, padding);
    }

    @Override
    public Shape outputShape(List<Shape> inputs) {
      return slideWindow(inputs.getFirst(), kernel, stride, padding);
    }
  }

  /**
   * The mean of each window; padding counts as zeros, as in PyTorch's default.
   *
   * @param kernel rows and columns of the window
   * @param stride step in both directions
   * @param padding rows and columns of zeros on each side, at most half of the kernel
   */
  record AveragePool(int kernel, int stride, int padding) implements Layer {
    /** Checks the numbers as PyTorch does. */
    public AveragePool {
      checkWindow("average pool", kernel, stride, padding);
    }

    @Override
    public Shape outputShape(List<Shape> inputs) {
      return slideWindow(inputs.getFirst(), kernel, stride, padding);
    }
  }

  /** The mean of each channel: one value per channel comes out. */
  record GlobalAveragePool() implements Layer {
    @Override
    public Shape outputShape(List<Shape> inputs) {
      return Shape.features(inputs.getFirst().channels());
    }
  }

  /**
   * Means over a grid of {@code size} by {@code size} windows that cover any input, as PyTorch's
   * AdaptiveAvgPool2d: window i spans rows floor(i*H/size) to ceil((i+1)*H/size). VGG has one of
   * size 7.
   *
   * @param size rows and columns that come out
   */
  record AdaptiveAveragePool(int size) implements Layer {
    /** Checks that something comes out. */
    public AdaptiveAveragePool {
      if (size < 1) {
        throw new IllegalArgumentException(
            "adaptive average pool needs a size of at least 1, but was " + size);
      }
    }

    @Override
    public Shape outputShape(List<Shape> inputs) {
      return new Shape(inputs.getFirst().channels(), size, size);
    }

    /** First row (or column) of window {@code index} over an input of {@code extent} rows. */
    public int start(int index, int extent) {
      return (int) ((long) index * extent / size);
    }

    /**
     * One past the last row (or column) of window {@code index} over an input of {@code extent}
     * rows.
     */
    public int end(int index, int extent) {
      return (int) Math.ceilDiv((index + 1L) * extent, size);
    }
  }

  /**
   * A fully connected layer. It reads each image's values in channel, row, column order, so that a
   * {@link Flatten} before it changes nothing.
   *
   * @param outFeatures number of values that come out
   * @param bias whether one value is added to each of them
   */
  record Linear(int outFeatures, boolean bias) implements Weighted {
    /** Checks that something comes out. */
    public Linear {
      if (outFeatures < 1) {
        throw new IllegalArgumentException(
            "linear needs at least one output, but was " + outFeatures);
      }
    }

    @Override
    public Linear withoutBias() {
      return new Linear(outFeatures, false);
    }

    @Override
    public Shape outputShape(List<Shape> inputs) {
      return Shape.features(outFeatures);
    }

    @Override
    public List<Parameter> parameters(String name, List<Shape> inputs) {
      var weight =
          new Parameter(
              name + ".weight",
              Parameter.Role.WEIGHT,
              List.of(outFeatures, Math.toIntExact(inputs.getFirst().elements())));
      return bias
          ? List.of(
              weight, new Parameter(name + ".bias", Parameter.Role.BIAS, List.of(outFeatures)))
          : List.of(weight);
    }
  }

  /**
   * Shortcut option A of He et al. 2015, section 4.1: every {@code stride}-th pixel of the input,
   * with channels of zeros before and after; no parameters.
   *
   * @param stride step in both directions
   * @param channelsBefore channels of zeros put before the input's
   * @param channelsAfter channels of zeros put after the input's
   */
  record Subsample(int stride, int channelsBefore, int channelsAfter) implements Layer {
    /** Checks the numbers. */
    public Subsample {
      if (stride < 1 || channelsBefore < 0 || channelsAfter < 0) {
        throw new IllegalArgumentException(
            "bad subsampling: stride=%d channelsBefore=%d channelsAfter=%d"
                .formatted(stride, channelsBefore, channelsAfter));
      }
    }

    @Override
    public Shape outputShape(List<Shape> inputs) {
      Shape x = inputs.getFirst();
      return new Shape(
          Math.addExact(x.channels(), Math.addExact(channelsBefore, channelsAfter)),
          slide(x.height(), 1, stride, 0),
          slide(x.width(), 1, stride, 0));
    }
  }

  /** All values of an image as one vector, in channel, row, column order. */
  record Flatten() implements Layer {
    @Override
    public Shape outputShape(List<Shape> inputs) {
      return Shape.features(Math.toIntExact(inputs.getFirst().elements()));
    }
  }

  /** Dropout, which does nothing at inference; kept so that a graph reads as it was defined. */
  record Dropout() implements Layer {
    @Override
    public Shape outputShape(List<Shape> inputs) {
      return inputs.getFirst();
    }
  }

  /** {@code exp(x) / sum(exp(x))} over the channels of each pixel. */
  record Softmax() implements Layer {
    @Override
    public Shape outputShape(List<Shape> inputs) {
      return inputs.getFirst();
    }
  }

  /**
   * The largest values over the channels of each pixel, and which channels they are: {@code k}
   * values, largest first, then {@code k} numbers of channels from 0 on, in the same order. Of
   * equal values the channel that comes first is taken first; what is not a number counts as larger
   * than everything, so that a broken network shows. The last layer of a graph only.
   *
   * @param k how many, at most as many as there are channels
   */
  record TopK(int k) implements Layer {
    /** More channels than this cannot be told apart by floats. */
    private static final int MOST_CHANNELS = 1 << 24;

    /** Checks the number. */
    public TopK {
      if (k < 1) {
        throw new IllegalArgumentException("bad top-k: k=" + k);
      }
    }

    @Override
    public Shape outputShape(List<Shape> inputs) {
      Shape x = inputs.getFirst();
      if (k > x.channels() || x.channels() > MOST_CHANNELS) {
        throw new IllegalArgumentException(
            "cannot take the largest %d of %,d channels; there may be %,d channels at most"
                .formatted(k, x.channels(), MOST_CHANNELS));
      }
      return new Shape(2 * k, x.height(), x.width());
    }
  }

  /**
   * What fusion makes of a convolution or a linear layer and what follows it, computed as one
   * kernel in this order: main layer, batch norm, addition of the second input, ReLU. Only passes
   * make it.
   *
   * <p>The batch norm is not a step at run time: backends multiply it into the main layer's weights
   * and bias once, when they take the weights.
   *
   * @param main what the kernel begins with
   * @param batchNorm the folded batch norm and the name of its node, or null
   * @param residual whether the node has a second input of the output's shape, which is added
   * @param relu whether a ReLU ends the kernel
   */
  record Fused(Weighted main, @Nullable FoldedBatchNorm batchNorm, boolean residual, boolean relu)
      implements Layer {
    /** The layer alone, to begin fusing with; it computes what {@code main} computes. */
    public static Fused of(Weighted main) {
      return new Fused(main, null, false, false);
    }

    /** The same kernel with a batch norm folded into it. */
    public Fused withBatchNorm(String name, BatchNorm layer) {
      return new Fused(main, new FoldedBatchNorm(name, layer), residual, relu);
    }

    /** The same kernel with a second input that is added. */
    public Fused withResidual() {
      return new Fused(main, batchNorm, true, relu);
    }

    /** The same kernel with a ReLU at its end. */
    public Fused withRelu() {
      return new Fused(main, batchNorm, residual, true);
    }

    /**
     * Whether the kernel adds one value per output channel: the main layer's bias, or what a batch
     * norm leaves.
     */
    public boolean bias() {
      return batchNorm != null || main.bias();
    }

    @Override
    public int arity() {
      return residual ? 2 : 1;
    }

    @Override
    public Shape outputShape(List<Shape> inputs) {
      Shape out = main.outputShape(inputs.subList(0, 1));
      return residual ? new Add().outputShape(List.of(out, inputs.getLast())) : out;
    }

    @Override
    public List<Parameter> parameters(String name, List<Shape> inputs) {
      var parameters = new ArrayList<>(main.parameters(name, inputs.subList(0, 1)));
      if (batchNorm != null) {
        parameters.addAll(
            batchNorm
                .layer()
                .parameters(batchNorm.name(), List.of(main.outputShape(inputs.subList(0, 1)))));
      }
      return List.copyOf(parameters);
    }

    /**
     * The main layer's kind and what was fused to it, such as {@code Convolution+Bias+Add+ReLU}.
     */
    @Override
    public String kind() {
      return main.kind() + fused();
    }

    private String fused() {
      return (bias() ? "+Bias" : "") + (residual ? "+Add" : "") + (relu ? "+ReLU" : "");
    }
  }

  /**
   * A batch norm that was folded into the layer before it.
   *
   * @param name the node that it was, which its parameters are named after
   * @param layer its numbers
   */
  record FoldedBatchNorm(String name, BatchNorm layer) {}

  private static void checkWindow(String what, int kernel, int stride, int padding) {
    if (kernel < 1 || stride < 1 || padding < 0 || padding > kernel / 2) {
      throw new IllegalArgumentException(
          "bad %s: kernel=%d stride=%d padding=%d (padding may be half of the kernel at most)"
              .formatted(what, kernel, stride, padding));
    }
  }

  private static Shape slideWindow(Shape x, int kernel, int stride, int padding) {
    return new Shape(
        x.channels(),
        slide(x.height(), kernel, stride, padding),
        slide(x.width(), kernel, stride, padding));
  }

  /** Positions of a window of {@code extent} that slides over {@code size} padded values. */
  private static int slide(int size, long extent, int stride, int padding) {
    long room = size + 2L * padding - extent;
    if (room < 0) {
      throw new IllegalArgumentException(
          "a window of %d does not fit into %d with a padding of %d"
              .formatted(extent, size, padding));
    }
    return Math.toIntExact(room / stride + 1);
  }
}
