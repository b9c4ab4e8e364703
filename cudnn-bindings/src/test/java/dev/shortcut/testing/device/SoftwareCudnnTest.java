package dev.shortcut.testing.device;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.Graph;
import dev.shortcut.bindings.cuda.GraphExec;
import dev.shortcut.bindings.cudnn.Convolution;
import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.cudnn.CudnnException;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.bindings.cudnn.CudnnStatus;
import dev.shortcut.bindings.cudnn.DataType;
import dev.shortcut.bindings.cudnn.DeviceProperties;
import dev.shortcut.bindings.cudnn.EngineConfig;
import dev.shortcut.bindings.cudnn.ExecutionPlan;
import dev.shortcut.bindings.cudnn.HeuristicMode;
import dev.shortcut.bindings.cudnn.Heuristics;
import dev.shortcut.bindings.cudnn.NumericalNote;
import dev.shortcut.bindings.cudnn.Operation;
import dev.shortcut.bindings.cudnn.OperationGraph;
import dev.shortcut.bindings.cudnn.PaddingMode;
import dev.shortcut.bindings.cudnn.Pointwise;
import dev.shortcut.bindings.cudnn.PointwiseMode;
import dev.shortcut.bindings.cudnn.Resample;
import dev.shortcut.bindings.cudnn.ResampleMode;
import dev.shortcut.bindings.cudnn.Tensor;
import dev.shortcut.bindings.cudnn.VariantPack;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.VendorLibraries;
import dev.shortcut.testing.device.DeviceScene.Element;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The software cuDNN against plain Java, and against mistakes that it must catch. */
@Tag("native")
class SoftwareCudnnTest {
  private static final Set<NumericalNote> WRONG =
      Set.of(
          NumericalNote.DOWN_CONVERT_INPUTS,
          NumericalNote.NONDETERMINISTIC,
          NumericalNote.REDUCED_PRECISION_REDUCTION);

