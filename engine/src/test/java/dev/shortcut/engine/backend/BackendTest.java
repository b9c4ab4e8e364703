package dev.shortcut.engine.backend;

import static dev.shortcut.engine.testing.Tensors.assertClose;
import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.reference.ReferenceBackend;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layer.Convolution;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.RandomGraphs;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The one suite that every backend must pass: what it makes of a graph after passes against what
 * the reference makes of it as defined. Small integers make sums exact in any order, so that
 * wherever nothing but sums, products and maxima is computed the two must be equal.
 */
class BackendTest {
  /** With a variance of 1 - 0.25 the root is 1, so that folding rounds nothing. */
  private static final Layer.BatchNorm BATCH_NORM = new Layer.BatchNorm(0.25);

  /** A graph with a name, for the list of tests. */
  private record Case(String name, Graph graph) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Case graph(
      String name, int channels, int height, int width, BiFunction<GraphBuilder, Node, Node> body) {
    var g = new GraphBuilder(name, new Shape(channels, height, width));
    return new Case(name, g.build(body.apply(g, g.input())));
  }

  private static Case layer(String name, int channels, int height, int width, Layer layer) {
    return graph(name, channels, height, width, (g, x) -> g.add("layer", layer, x));
  }

  /** Every convolution alone, with bias and ReLU, and with batch norm, shortcut and ReLU. */
  private static Stream<Case> convolution(
      String name, int channels, int height, int width, Convolution layer) {
    Case alone = layer(name, channels, height, width, layer);
    Case biased =
        graph(
            name + "+bias+relu",
            channels,
            height,
            width,
            (g, x) -> g.add("relu", new Layer.Relu(), g.add("conv", layer.withBias(), x)));
    Case residual =
        graph(
            name + "+bn+add+relu",
            channels,
            height,
            width,
            (g, x) ->
                g.addRelu(
                    "add", "relu", convBn(g, "conv", x, layer), convBn(g, "shortcut", x, layer)));
    return Stream.of(alone, biased, residual);
  }

  private static Node convBn(GraphBuilder g, String name, Node x, Layer layer) {
    return g.add(name + ".bn", BATCH_NORM, g.add(name, layer, x));
  }

  private static Stream<Case> convolutions() {
    return Stream.of(
            convolution("conv1x1", 16, 7, 7, new Convolution(32, 1, 1, 0)),
            convolution("conv1x1/2", 16, 8, 7, new Convolution(32, 1, 2, 0)),
            convolution("conv3x3", 16, 9, 7, new Convolution(16, 3, 1, 1)),
            convolution("conv3x3/2", 16, 9, 8, new Convolution(32, 3, 2, 1)),
            convolution("conv7x7/2", 3, 23, 17, new Convolution(16, 7, 2, 3)),
            convolution("conv3x3 of one pixel", 8, 1, 1, new Convolution(8, 3, 1, 1)),
            convolution("conv1x1 of one pixel", 8, 1, 1, new Convolution(24, 1, 1, 0)),
            convolution("conv7x7 larger than the image", 3, 3, 2, new Convolution(5, 7, 2, 3)),
            convolution("conv without padding", 5, 9, 6, new Convolution(3, 3, 1, 0)),
            convolution("conv with much padding", 3, 4, 5, new Convolution(4, 3, 2, 4)),
            convolution("odd channels", 13, 6, 5, new Convolution(7, 3, 1, 1)),
            convolution("one channel", 1, 6, 5, new Convolution(1, 3, 1, 1)),
            convolution("17 to 33 channels", 17, 5, 5, new Convolution(33, 1, 1, 0)),
            convolution("2 groups", 16, 6, 6, new Convolution(32, 3, 1, 1, 1, 2, false)),
            convolution("groups of odd sizes", 9, 6, 6, new Convolution(15, 3, 2, 1, 1, 3, false)),
            convolution("32 groups of 4", 128, 5, 5, new Convolution(128, 3, 1, 1, 1, 32, false)),
            convolution("depthwise", 16, 7, 7, new Convolution(16, 3, 1, 1, 1, 16, false)),
            convolution("depthwise, odd", 5, 7, 6, new Convolution(15, 3, 2, 1, 1, 5, false)),
            convolution("dilation 2", 8, 9, 9, new Convolution(8, 3, 1, 2, 2, 1, false)),
            convolution(
                "dilation 3, stride 2", 3, 13, 11, new Convolution(5, 3, 2, 3, 3, 1, false)),
            convolution("even kernel", 4, 7, 6, new Convolution(6, 2, 1, 1)),
            convolution("stride beyond the kernel", 4, 9, 9, new Convolution(6, 2, 3, 0)))
        .flatMap(Function.identity());
  }

