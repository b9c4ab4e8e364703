package dev.shortcut.engine.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class LayerTest {
  private static final Shape X = new Shape(6, 9, 7);

  static Stream<Arguments> shapes() {
    return Stream.of(
        Arguments.of(new Layer.Input(X), List.of(), X),
        Arguments.of(new Layer.Convolution(4, 3, 1, 1), List.of(X), new Shape(4, 9, 7)),
        Arguments.of(new Layer.Convolution(4, 3, 2, 1), List.of(X), new Shape(4, 5, 4)),
        Arguments.of(new Layer.Convolution(4, 3, 2, 0), List.of(X), new Shape(4, 4, 3)),
        Arguments.of(new Layer.Convolution(4, 7, 2, 3), List.of(X), new Shape(4, 5, 4)),
        Arguments.of(new Layer.Convolution(4, 3, 1, 0, 3, 2, true), List.of(X), new Shape(4, 3, 1)),
        Arguments.of(
            new Layer.Convolution(2, 11, 1, 2), List.of(new Shape(6, 9, 9)), new Shape(2, 3, 3)),
        Arguments.of(Layer.BatchNorm.DEFAULT, List.of(X), X),
        Arguments.of(new Layer.Relu(), List.of(X), X),
        Arguments.of(new Layer.Add(), List.of(X, X), X),
        Arguments.of(new Layer.MaxPool(3, 2, 1), List.of(X), new Shape(6, 5, 4)),
        Arguments.of(new Layer.AveragePool(2, 2, 0), List.of(X), new Shape(6, 4, 3)),
        Arguments.of(new Layer.GlobalAveragePool(), List.of(X), Shape.features(6)),
        Arguments.of(new Layer.AdaptiveAveragePool(7), List.of(X), new Shape(6, 7, 7)),
        Arguments.of(new Layer.Linear(10, true), List.of(X), Shape.features(10)),
        Arguments.of(new Layer.Subsample(2, 3, 4), List.of(X), new Shape(13, 5, 4)),
        Arguments.of(new Layer.Flatten(), List.of(X), Shape.features(378)),
        Arguments.of(new Layer.Dropout(), List.of(X), X),
        Arguments.of(new Layer.Softmax(), List.of(X), X));
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void shapesAreInferred(Layer layer, List<Shape> inputs, Shape expected) {
    assertEquals(inputs.size(), layer.arity());
    assertEquals(expected, layer.outputShape(inputs));
  }

  @Test
  void adaptiveWindowsCoverTheInputAndOverlapWhereTheyMust() {
    var pool = new Layer.AdaptiveAveragePool(7);
    assertEquals(0, pool.start(0, 10));
    assertEquals(2, pool.end(0, 10));
    assertEquals(1, pool.start(1, 10));
    assertEquals(10, pool.end(6, 10));
    assertEquals(0, pool.start(6, 1));
    assertEquals(1, pool.end(6, 1));
    assertEquals(Integer.MAX_VALUE, pool.end(6, Integer.MAX_VALUE), "no overflow");
  }

  static Stream<Arguments> refusals() {
    return Stream.of(
        refusal(
            () -> new Layer.Convolution(0, 3, 1, 1),
            "bad convolution: outChannels=0 kernel=3 stride=1 padding=1 dilation=1 groups=1"),
        refusal(
            () -> new Layer.Convolution(6, 3, 1, 1, 1, 4, false),
            "6 output channels cannot be split into 4 groups"),
        refusal(
            () -> new Layer.Convolution(8, 3, 1, 1, 1, 4, false).outputShape(List.of(X)),
            "6 input channels cannot be split into 4 groups"),
        refusal(
            () -> new Layer.Convolution(8, 10, 1, 0).outputShape(List.of(X)),
            "a window of 10 does not fit into 9 with a padding of 0"),
        refusal(
            () -> new Layer.Convolution(8, 65537, 1, 0, 65537, 1, false).outputShape(List.of(X)),
            "a window of 4295032833 does not fit into 9 with a padding of 0"),
        refusal(() -> new Layer.BatchNorm(0), "batch norm needs a positive epsilon, but was 0.0"),
        refusal(
            () -> new Layer.BatchNorm(Double.NaN),
            "batch norm needs a positive epsilon, but was NaN"),
        refusal(
            () -> new Layer.MaxPool(3, 2, 2),
            "bad max pool: kernel=3 stride=2 padding=2 (padding may be half of the kernel at"
                + " most)"),
        refusal(
            () -> new Layer.AveragePool(2, 0, 0),
            "bad average pool: kernel=2 stride=0 padding=0 (padding may be half of the kernel at"
                + " most)"),
        refusal(
            () -> new Layer.AdaptiveAveragePool(0),
            "adaptive average pool needs a size of at least 1, but was 0"),
        refusal(() -> new Layer.Linear(0, true), "linear needs at least one output, but was 0"),
        refusal(
            () -> new Layer.Subsample(0, 1, 1),
            "bad subsampling: stride=0 channelsBefore=1 channelsAfter=1"),
        refusal(
            () -> new Layer.Add().outputShape(List.of(X, new Shape(6, 5, 4))),
            "cannot add 6x5x4 to 6x9x7: the shapes differ; a shortcut across a change of shape"
                + " needs a projection or a subsampling"),
        refusal(
            () -> new Shape(3, 0, 5),
            "a shape needs at least one channel, row and column, but was 3x0x5"),
        refusal(
            () -> new Shape(1 << 20, 1 << 20, 1 << 20),
            "1048576x1048576x1048576 has more than 2^31-1 elements per image"));
  }

  private static Arguments refusal(Executable construction, String message) {
    return Arguments.of(construction, message);
  }

  @ParameterizedTest
  @MethodSource("refusals")
  void impossibleNumbersAreRefusedInWords(Executable construction, String message) {
    var e = assertThrows(IllegalArgumentException.class, construction);
    assertEquals(message, e.getMessage());
  }

  @Test
  void parametersAreNamedAfterTheNodeAndHaveTorchvisionsExtents() {
    assertEquals(
        List.of("c.weight [8, 3, 3, 3]", "c.bias [8]"),
        parameters(new Layer.Convolution(8, 3, 1, 1, 1, 2, true), X));
    assertEquals(List.of("c.weight [5, 378]"), parameters(new Layer.Linear(5, false), X));
    assertEquals(
        List.of("c.weight [6]", "c.bias [6]", "c.running_mean [6]", "c.running_var [6]"),
        parameters(Layer.BatchNorm.DEFAULT, X));
    assertEquals(List.of(), parameters(new Layer.Relu(), X));
  }

  private static List<String> parameters(Layer layer, Shape input) {
    return layer.parameters("c", List.of(input)).stream()
        .map(p -> p.name() + " " + p.dims())
        .toList();
  }

  @Test
  void descriptionsShowWhatIsNotOrdinary() {
    assertEquals("Convolution 8 1x1", new Layer.Convolution(8, 1, 1, 0).description());
    assertEquals(
        "Convolution 8 3x3/2 pad 1 dilation 2 groups 4+Bias",
        new Layer.Convolution(8, 3, 2, 1, 2, 4, true).description());
    assertEquals("MaxPool 3x3/2 pad 1", new Layer.MaxPool(3, 2, 1).description());
    assertEquals("Subsample /2 channels +8+8", new Layer.Subsample(2, 8, 8).description());
    assertEquals(
        "Convolution 8 1x1+Bias+Add+ReLU",
        Layer.Fused.of(new Layer.Convolution(8, 1, 1, 0).withBias())
            .withResidual()
            .withRelu()
            .description());
  }
}
