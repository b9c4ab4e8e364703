package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.Closer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Our descriptors, understood by NVIDIA's cuDNN, which plans for GPUs that are only described. */
@Tag("vendor")
class CudnnPlanTest {
  private static final int BATCH = 32;
  private static final long MOST_WORKSPACE = 64L << 20;
  private static final FusedConvolution BLOCK_END =
      new FusedConvolution(BATCH, 64, 56, 256, 1, 1, true, true);

  private final Closer owner = new Closer();
  private Cudnn cudnn;

  @BeforeEach
  void open() {
    cudnn = VendorCudnn.open();
  }

  @AfterEach
  void destroyDescriptors() {
    owner.close();
  }

  @ParameterizedTest
  @CsvSource({
    "h100, HALF", "h100, BFLOAT16", "h100, FLOAT",
    "a10, HALF", "a10, BFLOAT16", "a10, FLOAT",
    "t4, HALF", "b200, HALF", "rtx5090, BFLOAT16"
  })
  void everyConvolutionOfResNet50GetsAPlanThatCanBeRestored(String device, DataType type) {
    DeviceProperties properties = described(device);
    for (FusedConvolution convolution : FusedConvolution.ofResNet50(BATCH)) {
      try (var local = new Closer()) {
        OperationGraph graph = convolution.graph(cudnn, local, type, true, null);
        Chosen chosen = choose(local, graph, properties, unwanted());
        String json = chosen.plan().json();
        ExecutionPlan restored = ExecutionPlan.fromJson(cudnn, local, json, properties);
        assertEquals(json, restored.json());
        assertEquals(chosen.plan().workspaceBytes(), restored.workspaceBytes());
        EngineConfig config = chosen.config();
        EngineConfig again =
            EngineConfig.of(cudnn, local, graph, config.engineIndex(), config.knobs(), properties);
        assertEquals(config.numericalNotes(), again.numericalNotes());
        assertEquals(config.knobRanges(), again.knobRanges());
        assertEquals(config.knobs(), again.knobs());
        ExecutionPlan rebuilt = ExecutionPlan.of(cudnn, local, again, null);
        assertEquals(chosen.plan().workspaceBytes(), rebuilt.workspaceBytes());
        if (!config.behaviorNotes().contains(BehaviorNote.RUNTIME_COMPILATION)) {
          assertEquals(json, rebuilt.json(), () -> convolution + " by " + config);
        }
      }
    }
  }

  /** Float data without TF32: tensor cores are out. */
  @ParameterizedTest
  @ValueSource(strings = {"h100", "a10"})
  void everyConvolutionOfResNet50HasATrueFloatPlan(String device) {
    DeviceProperties properties = described(device);
    Set<NumericalNote> out =
        Set.of(
            NumericalNote.TENSOR_CORE,
            NumericalNote.DOWN_CONVERT_INPUTS,
            NumericalNote.NONDETERMINISTIC,
            NumericalNote.REDUCED_PRECISION_REDUCTION);
    for (FusedConvolution convolution : FusedConvolution.ofResNet50(BATCH)) {
      try (var local = new Closer()) {
        OperationGraph graph = convolution.graph(cudnn, local, DataType.FLOAT, true, null);
        choose(local, graph, properties, out);
      }
    }
  }

  /** A residual before the bias is what the compiled kernels have; after it, one is generated. */
  @Test
  void theResidualFirstNeedsNoCompiling() {
    DeviceProperties properties = described("h100");
    OperationGraph first = BLOCK_END.graph(cudnn, owner, DataType.HALF, true, null);
    OperationGraph last = BLOCK_END.graph(cudnn, owner, DataType.HALF, false, null);
    assertFalse(candidates(first, properties).getFirst().behaviorNotes().contains(compiling()));
    assertTrue(candidates(last, properties).getFirst().behaviorNotes().contains(compiling()));
    ExecutionPlan compiled = choose(owner, last, properties, unwanted()).plan();
    ExecutionPlan restored = ExecutionPlan.fromJson(cudnn, owner, compiled.json(), properties);
    assertEquals(compiled.workspaceBytes(), restored.workspaceBytes());
    assertTrue(compiled.json().length() > 50_000, "the kernel is not in the text");
  }

