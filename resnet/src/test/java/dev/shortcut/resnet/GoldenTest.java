package dev.shortcut.resnet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.Tolerance;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.resnet.weights.Golden;
import dev.shortcut.resnet.weights.RandomWeights;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The family against torchvision: the same weights, the same images, the same logits. oneDNN runs
 * both stored sizes (224 and 97; 32 and 45 for the nets for 32x32), plain Java the smaller only.
 */
class GoldenTest {
  private static final int IMAGES = 3;

  /** Torchvision in float has a difference of up to 3e-6 to what is stored. */
  private static final Tolerance TOLERANCE = Tolerance.ofNetwork(Precision.FP32);

  private static float[] run(BackendChoice backend, Graph graph, Graph named, float[] images)
      throws InterruptedException {
    try (var weights = new RandomWeights(named, Golden.SEED);
        Engine engine =
            Engine.open(
                Model.of(graph, weights),
                Options.defaults().withBackend(backend).withMaxBatch(IMAGES))) {
      return engine.run(images);
    }
  }

  private static void assertNear(float[] expected, float[] actual, String what) {
    assertEquals(expected.length, actual.length, what);
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      difference = Math.max(difference, Math.abs((double) expected[i] - actual[i]));
      assertTrue(Float.isFinite(actual[i]), what);
    }
    double error = difference / largest;
    assertTrue(
        error <= TOLERANCE.difference(),
        () -> "%s: max|a-b| / max|b| is %.2e".formatted(what, error));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "resnet18-97",
        "resnet34-97",
        "resnet50-97",
        "resnet101-97",
        "resnet152-97",
        "wide_resnet50_2-97",
        "vgg16-97",
        "resnet50-v1-97",
        "resnet18-A-97",
        "resnet18-C-97",
        "plain18-97",
        "resnet20-32",
        "resnet20-45",
        "resnet56-32",
        "resnet56-45",
      })
  void bothBackendsComputeWhatTorchvisionComputes(String golden) throws InterruptedException {
    float[] reference = logits(BackendChoice.REFERENCE, golden);
    float[] cpu = logits(BackendChoice.CPU, golden);
    assertNear(Golden.floats(golden), reference, golden + " on the reference");
    assertNear(Golden.floats(golden), cpu, golden + " on the cpu");
    Tensors.assertClose(reference, cpu, TOLERANCE.nmse());
  }

  /** Plain Java would take minutes for these. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "resnet18-224",
        "resnet34-224",
        "resnet50-224",
        "resnet101-224",
        "resnet152-224",
        "wide_resnet50_2-224",
        "vgg16-224",
        "resnet50-v1-224",
        "resnet18-A-224",
        "resnet18-C-224",
        "plain18-224",
      })
  void theCpuComputesWhatTorchvisionComputes(String golden) throws InterruptedException {
    assertNear(Golden.floats(golden), logits(BackendChoice.CPU, golden), golden);
  }

  private static float[] logits(BackendChoice backend, String golden) throws InterruptedException {
    int dash = golden.lastIndexOf('-');
    int size = Integer.parseInt(golden.substring(dash + 1));
    Architecture architecture = Golden.architecture(golden.substring(0, dash));
    Graph graph = architecture.graph(architecture.classes(), size, size);
    return run(backend, graph, graph, Golden.images(IMAGES, size));
  }

  @ParameterizedTest
  @EnumSource(names = {"REFERENCE", "CPU"})
  void everyNodeOfAUnitComputesWhatTorchvisionComputes(BackendChoice backend)
      throws InterruptedException {
    Graph graph = Architecture.parse("resnet50").graph(1000, 17, 17);
    String[] nodes = {
      "conv1",
      "bn1",
      "relu",
      "maxpool",
      "layer1.0.conv1",
      "layer1.0.bn1",
      "layer1.0.relu",
      "layer1.0.conv2",
      "layer1.0.bn2",
      "layer1.0.relu_1",
      "layer1.0.conv3",
      "layer1.0.bn3",
      "layer1.0.downsample.0",
      "layer1.0.downsample.1",
      "layer1.0.add",
      "layer1.0.relu_2"
    };
    float[] image = Golden.images(1, 17);
    for (String node : nodes) {
      // The weights of the whole network, since their scale depends on its number of units.
      float[] actual = run(backend, graph.upTo(node), graph, image);
      assertNear(Golden.floats("resnet50-17-" + node), actual, node);
    }
  }
}
