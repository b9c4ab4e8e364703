package dev.shortcut.engine.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.NoSuchElementException;
import org.junit.jupiter.api.Test;

class GraphTest {
  private static final Layer.Convolution CONV = new Layer.Convolution(4, 3, 1, 1);

  private final GraphBuilder g = new GraphBuilder("net", new Shape(4, 5, 5));

  private static List<String> names(Graph graph) {
    return graph.nodes().stream().map(Node::name).toList();
  }

  @Test
  void nodesRunInTheOrderInWhichTheyWereAdded() {
    Node a = g.add("a", CONV, g.input());
    Node b = g.add("b", CONV, g.input());
    Graph graph = g.build(g.add("sum", new Layer.Add(), b, a));

    assertEquals(List.of("input", "a", "b", "sum"), names(graph));
    assertEquals(2, graph.readers(graph.input()));
    assertEquals(0, graph.readers(graph.output()));
    assertSame(b, graph.output().input());
    assertSame(a, graph.node("a"));
  }

  @Test
  void whatTheOutputDoesNotNeedIsLeftOut() {
    Node a = g.add("a", CONV, g.input());
    g.add("unused", CONV, a);
    Graph graph = g.build(a);

    assertEquals(List.of("input", "a"), names(graph));
    assertEquals(0, graph.readers(a), "what is left out does not read");
  }

  @Test
  void blocksAndStagesAreKeptByTheNodes() {
    Node a = g.stage("conv2_x").block("layer1.0").add("conv1", CONV, g.input());
    Node b = g.block("").add("pool", new Layer.GlobalAveragePool(), a);

    assertEquals("layer1.0.conv1", a.name());
    assertEquals("layer1.0", a.block());
    assertEquals("conv2_x", b.stage());
    assertEquals("pool", b.name());
  }

  @Test
  void aNameIsTakenOnce() {
    g.add("a", CONV, g.input());
    var e = assertThrows(IllegalArgumentException.class, () -> g.add("a", CONV, g.input()));
    assertEquals("net already has a node called a", e.getMessage());
    assertThrows(IllegalArgumentException.class, () -> g.add(" ", CONV, g.input()));
  }

  @Test
  void aLayerThatCannotTakeItsInputIsNamed() {
    Layer window = new Layer.MaxPool(9, 1, 0);
    var e = assertThrows(IllegalArgumentException.class, () -> g.add("pool", window, g.input()));
    assertEquals(
        "pool (MaxPool 9x9) cannot take [4x5x5]: a window of 9 does not fit into 5 with a padding"
            + " of 0",
        e.getMessage());
  }

  @Test
  void theNumberOfInputsIsChecked() {
    var e =
        assertThrows(
            IllegalArgumentException.class, () -> g.add("sum", new Layer.Add(), g.input()));
    assertEquals("sum (Add) takes 2 inputs, but was given 1", e.getMessage());
  }

  @Test
  void aNodeThatFailedLeavesItsNameFree() {
    assertThrows(
        IllegalArgumentException.class, () -> g.add("a", new Layer.MaxPool(9, 1, 0), g.input()));
    assertEquals("a", g.add("a", CONV, g.input()).name());
  }

  @Test
  void aNodeOfAnotherBuilderIsRefused() {
    var other = new GraphBuilder("other", new Shape(4, 5, 5));
    Node stranger = other.add("a", CONV, other.input());
    Node mixed = g.add("b", CONV, stranger);
    var e = assertThrows(IllegalArgumentException.class, () -> g.build(mixed));
    assertEquals("b reads a, which does not run before it in net", e.getMessage());
    assertThrows(IllegalArgumentException.class, () -> g.build(stranger));
  }

  @Test
  void aGraphHasOneInput() {
    Node second = g.add("second", new Layer.Input(new Shape(4, 5, 5)));
    Node sum = g.add("sum", new Layer.Add(), g.input(), second);
    var e = assertThrows(IllegalArgumentException.class, () -> g.build(sum));
    assertEquals("net must begin with its one input, but has 2", e.getMessage());
  }

  @Test
  void anUnknownNodeIsNamed() {
    Graph graph = g.build(g.input());
    var e = assertThrows(NoSuchElementException.class, () -> graph.node("fc"));
    assertEquals("net has no node called fc", e.getMessage());
  }

  @Test
  void aPartEndsWithTheNodeAskedFor() {
    Node a = g.add("a", CONV, g.input());
    Graph graph = g.build(g.add("b", CONV, a));

    assertEquals(List.of("input", "a"), names(graph.upTo("a")));
    assertEquals(List.of("input", "a", "b"), names(graph), "the whole is left as it was");
  }

  @Test
  void anAppendedNodeIsTheOutput() {
    Graph graph = g.build(g.add("a", CONV, g.input())).append("softmax", new Layer.Softmax());

    assertEquals("softmax", graph.output().name());
    assertEquals("a", graph.output().input().name());
    assertThrows(IllegalArgumentException.class, () -> graph.append("a", new Layer.Relu()));
  }

  @Test
  void aRewriteThatChangesNothingKeepsTheNodes() {
    Graph graph = g.build(g.add("b", CONV, g.add("a", CONV, g.input())));
    Graph same = graph.rewrite((_, current) -> current);

    for (int i = 0; i < graph.nodes().size(); i++) {
      assertSame(graph.nodes().get(i), same.nodes().get(i));
    }
  }

  @Test
  void aRewriteCanRemoveANodeAndItsReadersFollow() {
    Node dropout = g.add("dropout", new Layer.Dropout(), g.add("a", CONV, g.input()));
    Graph graph = g.build(g.add("sum", new Layer.Add(), dropout, g.input()));
    Graph rewritten =
        graph.rewrite(
            (_, current) -> current.layer() instanceof Layer.Dropout ? current.input() : current);

    assertEquals(List.of("input", "a", "sum"), names(rewritten));
    assertSame(graph.node("a"), rewritten.output().input());
    assertEquals(1, graph.readers(dropout), "the original is left as it was");
  }

  @Test
  void aRewriteInfersShapesAnew() {
    Node a = g.add("a", CONV, g.input());
    Graph graph = g.build(g.add("b", new Layer.Relu(), a));
    Graph wider =
        graph.rewrite((_, current) ->
            current.layer() instanceof Layer.Convolution
                ? current.with(new Layer.Convolution(9, 3, 1, 1), current.inputs())
                : current);

    assertEquals(new Shape(9, 5, 5), wider.output().shape());
    assertEquals(List.of(9, 4, 3, 3), wider.node("a").parameters().getFirst().dims());
  }

  @Test
  void kernelsAreWhatComputes() {
    Node y = g.add("flatten", new Layer.Flatten(), g.add("drop", new Layer.Dropout(), g.input()));
    Graph graph = g.build(g.add("fc", new Layer.Linear(2, true), y));

    assertEquals(List.of("fc"), graph.kernels().stream().map(Node::name).toList());
    assertFalse(graph.input().layer().isKernel());
    assertTrue(graph.output().layer().isKernel());
  }

  @Test
  void aGraphReadsAsOneLinePerNode() {
    assertEquals(
        """
        net
          input = Input 4x5x5 () -> 4x5x5 NCHW
          a = Convolution 4 3x3 pad 1 (input) -> 4x5x5 NCHW\
        """,
        g.build(g.add("a", CONV, g.input())).toString());
  }
}