  /** Engines say what they do to the numbers, and without asking the wrong ones would be taken. */
  @Test
  void candidatesSayWhatTheyDoToTheNumbers() {
    // Three channels, which tensor cores cannot take as they are.
    var stem = new FusedConvolution(BATCH, 3, 224, 64, 7, 2, false, true);
    OperationGraph graph = stem.graph(cudnn, owner, DataType.HALF, true, null);
    EngineConfig first = candidates(graph, described("a100")).getFirst();
    assertTrue(
        first.numericalNotes().stream().anyMatch(unwanted()::contains),
        () -> "of " + first + ": " + first.numericalNotes());
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT", "HALF", "BFLOAT16"})
  void poolingsGetPlans(DataType type) {
    for (String device : List.of("h100", "a10")) {
      DeviceProperties properties = described(device);
      for (boolean propagateNan : new boolean[] {false, true}) {
        Resample max =
            Resample.of(
                cudnn,
                owner,
                ResampleMode.MAXPOOL,
                DataType.FLOAT,
                PaddingMode.NEG_INF_PAD,
                new long[] {3, 3},
                new long[] {1, 1},
                new long[] {1, 1},
                new long[] {2, 2},
                propagateNan);
        choose(owner, pooling(max, type, 64, 112, 56), properties, unwanted());
        Resample average =
            Resample.of(
                cudnn,
                owner,
                ResampleMode.AVGPOOL_INCLUDE_PADDING,
                DataType.FLOAT,
                PaddingMode.ZERO_PAD,
                new long[] {7, 7},
                new long[] {0, 0},
                new long[] {0, 0},
                new long[] {1, 1},
                propagateNan);
        choose(owner, pooling(average, type, 2048, 7, 1), properties, unwanted());
      }
    }
  }

  @Test
  void aPlanIsForOneArchitectureAndDriver() {
    OperationGraph graph = BLOCK_END.graph(cudnn, owner, DataType.HALF, true, null);
    String json = choose(owner, graph, described("h100"), unwanted()).plan().json();
    DeviceProperties newerDriver =
        DeviceProperties.fromJson(
            cudnn,
            owner,
            KnownDevices.json("h100").replace("\"driverVer\": 12090", "\"driverVer\": 12091"));
    for (DeviceProperties other : List.of(described("a100"), described("b200"), newerDriver)) {
      CudnnException e =
          assertThrows(
              CudnnException.class, () -> ExecutionPlan.fromJson(cudnn, owner, json, other));
      assertEquals(CudnnStatus.NOT_SUPPORTED_ARCH_MISMATCH, e.status());
      assertTrue(e.notSupported());
    }
  }

  /** Whoever keeps plans for later must know by what to tell devices apart. */
  @Test
  void aPlanIsForTheDevicesThatAgreeInWhatIsCompared() {
    OperationGraph graph = BLOCK_END.graph(cudnn, owner, DataType.HALF, true, null);
    String plan = choose(owner, graph, described("h100"), unwanted()).plan().json();
    Set<String> compared = compared(cudnn, plan, "h100");
    Map<String, Long> values = described("h100").compared();
    assertEquals(new TreeSet<>(values.keySet()), compared);
    assertEquals(132, values.get("multiProcessorCount"));
    assertEquals(12090, values.get("driverVer"));
  }

  /**
   * The numbers of a device that cuDNN compares before it restores a plan, found by changing each.
   *
   * @param plan the text of one for the device
   */
  static Set<String> compared(Cudnn cudnn, String plan, String device) {
    String described = KnownDevices.json(device);
    Set<String> compared = new TreeSet<>();
    Matcher numbers = Pattern.compile("\"(\\w+)\": (\\d+)").matcher(described);
    while (numbers.find()) {
      long value = Long.parseLong(numbers.group(2));
      String changed =
          described.substring(0, numbers.start(2))
              + (value == 1 ? 0 : value + 1)
              + described.substring(numbers.end(2));
      try (var local = new Closer()) {
        ExecutionPlan.fromJson(
            cudnn, local, plan, DeviceProperties.fromJson(cudnn, local, changed));
      } catch (CudnnException e) {
        assertEquals(CudnnStatus.NOT_SUPPORTED_ARCH_MISMATCH, e.status(), numbers.group());
        compared.add(numbers.group(1));
      }
    }
    return compared;
  }

  @Test
  void aDamagedPlanIsRefused() {
    OperationGraph graph = BLOCK_END.graph(cudnn, owner, DataType.HALF, true, null);
    DeviceProperties properties = described("h100");
    String json = choose(owner, graph, properties, unwanted()).plan().json();
    List<String> damaged = new ArrayList<>(List.of("", "{}", "[1, 2]", "plan"));
    for (int i = 1; i < 8; i++) {
      damaged.add(json.substring(0, json.length() * i / 8));
    }
    for (String text : damaged) {
      CudnnException e =
          assertThrows(
              CudnnException.class,
              () -> ExecutionPlan.fromJson(cudnn, owner, text, properties),
              text);
      assertNotEquals(CudnnStatus.UNKNOWN, e.status());
    }
  }

  @Test
  void anEngineThatIsNotThereIsRefused() {
    OperationGraph graph = BLOCK_END.graph(cudnn, owner, DataType.HALF, true, null);
    DeviceProperties properties = described("h100");
    long engines = graph.engineCount();
    assertTrue(engines > 10, () -> "only " + engines);
    assertThrows(
        CudnnException.class,
        () -> EngineConfig.of(cudnn, owner, graph, engines, List.of(), properties));
    EngineConfig good = candidates(graph, properties).getFirst();
    KnobRange knob = good.knobRanges().getFirst();
    assertThrows(
        CudnnException.class,
        () ->
            EngineConfig.of(
                cudnn,
                owner,
                graph,
                good.engineIndex(),
                List.of(new KnobChoice(knob.type(), knob.maximum() + 1)),
                properties));
  }

  @ParameterizedTest
  @ValueSource(strings = {"t4", "a10", "a100", "l4", "h100", "h200", "b200", "rtx5090"})
  void everyKnownDeviceIsUnderstood(String name) {
    String json = KnownDevices.json(name);
    assertEquals(json, described(name).json());
  }

  @Test
  void aDescriptionThatLacksAKeyIsRefusedWithCudnnsReason() {
    String json = KnownDevices.json("h100");
    for (String bad :
        List.of(
            json.replace("warpSize", "warp"),
            json.replace("\"isTccDriver\": 0", "\"isTccDriver\": false"),
            json.substring(0, json.length() / 2),
            "",
            "null")) {
      CudnnException e =
          assertThrows(CudnnException.class, () -> DeviceProperties.fromJson(cudnn, owner, bad));
      assertTrue(e.getMessage().contains("reading a device description"), e.getMessage());
    }
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> DeviceProperties.fromJson(cudnn, owner, " ".repeat(70_000)));
    assertTrue(e.getMessage().contains("70,000"), e.getMessage());
  }

