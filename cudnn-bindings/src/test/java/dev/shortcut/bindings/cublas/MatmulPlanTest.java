package dev.shortcut.bindings.cublas;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.testing.HeapAllocation;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The cuBLASLt bindings on the software device; numbers are judged beside that device's own. */
@Tag("native")
class MatmulPlanTest {
  private static final Matmul LAYER =
      new Matmul(4, 1000, 512, MatrixType.HALF, ComputeType.FLOAT, true, true);
  private static final long MOST_WORKSPACE = 32 << 20;

  private Closer owner;
  private Context context;
  private Stream stream;
  private CublasLtHandle handle;

  /** What the library itself refused to destroy. */
  private final Map<String, Long> notDestroyed = new TreeMap<>();

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().algorithmSettings(24, 0xfffe));
    owner = new Closer();
    context = owner.own(Cuda.open().devices().getFirst().retainPrimary());
    context.push();
    owner.own(context::pop);
    stream = owner.own(context.newStream());
    handle = owner.own(CublasLt.open(12).newHandle());
  }

  @AfterEach
  void nothingIsLeft() {
    owner.close();
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(notDestroyed, SoftwareDevice.live());
  }

  @Test
  void aRunAllocatesNothingOnTheHeap() throws Exception {
    try (MatmulPlan plan = MatmulPlan.of(handle, LAYER, MOST_WORKSPACE)) {
      long x = allocate(LAYER.m() * LAYER.k());
      long w = allocate(LAYER.n() * LAYER.k());
      long[] biases = {allocate(LAYER.n()), allocate(LAYER.n())};
      long y = allocate(LAYER.m() * LAYER.n());
      long workspace =
          plan.workspaceBytes() == 0
              ? 0
              : owner.own(context.allocate(plan.workspaceBytes())).address();
      int[] turn = {0};
      // The bias changes from run to run, which sets an attribute.
      assertEquals(
          0,
          HeapAllocation.fewestBytes(
              new long[0], () -> plan.run(stream, x, w, biases[turn[0]++ % 2], y, workspace)));
      stream.synchronize();
    }
  }

  @Test
  void aFailureAnywhereLeavesNothingBehind() {
    Map<String, Long> expected = SoftwareDevice.live();
    Set<String> functions = new HashSet<>();
    for (long call = 1; ; call++) {
      int fired = SoftwareDevice.fired().size();
      SoftwareDevice.failCall(call);
      CublasException e = null;
      try {
        MatmulPlan.of(handle, LAYER, MOST_WORKSPACE).close();
      } catch (CublasException thrown) {
        e = thrown;
      }
      if (SoftwareDevice.fired().size() == fired) {
        assertEquals(null, e);
        assertThrows(CudaException.class, () -> stream.waitFor(owner.own(context.newEvent())));
        break;
      }
      String fault = SoftwareDevice.fired().getLast();
      if (e != null) {
        assertTrue(fault.contains(e.function()), () -> fault);
        assertTrue(e.getMessage().contains("n=1000"), e.getMessage());
        functions.add(e.function());
      } else {
        assertTrue(fault.contains("Destroy"), () -> fault);
        String kind = kindOf(fault);
        notDestroyed.merge(kind, 1L, Long::sum);
        expected.merge(kind, 1L, Long::sum);
      }
      assertEquals(expected, SoftwareDevice.live(), "after a failure of call " + call);
    }
    assertTrue(functions.size() > 6, () -> "only " + functions);
  }

  @Test
  void aPlanSaysWithWhatSettingsItComputes() {
    try (MatmulPlan plan = MatmulPlan.of(handle, LAYER, MOST_WORKSPACE)) {
      String text = plan.description();
      assertTrue(
          text.matches("algorithm \\d+, tile \\d+, stages 24, split-k \\d+, cluster 65534"), text);
    }
  }

  @Test
  void aPlanIsClosedOnceAndNotUsedAfter() {
    MatmulPlan plan = MatmulPlan.of(handle, LAYER, 0);
    assertEquals(0, plan.workspaceBytes());
    assertFalse(plan.description().isEmpty());
    plan.close();
    plan.close();
    assertThrows(IllegalStateException.class, () -> plan.run(stream, 0, 0, 0, 0, 0));
    CublasLtHandle another = CublasLt.open(12).newHandle();
    another.close();
    another.close();
    assertThrows(IllegalStateException.class, () -> MatmulPlan.of(another, LAYER, 0));
  }

  @Test
  void floatsAreNotRoundedToTf32Unasked() {
    for (ComputeType compute : ComputeType.values()) {
      var layer = new Matmul(4, 1000, 512, MatrixType.FLOAT, compute, true, false);
      try (MatmulPlan plan = MatmulPlan.of(handle, layer, MOST_WORKSPACE)) {
        assertFalse(
            compute == ComputeType.FLOAT && plan.numericalImplementation().tf32(),
            () -> plan.numericalImplementation().toString());
        assertFalse(plan.numericalImplementation().halfAccumulator());
      }
    }
  }

  @Test
  void badNumbersAreRefused() {
    for (long[] bad : new long[][] {{0, 1, 1}, {1, -1, 1}, {1, 1, 0}}) {
      assertThrows(
          IllegalArgumentException.class,
          () ->
              new Matmul(bad[0], bad[1], bad[2], MatrixType.FLOAT, ComputeType.FLOAT, true, true));
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> new Matmul(1, 1, 1, MatrixType.HALF, ComputeType.TF32, true, true));
  }

  private static String kindOf(String fault) {
    return fault.contains("Preference")
        ? "cublasLt matmul preference"
        : fault.contains("Layout") ? "cublasLt matrix layout" : "cublasLt matmul description";
  }

  private long allocate(long elements) {
    long address = owner.own(context.allocate(elements * LAYER.type().bytes())).address();
    stream.fill(address, (byte) 0, elements * LAYER.type().bytes());
    return address;
  }
}