  private DeviceScene scene;
  private Cudnn cudnn;
  private CudnnHandle handle;
  private DeviceProperties properties;
  private final Random random = TestSeed.random();

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    open(SoftwareDevice.settings());
  }

  private void open(SoftwareDevice.Settings settings) {
    SoftwareDevice.reset(settings);
    scene = new DeviceScene();
    cudnn = Cudnn.open();
    handle = scene.owner.own(cudnn.newHandle());
    handle.setStream(scene.stream);
    properties = DeviceProperties.of(cudnn, scene.owner, handle);
  }

  @AfterEach
  void nothingIsLeft() {
    if (scene != null) {
      scene.close();
      assertEquals(Map.of(), SoftwareDevice.live());
    }
  }

  /** A convolution, its shapes and what follows it. */
  private record Case(
      int n, int c, int h, int w, int k, int r, int stride, int pad, int groups, boolean z) {
    int p() {
      return (h + 2 * pad - r) / stride + 1;
    }

    int q() {
      return (w + 2 * pad - r) / stride + 1;
    }

    int outputs() {
      return n * k * p() * q();
    }
  }

  private static final List<Case> CASES =
      List.of(
          new Case(2, 16, 7, 9, 32, 3, 1, 1, 1, true),
          new Case(1, 8, 15, 15, 24, 7, 2, 3, 1, false),
          new Case(3, 64, 5, 5, 40, 1, 2, 0, 1, true),
          new Case(1, 24, 6, 6, 16, 3, 1, 1, 4, false),
          new Case(2, 520, 3, 3, 33, 3, 1, 1, 1, true));

  private float[] integers(int count, int magnitude) {
    var values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextInt(2 * magnitude + 1) - magnitude;
    }
    return values;
  }

  private float[] gaussians(int count, Element element) {
    var values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = element.rounded((float) random.nextGaussian());
    }
    return values;
  }

  private static DataType type(Element element) {
    return switch (element) {
      case FLOAT -> DataType.FLOAT;
      case HALF -> DataType.HALF;
      case BFLOAT16 -> DataType.BFLOAT16;
      case INT8 -> DataType.INT8;
    };
  }

  private Tensor tensor(long uid, DataType type, boolean virtual, long... dims) {
    return Tensor.of(cudnn, scene.owner, uid, type, dims, Tensor.channelsLast(dims), 16, virtual);
  }

  /** conv, + z, + bias, ReLU; the virtual tensors are floats. */
  private OperationGraph graph(Case c, Element element, boolean biasFirst) {
    DataType type = type(element);
    Tensor x = tensor(1, type, false, c.n, c.c, c.h, c.w);
    Tensor w = tensor(2, type, false, c.k, c.c / c.groups, c.r, c.r);
    Tensor bias = tensor(3, type, false, 1, c.k, 1, 1);
    long[] out = {c.n, c.k, c.p(), c.q()};
    Tensor y = tensor(6, type, false, out);
    var convolution =
        Convolution.of(
            cudnn,
            scene.owner,
            DataType.FLOAT,
            new long[] {c.pad, c.pad},
            new long[] {c.pad, c.pad},
            new long[] {c.stride, c.stride},
            new long[] {1, 1});
    Tensor current = tensor(20, DataType.FLOAT, true, out);
    var operations = new ArrayList<Operation>();
    operations.add(
        Operation.convolutionForward(cudnn, scene.owner, convolution, x, w, current, 1, 0));
    var operands = new ArrayList<>(List.of(bias));
    if (c.z) {
      operands.add(biasFirst ? 1 : 0, tensor(5, type, false, out));
    }
    var add = Pointwise.of(cudnn, scene.owner, PointwiseMode.ADD, DataType.FLOAT);
    long uid = 21;
    for (Tensor operand : operands) {
      Tensor sum = tensor(uid++, DataType.FLOAT, true, out);
      operations.add(Operation.pointwise(cudnn, scene.owner, add, current, operand, sum));
      current = sum;
    }
    var relu = Pointwise.of(cudnn, scene.owner, PointwiseMode.RELU_FWD, DataType.FLOAT);
    operations.add(Operation.pointwise(cudnn, scene.owner, relu, current, null, y));
    return OperationGraph.of(cudnn, scene.owner, operations, null);
  }

  /** All candidates of both modes that finalize, restored with the handle. */
  private Map<EngineConfig, ExecutionPlan> plans(OperationGraph graph) {
    var plans = new LinkedHashMap<EngineConfig, ExecutionPlan>();
    for (HeuristicMode mode : List.of(HeuristicMode.A, HeuristicMode.FALLBACK)) {
      for (EngineConfig config :
          Heuristics.candidates(cudnn, scene.owner, graph, mode, properties)) {
        try {
          ExecutionPlan plan = ExecutionPlan.of(cudnn, scene.owner, config, null);
          plans.put(config, ExecutionPlan.fromJson(cudnn, scene.owner, plan.json(), handle));
        } catch (CudnnException e) {
          assertTrue(e.notSupported() || e.code() == 4001, e::toString);
        }
      }
    }
    return plans;
  }

  private static boolean honest(EngineConfig config) {
    return config.numericalNotes().stream().noneMatch(WRONG::contains);
  }

  private ExecutionPlan anyPlan(OperationGraph graph) {
    return plans(graph).entrySet().stream()
        .filter(e -> honest(e.getKey()) && e.getValue().workspaceBytes() < 1 << 20)
        .findFirst()
        .orElseThrow()
        .getValue();
  }

  private record Buffers(float[] x, float[] w, float[] bias, float[] z, long[] addresses) {}

  private Buffers buffers(Case c, Element element, boolean integral) {
    int weights = c.k * (c.c / c.groups) * c.r * c.r;
    int inputs = c.n * c.c * c.h * c.w;
    float[] x = integral ? integers(inputs, 3) : gaussians(inputs, element);
    float[] w = integral ? integers(weights, 2) : gaussians(weights, element);
    float[] bias = integral ? integers(c.k, 9) : gaussians(c.k, element);
    float[] z = integral ? integers(c.outputs(), 9) : gaussians(c.outputs(), element);
    return new Buffers(
        x,
        w,
        bias,
        z,
        new long[] {
          scene.upload(x, element),
          scene.upload(w, element),
          scene.upload(bias, element),
          scene.upload(z, element),
          scene.allocate((long) c.outputs() * element.bytes)
        });
  }

  private float[] run(Case c, Element element, ExecutionPlan plan, Buffers b) {
    long workspace = plan.workspaceBytes() == 0 ? 0 : scene.allocate(plan.workspaceBytes());
    handle.execute(plan, pack(c, b.addresses, workspace));
    return scene.download(b.addresses[4], c.outputs(), element);
  }

  private VariantPack pack(Case c, long[] addresses, long workspace) {
    return c.z
        ? VariantPack.of(cudnn, scene.owner, new long[] {1, 2, 3, 5, 6}, addresses, workspace)
        : VariantPack.of(
            cudnn,
            scene.owner,
            new long[] {1, 2, 3, 6},
            new long[] {addresses[0], addresses[1], addresses[2], addresses[4]},
            workspace);
  }

  private static double[] expected(Case c, Buffers b) {
    var y = new double[c.outputs()];
    int perGroup = c.c / c.groups;
    for (int n = 0; n < c.n; n++) {
      for (int p = 0; p < c.p(); p++) {
        for (int q = 0; q < c.q(); q++) {
          for (int k = 0; k < c.k; k++) {
            int first = k / (c.k / c.groups) * perGroup;
            double sum = 0;
            for (int r = 0; r < c.r; r++) {
              for (int s = 0; s < c.r; s++) {
                int h = p * c.stride - c.pad + r;
                int w = q * c.stride - c.pad + s;
                if (h < 0 || h >= c.h || w < 0 || w >= c.w) {
                  continue;
                }
                for (int i = 0; i < perGroup; i++) {
                  sum +=
                      (double) b.x[((n * c.h + h) * c.w + w) * c.c + first + i]
                          * b.w[((k * c.r + r) * c.r + s) * perGroup + i];
                }
              }
            }
            int index = ((n * c.p() + p) * c.q() + q) * c.k + k;
            y[index] = Math.max(0, sum + b.bias[k] + (c.z ? b.z[index] : 0));
          }
        }
      }
    }
    return y;
  }

  private static double nmse(double[] expected, float[] actual) {
    double error = 0;
    double power = 0;
    for (int i = 0; i < expected.length; i++) {
      error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
      power += expected[i] * expected[i];
    }
    return error / power;
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT", "HALF", "BFLOAT16"})
  void convolutionsOfIntegersAreExact(Element element) {
    for (Case c : CASES) {
      Buffers buffers = buffers(c, element, true);
      float[] expected = new float[c.outputs()];
      double[] exact = expected(c, buffers);
      for (int i = 0; i < expected.length; i++) {
        expected[i] = element.rounded((float) exact[i]);
      }
      for (boolean biasFirst : new boolean[] {false, true}) {
        for (var plan : plans(graph(c, element, biasFirst)).entrySet()) {
          // With halves for sums, or inputs of three bits, not even integers are exact.
          if (honest(plan.getKey()) && plan.getValue().workspaceBytes() < 1 << 20) {
            assertArrayEquals(
                expected,
                run(c, element, plan.getValue(), buffers),
                () -> c + " " + element + " " + plan.getKey());
          }
        }
      }
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT", "HALF", "BFLOAT16"})
  void notesTellHowGoodTheNumbersAre(Element element) {
    Case c = CASES.getLast();
    Buffers buffers = buffers(c, element, false);
    double[] exact = expected(c, buffers);
    double stored =
        switch (element) {
          case FLOAT -> 1e-11;
          case HALF -> 1e-6;
          default -> 1e-5;
        };
    for (var plan : plans(graph(c, element, false)).entrySet()) {
      if (plan.getValue().workspaceBytes() > 1 << 20) {
        continue;
      }
      Set<NumericalNote> notes = plan.getKey().numericalNotes();
      double error = nmse(exact, run(c, element, plan.getValue(), buffers));
      if (notes.contains(NumericalNote.DOWN_CONVERT_INPUTS)) {
        assertTrue(error > 1e-4, () -> plan.getKey() + " " + error);
      } else if (notes.contains(NumericalNote.REDUCED_PRECISION_REDUCTION)) {
        assertTrue(error > 1e-7 && error < 1e-3, () -> plan.getKey() + " " + error);
      } else if (element == Element.FLOAT && notes.contains(NumericalNote.TENSOR_CORE)) {
        assertTrue(error > 1e-10 && error < 1e-6, () -> plan.getKey() + " " + error);
      } else {
        assertTrue(error < stored, () -> plan.getKey() + " " + error);
      }
    }
  }

  @Test
  void onlyEnginesThatSaySoDifferFromRunToRun() {
    Case c = CASES.getLast();
    Buffers buffers = buffers(c, Element.FLOAT, false);
    int different = 0;
    for (var plan : plans(graph(c, Element.FLOAT, false)).entrySet()) {
      if (plan.getValue().workspaceBytes() > 1 << 20) {
        continue;
      }
      long workspace =
          plan.getValue().workspaceBytes() == 0
              ? 0
              : scene.allocate(plan.getValue().workspaceBytes());
      VariantPack pack = pack(c, buffers.addresses, workspace);
      var results = new ArrayList<float[]>();
      for (int i = 0; i < 6; i++) {
        handle.execute(plan.getValue(), pack);
        results.add(scene.download(buffers.addresses[4], c.outputs(), Element.FLOAT));
      }
      boolean same = results.stream().allMatch(r -> Arrays.equals(r, results.getFirst()));
      boolean admitted = plan.getKey().numericalNotes().contains(NumericalNote.NONDETERMINISTIC);
      assertTrue(same || admitted, () -> plan.getKey() + " differs and does not say so");
      different += same ? 0 : 1;
    }
    assertTrue(different > 0, "no engine differs from run to run: the mistake cannot be seen");
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT", "HALF", "BFLOAT16"})
  void poolingsAreExact(Element element) {
    int n = 2;
    int c = 24;
    int h = 9;
    float[] x = integers(n * c * h * h, 50);
    long input = scene.upload(x, element);
    for (ResampleMode mode :
        List.of(
            ResampleMode.MAXPOOL,
            ResampleMode.AVGPOOL_INCLUDE_PADDING,
            ResampleMode.AVGPOOL_EXCLUDE_PADDING)) {
      boolean maximum = mode == ResampleMode.MAXPOOL;
      int p = (h + 2 - 3) / 2 + 1;
      var expected = new float[n * c * p * p];
      for (int i = 0; i < expected.length; i++) {
        int channel = i % c;
        int q = i / c % p;
        int row = i / c / p % p;
        int picture = i / c / p / p;
        double value = maximum ? Double.NEGATIVE_INFINITY : 0;
        int inside = 0;
        for (int r = 0; r < 9; r++) {
          int y = 2 * row - 1 + r / 3;
          int s = 2 * q - 1 + r % 3;
          if (y >= 0 && y < h && s >= 0 && s < h) {
            float at = x[((picture * h + y) * h + s) * c + channel];
            value = maximum ? Math.max(value, at) : value + at;
            inside++;
          }
        }
        double divisor = maximum ? 1 : mode == ResampleMode.AVGPOOL_INCLUDE_PADDING ? 9 : inside;
        expected[i] = element.rounded((float) (value / divisor));
      }
      Resample resample =
          Resample.of(
              cudnn,
              scene.owner,
              mode,
              DataType.FLOAT,
              maximum ? PaddingMode.NEG_INF_PAD : PaddingMode.ZERO_PAD,
              new long[] {3, 3},
              new long[] {1, 1},
              new long[] {1, 1},
              new long[] {2, 2},
              false);
      OperationGraph graph =
          OperationGraph.of(
              cudnn,
              scene.owner,
              List.of(
                  Operation.resampleForward(
                      cudnn,
                      scene.owner,
                      resample,
                      tensor(1, type(element), false, n, c, h, h),
                      tensor(2, type(element), false, n, c, p, p))),
              null);
      long output = scene.allocate((long) expected.length * element.bytes);
      for (ExecutionPlan plan : plans(graph).values()) {
        handle.execute(
            plan,
            VariantPack.of(cudnn, scene.owner, new long[] {1, 2}, new long[] {input, output}, 0));
        assertArrayEquals(expected, scene.download(output, expected.length, element));
      }
    }
  }

  @Test
  void stridesAreFollowed() {
    // Channels padded to 40 in memory, rows to 12 pixels: only the strides say so.
    Case c = new Case(1, 32, 6, 6, 8, 3, 1, 1, 1, false);
    float[] dense = integers(c.c * c.h * c.w, 3);
    var spread = new float[40 * 12 * c.h];
    Arrays.fill(spread, Float.NaN);
    for (int h = 0; h < c.h; h++) {
      for (int w = 0; w < c.w; w++) {
        System.arraycopy(dense, (h * c.w + w) * c.c, spread, (h * 12 + w) * 40, c.c);
      }
    }
    float[] weights = integers(c.k * c.c * 9, 2);
    Tensor x =
        Tensor.of(
            cudnn,
            scene.owner,
            1,
            DataType.HALF,
            new long[] {1, c.c, c.h, c.w},
            new long[] {40L * 12 * c.h, 1, 40 * 12, 40},
            16,
            false);
    var convolution =
        Convolution.of(
            cudnn,
            scene.owner,
            DataType.FLOAT,
            new long[] {1, 1},
            new long[] {1, 1},
            new long[] {1, 1},
            new long[] {1, 1});
    OperationGraph graph =
        OperationGraph.of(
            cudnn,
            scene.owner,
            List.of(
                Operation.convolutionForward(
                    cudnn,
                    scene.owner,
                    convolution,
                    x,
                    tensor(2, DataType.HALF, false, c.k, c.c, 3, 3),
                    tensor(6, DataType.HALF, false, 1, c.k, c.h, c.w),
                    1,
                    0)),
            null);
    long output = scene.allocate(2L * c.outputs());
    ExecutionPlan plan = anyPlan(graph);
    handle.execute(
        plan,
        VariantPack.of(
            cudnn,
            scene.owner,
            new long[] {1, 2, 6},
            new long[] {
              scene.upload(spread, Element.HALF), scene.upload(weights, Element.HALF), output
            },
            scene.allocate(Math.max(16, plan.workspaceBytes()))));
    double[] exact =
        Arrays.stream(
                expected(c, new Buffers(dense, weights, new float[c.k], new float[0], new long[0])))
            .toArray();
    float[] actual = scene.download(output, c.outputs(), Element.HALF);
    for (int i = 0; i < actual.length; i++) {
      assertEquals((float) exact[i], Math.max(0, actual[i]), 0);
    }
  }

  @Test
  void workspaceIsScribbledOnAsFarAsThePlanSaidAndNoFurther() {
    for (Case c : CASES) {
      for (var plan : plans(graph(c, Element.HALF, false)).values()) {
        if (plan.workspaceBytes() == 0 || plan.workspaceBytes() > 1 << 20) {
          continue;
        }
        Buffers b = buffers(c, Element.HALF, true);
        int floats = (int) (plan.workspaceBytes() / 4);
        var marks = new float[floats + 64];
        Arrays.fill(marks, 1);
        long arena = scene.upload(marks, Element.FLOAT);
        handle.execute(plan, pack(c, b.addresses, arena));
        float[] after = scene.download(arena, marks.length, Element.FLOAT);
        for (int i = 0; i < after.length; i++) {
          assertEquals(i < floats, Float.isNaN(after[i]), "float " + i + " of " + floats);
        }
        return;
      }
    }
    throw new AssertionError("no case is offered a plan with workspace");
  }

  @Test
  void someCandidatesAreNotToBeTaken() {
    boolean badFirst = false;
    boolean unfinalizable = false;
    boolean greedy = false;
    for (Case c : CASES) {
      OperationGraph graph = graph(c, Element.HALF, false);
      var candidates =
          Heuristics.candidates(cudnn, scene.owner, graph, HeuristicMode.A, properties);
      badFirst |= !honest(candidates.getFirst());
      for (EngineConfig config : candidates) {
        try {
          greedy |=
              ExecutionPlan.of(cudnn, scene.owner, config, null).workspaceBytes() > 256L << 20;
        } catch (CudnnException e) {
          unfinalizable = true;
          assertFalse(e.reason().isEmpty());
        }
      }
    }
    assertTrue(badFirst, "every first candidate is a good one");
    assertTrue(unfinalizable, "every candidate finalizes");
    assertTrue(greedy, "no candidate wants much workspace");
  }

  @Test
  void biasFirstIsCompiledAtRunTime() {
    OperationGraph graph = graph(CASES.getFirst(), Element.HALF, true);
    for (EngineConfig config :
        Heuristics.candidates(cudnn, scene.owner, graph, HeuristicMode.A, properties)) {
      assertFalse(config.behaviorNotes().isEmpty(), config::toString);
    }
  }

  @Test
  void aPlanIsForOneKindOfDevice() {
    OperationGraph graph = graph(CASES.getFirst(), Element.HALF, false);
    String json = anyPlan(graph).json();
    String other = properties.json().replaceAll("\"driverVer\":\\d+", "\"driverVer\":12010");
    assertNotEquals(properties.json(), other);
    DeviceProperties otherDevice = DeviceProperties.fromJson(cudnn, scene.owner, other);
    assertEquals(
        CudnnStatus.NOT_SUPPORTED_ARCH_MISMATCH,
        assertThrows(
                CudnnException.class,
                () -> ExecutionPlan.fromJson(cudnn, scene.owner, json, otherDevice))
            .status());
    String clock = properties.json().replaceAll("\"smClockRateKHz\":\\d+", "\"smClockRateKHz\":1");
    ExecutionPlan.fromJson(
        cudnn, scene.owner, json, DeviceProperties.fromJson(cudnn, scene.owner, clock));
  }

  @Test
  void aPlanFromEngineAndKnobsIsTheSame() {
    Case c = CASES.getFirst();
    OperationGraph graph = graph(c, Element.HALF, false);
    for (var plan : plans(graph).entrySet()) {
      EngineConfig config = plan.getKey();
      EngineConfig again =
          EngineConfig.of(
              cudnn, scene.owner, graph, config.engineIndex(), config.knobs(), properties);
      assertEquals(config.numericalNotes(), again.numericalNotes());
      assertEquals(
          plan.getValue().json(), ExecutionPlan.of(cudnn, scene.owner, again, null).json());
    }
  }

  private CudnnException mistake(ExecutionPlan plan, long[] uids, long[] pointers) {
    return assertThrows(
        CudnnException.class,
        () -> handle.execute(plan, VariantPack.of(cudnn, scene.owner, uids, pointers, 0)));
  }

  @Test
  void mistakesInTheVariantPackAreRefused() {
    Case c = CASES.getFirst();
    Buffers b = buffers(c, Element.HALF, true);
    ExecutionPlan plan =
        plans(graph(c, Element.HALF, false)).entrySet().stream()
            .filter(e -> honest(e.getKey()) && e.getValue().workspaceBytes() == 0)
            .findFirst()
            .orElseThrow()
            .getValue();
    long[] a = b.addresses;
    // Missing, twice, virtual.
    mistake(plan, new long[] {1, 2, 3, 6}, new long[] {a[0], a[1], a[2], a[4]});
    mistake(plan, new long[] {1, 2, 3, 5, 6, 6}, new long[] {a[0], a[1], a[2], a[3], a[4], a[4]});
    mistake(plan, new long[] {1, 2, 3, 5, 6, 20}, new long[] {a[0], a[1], a[2], a[3], a[4], a[4]});
    // Null, misaligned, too short, on the host.
    mistake(plan, new long[] {1, 2, 3, 5, 6}, new long[] {0, a[1], a[2], a[3], a[4]});
    assertEquals(
        CudnnStatus.BAD_PARAM_MISALIGNED_POINTER,
        mistake(plan, new long[] {1, 2, 3, 5, 6}, new long[] {a[0], a[1], a[2] + 8, a[3], a[4]})
            .status());
    mistake(
        plan, new long[] {1, 2, 3, 5, 6}, new long[] {a[0], a[1], a[2], a[3], scene.allocate(256)});
    mistake(plan, new long[] {1, 2, 3, 5, 6}, new long[] {a[0], a[1], a[2], a[3], 4096});
    // In place.
    mistake(plan, new long[] {1, 2, 3, 5, 6}, new long[] {a[0], a[1], a[2], a[3], a[3]});
    assertFalse(SoftwareDevice.complaints().isEmpty());
  }

  @Test
  void aMissingWorkspaceIsRefused() {
    Case c = CASES.getFirst();
    Buffers b = buffers(c, Element.HALF, true);
    for (Case other : CASES) {
      for (ExecutionPlan plan : plans(graph(other, Element.HALF, false)).values()) {
        if (plan.workspaceBytes() > 0) {
          Buffers buffers = buffers(other, Element.HALF, true);
          assertThrows(
              CudnnException.class, () -> handle.execute(plan, pack(other, buffers.addresses, 0)));
          assertThrows(
              CudnnException.class,
              () -> handle.execute(plan, pack(other, buffers.addresses, b.addresses[0])));
          return;
        }
      }
    }
  }

  @Test
  void aPlanDestroyedBeforeItsWorkRanIsAComplaint() {
    scene.close();
    open(SoftwareDevice.settings().eagerness(0)); // else the work may have run before the plan goes
    Case c = CASES.getFirst();
    Buffers b = buffers(c, Element.HALF, true);
    String json = anyPlan(graph(c, Element.HALF, false)).json();
    try (var early = new Closer()) {
      ExecutionPlan plan = ExecutionPlan.fromJson(cudnn, early, json, handle);
      long workspace = plan.workspaceBytes() == 0 ? 0 : scene.allocate(plan.workspaceBytes());
      handle.execute(plan, pack(c, b.addresses, workspace));
    }
    scene.stream.synchronize();
    assertTrue(
        SoftwareDevice.complaints().toString().contains("destroyed"),
        () -> SoftwareDevice.complaints().toString());
  }

  @Test
  void aPlanForADescribedDeviceIsNotExecuted() {
    Case c = CASES.getFirst();
    Buffers b = buffers(c, Element.HALF, true);
    ExecutionPlan plan =
        ExecutionPlan.fromJson(
            cudnn, scene.owner, anyPlan(graph(c, Element.HALF, false)).json(), properties);
    assertThrows(CudnnException.class, () -> handle.execute(plan, pack(c, b.addresses, 0)));
  }

  @Test
  void theFirstExecutionOfAPlanFailsInACaptureAndLaterOnesAreReplayed() {
    Case c = CASES.getFirst();
    Buffers b = buffers(c, Element.HALF, true);
    ExecutionPlan plan = anyPlan(graph(c, Element.HALF, false));
    VariantPack pack = pack(c, b.addresses, scene.allocate(Math.max(16, plan.workspaceBytes())));
    scene.stream.beginCapture();
    assertThrows(CudnnException.class, () -> handle.execute(plan, pack));
    assertThrows(RuntimeException.class, () -> scene.stream.endCapture());
    assertFalse(SoftwareDevice.complaints().isEmpty());

    handle.execute(plan, pack);
    float[] eager = scene.download(b.addresses[4], c.outputs(), Element.HALF);
    scene.stream.beginCapture();
    handle.execute(plan, pack);
    try (Graph graph = scene.stream.endCapture();
        GraphExec executable = graph.instantiate()) {
      assertEquals(1, graph.nodes());
      for (int i = 0; i < 2; i++) {
        scene.stream.fill(b.addresses[4], (byte) -1, 2L * c.outputs());
        scene.stream.launch(executable);
        assertArrayEquals(eager, scene.download(b.addresses[4], c.outputs(), Element.HALF));
      }
    }
  }

  @Test
  @Tag("vendor")
  @Tag("device")
  void whatNvidiasCudnnPlansIsExecuted() {
    VendorLibraries.library("libcudnn.so.9");
    scene.close();
    open(SoftwareDevice.settings().with("cudnn.vendor", VendorLibraries.folder()));
    for (Element element : List.of(Element.FLOAT, Element.HALF, Element.BFLOAT16)) {
      for (Case c : List.of(CASES.get(0), CASES.get(1))) {
        OperationGraph graph = graph(c, element, false);
        List<EngineConfig> candidates =
            Heuristics.candidates(cudnn, scene.owner, graph, HeuristicMode.A, properties);
        assertTrue(candidates.size() > 2, () -> c + ": " + candidates);
        assertTrue(candidates.stream().anyMatch(config -> !config.knobs().isEmpty()));
        Buffers buffers = buffers(c, element, true);
        double[] exact = expected(c, buffers);
        var expected = new float[exact.length];
        for (int i = 0; i < expected.length; i++) {
          expected[i] = element.rounded((float) exact[i]);
        }
        int executed = 0;
        for (EngineConfig config : candidates) {
          if (executed == 3 || !honest(config)) {
            continue;
          }
          ExecutionPlan plan;
          try {
            String json = ExecutionPlan.of(cudnn, scene.owner, config, null).json();
            plan = ExecutionPlan.fromJson(cudnn, scene.owner, json, handle);
          } catch (CudnnException e) {
            assertTrue(e.notSupported(), e::toString);
            continue;
          }
          assertArrayEquals(expected, run(c, element, plan, buffers), config::toString);
          executed++;
        }
        assertTrue(executed > 1, () -> c + ": " + candidates);
      }
    }
    Case two = CASES.getFirst();
    String json = anyPlan(graph(two, Element.HALF, false)).json();
    String other = properties.json().replaceAll("\"driverVer\":\\d+", "\"driverVer\":12010");
    assertEquals(
        CudnnStatus.NOT_SUPPORTED_ARCH_MISMATCH,
        assertThrows(
                CudnnException.class,
                () ->
                    ExecutionPlan.fromJson(
                        cudnn,
                        scene.owner,
                        json,
                        DeviceProperties.fromJson(cudnn, scene.owner, other)))
            .status());
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @Test
  void aHandleIsForTheContextThatItWasMadeIn() {
    scene.close();
    open(SoftwareDevice.settings().devices(2));
    Case c = CASES.getFirst();
    Buffers b = buffers(c, Element.HALF, true);
    ExecutionPlan plan = anyPlan(graph(c, Element.HALF, false));
    VariantPack pack = pack(c, b.addresses, scene.allocate(Math.max(16, plan.workspaceBytes())));
    try (Context other = Cuda.open().devices().get(1).retainPrimary()) {
      other.push();
      try {
        assertThrows(CudnnException.class, () -> handle.execute(plan, pack));
      } finally {
        other.pop();
      }
    }
    handle.execute(plan, pack);
    scene.stream.synchronize();
  }

  @Test
  void integerConvolutionsAreScaledAndRoundedToEven() {
    Case c = new Case(1, 16, 5, 5, 32, 3, 1, 1, 1, false);
    float[] x = integers(c.c * c.h * c.w, 5);
    float[] w = integers(c.k * c.c * 9, 1);
    float[] bias = integers(c.k, 9);
    long[] out = {1, c.k, 5, 5};
    var convolution =
        Convolution.of(
            cudnn,
            scene.owner,
            DataType.INT32,
            new long[] {1, 1},
            new long[] {1, 1},
            new long[] {1, 1},
            new long[] {1, 1});
    var multiply = Pointwise.of(cudnn, scene.owner, PointwiseMode.MUL, DataType.FLOAT);
    var add = Pointwise.of(cudnn, scene.owner, PointwiseMode.ADD, DataType.FLOAT);
    Tensor sums = tensor(20, DataType.INT32, true, out);
    Tensor scaled = tensor(21, DataType.FLOAT, true, out);
    OperationGraph graph =
        OperationGraph.of(
            cudnn,
            scene.owner,
            List.of(
                Operation.convolutionForward(
                    cudnn,
                    scene.owner,
                    convolution,
                    tensor(1, DataType.INT8, false, 1, c.c, 5, 5),
                    tensor(2, DataType.INT8, false, c.k, c.c, 3, 3),
                    sums,
                    1,
                    0),
                Operation.pointwise(
                    cudnn,
                    scene.owner,
                    multiply,
                    sums,
                    tensor(3, DataType.FLOAT, false, 1, c.k, 1, 1),
                    scaled),
                Operation.pointwise(
                    cudnn,
                    scene.owner,
                    add,
                    scaled,
                    tensor(4, DataType.FLOAT, false, 1, c.k, 1, 1),
                    tensor(6, DataType.INT8, false, out))),
            null);
    var halves = new float[c.k];
    Arrays.fill(halves, 0.5f);
    long y = scene.allocate(c.outputs());
    ExecutionPlan plan = anyPlan(graph);
    handle.execute(
        plan,
        VariantPack.of(
            cudnn,
            scene.owner,
            new long[] {1, 2, 3, 4, 6},
            new long[] {
              scene.upload(x, Element.INT8),
              scene.upload(w, Element.INT8),
              scene.upload(halves, Element.FLOAT),
              scene.upload(bias, Element.FLOAT),
              y
            },
            scene.allocate(Math.max(16, plan.workspaceBytes()))));
    var expected = new float[c.outputs()];
    for (int i = 0; i < expected.length; i++) {
      double sum = 0;
      for (int t = 0; t < 9; t++) {
        int h = i / c.k / 5 - 1 + t / 3;
        int v = i / c.k % 5 - 1 + t % 3;
        if (h >= 0 && h < 5 && v >= 0 && v < 5) {
          for (int k = 0; k < c.c; k++) {
            sum += x[(h * 5 + v) * c.c + k] * w[(i % c.k * 9 + t) * c.c + k];
          }
        }
      }
      expected[i] = Element.INT8.rounded((float) (sum * 0.5 + bias[i % c.k])) + 0.0f;
    }
    assertArrayEquals(expected, scene.download(y, expected.length, Element.INT8));
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @Test
  void anOldDeviceHasNoTensorCoresForFloatsAndNoBfloat16() {
    scene.close();
    open(SoftwareDevice.settings().computeCapability(75));
    for (EngineConfig config : plans(graph(CASES.getFirst(), Element.FLOAT, false)).keySet()) {
      assertFalse(config.numericalNotes().contains(NumericalNote.TENSOR_CORE), config::toString);
    }
    assertEquals(Map.of(), plans(graph(CASES.getFirst(), Element.BFLOAT16, false)));
    assertFalse(plans(graph(CASES.getFirst(), Element.HALF, false)).isEmpty());
  }

  @Test
  void everyFunctionThatJCudaLinksWithIsThere() throws IOException {
    for (String library : List.of("cudnn", "cublas")) {
      NativeLibrary opened =
          NativeLibrary.find(library, library + "Create" + (library.equals("cublas") ? "_v2" : ""))
              .file("built from the test tree", SoftwareDevice.library(library))
              .load();
      try (InputStream names =
          SoftwareCudnnTest.class.getResourceAsStream(library + "_names.txt")) {
        for (String name : new String(names.readAllBytes(), UTF_8).lines().toList()) {
          assertTrue(opened.has(name), name);
        }
      }
    }
  }

  @Test
  void aHandleUsedByTwoThreadsAtOnceIsAComplaint() throws Exception {
    var device = new RawCalls(SoftwareDevice.library("cuda"), "cuInit");
    // As if this thread were in the midst of a call, where no test could hold it.
    device.check("swd_handle_enter", handle.handle());
    try (ExecutorService other = Executors.newSingleThreadExecutor()) {
      other
          .submit(() -> {
            scene.context.push();
            try {
              handle.setStream(scene.stream);
            } finally {
              scene.context.pop();
            }
          })
          .get();
    }
    String twice = "is used by two threads at once";
    assertTrue(SoftwareDevice.complaints().toString().contains(twice));
  }

  @Test
  void aHandleNeedsAContext() {
    scene.context.pop();
    try {
      assertEquals(
          CudnnStatus.NOT_INITIALIZED,
          assertThrows(CudnnException.class, cudnn::newHandle).status());
    } finally {
      scene.context.push();
    }
  }
}