  private static Stream<Case> otherLayers() {
    return Stream.of(
        layer("max pool 3x3/2", 16, 9, 8, new Layer.MaxPool(3, 2, 1)),
        layer("max pool 2x2", 5, 7, 7, new Layer.MaxPool(2, 2, 0)),
        layer("max pool of one pixel", 3, 1, 1, new Layer.MaxPool(3, 2, 1)),
        layer("average pool 2x2", 5, 6, 7, new Layer.AveragePool(2, 2, 0)),
        layer("average pool 4x4 padded", 16, 6, 7, new Layer.AveragePool(4, 1, 2)),
        layer("global average pool", 17, 8, 4, new Layer.GlobalAveragePool()),
        layer("global average pool of one pixel", 17, 1, 1, new Layer.GlobalAveragePool()),
        layer("adaptive pool that divides", 8, 8, 8, new Layer.AdaptiveAveragePool(4)),
        layer("adaptive pool that repeats", 5, 2, 2, new Layer.AdaptiveAveragePool(4)),
        layer("linear", 37, 1, 1, new Layer.Linear(10, true)),
        layer("linear without bias", 16, 1, 1, new Layer.Linear(33, false)),
        layer("linear of an image", 5, 3, 4, new Layer.Linear(10, true)),
        layer("linear of one value", 1, 1, 1, new Layer.Linear(1, true)),
        layer("flatten alone", 5, 3, 4, new Layer.Flatten()),
        layer("dropout alone", 5, 3, 4, new Layer.Dropout()),
        layer("relu alone", 5, 3, 4, new Layer.Relu()),
        layer("batch norm alone", 5, 3, 4, BATCH_NORM),
        layer("subsample", 4, 7, 6, new Layer.Subsample(2, 2, 2)),
        layer("subsample, channels after", 16, 8, 8, new Layer.Subsample(2, 0, 16)),
        layer("subsample that only pads", 3, 4, 4, new Layer.Subsample(1, 1, 4)),
        graph(
            "linear behind a pool of blocked channels",
            3,
            8,
            8,
            (g, x) -> {
              Node y = g.add("conv", new Convolution(24, 3, 1, 1), x);
              // Means of four are exact; those of nine, summed in another order, would not be.
              y = g.add("pool", new Layer.AdaptiveAveragePool(4), y);
              y =
                  g.add(
                      "fc1", new Layer.Linear(20, true), g.add("flatten", new Layer.Flatten(), y));
              y = g.add("drop", new Layer.Dropout(), g.add("relu", new Layer.Relu(), y));
              return g.add("fc2", new Layer.Linear(7, true), y);
            }));
  }

  private static Stream<Case> units() {
    Convolution same = new Convolution(16, 3, 1, 1);
    return Stream.of(
        graph(
            "shortcut on the right",
            16,
            6,
            6,
            (g, x) -> {
              Node y = convBn(g, "conv", relu(g, "in", x), same);
              return g.addRelu("add", "relu", y, x);
            }),
        graph(
            "shortcut on the left",
            16,
            6,
            6,
            (g, x) -> {
              Node y = convBn(g, "conv", relu(g, "in", x), same);
              return g.addRelu("add", "relu", x, y);
            }),
        graph(
            "a shortcut that is read again later",
            16,
            6,
            6,
            (g, x) -> {
              Node kept = relu(g, "kept", convBn(g, "conv0", x, same));
              Node y = g.addRelu("add1", "relu1", convBn(g, "conv1", kept, same), kept);
              y = g.addRelu("add2", "relu2", convBn(g, "conv2", y, same), kept);
              return g.add("add3", new Layer.Add(), y, kept);
            }),
        graph(
            "a sum that two read",
            8,
            5,
            5,
            (g, x) -> {
              Node y =
                  g.add("add", new Layer.Add(), g.add("conv", new Convolution(8, 3, 1, 1), x), x);
              return g.add("end", new Layer.Add(), relu(g, "relu", y), y);
            }),
        graph(
            "a convolution added to itself",
            8,
            5,
            5,
            (g, x) -> {
              Node y = g.add("conv", new Convolution(8, 3, 1, 1), x);
              return g.add("add", new Layer.Add(), y, y);
            }),
        graph("the input added to itself", 8, 5, 5, (g, x) -> g.add("add", new Layer.Add(), x, x)),
        graph(
            "a convolution of its own shortcut",
            8,
            5,
            5,
            (g, x) -> {
              Node y = relu(g, "relu", x);
              return g.add(
                  "add", new Layer.Add(), g.add("conv", new Convolution(8, 1, 1, 0), y), y);
            }),
        graph(
            "ReLU before the sum",
            8,
            5,
            5,
            (g, x) ->
                g.add(
                    "add",
                    new Layer.Add(),
                    relu(g, "relu", g.add("conv", new Convolution(8, 3, 1, 1), x)),
                    g.add("other", new Convolution(8, 1, 1, 0), x))),
        graph(
            "option A",
            8,
            6,
            6,
            (g, x) -> {
              Node y = relu(g, "relu1", convBn(g, "conv1", x, new Convolution(16, 3, 2, 1)));
              y = convBn(g, "conv2", y, same);
              return g.addRelu("add", "relu", y, g.add("skip", new Layer.Subsample(2, 4, 4), x));
            }),
        graph(
            "pre-activation",
            8,
            6,
            6,
            (g, x) -> {
              Node y = relu(g, "relu1", g.add("bn1", BATCH_NORM, x));
              y = g.add("conv1", new Convolution(8, 3, 1, 1), y);
              y = relu(g, "relu2", g.add("bn2", BATCH_NORM, y));
              return g.add(
                  "add", new Layer.Add(), g.add("conv2", new Convolution(8, 3, 1, 1), y), x);
            }),
        graph(
            "batch norm of a linear layer",
            5,
            2,
            2,
            (g, x) -> relu(g, "relu", convBn(g, "fc", x, new Layer.Linear(9, true)))),
        graph(
            "linear layers with a shortcut",
            12,
            1,
            1,
            (g, x) -> {
              Node y = relu(g, "relu1", g.add("fc1", new Layer.Linear(12, true), x));
              return g.addRelu("add", "relu2", g.add("fc2", new Layer.Linear(12, true), y), x);
            }));
  }

