package dev.shortcut.engine.pass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.RandomGraphs;
import dev.shortcut.testing.TestSeed;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

class PassesTest {
  private static final Layer.Convolution CONV = new Layer.Convolution(8, 3, 1, 1);

  private final GraphBuilder g = new GraphBuilder("test", new Shape(8, 6, 6));

  private static Graph fuse(Graph graph) {
    return Passes.apply(graph, Passes.all(Layout.NCHW));
  }

  private static List<String> kernels(Graph graph) {
    return graph.kernels().stream().map(node -> node.name() + " " + node.layer().kind()).toList();
  }

  @Test
  void aConvolutionItsBatchNormAndItsReluBecomeOneKernel() {
    Graph fused = fuse(g.build(g.convBnRelu("conv", "bn", "relu", g.input(), CONV)));

    assertEquals(List.of("conv Convolution+Bias+ReLU"), kernels(fused));
    var layer = assertInstanceOf(Layer.Fused.class, fused.output().layer());
    assertEquals(CONV, layer.main());
    assertEquals(new Layer.FoldedBatchNorm("bn", Layer.BatchNorm.DEFAULT), layer.batchNorm());
    assertEquals(
        List.of("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"),
        fused.parameters().stream().map(Parameter::name).toList());
  }

  @Test
  void aResidualUnitBecomesAsManyKernelsAsItHasConvolutions() {
    Node y = g.convBnRelu("conv1", "bn1", "relu", g.input(), CONV);
    y = g.convBn("conv2", "bn2", y, CONV);
    Graph fused = fuse(g.build(g.addRelu("add", "relu_1", y, g.input())));

    assertEquals(
        List.of("conv1 Convolution+Bias+ReLU", "conv2 Convolution+Bias+Add+ReLU"), kernels(fused));
    assertEquals(
        List.of("conv1", "input"), fused.output().inputs().stream().map(Node::name).toList());
  }

  @Test
  void aProjectedShortcutIsReadByTheKernelThatAddsIt() {
    Node y = g.convBn("conv", "bn", g.input(), CONV);
    Node shortcut = g.convBn("projection", "projection_bn", g.input(), CONV);
    Graph fused = fuse(g.build(g.addRelu("add", "relu", y, shortcut)));

    assertEquals(
        List.of("projection Convolution+Bias", "conv Convolution+Bias+Add+ReLU"), kernels(fused));
    assertSame(fused.node("projection"), fused.output().inputs().getLast());
  }

  @Test
  void theSecondOperandTakesTheSumWhereTheFirstCannot() {
    Node pooled = g.add("pool", new Layer.MaxPool(3, 1, 1), g.input());
    Node y = g.add("conv", CONV, g.input());
    Graph fused = fuse(g.build(g.add("add", new Layer.Add(), pooled, y)));

    assertEquals(List.of("pool MaxPool", "conv Convolution+Add"), kernels(fused));
    assertEquals(
        List.of("input", "pool"), fused.output().inputs().stream().map(Node::name).toList());
  }

  @Test
  void aConvolutionThatIsCutOffAlreadyDoesNotTakeASum() {
    Node a = g.convBnRelu("a", "a_bn", "a_relu", g.input(), CONV);
    Node b = g.convBnRelu("b", "b_bn", "b_relu", g.input(), CONV);
    Graph fused = fuse(g.build(g.addRelu("add", "relu", a, b)));

    assertEquals(
        List.of("a Convolution+Bias+ReLU", "b Convolution+Bias+ReLU", "add Add", "relu Relu"),
        kernels(fused));
  }

  @Test
  void aConvolutionTakesOneSumOnly() {
    Node y = g.add("first", new Layer.Add(), g.add("conv", CONV, g.input()), g.input());
    Graph fused = fuse(g.build(g.add("second", new Layer.Add(), y, g.input())));

    assertEquals(List.of("conv Convolution+Add", "second Add"), kernels(fused));
  }

  @Test
  void aConvolutionAddedToItselfIsNotFused() {
    Node y = g.add("conv", CONV, g.input());
    Graph fused = fuse(g.build(g.add("add", new Layer.Add(), y, y)));

    assertEquals(List.of("conv Convolution", "add Add"), kernels(fused));
  }

