package dev.shortcut.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.BackendComparison.Difference;
import dev.shortcut.engine.BackendComparison.Side;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.backend.cudnn.EightKernels;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.RandomGraphs;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The two ways to a GPU side by side on the software CUDA device. */
@Tag("native")
class BackendComparisonTest {
  private static final int IMAGES = 3;

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
  }

  @AfterEach
  void nothingIsLeft() {
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  private static Optional<Difference> first(
      Graph graph,
      MapWeights one,
      MapWeights other,
      Precision precision,
      float[] input,
      double bound) {
    Options options = Options.defaults().withMaxBatch(IMAGES).withPrecision(precision);
    return BackendComparison.first(
        new Side(Model.of(graph, one), options.withBackend(BackendChoice.CUDA)),
        new Side(Model.of(graph, other), options.withBackend(BackendChoice.JCUDA)),
        MemorySegment.ofArray(input),
        IMAGES,
        bound);
  }

  private static float[] images(Graph graph, boolean whole) {
    int values = Math.toIntExact(IMAGES * graph.input().shape().elements());
    Random random = TestSeed.random("images");
    return whole ? Tensors.integers(random, values, 2) : Tensors.gaussians(random, values);
  }

  @ParameterizedTest
  @EnumSource(names = {"FP32", "TF32", "FP16", "BF16"})
  void wholeNumbersAreTheSameBitForBit(Precision precision) {
    Graph graph = EightKernels.logits();
    MapWeights weights = EightKernels.sparse(graph, TestSeed.random());
    assertEquals(
        Optional.empty(), first(graph, weights, weights, precision, images(graph, true), 0));
  }

  @ParameterizedTest
  @EnumSource(names = {"FP32", "TF32", "FP16", "BF16"})
  void realNumbersAreTheSameWithinThePrecisionsError(Precision precision) {
    Graph graph = EightKernels.probabilities();
    MapWeights weights = EightKernels.sparse(graph, TestSeed.random());
    assertEquals(
        Optional.empty(),
        first(
            graph,
            weights,
            weights,
            precision,
            images(graph, false),
            Tolerance.ofLayers(precision).nmse()));
  }

  @Test
  void randomGraphsAreTheSameWithinTheError() {
    Random random = TestSeed.random();
    for (int i = 0; i < 12; i++) {
      Graph graph = RandomGraphs.next(random, random.nextInt(3, 15));
      MapWeights weights = MapWeights.integers(graph, random);
      // Each may be 1e-10 away from what doubles give.
      assertEquals(
          Optional.empty(),
          first(graph, weights, weights, Precision.FP32, images(graph, false), 4e-10));
    }
  }

  @Test
  void theFirstKernelThatDiffersIsNamed() {
    Graph graph = EightKernels.logits();
    for (String kernel : List.of("conv1", "conv3", "fc")) {
      MapWeights right = EightKernels.sparse(graph, new Random(TestSeed.value()));
      MapWeights wrong = EightKernels.sparse(graph, new Random(TestSeed.value()));
      Parameter filter =
          graph.parameters().stream()
              .filter(p -> p.name().equals(kernel + ".weight"))
              .findFirst()
              .orElseThrow();
      wrong.put(filter.name(), filter.dims(), new float[Math.toIntExact(filter.elements())]);
      Difference difference =
          first(graph, right, wrong, Precision.FP32, images(graph, true), 0).orElseThrow();
      assertEquals(kernel, difference.kernel());
      assertEquals(7, difference.kernels());
      String text = difference.toString();
      assertTrue(text.contains("cudnn: ") && text.contains("jcudnn: "), text);
    }
  }
}
