package dev.shortcut.engine.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.pass.Passes;
import java.util.List;
import org.junit.jupiter.api.Test;

class LivenessTest {
  private static final Layer.Convolution CONV = new Layer.Convolution(4, 3, 1, 1);

  private final GraphBuilder g = new GraphBuilder("test", new Shape(4, 5, 5));

  private static List<Integer> inPlaceOf(Graph graph) {
    return Liveness.of(graph).buffers(node -> node.shape().elements()).stream()
        .map(Buffer::inPlaceOf)
        .toList();
  }

  @Test
  void aShortcutLivesUntilItIsAdded() {
    Node y = g.add("conv2", CONV, g.add("conv1", CONV, g.input()));
    Graph graph =
        g.build(g.add("relu", new Layer.Relu(), g.add("add", new Layer.Add(), y, g.input())));
    Liveness liveness = Liveness.of(graph);

    assertEquals(3, liveness.lastRead(graph.input()));
    assertEquals(2, liveness.lastRead(graph.node("conv1")));
    assertEquals(4, liveness.lastRead(graph.output()));
  }

  @Test
  void theOutputLivesToTheEnd() {
    Graph graph = g.build(g.add("conv", CONV, g.input()));
    assertEquals(1, Liveness.of(graph).lastRead(graph.output()));
  }

  @Test
  void elementwiseLayersOverwriteWhatDies() {
    Node y = g.add("bn", Layer.BatchNorm.DEFAULT, g.add("conv", CONV, g.input()));
    Graph graph = g.build(g.add("relu", new Layer.Relu(), y));
    assertEquals(List.of(-1, -1, 1, 2), inPlaceOf(graph));
  }

  @Test
  void aFusedSumOverwritesTheShortcutAndNeverWhatItConvolves() {
    Node y = g.add("conv2", CONV, g.add("conv1", CONV, g.input()));
    Graph graph = g.build(g.add("add", new Layer.Add(), y, g.input()));
    Graph fused = Passes.apply(graph, Passes.all(Layout.NCHW));
    assertEquals(List.of(-1, -1, 0), inPlaceOf(fused));
  }

  @Test
  void aFusedSumOfItsOwnInputOverwritesNothing() {
    Graph graph = g.build(g.add("add", new Layer.Add(), g.add("conv", CONV, g.input()), g.input()));
    Graph fused = Passes.apply(graph, Passes.all(Layout.NCHW));
    assertEquals(2, fused.nodes().size());
    assertEquals(List.of(-1, -1), inPlaceOf(fused));
  }

  @Test
  void aShortcutThatIsReadAgainIsNotOverwritten() {
    Node conv = g.add("conv", CONV, g.input());
    Node sum = g.add("add", new Layer.Add(), conv, g.input());
    Graph graph =
        g.build(
            g.add(
                "again",
                new Layer.Add(),
                g.add("pool", new Layer.MaxPool(3, 1, 1), sum),
                g.input()));
    List<Integer> inPlace = inPlaceOf(graph);
    assertEquals(1, inPlace.get(2), "the sum goes over the convolution's output instead");
    assertEquals(0, inPlace.get(4));
  }

  @Test
  void whatIsNotInTheArenaIsNotOverwritten() {
    Graph graph = g.build(g.add("relu", new Layer.Relu(), g.input()));
    List<Buffer> buffers =
        Liveness.of(graph).buffers(node -> node == graph.input() ? 0 : node.shape().elements());
    assertEquals(Buffer.NOWHERE, buffers.getLast().inPlaceOf());
  }

  @Test
  void aNodeOfAnotherGraphIsNamed() {
    Liveness liveness = Liveness.of(g.build(g.add("conv", CONV, g.input())));
    Node stranger = g.add("stranger", CONV, g.input());
    assertThrows(IllegalArgumentException.class, () -> liveness.step(stranger));
  }
}
