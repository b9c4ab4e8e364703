package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.testing.HeapAllocation;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** cuDNN's convolution from before the graph API on the software device. */
@Tag("native")
class LegacyConvolutionPlanTest extends OnSoftwareCudnn {
  private static final LegacyConvolution DENSE =
      new LegacyConvolution(DataType.FLOAT, false, 2, 8, 7, 6, 16, 3, 1, 1, 1, 1, true, true);

  @Test
  void everyKindOfConvolutionIsComputedAsDescribed() {
    for (LegacyConvolution c :
        List.of(
            DENSE,
            // Without residual, without ReLU, strided, dilated, in groups.
            new LegacyConvolution(
                DataType.FLOAT, false, 2, 8, 7, 6, 16, 3, 1, 1, 1, 1, false, true),
            new LegacyConvolution(
                DataType.FLOAT, false, 2, 8, 7, 6, 16, 3, 1, 1, 1, 1, true, false),
            new LegacyConvolution(
                DataType.FLOAT, true, 1, 8, 9, 12, 8, 1, 2, 0, 1, 1, false, false),
            new LegacyConvolution(DataType.FLOAT, false, 1, 8, 9, 12, 8, 3, 2, 2, 2, 1, true, true),
            new LegacyConvolution(
                DataType.FLOAT, true, 3, 16, 5, 5, 24, 3, 1, 1, 1, 4, true, true))) {
      var data = new Data(c);
      assertArrayEquals(data.expected(), data.run(LegacyConvolutionPlan.of(cudnn, owner, c)));
    }
  }

  /** Tensor cores read ten bits of a float's mantissa, and so do not see this one's last. */
  @Test
  void floatsKeepTheirBitsUnlessTensorCoresAreAllowed() {
    for (boolean tensorCores : new boolean[] {false, true}) {
      var c =
          new LegacyConvolution(
              DataType.FLOAT, tensorCores, 1, 8, 1, 1, 8, 1, 1, 0, 1, 1, false, true);
      var data = new Data(c);
      Arrays.fill(data.x, 1 + 0x1p-20f);
      Arrays.fill(data.w, 1);
      Arrays.fill(data.bias, 0);
      float[] y = data.run(LegacyConvolutionPlan.of(cudnn, owner, c));
      float[] expected = new float[c.features()];
      Arrays.fill(expected, c.channels() * (tensorCores ? 1 : 1 + 0x1p-20f));
      assertArrayEquals(expected, y);
    }
  }

  @Test
  void aRunAllocatesNothingOnTheHeap() throws Exception {
    LegacyConvolutionPlan plan = LegacyConvolutionPlan.of(cudnn, owner, DENSE);
    var data = new Data(DENSE);
    Runnable run = data.on(plan);
    assertEquals(0, HeapAllocation.fewestBytes(new long[0], run::run));
    stream.synchronize();
  }

  /** One exception that names the call, and nothing left, whichever call it is that fails. */
  @Test
  void aFailureAnywhereLeavesNoDescriptorBehind() {
    Map<String, Long> expected = SoftwareDevice.live();
    Set<String> functions = new TreeSet<>();
    for (long call = 1; ; call++) {
      int fired = SoftwareDevice.fired().size();
      SoftwareDevice.failCall(call);
      CudnnException e = null;
      try (var local = new Closer()) {
        LegacyConvolutionPlan.of(cudnn, local, DENSE).workspaceBytes(handle);
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
        String kind =
            fault
                .replaceFirst(".*cudnnDestroy(\\w+)Descriptor.*", "cudnn $1 descriptor")
                .toLowerCase(Locale.ROOT);
        notDestroyed.merge(kind, 1L, Long::sum);
        expected.merge(kind, 1L, Long::sum);
      }
      assertEquals(expected, SoftwareDevice.live(), "after a failure of call " + call);
    }
    assertEquals(
        Set.of(
            "cudnnCreateTensorDescriptor",
            "cudnnSetTensor4dDescriptor",
            "cudnnCreateFilterDescriptor",
            "cudnnSetFilter4dDescriptor",
            "cudnnCreateConvolutionDescriptor",
            "cudnnSetConvolution2dDescriptor",
            "cudnnSetConvolutionMathType",
            "cudnnSetConvolutionGroupCount",
            "cudnnCreateActivationDescriptor",
            "cudnnSetActivationDescriptor",
            "cudnnGetConvolutionForwardWorkspaceSize"),
        functions);
  }

