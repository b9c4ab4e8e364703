package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.testing.HeapAllocation;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The cuDNN bindings on the software device. */
@Tag("native")
class CudnnTest extends OnSoftwareCudnn {
  private static final FusedConvolution CONVOLUTION =
      new FusedConvolution(2, 8, 6, 16, 3, 1, true, true);

  @Test
  void aPlanFromTheHandleAndOneRestoredComputeTheSame() {
    OperationGraph straight = CONVOLUTION.graph(cudnn, owner, DataType.FLOAT, true, handle);
    ExecutionPlan fromHandle =
        first(Heuristics.candidates(cudnn, owner, straight, HeuristicMode.A), handle);
    DeviceProperties device = DeviceProperties.of(cudnn, owner, handle);
    DeviceProperties described = DeviceProperties.fromJson(cudnn, owner, device.json());
    OperationGraph graph = CONVOLUTION.graph(cudnn, owner, DataType.FLOAT, true, null);
    List<EngineConfig> candidates =
        Heuristics.candidates(cudnn, owner, graph, HeuristicMode.A, described);
    String json = first(candidates, null).json();
    ExecutionPlan restored = ExecutionPlan.fromJson(cudnn, owner, json, handle);
    Data data = new Data();
    assertArrayEquals(data.expected(), data.run(fromHandle));
    assertArrayEquals(data.expected(), data.run(restored));
  }

  @Test
  void anExecutionAllocatesNothingOnTheHeap() throws Exception {
    ExecutionPlan plan = restored(owner);
    Data data = new Data();
    VariantPack pack = data.pack(plan);
    assertEquals(0, HeapAllocation.fewestBytes(new long[0], () -> handle.execute(plan, pack)));
    stream.synchronize();
  }

  /** One exception that names the call, and nothing left, whichever call it is that fails. */
  @Test
  void aFailureAnywhereLeavesNoDescriptorBehind() {
    Map<String, Long> expected = SoftwareDevice.live();
    List<String> functions = new ArrayList<>();
    for (long call = 1; ; call++) {
      int fired = SoftwareDevice.fired().size();
      SoftwareDevice.failCall(call);
      CudnnException e = null;
      try (var local = new Closer()) {
        pooling(local);
      } catch (CudnnException thrown) {
        e = thrown;
      }
      if (SoftwareDevice.fired().size() == fired) {
        assertEquals(null, e);
        // The fault that nothing has met would meet the next.
        assertThrows(CudnnException.class, () -> handle.setStream(stream));
        break;
      }
      String fault = SoftwareDevice.fired().getLast();
      if (e != null) {
        assertTrue(fault.contains(e.function()), () -> fault);
        functions.add(e.function());
      } else {
        // Only what is destroyed on the way may fail without an exception: that is logged.
        assertTrue(fault.contains("Destroy"), () -> fault);
        notDestroyed.merge("cudnn descriptor", 1L, Long::sum);
        expected.merge("cudnn descriptor", 1L, Long::sum);
      }
      assertEquals(expected, SoftwareDevice.live(), "after a failure of call " + call);
    }
    for (String function :
        List.of("CreateDescriptor", "SetAttribute", "Finalize", "GetAttribute")) {
      assertTrue(functions.contains("cudnnBackend" + function), () -> "never failed: " + function);
    }
  }

  @Test
  void aRefusalCarriesCudnnsReason() {
    CudnnException e =
        assertThrows(
            CudnnException.class,
            () ->
                Tensor.of(
                    cudnn,
                    owner,
                    1,
                    DataType.HALF,
                    new long[] {1, 8, 4, 4},
                    Tensor.channelsLast(1, 8, 4, 4),
                    0,
                    false));
    assertFalse(e.reason().isEmpty());
    assertEquals("cudnnBackendFinalize", e.function());
    assertEquals(CudnnStatus.BAD_PARAM, e.status());
    assertFalse(e.notSupported());
    assertTrue(e.getMessage().contains("HALF tensor 1 of [1, 8, 4, 4]"), e.getMessage());
    assertTrue(e.getMessage().contains(e.reason()), e.getMessage());
  }

  @Test
  void aStatusThatIsNotKnownKeepsItsNumber() {
    SoftwareDevice.failFunction("cudnnSetStream", 1, 7777);
    CudnnException e = assertThrows(CudnnException.class, () -> handle.setStream(stream));
    assertEquals(CudnnStatus.UNKNOWN, e.status());
    assertEquals(7777, e.code());
    assertTrue(e.getMessage().contains("7777"), e.getMessage());
    assertEquals("note 77", new NumericalNote(77).toString());
    assertEquals("NONDETERMINISTIC", NumericalNote.NONDETERMINISTIC.toString());
    assertEquals("knob 77=1", new KnobChoice(new KnobType(77), 1).toString());
    assertEquals("TILE_SIZE=1", new KnobChoice(new KnobType(2), 1).toString());
    assertEquals("note -1", new BehaviorNote(-1).toString());
  }

  @Test
  void aHandleIsClosedOnce() {
    CudnnHandle another = cudnn.newHandle();
    another.close();
    another.close();
    assertThrows(IllegalStateException.class, () -> another.setStream(stream));
  }

  @Test
  void aPlanIsNotExecutedAfterItsOwnerWasClosed() {
    ExecutionPlan plan;
    VariantPack pack;
    try (var local = new Closer()) {
      plan = restored(local);
      pack = new Data().pack(plan);
    }
    assertThrows(IllegalStateException.class, () -> handle.execute(plan, pack));
  }

  @Test
  void aPackHasAnAddressForEachTensor() {
    assertThrows(
        IllegalArgumentException.class,
        () -> VariantPack.of(cudnn, owner, new long[] {1, 2}, new long[] {256}, 0));
  }

