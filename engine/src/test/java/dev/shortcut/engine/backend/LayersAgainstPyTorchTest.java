package dev.shortcut.engine.backend;

import static dev.shortcut.engine.testing.Tensors.assertClose;
import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layer.Convolution;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.MapWeights;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Each layer alone against what PyTorch computes; {@code src/test/python/layers.py} wrote that
 * down.
 */
class LayersAgainstPyTorchTest {
  /** A layer of layers.py, by the name that it has there. */
  private record Case(String name, Shape image, Layer layer) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static final List<Case> CASES =
      List.of(
          convolution("conv1x1", 5, 3, 4, new Convolution(4, 1, 1, 0)),
          convolution("conv1x1 stride 2", 5, 5, 4, new Convolution(4, 1, 2, 0)),
          convolution("conv1x1 padded", 2, 3, 4, new Convolution(3, 1, 1, 1)),
          convolution("conv3x3 padded with bias", 3, 5, 4, new Convolution(9, 3, 1, 1).withBias()),
          convolution("conv3x3 stride 2", 3, 6, 7, new Convolution(4, 3, 2, 1)),
          convolution("conv7x7 stride 2", 3, 11, 9, new Convolution(5, 7, 2, 3)),
          convolution("conv3x3 dilated", 2, 7, 6, new Convolution(3, 3, 1, 2, 2, 1, false)),
          convolution("conv3x3 grouped", 6, 4, 4, new Convolution(9, 3, 1, 1, 1, 3, false)),
          convolution("conv3x3 depthwise", 5, 4, 5, new Convolution(10, 3, 1, 1, 1, 5, false)),
          convolution("conv5x5 larger than the image", 3, 2, 1, new Convolution(2, 5, 1, 2)),
          new Case("max pool", new Shape(3, 7, 6), new Layer.MaxPool(3, 2, 1)),
          new Case("average pool", new Shape(3, 6, 5), new Layer.AveragePool(2, 1, 1)),
          new Case("global average pool", new Shape(3, 4, 2), new Layer.GlobalAveragePool()),
          new Case(
              "adaptive average pool down", new Shape(2, 9, 6), new Layer.AdaptiveAveragePool(4)),
          new Case(
              "adaptive average pool up", new Shape(2, 2, 3), new Layer.AdaptiveAveragePool(5)),
          new Case("linear", new Shape(3, 2, 2), new Layer.Linear(11, true)),
          new Case("softmax", new Shape(5, 2, 2), new Layer.Softmax()),
          new Case("relu", new Shape(2, 3, 3), new Layer.Relu()),
          new Case("subsample", new Shape(4, 5, 4), new Layer.Subsample(2, 2, 3)),
          new Case("batch norm", new Shape(3, 2, 2), Layer.BatchNorm.DEFAULT));

  private static Case convolution(String name, int channels, int height, int width, Layer layer) {
    return new Case(name, new Shape(channels, height, width), layer);
  }

  private record Expected(Shape shape, float[] values) {}

  private static final Map<String, Expected> EXPECTED = expected();

  private static Map<String, Expected> expected() {
    var stream = LayersAgainstPyTorchTest.class.getResourceAsStream("layers.txt");
    try (var lines =
        new BufferedReader(
            new InputStreamReader(Objects.requireNonNull(stream), StandardCharsets.UTF_8))) {
      Map<String, Expected> results = new LinkedHashMap<>();
      lines.readLine();
      for (String head = lines.readLine(); head != null; head = lines.readLine()) {
        String[] words = head.split("\t", -1);
        int[] dims = Stream.of(words).skip(1).mapToInt(Integer::parseInt).toArray();
        Shape shape =
            dims.length == 1 ? Shape.features(dims[0]) : new Shape(dims[0], dims[1], dims[2]);
        String[] numbers = lines.readLine().split(" ", -1);
        float[] values = new float[numbers.length];
        for (int i = 0; i < values.length; i++) {
          values[i] = Float.parseFloat(numbers[i]);
        }
        results.put(words[0], new Expected(shape, values));
      }
      return results;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The integers from -3 to 3 that {@code sequence} in layers.py makes of that seed. */
  private static float[] sequence(int seed, long count) {
    float[] values = new float[Math.toIntExact(count)];
    long x = seed;
    for (int i = 0; i < values.length; i++) {
      x = (x * 1103515245L + 12345) % (1L << 31);
      values[i] = (x >> 16) % 7 - 3;
    }
    return values;
  }

  private static MapWeights weights(Graph graph) {
    var weights = new MapWeights();
    for (Parameter parameter : graph.parameters()) {
      float[] values =
          switch (parameter.role()) {
            case WEIGHT, SCALE -> sequence(2, parameter.elements());
            case BIAS, SHIFT -> sequence(3, parameter.elements());
            case RUNNING_MEAN -> sequence(4, parameter.elements());
            case RUNNING_VARIANCE -> sequence(5, parameter.elements());
          };
      if (parameter.role() == Parameter.Role.RUNNING_VARIANCE) {
        for (int i = 0; i < values.length; i++) {
          values[i] = Math.abs(values[i]) + 0.5f;
        }
      }
      weights.put(parameter.name(), parameter.dims(), values);
    }
    return weights;
  }

  private static Stream<Arguments> backendsAndCases() {
    return Stream.of(BackendUnderTest.values())
        .flatMap(backend -> CASES.stream().map(layer -> Arguments.of(backend, layer)));
  }

  @ParameterizedTest
  @MethodSource("backendsAndCases")
  void agreesWithPyTorch(BackendUnderTest backend, Case layer) {
    var g = new GraphBuilder(layer.name, layer.image);
    Graph graph = g.build(g.add("layer", layer.layer, g.input()));
    Expected expected = Objects.requireNonNull(EXPECTED.get(layer.name));
    assertEquals(expected.shape, graph.output().shape());

    float[] actual = backend.run(graph, weights(graph), 2, sequence(1, 2 * layer.image.elements()));

    boolean exact =
        switch (layer.layer) {
          case Layer.Softmax _, Layer.BatchNorm _ -> false;
          case Layer.AdaptiveAveragePool _ -> false; // divides by what is no power of two
          default -> true;
        };
    if (exact) {
      assertSameValues(expected.values, actual);
    } else {
      assertClose(expected.values, actual, 1e-13);
    }
  }

  @Test
  void everyResultOfPyTorchIsCompared() {
    assertEquals(CASES.stream().map(Case::name).toList(), List.copyOf(EXPECTED.keySet()));
  }
}
