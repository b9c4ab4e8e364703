package dev.shortcut.resnet;

import static dev.shortcut.engine.testing.MapWeights.DEVIATION;
import static dev.shortcut.engine.testing.MapWeights.VARIANCE;
import static dev.shortcut.engine.testing.Tensors.assertClose;
import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.BackendComparison;
import dev.shortcut.engine.DeviceException;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.ShortcutException;
import dev.shortcut.engine.Tolerance;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.InjectedFault;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.resnet.weights.RandomWeights;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Whole networks through cuDNN's backend, and through JCuda's beside it, on the software CUDA
 * device, in every precision, on images as small as the strides allow.
 *
 * <p>A run takes some networks that have among them every kind of block; {@code
 * -Dcuda.networks=all} takes all networks of the family.
 */
@Tag("native")
class FamilyOnCudaTest {
  private static final int CLASSES = 10;
  private static final List<Precision> PRECISIONS =
      List.of(Precision.FP32, Precision.TF32, Precision.FP16, Precision.BF16);
  private static final Map<String, Integer> KERNELS =
      Map.of("resnet18", 23, "resnet34", 39, "resnet50", 56, "resnet101", 107, "resnet152", 158);

  /** What a network is given, and what comes out: small numbers, every sum of which is exact. */
  private record Exact(MapWeights weights, float[] image, float[] expected) {
    /**
     * Drawn again where the network says little: a few logits that are all the same show nothing.
     */
    static Exact of(Graph graph, Random random) throws InterruptedException {
      for (int draw = 0; draw < 20; draw++) {
        MapWeights weights = sparse(graph, random);
        float[] image = Tensors.integers(random, (int) graph.input().shape().elements(), 2);
        float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 1, image);
        if (new HashSet<>(Tensors.boxed(expected)).size() > 2) {
          return new Exact(weights, image, expected);
        }
      }
      throw new AssertionError("nets that say nothing");
    }
  }

  static Stream<String> networks() {
    if (System.getProperty("cuda.networks", "").equals("all")) {
      return Architecture.names().stream();
    }
    return Stream.of(
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "resnet50-v1",
        "wide_resnet50_2",
        "resnext50_32x4d",
        "plain18",
        "resnet20",
        "resnet110");
  }

  private static Graph graph(String name) {
    Architecture architecture = Architecture.parse(name);
    int size = architecture.imageSize() == 32 ? 8 : 32;
    return architecture.graph(CLASSES, size, size);
  }

  @ParameterizedTest
  @MethodSource("networks")
  void wholeNumbersComeOutExactlyInEveryPrecision(String name) throws InterruptedException {
    Graph graph = graph(name);
    Exact exact = Exact.of(graph, TestSeed.random(name));
    for (Precision precision : PRECISIONS) {
      assertSameValues(exact.expected, run(name, graph, exact.weights, precision, exact.image));
      float[] other = throughJCuda(graph, exact.weights, precision, exact.image);
      if (Tensors.nmse(exact.expected, other) > 0) {
        assertEquals("no difference", difference(graph, exact.weights, precision, exact.image, 0));
      }
      assertSameValues(exact.expected, other);
    }
  }

  @ParameterizedTest
  @MethodSource("networks")
  void realNumbersComeOutWithinThePrecisionsError(String name) throws InterruptedException {
    Graph graph = graph(name);
    float[] image =
        Tensors.gaussians(TestSeed.random(name), (int) graph.input().shape().elements());
    try (var weights = new RandomWeights(graph, 7)) {
      float[] expected = BackendUnderTest.REFERENCE.run(graph, weights, 1, image);
      for (Precision precision : PRECISIONS) {
        double bound = Tolerance.ofNetwork(precision).nmse();
        float[] one = run(name, graph, weights, precision, image);
        assertClose(expected, one, bound);
        float[] other = throughJCuda(graph, weights, precision, image);
        if (Tensors.nmse(one, other) > bound) {
          assertEquals("no difference", difference(graph, weights, precision, image, bound));
        }
        assertClose(one, other, bound);
      }
    }
  }

  /** Nets none of whose convolutions the graph API has a plan for, or only those of other sizes. */
  @ParameterizedTest
  @CsvSource({"resnet20, 1 3", "resnet18, 1 3 7", "resnet18, 3"})
  void convolutionsWithoutAPlanAreLeftToTheOlderCall(String name, String sizes)
      throws InterruptedException {
    SoftwareDevice.install();
    Random random = TestSeed.random(name);
    Graph graph = graph(name);
    Exact exact = Exact.of(graph, random);
    float[] image = Tensors.gaussians(random, (int) graph.input().shape().elements());
    SoftwareDevice.Settings settings =
        SoftwareDevice.settings()
            .refuseToPlanConvolutions(
                Arrays.stream(sizes.split(" ")).mapToInt(Integer::parseInt).toArray());
    try (var real = new RandomWeights(graph, 7)) {
      float[] close = BackendUnderTest.REFERENCE.run(graph, real, 1, image);
      for (Precision precision : PRECISIONS) {
        assertSameValues(
            exact.expected,
            throughOlderCall(settings, graph, exact.weights, precision, exact.image));
        assertClose(
            close,
            throughOlderCall(settings, graph, real, precision, image),
            Tolerance.ofNetwork(precision).nmse());
      }
    }
  }

  private static float[] throughOlderCall(
      SoftwareDevice.Settings settings,
      Graph graph,
      Weights weights,
      Precision precision,
      float[] image)
      throws InterruptedException {
    SoftwareDevice.reset(settings);
    float[] result;
    try (Engine engine =
        Engine.open(
            Model.of(graph, weights),
            BackendUnderTest.CUDNN
                .options()
                .withMaxBatch(1)
                .withPrecision(precision)
                .withLegacyConvolutions(true))) {
      assertTrue(
          engine.kernels().stream()
              .anyMatch(kernel ->
                  kernel.implementation().startsWith("cudnnConvolutionBiasActivationForward")));
      int before = SoftwareDevice.log().size();
      result = engine.run(image);
      assertEquals(
          1,
          SoftwareDevice.log().stream()
              .skip(before)
              .filter(call -> call.contains("cuGraphLaunch"))
              .count(),
          "graph launches of a batch");
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
    SoftwareDevice.reset(); // others take the device as they find it
    return result;
  }

  /**
   * One failure for each call site: a function and the one called before it, of which a large net
   * has a hundred among nine thousand calls. Which of a site's calls fails is the seed's choice.
   */
  @Test
  void aFailureAtEachCallSiteIsNamedAndLeavesNothingBehind() throws InterruptedException {
    Random random = TestSeed.random();
    Graph graph = graph("resnet50");
    Exact exact = Exact.of(graph, random);
    SoftwareDevice.install();
    // Twice, since the first engine of a process makes some calls more.
    for (int i = 0; i < 2; i++) {
      SoftwareDevice.reset();
      try (Engine engine = open(graph, exact.weights, Precision.FP16)) {
        assertSameValues(exact.expected, engine.run(exact.image));
      }
    }
    List<String> functions =
        SoftwareDevice.log().stream()
            .map(line -> line.split(" ")[1])
            .filter(function -> function.matches("(cu|nvrtc).*")) // the log has remarks, too
            .toList();
    // By site, which of their function's calls they are, 1 being the first.
    Map<String, List<Integer>> sites = new TreeMap<>();
    Map<String, Integer> times = new TreeMap<>();
    for (int i = 0; i < functions.size(); i++) {
      String function = functions.get(i);
      int time = times.merge(function, 1, Integer::sum);
      String site = i == 0 ? function : function + " after " + functions.get(i - 1);
      sites.computeIfAbsent(site, _ -> new ArrayList<>()).add(time);
    }
    assertTrue(sites.size() > 80, sites::toString);
    Logger quiet = Logger.getLogger("dev.shortcut");
    quiet.setLevel(Level.OFF); // what could not be freed is logged
    int thrown = 0;
    List<String> wrong = new ArrayList<>();
    try {
      for (var site : sites.entrySet()) {
        List<Integer> calls = site.getValue();
        int call = calls.get(random.nextInt(calls.size()));
        SoftwareDevice.reset();
        SoftwareDevice.failFunction(site.getKey().split(" ")[0], call, 0);
        List<String> found = new ArrayList<>();
        try (Engine engine = open(graph, exact.weights, Precision.FP16)) {
          try {
            assertSameValues(exact.expected, engine.run(exact.image));
          } catch (DeviceException e) {
            thrown++;
            found.addAll(InjectedFault.wrongIn(e));
            assertSameValues(exact.expected, engine.run(exact.image));
          }
        } catch (ShortcutException e) {
          thrown++;
          found.addAll(InjectedFault.wrongIn(e));
        }
        found.addAll(InjectedFault.leftBehind());
        found.forEach(what -> wrong.add("%s (call %d): %s".formatted(site.getKey(), call, what)));
      }
    } finally {
      quiet.setLevel(null);
    }
    assertEquals(List.of(), wrong);
    assertTrue(thrown > sites.size() / 3, thrown + " exceptions at " + sites.size() + " sites");
  }

  private static Engine open(Graph graph, Weights weights, Precision precision) {
    return Engine.open(
        Model.of(graph, weights),
        BackendUnderTest.CUDNN.options().withMaxBatch(1).withPrecision(precision));
  }

  private static float[] run(
      String name, Graph graph, Weights weights, Precision precision, float[] image)
      throws InterruptedException {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    float[] result;
    try (Engine engine = open(graph, weights, precision)) {
      if (KERNELS.containsKey(name)) {
        assertEquals(KERNELS.get(name), engine.kernels().size());
      }
      int before = SoftwareDevice.log().size();
      result = engine.run(image);
      Map<String, Long> calls =
          SoftwareDevice.log().stream()
              .skip(before)
              .map(line -> line.split(" ")[1])
              .collect(Collectors.groupingBy(call -> call, Collectors.counting()));
      assertEquals(1, calls.get("cuGraphLaunch"), "graph launches of a batch");
      assertEquals(2, calls.get("cuLaunchKernel"), "edge kernels of a batch");
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
    return result;
  }

  private static float[] throughJCuda(
      Graph graph, Weights weights, Precision precision, float[] image)
      throws InterruptedException {
    SoftwareDevice.reset();
    float[] result;
    try (Engine engine =
        BackendUnderTest.JCUDNN.open(
            graph,
            weights,
            BackendUnderTest.JCUDNN.options().withMaxBatch(1).withPrecision(precision))) {
      result = engine.run(image);
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
    return result;
  }

  /** From which kernel on the two backends differ. */
  private static String difference(
      Graph graph, Weights weights, Precision precision, float[] image, double bound) {
    Model model = Model.of(graph, weights);
    return BackendComparison.first(
            side(model, BackendUnderTest.CUDNN, precision),
            side(model, BackendUnderTest.JCUDNN, precision),
            MemorySegment.ofArray(image),
            1,
            bound)
        .map(Object::toString)
        .orElse("no difference");
  }

  private static BackendComparison.Side side(
      Model model, BackendUnderTest backend, Precision precision) {
    return new BackendComparison.Side(
        model, backend.options().withMaxBatch(1).withPrecision(precision));
  }

  /**
   * Filters of one whole number each. Where a residual unit ends, most of them are zeros, so that
   * what many units add up to has the eight bits that bfloat16 keeps.
   */
  private static MapWeights sparse(Graph graph, Random random) {
    List<Node> sums = graph.nodes().stream().filter(n -> n.layer() instanceof Layer.Add).toList();
    Set<String> ends =
        sums.stream()
            .map(sum -> sum.input().input().name() + ".weight")
            .collect(Collectors.toSet());
    double rare = Math.min(0.5, 2.0 / sums.size());
    var weights = new MapWeights();
    for (Parameter parameter : graph.parameters()) {
      float[] values = new float[Math.toIntExact(parameter.elements())];
      int outputs = parameter.dims().getFirst();
      int perOutput = values.length / outputs;
      for (int k = 0; k < outputs; k++) {
        switch (parameter.role()) {
          case WEIGHT -> {
            if (!ends.contains(parameter.name()) || random.nextDouble() < rare) {
              values[k * perOutput + tap(parameter, perOutput, random)] =
                  random.nextBoolean() ? 1 : -1;
            }
          }
          case BIAS -> values[k] = random.nextInt(-1, 2);
          case SHIFT -> values[k] = random.nextInt(8) == 0 ? random.nextInt(-1, 2) : 0;
          case RUNNING_MEAN -> values[k] = 0;
          case SCALE -> values[k] = random.nextBoolean() ? DEVIATION : -DEVIATION;
          case RUNNING_VARIANCE -> values[k] = VARIANCE;
        }
      }
      weights.put(parameter.name(), parameter.dims(), values);
    }
    return weights;
  }

  /** Half of the time the middle of a filter, since at the end images are single pixels. */
  private static int tap(Parameter parameter, int perOutput, Random random) {
    int any = random.nextInt(perOutput);
    if (parameter.dims().size() < 4 || random.nextBoolean()) {
      return any;
    }
    int area = parameter.dims().get(2) * parameter.dims().get(3);
    return any / area * area + area / 2;
  }
}
