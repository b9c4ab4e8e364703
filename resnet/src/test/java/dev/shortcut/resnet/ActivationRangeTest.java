package dev.shortcut.resnet;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.resnet.weights.Golden;
import dev.shortcut.resnet.weights.RandomWeights;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Random weights keep every network's activations far from where half precision ends. Five nodes,
 * evenly spread, stand for all of a network here; golden.py looks at every one of those that it
 * builds.
 */
class ActivationRangeTest {
  private static final int PROBES = 5;

  static Stream<String> networks() {
    return Architecture.names().stream();
  }

  @ParameterizedTest
  @MethodSource("networks")
  void activationsStayBelowAThousandAndAboveNothing(String name) throws InterruptedException {
    Architecture architecture = Architecture.parse(name);
    // As small as the strides allow with more than one pixel left for most of the way.
    int size = architecture.imageSize() == 32 ? 9 : 33;
    Graph graph = architecture.graph(10, size, size);
    float[] image = Golden.images(1, size);
    for (Node probe : probes(graph)) {
      try (var weights = new RandomWeights(graph, 1);
          Engine engine =
              Engine.open(
                  Model.of(graph.upTo(probe.name()), weights),
                  Options.defaults().withBackend(BackendChoice.REFERENCE).withMaxBatch(1))) {
        double largest = 0;
        for (float value : engine.run(image)) {
          largest = Math.max(largest, Math.abs((double) value));
        }
        double found = largest;
        assertTrue(
            found > 0.05 && found < 1e3,
            () -> "%s: up to %g at %s".formatted(name, found, probe.name()));
      }
    }
  }

  private static List<Node> probes(Graph graph) {
    List<Node> nodes = graph.nodes();
    return IntStream.rangeClosed(1, PROBES)
        .mapToObj(i -> nodes.get(i * (nodes.size() - 1) / PROBES))
        .toList();
  }
}