  @Test
  void whatSomethingElseReadsIsNotFusedAway() {
    Node conv = g.add("conv", CONV, g.input());
    Node bn = g.add("bn", Layer.BatchNorm.DEFAULT, conv);
    Node relu = g.add("relu", new Layer.Relu(), bn);
    Node sum = g.add("sum", new Layer.Add(), relu, bn);
    Graph fused = fuse(g.build(g.add("sum2", new Layer.Add(), sum, conv)));

    assertEquals(
        List.of("conv Convolution", "bn BatchNorm", "relu Relu", "sum Add", "sum2 Add"),
        kernels(fused));
  }

  @Test
  void aBatchNormWithoutAConvolutionBeforeItStaysAKernel() {
    Node y = g.add("bn1", Layer.BatchNorm.DEFAULT, g.input());
    y = g.add("conv1", CONV, g.add("relu1", new Layer.Relu(), y));
    Graph fused = fuse(g.build(g.add("add", new Layer.Add(), y, g.input())));

    assertEquals(List.of("bn1 BatchNorm", "relu1 Relu", "conv1 Convolution+Add"), kernels(fused));
  }

  @Test
  void aSecondBatchNormStaysAKernel() {
    Node y = g.convBn("conv", "bn1", g.input(), CONV);
    Graph fused = fuse(g.build(g.add("bn2", Layer.BatchNorm.DEFAULT, y)));

    assertEquals(List.of("conv Convolution+Bias", "bn2 BatchNorm"), kernels(fused));
  }

  @Test
  void linearLayersAreFusedLikeConvolutions() {
    Node y = g.add("flatten", new Layer.Flatten(), g.input());
    y = g.add("fc1", new Layer.Linear(10, true), y);
    y = g.add("drop", new Layer.Dropout(), g.add("relu", new Layer.Relu(), y));
    y = g.add("fc2", new Layer.Linear(4, false), y);
    Graph fused = fuse(g.build(g.add("bn", Layer.BatchNorm.DEFAULT, y)));

    assertEquals(List.of("fc1 Linear+Bias+ReLU", "fc2 Linear+Bias"), kernels(fused));
    assertEquals(3, fused.nodes().size());
  }

  @Test
  void flattenStaysWhereItChangesTheMeaning() {
    Node y = g.add("flatten", new Layer.Flatten(), g.input());
    Graph fused = fuse(g.build(g.add("softmax", new Layer.Softmax(), y)));

    assertEquals(
        List.of("input", "flatten", "softmax"), fused.nodes().stream().map(Node::name).toList());
  }

  @Test
  void onlyTheInteriorGetsTheBackendsLayout() {
    Node y = g.add("conv1", CONV, g.input());
    y = g.add("conv2", CONV, y);
    Graph fused = Passes.apply(g.build(g.add("conv3", CONV, y)), Passes.all(Layout.BACKEND));

    assertEquals(
        List.of(Layout.NCHW, Layout.BACKEND, Layout.BACKEND, Layout.NCHW),
        fused.nodes().stream().map(Node::layout).toList());
  }

  @Test
  void aDiffShowsWhatAPassChanged() {
    Graph graph = g.build(g.convBnRelu("conv", "bn", "relu", g.input(), CONV));
    Passes.Application folding = Passes.trace(graph, Passes.all(Layout.NCHW)).get(1);

    assertEquals(
        """
        fold batch norm: 3 kernels -> 2 kernels
          input = Input 8x6x6 () -> 8x6x6 NCHW
        - conv = Convolution 8 3x3 pad 1 (input) -> 8x6x6 NCHW
        - bn = BatchNorm (conv) -> 8x6x6 NCHW
        - relu = Relu (bn) -> 8x6x6 NCHW
        + conv = Convolution 8 3x3 pad 1+Bias (input) -> 8x6x6 NCHW
        + relu = Relu (conv) -> 8x6x6 NCHW
        """,
        folding.diff());
  }

  @RepeatedTest(200)
  void passesKeepWhatAGraphNeedsAndWhatItGives() {
    Graph graph = RandomGraphs.next(TestSeed.random(), 40);
    String before = graph.toString();
    Graph fused = Passes.apply(graph, Passes.all(Layout.NHWC));

    assertEquals(before, graph.toString(), "a pass changed its input");
    assertEquals(graph.output().shape(), fused.output().shape());
    assertEquals(tensors(graph), tensors(fused), fused::toString);
    assertTrue(fused.kernels().size() <= graph.kernels().size());
    assertEquals(
        fused.toString(), Passes.apply(fused, Passes.all(Layout.NHWC)).toString(), "not at rest");
  }

  private static List<String> tensors(Graph graph) {
    return graph.parameters().stream()
        .map(Parameter::toString)
        .sorted()
        .collect(Collectors.toList());
  }
}