  @Test
  void aHandleWithoutAGpuFailsWithItsReason() {
    CudnnException e = assertThrows(CudnnException.class, cudnn::newHandle);
    assertEquals("cudnnCreate", e.function());
    assertNotEquals(CudnnStatus.SUCCESS, e.status());
  }

  @Test
  void nothingCanBeUsedAfterItsOwnerWasClosed() {
    OperationGraph graph;
    try (var local = new Closer()) {
      graph = BLOCK_END.graph(cudnn, local, DataType.HALF, true, null);
    }
    assertThrows(IllegalStateException.class, graph::engineCount);
  }

  @Test
  void cudnnSaysWhoItIs() {
    assertTrue(cudnn.version() >= Cudnn.OLDEST_VERSION, cudnn::toString);
    assertEquals(12, cudnn.cudartVersion() / 1000);
    assertEquals("9.20.0", Cudnn.text(92000));
    assertEquals("8.9.7", Cudnn.text(8907));
    assertEquals("", cudnn.lastError());
  }

  private record Chosen(EngineConfig config, ExecutionPlan plan) {}

  private Chosen choose(
      Closer local, OperationGraph graph, DeviceProperties properties, Set<NumericalNote> out) {
    List<String> refused = new ArrayList<>();
    for (HeuristicMode mode : List.of(HeuristicMode.A, HeuristicMode.FALLBACK)) {
      for (EngineConfig config : Heuristics.candidates(cudnn, local, graph, mode, properties)) {
        if (config.numericalNotes().stream().anyMatch(out::contains)) {
          refused.add(config + " " + config.numericalNotes());
          continue;
        }
        try {
          ExecutionPlan plan = ExecutionPlan.of(cudnn, local, config, null);
          if (plan.workspaceBytes() <= MOST_WORKSPACE) {
            return new Chosen(config, plan);
          }
          refused.add(config + " wants " + plan.workspaceBytes());
        } catch (CudnnException e) {
          assertTrue(e.notSupported() || e.status() == CudnnStatus.INTERNAL_ERROR, e.getMessage());
          refused.add(config + " " + e.getMessage());
        }
      }
    }
    throw new AssertionError("no plan; passed over: " + String.join("\n", refused));
  }

  private List<EngineConfig> candidates(OperationGraph graph, DeviceProperties properties) {
    List<EngineConfig> found =
        Heuristics.candidates(cudnn, owner, graph, HeuristicMode.A, properties);
    assertFalse(found.isEmpty());
    return found;
  }

  private OperationGraph pooling(Resample resample, DataType type, int channels, int in, int out) {
    long[] x = {BATCH, channels, in, in};
    long[] y = {BATCH, channels, out, out};
    return OperationGraph.of(
        cudnn,
        owner,
        List.of(
            Operation.resampleForward(
                cudnn,
                owner,
                resample,
                Tensor.of(cudnn, owner, 1, type, x, Tensor.channelsLast(x), 16, false),
                Tensor.of(cudnn, owner, 2, type, y, Tensor.channelsLast(y), 16, false))),
        null);
  }

  private DeviceProperties described(String name) {
    return DeviceProperties.fromJson(cudnn, owner, KnownDevices.json(name));
  }

  private static Set<NumericalNote> unwanted() {
    return Set.of(
        NumericalNote.DOWN_CONVERT_INPUTS,
        NumericalNote.NONDETERMINISTIC,
        NumericalNote.REDUCED_PRECISION_REDUCTION);
  }

  private static BehaviorNote compiling() {
    return BehaviorNote.RUNTIME_COMPILATION;
  }
}