  @Test
  void anOperationHasAsManyOperandsAsItsMode() {
    long[] shape = {1, 8, 4, 4};
    Tensor x =
        Tensor.of(cudnn, owner, 1, DataType.FLOAT, shape, Tensor.channelsLast(shape), 16, false);
    Pointwise add = Pointwise.of(cudnn, owner, PointwiseMode.ADD, DataType.FLOAT);
    Pointwise relu = Pointwise.of(cudnn, owner, PointwiseMode.RELU_FWD, DataType.FLOAT);
    assertThrows(
        IllegalArgumentException.class, () -> Operation.pointwise(cudnn, owner, add, x, null, x));
    assertThrows(
        IllegalArgumentException.class, () -> Operation.pointwise(cudnn, owner, relu, x, x, x));
  }

  /** The way that is taken in earnest: described, planned, written, read, for the handle. */
  private ExecutionPlan restored(Closer local) {
    DeviceProperties properties = DeviceProperties.of(cudnn, local, handle);
    OperationGraph graph = CONVOLUTION.graph(cudnn, local, DataType.FLOAT, true, null);
    List<EngineConfig> candidates =
        Heuristics.candidates(cudnn, local, graph, HeuristicMode.A, properties);
    EngineConfig config = candidates.stream().filter(CudnnTest::precise).findFirst().orElseThrow();
    String json = ExecutionPlan.of(cudnn, local, config, null).json();
    return ExecutionPlan.fromJson(cudnn, local, json, handle);
  }

  /** The same for the smallest graph that there is. */
  private ExecutionPlan pooling(Closer local) {
    DeviceProperties properties = DeviceProperties.of(cudnn, local, handle);
    long[] x = {1, 8, 4, 4};
    long[] y = {1, 8, 2, 2};
    Resample max =
        Resample.of(
            cudnn,
            local,
            ResampleMode.MAXPOOL,
            DataType.FLOAT,
            PaddingMode.NEG_INF_PAD,
            new long[] {2, 2},
            new long[] {0, 0},
            new long[] {0, 0},
            new long[] {2, 2},
            true);
    Operation operation =
        Operation.resampleForward(
            cudnn,
            local,
            max,
            Tensor.of(cudnn, local, 1, DataType.HALF, x, Tensor.channelsLast(x), 16, false),
            Tensor.of(cudnn, local, 2, DataType.HALF, y, Tensor.channelsLast(y), 16, false));
    OperationGraph graph = OperationGraph.of(cudnn, local, List.of(operation), null);
    EngineConfig config =
        Heuristics.candidates(cudnn, local, graph, HeuristicMode.A, properties).getFirst();
    EngineConfig same =
        EngineConfig.of(cudnn, local, graph, config.engineIndex(), config.knobs(), properties);
    String json = ExecutionPlan.of(cudnn, local, same, null).json();
    return ExecutionPlan.fromJson(cudnn, local, json, handle);
  }

  private ExecutionPlan first(List<EngineConfig> candidates, CudnnHandle ofHandle) {
    for (EngineConfig config : candidates) {
      if (precise(config)) {
        try {
          return ExecutionPlan.of(cudnn, owner, config, ofHandle);
        } catch (CudnnException e) {
          assertTrue(e.notSupported(), e.getMessage());
        }
      }
    }
    throw new AssertionError("none of " + candidates);
  }

  private static boolean precise(EngineConfig config) {
    return config.numericalNotes().stream()
        .noneMatch(
            List.of(
                    NumericalNote.TENSOR_CORE,
                    NumericalNote.DOWN_CONVERT_INPUTS,
                    NumericalNote.NONDETERMINISTIC,
                    NumericalNote.REDUCED_PRECISION_REDUCTION)
                ::contains);
  }

  /** Small integers on the device and what comes of them, so that every sum is exact. */
  private final class Data {
    private final FusedConvolution c = CONVOLUTION;
    private final int out = c.outputSize();
    private final float[] x = integers(c.batch() * c.size() * c.size() * c.channels());
    private final float[] w = integers(c.features() * c.kernel() * c.kernel() * c.channels());
    private final float[] bias = integers(c.features());
    private final float[] z = integers(c.batch() * out * out * c.features());
    private final long y = allocate(4L * z.length);
    private final long[] addresses = {upload(x), upload(w), upload(bias), upload(z), y};

    VariantPack pack(ExecutionPlan plan) {
      long workspace = plan.workspaceBytes() == 0 ? 0 : allocate(plan.workspaceBytes());
      return VariantPack.of(cudnn, owner, c.uids(), addresses, workspace);
    }

    float[] run(ExecutionPlan plan) {
      stream.fill(y, (byte) 0xFF, 4L * z.length);
      handle.execute(plan, pack(plan));
      return download(y, z.length);
    }

    float[] expected() {
      var result = new float[z.length];
      int padding = c.kernel() / 2;
      for (int i = 0; i < result.length; i++) {
        int k = i % c.features();
        int q = i / c.features() % out;
        int p = i / c.features() / out % out;
        int n = i / c.features() / out / out;
        float sum = z[i] + bias[k];
        for (int r = 0; r < c.kernel(); r++) {
          for (int s = 0; s < c.kernel(); s++) {
            int row = p * c.stride() + r - padding;
            int column = q * c.stride() + s - padding;
            if (row < 0 || column < 0 || row >= c.size() || column >= c.size()) {
              continue;
            }
            for (int ch = 0; ch < c.channels(); ch++) {
              sum +=
                  x[((n * c.size() + row) * c.size() + column) * c.channels() + ch]
                      * w[((k * c.kernel() + r) * c.kernel() + s) * c.channels() + ch];
            }
          }
        }
        result[i] = Math.max(sum, 0);
      }
      return result;
    }
  }
}
