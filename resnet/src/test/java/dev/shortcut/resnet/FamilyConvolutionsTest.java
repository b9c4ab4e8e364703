package dev.shortcut.resnet;

import static dev.shortcut.engine.testing.Tensors.assertSameValues;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every convolution that occurs in the family, on images of the size that it gets there, against
 * the reference. Sums of products of small integers are exact in any order, so the two must be
 * equal.
 */
class FamilyConvolutionsTest {
  private record Case(Shape image, Layer.Convolution layer) {
    @Override
    public String toString() {
      return "%s of %s".formatted(layer.description(), image);
    }
  }

  private static Stream<Case> distinct() {
    List<Graph> graphs = new ArrayList<>();
    for (Architecture network : Architecture.all()) {
      graphs.add(network.graph());
      if (network instanceof ResNet resnet && resnet.shortcut() != Shortcut.NONE) {
        graphs.add(network.withShortcut(Shortcut.C).graph());
      }
    }
    return graphs.stream()
        .flatMap(graph -> graph.nodes().stream())
        .filter(node -> node.layer() instanceof Layer.Convolution)
        .map(node -> new Case(node.input().shape(), (Layer.Convolution) node.layer()))
        .distinct();
  }

  private static Stream<Arguments> backendsAndConvolutions() {
    List<Case> cases = distinct().toList();
    return Stream.of(BackendUnderTest.values())
        .filter(backend -> backend != BackendUnderTest.REFERENCE)
        .flatMap(backend -> cases.stream().map(layer -> Arguments.of(backend, layer)));
  }

  @ParameterizedTest(name = "{0}, {1}")
  @MethodSource("backendsAndConvolutions")
  void agreesWithTheReference(BackendUnderTest backend, Case test) {
    Random random = TestSeed.random(test.toString());
    var g = new GraphBuilder("convolution", test.image);
    Graph graph = g.build(g.add("conv", test.layer, g.input()));
    MapWeights weights = MapWeights.integers(graph, random);
    float[] image = Tensors.integers(random, Math.toIntExact(test.image.elements()), 3);
    assertSameValues(
        BackendUnderTest.REFERENCE.run(graph, weights, 1, image),
        backend.run(graph, weights, 1, image));
  }
}