  @Test
  void scratchSpaceThatIsTooSmallIsRefused() {
    LegacyConvolutionPlan plan = LegacyConvolutionPlan.of(cudnn, owner, DENSE);
    long bytes = plan.workspaceBytes(handle);
    assertTrue(bytes > 0);
    CudnnException e =
        assertThrows(
            CudnnException.class, () -> plan.run(handle, 256, 256, 256, 256, 256, 256, bytes - 1));
    assertEquals("cudnnConvolutionBiasActivationForward", e.function());
  }

  @Test
  void aPlanIsNotRunAfterItsOwnerWasClosed() {
    LegacyConvolutionPlan plan;
    try (var local = new Closer()) {
      plan = LegacyConvolutionPlan.of(cudnn, local, DENSE);
    }
    assertThrows(IllegalStateException.class, () -> plan.workspaceBytes(handle));
    assertThrows(
        IllegalStateException.class, () -> plan.run(handle, 256, 256, 256, 256, 256, 256, 1024));
  }

  @Test
  void numbersThatDescribeNoConvolutionAreRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () -> new LegacyConvolution(DataType.INT8, true, 1, 8, 4, 4, 8, 3, 1, 1, 1, 1, true, true));
    // Groups that do not divide the channels, and a filter larger than the picture.
    assertThrows(
        IllegalArgumentException.class,
        () -> new LegacyConvolution(DataType.HALF, true, 1, 8, 4, 4, 8, 3, 1, 1, 1, 3, true, true));
    assertThrows(
        IllegalArgumentException.class,
        () -> new LegacyConvolution(DataType.HALF, true, 1, 8, 4, 4, 8, 5, 1, 0, 1, 1, true, true));
  }

  /** Small integers on the device and what comes of them, so that every sum is exact. */
  private final class Data {
    private final LegacyConvolution c;
    private final float[] x;
    private final float[] w;
    private final float[] bias;
    private final float[] z;

    Data(LegacyConvolution c) {
      this.c = c;
      x = integers(c.batch() * c.height() * c.width() * c.channels());
      w = integers(c.features() * c.kernel() * c.kernel() * c.channels() / c.groups());
      bias = integers(c.features());
      z = integers(c.batch() * c.outputHeight() * c.outputWidth() * c.features());
    }

    float[] run(LegacyConvolutionPlan plan) {
      long y = allocate(4L * z.length);
      stream.fill(y, (byte) 0xFF, 4L * z.length);
      enqueue(plan, upload(x), upload(w), upload(bias), upload(z), y);
      return download(y, z.length);
    }

    /** The same again and again. */
    Runnable on(LegacyConvolutionPlan plan) {
      long bytes = plan.workspaceBytes(handle);
      long workspace = allocate(bytes);
      long[] at = {upload(x), upload(w), upload(bias), upload(z), allocate(4L * z.length)};
      return () -> plan.run(handle, at[0], at[1], at[2], at[3], at[4], workspace, bytes);
    }

    private void enqueue(
        LegacyConvolutionPlan plan, long xAt, long wAt, long biasAt, long zAt, long yAt) {
      long bytes = plan.workspaceBytes(handle);
      // What is not added lies nowhere.
      plan.run(handle, xAt, wAt, biasAt, c.residual() ? zAt : 0, yAt, allocate(bytes), bytes);
    }

    float[] expected() {
      var result = new float[z.length];
      int depth = c.channels() / c.groups();
      for (int i = 0; i < result.length; i++) {
        int k = i % c.features();
        int q = i / c.features() % c.outputWidth();
        int p = i / c.features() / c.outputWidth() % c.outputHeight();
        int n = i / c.features() / c.outputWidth() / c.outputHeight();
        int first = k / (c.features() / c.groups()) * depth;
        float sum = bias[k] + (c.residual() ? z[i] : 0);
        for (int tap = 0; tap < c.kernel() * c.kernel(); tap++) {
          int row = p * c.stride() + tap / c.kernel() * c.dilation() - c.padding();
          int column = q * c.stride() + tap % c.kernel() * c.dilation() - c.padding();
          if (row < 0 || column < 0 || row >= c.height() || column >= c.width()) {
            continue;
          }
          for (int ch = 0; ch < depth; ch++) {
            sum +=
                x[((n * c.height() + row) * c.width() + column) * c.channels() + first + ch]
                    * w[(k * c.kernel() * c.kernel() + tap) * depth + ch];
          }
        }
        result[i] = c.relu() ? Math.max(sum, 0) : sum;
      }
      return result;
    }
  }
}
