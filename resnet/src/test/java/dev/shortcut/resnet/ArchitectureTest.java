package dev.shortcut.resnet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ArchitectureTest {
  @Test
  void everyNetworkIsFoundByItsName() {
    List<String> names = Architecture.names();
    assertEquals(names.size(), new HashSet<>(names).size());
    for (Architecture architecture : Architecture.all()) {
      assertEquals(architecture, Architecture.parse(architecture.name()));
      assertEquals(architecture, Architecture.parse(architecture.name().toUpperCase(Locale.ROOT)));
    }
  }

  @Test
  void theStrideOfTheFirst1x1DoesNotMatterWhereThereIsNone() {
    assertEquals(Architecture.parse("resnet18"), Architecture.parse("resnet18-v1"));
    assertEquals(Architecture.parse("resnet34"), Architecture.parse("resnet34-v1"));
  }

  @Test
  void anUnknownNameIsAnsweredWithTheNearest() {
    var e = assertThrows(IllegalArgumentException.class, () -> Architecture.parse("resnet5O"));
    assertEquals(
        "no network is called resnet5O; the nearest names are resnet50, resnet56, resnet18",
        e.getMessage());
  }

  static List<Architecture> all() {
    return Architecture.all();
  }

  @ParameterizedTest
  @MethodSource("all")
  void everyNetworkTakesItsImagesAndOthers(Architecture architecture) {
    assertEquals(Shape.features(architecture.classes()), architecture.graph().output().shape());
    int other = architecture.imageSize() + 37;
    Graph graph = architecture.graph(7, other, architecture.imageSize() - 1);
    assertEquals(Shape.features(7), graph.output().shape());
    assertEquals(architecture.name(), graph.name());
  }

  @Test
  void aResidualNetworkTakesImagesOfOnePixel() {
    assertEquals(Shape.features(3), Architecture.parse("resnet50").graph(3, 1, 1).output().shape());
  }

  @Test
  void anImageTooSmallNamesTheLayerThatCannotTakeIt() {
    Architecture vgg = Architecture.parse("vgg16");
    var e = assertThrows(IllegalArgumentException.class, () -> vgg.graph(10, 31, 31));
    assertTrue(e.getMessage().startsWith("features.30 (MaxPool 2x2/2) cannot take"), e::getMessage);
  }

  @ParameterizedTest
  @CsvSource({
    "resnet18, B, 3",
    "resnet18, A, 0",
    "resnet18, C, 8",
    "resnet50, B, 4",
    "resnet50, C, 16",
    "resnet20, A, 0",
    "resnet20, B, 2",
    "plain34, NONE, 0",
    "resnet34, NONE, 0"
  })
  void aShortcutOptionHasItsProjections(String name, Shortcut shortcut, int projections) {
    Graph graph = Architecture.parse(name).withShortcut(shortcut).graph();
    assertEquals(
        projections, graph.nodes().stream().filter(n -> n.name().endsWith("downsample.0")).count());
    long sums = graph.nodes().stream().filter(n -> n.layer() instanceof Layer.Add).count();
    long units =
        graph.nodes().stream().map(Node::block).filter(b -> !b.isEmpty()).distinct().count();
    assertEquals(shortcut == Shortcut.NONE ? 0 : units, sums);
  }

  @Test
  void optionAHalvesTheImageAndPutsZerosOnBothSides() {
    Graph graph = Architecture.parse("resnet20").graph();
    assertEquals(new Layer.Subsample(2, 8, 8), graph.node("layer2.0.downsample").layer());
    assertEquals(new Layer.Subsample(2, 16, 16), graph.node("layer3.0.downsample").layer());
  }

  @Test
  void optionAWidensWithoutAStrideWhereOnlyTheChannelsChange() {
    Graph graph = Architecture.parse("resnet50").withShortcut(Shortcut.A).graph();
    assertEquals(new Layer.Subsample(1, 96, 96), graph.node("layer1.0.downsample").layer());
  }

  @Test
  void aNetworkWithoutUnitsHasNoShortcuts() {
    Architecture vgg = Architecture.parse("vgg16");
    assertSame(vgg, vgg.withShortcut(Shortcut.NONE));
    assertThrows(IllegalArgumentException.class, () -> vgg.withShortcut(Shortcut.A));
  }

  @ParameterizedTest
  @CsvSource({"resnet50, 1, 2", "resnet50-v1, 2, 1"})
  void theVersionsDifferInWhichConvolutionHasTheStride(String name, int first, int second) {
    Graph graph = Architecture.parse(name).graph();
    assertEquals(first, stride(graph.node("layer2.0.conv1")));
    assertEquals(second, stride(graph.node("layer2.0.conv2")));
    assertEquals(2, stride(graph.node("layer2.0.downsample.0")));
    assertEquals(1, stride(graph.node("layer1.0.conv1")));
  }

  private static int stride(Node node) {
    return ((Layer.Convolution) node.layer()).stride();
  }

  @Test
  void stagesAndBlocksAreThePapers() {
    Graph graph = Architecture.parse("resnet18").graph();
    assertEquals(
        List.of("", "conv1", "conv2_x", "conv3_x", "conv4_x", "conv5_x", "fc"),
        graph.nodes().stream().map(Node::stage).distinct().toList());
    assertEquals("layer3.1", graph.node("layer3.1.conv2").block());
    assertEquals("conv4_x", graph.node("layer3.1.conv2").stage());
    assertEquals("", graph.node("maxpool").block());
    assertEquals("conv2_x", graph.node("maxpool").stage());
  }

  @ParameterizedTest
  @CsvSource({
    "resnet20, 20", "resnet110, 110", "resnet1202, 1202", "plain20, 20", "plain1202, 1202",
    "resnet18, 18", "resnet34, 34", "resnet50, 50", "resnet101, 101", "resnet152, 152",
    "plain18, 18", "plain34, 34", "vgg16, 16", "vgg19, 19"
  })
  void aNameCountsTheLayersWithWeights(String name, int layers) {
    assertEquals(
        layers,
        Architecture.parse(name).graph().nodes().stream()
            .filter(n -> n.layer() instanceof Layer.Weighted && !n.name().contains("downsample"))
            .count());
  }

  @Test
  void impossibleNumbersAreRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () -> new ResNet("x", ResNet.Stem.CIFAR, ResNet.Unit.BASIC, List.of(), 1, 64, Shortcut.A));
    assertThrows(
        IllegalArgumentException.class,
        () -> new ResNet("x", ResNet.Stem.CIFAR, ResNet.Unit.BASIC, List.of(1), 2, 64, Shortcut.A));
    assertThrows(IllegalArgumentException.class, () -> new Vgg("x", List.of(1, 1), false));
  }
}