  private static Node relu(GraphBuilder g, String name, Node x) {
    return g.add(name, new Layer.Relu(), x);
  }

  private static Stream<Arguments> exactCases() {
    return Stream.of(BackendUnderTest.values())
        .flatMap(backend ->
            Stream.of(convolutions(), otherLayers(), units())
                .flatMap(Function.identity())
                .flatMap(test ->
                    IntStream.of(1, 33).mapToObj(images -> Arguments.of(backend, test, images))));
  }

  @ParameterizedTest(name = "{0}, {1}, {2} images")
  @MethodSource("exactCases")
  void integersComeOutExactlyAsTheReferenceComputesTheGraphAsDefined(
      BackendUnderTest backend, Case test, int images) {
    Random random = TestSeed.random(test.name);
    Graph graph = test.graph;
    MapWeights weights = exact(graph, random);
    float[] input =
        Tensors.integers(random, Math.toIntExact(images * graph.input().shape().elements()), 3);
    assertSameValues(
        asDefined(graph, weights, images, input), backend.run(graph, weights, images, input));
  }

  /** Integers, with scales of 1 and 2 so that the sums stay below 2^24 behind several layers. */
  private static MapWeights exact(Graph graph, Random random) {
    var weights = new MapWeights();
    graph
        .parameters()
        .forEach(p -> {
          float[] values = Tensors.integers(random, Math.toIntExact(p.elements()), 2);
          switch (p.role()) {
            case RUNNING_VARIANCE -> Arrays.fill(values, 0.75f);
            case SCALE -> {
              for (int i = 0; i < values.length; i++) {
                values[i] = values[i] < 0 ? -1 : values[i] > 0 ? 2 : 0.5f;
              }
            }
            default -> {}
          }
          weights.put(p.name(), p.dims(), values);
        });
    return weights;
  }

  private static Stream<Arguments> repetitions() {
    return Stream.of(BackendUnderTest.values())
        .flatMap(backend -> IntStream.range(0, 60).mapToObj(i -> Arguments.of(backend, i)));
  }

  @ParameterizedTest
  @MethodSource("repetitions")
  void randomGraphsComeOutAsTheReferenceComputesThemAsDefined(
      BackendUnderTest backend, int repetition) {
    Random random = TestSeed.random("random graph " + repetition);
    Graph graph = RandomGraphs.next(random, random.nextInt(3, 25));
    MapWeights weights = MapWeights.integers(graph, random);
    int images = random.nextInt(1, 5);
    float[] input =
        Tensors.gaussians(random, Math.toIntExact(images * graph.input().shape().elements()));
    assertClose(
        asDefined(graph, weights, images, input),
        backend.run(graph, weights, images, input),
        1e-10);
  }

