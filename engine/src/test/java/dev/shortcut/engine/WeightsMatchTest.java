package dev.shortcut.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.MapWeights;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class WeightsMatchTest {
  private static Graph graph(int units) {
    var g = new GraphBuilder("tiny", new Shape(3, 8, 8));
    Node x = g.input();
    for (int i = 0; i < units; i++) {
      x = g.convBn("conv" + i, "bn" + i, x, new Layer.Convolution(4, 3, 1, 1));
    }
    return g.build(
        g.add("fc", new Layer.Linear(10, true), g.add("pool", new Layer.GlobalAveragePool(), x)));
  }

  private static Map<String, List<Integer>> tensors(Graph graph) {
    Map<String, List<Integer>> tensors = new LinkedHashMap<>();
    graph.parameters().forEach(parameter -> tensors.put(parameter.name(), parameter.dims()));
    return tensors;
  }

  private static MapWeights weights(Map<String, List<Integer>> tensors) {
    var weights = new MapWeights();
    tensors.forEach((name, dims) ->
        weights.put(name, dims, new float[dims.stream().reduce(1, Math::multiplyExact)]));
    return weights;
  }

  @Test
  void theWeightsOfTheGraphFit() {
    Graph graph = graph(2);
    WeightsMatch match = WeightsMatch.of(graph, weights(tensors(graph)));
    assertTrue(match.isExact());
    match.requireExact("");
    assertEquals("test weights fits tiny", match.describe());
  }

  @Test
  void everythingThatIsWrongIsInOneMessageWithTheNearestNames() {
    Graph graph = graph(1);
    Map<String, List<Integer>> tensors = tensors(graph);
    tensors.put("fc.weight", List.of(7, 4));
    tensors.put("conv0.wieght", tensors.remove("conv0.weight"));
    tensors.put("extra", List.of());
    tensors.remove("bn0.running_var");
    WeightsMatch match = WeightsMatch.of(graph, weights(tensors));
    String message =
        assertThrows(ModelException.class, () -> match.requireExact("Try again.")).getMessage();
    assertEquals(
        """
        test weights does not fit tiny:
          missing: conv0.weight [4, 3, 3, 3], is it conv0.wieght?
          missing: bn0.running_var [4]
          misshapen: fc.weight is [7, 4], and [10, 4] is needed
          surplus: conv0.wieght
          surplus: extra
        Try again.\
        """,
        message);
  }

  @Test
  void aDeeperNetworkIsSufficientButNotExact() {
    WeightsMatch match = WeightsMatch.of(graph(1), weights(tensors(graph(2))));
    match.requireSufficient();
    assertFalse(match.isExact());
    assertThrows(ModelException.class, () -> match.requireExact(""));
  }

  @Test
  void aLongListIsCutShort() {
    WeightsMatch match = WeightsMatch.of(graph(1200), weights(tensors(graph(1))));
    String message = assertThrows(ModelException.class, match::requireSufficient).getMessage();
    // 1199 convolutions with a batch norm of four tensors each, eight of them listed.
    assertTrue(message.contains("missing: and %d more".formatted(1199 * 5 - 8)), message);
    assertEquals(1 + 8 + 1, message.lines().count());
  }
}