  @ParameterizedTest
  @EnumSource
  void softmaxOfLargeAndSmallValuesSumsToOne(BackendUnderTest backend) {
    Graph graph = layer("softmax", 5, 1, 1, new Layer.Softmax()).graph;
    float[] input = {1000, 999, 0, -1000, 998, -3e38f, 3e38f, 0, 0, 0};
    assertClose(
        asDefined(graph, new MapWeights(), 2, input),
        backend.run(graph, new MapWeights(), 2, input),
        1e-12);
  }

  @ParameterizedTest
  @EnumSource
  void theLargestChannelsComeInOrderAndOfEqualOnesTheFirst(BackendUnderTest backend) {
    Random random = TestSeed.random();
    for (int k : List.of(1, 5, 300)) {
      var shape = new Shape(300, 2, 3);
      Graph graph = layer("top", 300, 2, 3, new Layer.TopK(k)).graph;
      // Few enough different ones that many are equal.
      float[] input = Tensors.integers(random, Math.toIntExact(2 * shape.elements()), 9);
      input[7] = Float.NaN;
      input[8] = -0f;
      input[9] = Float.NEGATIVE_INFINITY;
      assertArrayEquals(
          ranked(shape, k, 2, input), backend.run(graph, new MapWeights(), 2, input), "k=" + k);
    }
  }

  /** By a sort. */
  private static float[] ranked(Shape shape, int k, int images, float[] input) {
    int plane = shape.height() * shape.width();
    float[] results = new float[images * 2 * k * plane];
    for (int image = 0; image < images; image++) {
      for (int pixel = 0; pixel < plane; pixel++) {
        int first = image * shape.channels() * plane + pixel;
        List<Integer> order =
            IntStream.range(0, shape.channels())
                .boxed()
                .sorted(
                    Comparator.comparing((Integer c) -> input[first + c * plane])
                        .reversed()
                        .thenComparing(Comparator.naturalOrder()))
                .toList();
        for (int rank = 0; rank < k; rank++) {
          int to = (image * 2 * k + rank) * plane + pixel;
          results[to] = input[first + order.get(rank) * plane];
          results[to + k * plane] = order.get(rank);
        }
      }
    }
    return results;
  }

  @ParameterizedTest
  @EnumSource
  void topKOfASoftmaxRanksProbabilities(BackendUnderTest backend) throws InterruptedException {
    Random random = TestSeed.random();
    Case layer = layer("logits", 40, 1, 1, new Layer.Relu());
    // Half of them become zeros, of which the first ones are to be named.
    float[] input = Tensors.gaussians(random, 3 * 40);
    Options options = backend.options().withMaxBatch(3);
    float[] probabilities;
    try (Engine engine =
        backend.open(
            layer.graph, new MapWeights(), options.withOutput(Options.Output.PROBABILITIES))) {
      probabilities = engine.run(input);
    }
    try (Engine engine = backend.open(layer.graph, new MapWeights(), options.withTopK(33))) {
      assertEquals(66, engine.outputElements());
      assertArrayEquals(ranked(new Shape(40, 1, 1), 33, 3, probabilities), engine.run(input));
    }
  }

  @ParameterizedTest
  @EnumSource
  void everyBatchSizeUpToTheLargestGivesTheSame(BackendUnderTest backend)
      throws InterruptedException {
    Random random = TestSeed.random();
    Graph graph = units().toList().get(2).graph;
    MapWeights weights = exact(graph, random);
    int image = Math.toIntExact(graph.input().shape().elements());
    float[] input = Tensors.integers(random, 11 * image, 3);
    float[] expected = asDefined(graph, weights, 11, input);
    int result = expected.length / 11;
    Options options = backend.options().withMaxBatch(11);
    try (var engine = backend.open(graph, weights, options)) {
      for (int images = 1; images <= 11; images++) {
        assertSameValues(
            Arrays.copyOf(expected, images * result),
            engine.run(Arrays.copyOf(input, images * image)));
      }
    }
  }

  /** The graph before all passes on the reference backend, node by node. */
  private static float[] asDefined(Graph graph, Weights weights, int images, float[] input) {
    Options options = BackendUnderTest.REFERENCE.options().withThreadsPerSlot(1);
    try (var backend = new ReferenceBackend();
        CompiledModel model = backend.compile(graph, weights, List.of(images), options);
        Arena arena = Arena.ofConfined()) {
      MemorySegment output =
          arena.allocate(ValueLayout.JAVA_FLOAT, images * graph.output().shape().elements());
      Slot slot = model.slots().getFirst();
      slot.attach();
      slot.run(images, arena.allocateFrom(ValueLayout.JAVA_FLOAT, input), output);
      return output.toArray(ValueLayout.JAVA_FLOAT);
    }
  }
}
