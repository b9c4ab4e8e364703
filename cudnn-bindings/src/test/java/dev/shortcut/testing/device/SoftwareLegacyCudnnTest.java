package dev.shortcut.testing.device;

import static dev.shortcut.bindings.library.CTypes.DOUBLE;
import static dev.shortcut.bindings.library.CTypes.INT;
import static dev.shortcut.bindings.library.CTypes.LONG;
import static dev.shortcut.bindings.library.CTypes.POINTER;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.DeviceScene.Element;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The software cuDNN's calls from before the graph API, against plain Java. */
@Tag("native")
class SoftwareLegacyCudnnTest {
  private static final int NHWC = 1;
  private static final int RELU = 1;
  private static final int IDENTITY = 5;
  private static final int FMA_MATH = 3;
  private static final int BAD_PARAM = 2000;
  private static final int NOT_SUPPORTED = 3000;

  private static final int N = 2;
  private static final int C = 16;
  private static final int H = 6;
  private static final int K = 24;

  private final Random random = TestSeed.random();
  private NativeLibrary library;
  private DeviceScene scene;
  private Arena arena;
  private MemorySegment one;
  private MemorySegment zero;
  private MemorySegment handle;

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    scene = new DeviceScene();
    arena = Arena.ofAuto();
    library =
        NativeLibrary.find("the software cuDNN", "cudnnGetVersion")
            .file("built from the test tree", SoftwareDevice.library("cudnn"))
            .load();
    one = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1);
    zero = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 0);
    handle = create("cudnnCreate", "cudnnDestroy");
    assertEquals(0, call("cudnnSetStream", handle, scene.stream.handle()));
  }

  @AfterEach
  void nothingIsLeft() {
    if (scene != null) {
      scene.close();
      assertEquals(Map.of(), SoftwareDevice.live());
    }
  }

  private int call(String function, Object... arguments) {
    var layouts = new MemoryLayout[arguments.length];
    for (int i = 0; i < layouts.length; i++) {
      layouts[i] =
          switch (arguments[i]) {
            case Integer _ -> INT;
            case Long _ -> LONG;
            case Double _ -> DOUBLE;
            default -> POINTER;
          };
    }
    try {
      return (int) library.function(function, INT, layouts).invokeWithArguments(arguments);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  private MemorySegment create(String create, String destroy) {
    MemorySegment place = arena.allocate(POINTER);
    assertEquals(0, call(create, place));
    MemorySegment made = place.get(POINTER, 0);
    scene.owner.own(() -> assertEquals(0, call(destroy, made)));
    return made;
  }

  private MemorySegment tensor(Element element, int n, int c, int h, int w) {
    MemorySegment made = create("cudnnCreateTensorDescriptor", "cudnnDestroyTensorDescriptor");
    assertEquals(0, call("cudnnSetTensor4dDescriptor", made, NHWC, code(element), n, c, h, w));
    return made;
  }

  private static int code(Element element) {
    return switch (element) {
      case FLOAT -> 0;
      case HALF -> 2;
      case INT8 -> 3;
      case BFLOAT16 -> 9;
    };
  }

  private float[] integers(int count, int magnitude) {
    var values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextInt(2 * magnitude + 1) - magnitude;
    }
    return values;
  }

  /** What one fused convolution needs, 3x3 with padding. */
  private final class Fused {
    final Element element;
    final MemorySegment x;
    final MemorySegment w;
    final MemorySegment bias;
    final MemorySegment y;
    final MemorySegment convolution;
    final float[] values;
    final float[] weights;
    final float[] biases;
    final float[] added;

    Fused(Element element) {
      this.element = element;
      boolean integers = element == Element.INT8;
      x = tensor(element, N, C, H, H);
      w = create("cudnnCreateFilterDescriptor", "cudnnDestroyFilterDescriptor");
      assertEquals(0, call("cudnnSetFilter4dDescriptor", w, code(element), NHWC, K, C, 3, 3));
      bias = tensor(integers ? Element.FLOAT : element, 1, K, 1, 1);
      y = tensor(element, N, K, H, H);
      convolution = create("cudnnCreateConvolutionDescriptor", "cudnnDestroyConvolutionDescriptor");
      assertEquals(
          0,
          call(
              "cudnnSetConvolution2dDescriptor",
              convolution,
              1,
              1,
              1,
              1,
              1,
              1,
              1,
              integers ? 4 : 0));
      assertEquals(0, call("cudnnSetConvolutionMathType", convolution, FMA_MATH));
      values = integers(N * C * H * H, integers ? 1 : 3);
      weights = integers(K * C * 9, 1);
      biases = integers(K, 9);
      added = integers(N * K * H * H, 9);
    }

    int run(int activation, int algorithm, long xAt, long zAt, long yAt, MemorySegment alpha2) {
      MemorySegment act =
          create("cudnnCreateActivationDescriptor", "cudnnDestroyActivationDescriptor");
      assertEquals(0, call("cudnnSetActivationDescriptor", act, activation, 0, 0.0));
      MemorySegment size = arena.allocate(LONG);
      assertEquals(
          0,
          call(
              "cudnnGetConvolutionForwardWorkspaceSize",
              handle,
              x,
              w,
              convolution,
              y,
              algorithm,
              size));
      long bytes = size.get(LONG, 0);
      long workspace = bytes == 0 ? 0 : scene.allocate(bytes);
      return call(
          "cudnnConvolutionBiasActivationForward",
          handle,
          one,
          x,
          xAt,
          w,
          scene.upload(weights, element),
          convolution,
          algorithm,
          workspace,
          bytes,
          alpha2,
          y,
          zAt,
          bias,
          scene.upload(biases, element == Element.INT8 ? Element.FLOAT : element),
          act,
          y,
          yAt);
    }

    float[] expected(boolean z, boolean relu) {
      var y = new float[N * K * H * H];
      for (int i = 0; i < y.length; i++) {
        int k = i % K;
        double sum = biases[k] + (z ? added[i] : 0);
        for (int t = 0; t < 9; t++) {
          int h = i / K / H % H - 1 + t / 3;
          int w = i / K % H - 1 + t % 3;
          if (h < 0 || h >= H || w < 0 || w >= H) {
            continue;
          }
          for (int c = 0; c < C; c++) {
            sum += values[((i / K / H / H * H + h) * H + w) * C + c] * weights[(k * 9 + t) * C + c];
          }
        }
        y[i] = element.rounded((float) (relu ? Math.max(0, sum) : sum));
      }
      return y;
    }
  }

  @ParameterizedTest
  @CsvSource({"FLOAT, 0", "FLOAT, 1", "HALF, 1", "BFLOAT16, 1", "INT8, 1"})
  void fusedConvolutionsOfIntegersAreExact(Element element, int algorithm) {
    var fused = new Fused(element);
    long x = scene.upload(fused.values, element);
    int outputs = N * K * H * H;
    for (boolean z : new boolean[] {false, true}) {
      for (boolean inPlace : new boolean[] {false, true}) {
        long added = scene.upload(fused.added, element);
        long y = inPlace ? added : scene.allocate((long) outputs * element.bytes);
        assertEquals(0, fused.run(RELU, algorithm, x, added, y, z ? one : zero));
        assertArrayEquals(fused.expected(z, true), scene.download(y, outputs, element));
      }
    }
    long y = scene.allocate((long) outputs * element.bytes);
    long added = scene.upload(fused.added, element);
    // Without activation there is one algorithm only.
    assertEquals(
        algorithm == 1 ? 0 : NOT_SUPPORTED, fused.run(IDENTITY, algorithm, x, added, y, one));
    if (algorithm == 1) {
      assertArrayEquals(fused.expected(true, false), scene.download(y, outputs, element));
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @Test
  void theInputIsNotOverwritten() {
    var fused = new Fused(Element.HALF);
    long large = scene.allocate(1 << 16);
    assertEquals(BAD_PARAM, fused.run(RELU, 1, large, large + (1 << 15), large, one));
    assertFalse(SoftwareDevice.complaints().isEmpty());
  }

  @Test
  void sumsAndSoftmaxAreRight() {
    MemorySegment vector = tensor(Element.FLOAT, 1, K, 1, 1);
    MemorySegment whole = tensor(Element.FLOAT, N, K, 1, 1);
    float[] a = integers(K, 5);
    float[] c = integers(N * K, 5);
    long cAt = scene.upload(c, Element.FLOAT);
    assertEquals(
        0,
        call(
            "cudnnAddTensor",
            handle,
            one,
            vector,
            scene.upload(a, Element.FLOAT),
            one,
            whole,
            cAt));
    var sum = new float[N * K];
    for (int i = 0; i < sum.length; i++) {
      sum[i] = c[i] + a[i % K];
    }
    assertArrayEquals(sum, scene.download(cAt, sum.length, Element.FLOAT));
    long y = scene.allocate(4L * N * K);
    assertEquals(0, call("cudnnSoftmaxForward", handle, 1, 0, one, whole, cAt, zero, whole, y));
    float[] probabilities = scene.download(y, sum.length, Element.FLOAT);
    for (int n = 0; n < N; n++) {
      double total = 0;
      for (int k = 0; k < K; k++) {
        total += Math.exp(sum[n * K + k]);
      }
      for (int k = 0; k < K; k++) {
        assertEquals(Math.exp(sum[n * K + k]) / total, probabilities[n * K + k], 1e-6);
      }
    }
  }

  @Test
  void poolingTakesTheMaximum() {
    MemorySegment pooling = create("cudnnCreatePoolingDescriptor", "cudnnDestroyPoolingDescriptor");
    assertEquals(0, call("cudnnSetPooling2dDescriptor", pooling, 0, 0, 3, 3, 1, 1, 2, 2));
    MemorySegment x = tensor(Element.HALF, N, C, H, H);
    MemorySegment y = tensor(Element.HALF, N, C, H / 2, H / 2);
    float[] values = integers(N * C * H * H, 99);
    long out = scene.allocate(2L * N * C * H * H / 4);
    assertEquals(
        0,
        call(
            "cudnnPoolingForward",
            handle,
            pooling,
            one,
            x,
            scene.upload(values, Element.HALF),
            zero,
            y,
            out));
    var expected = new float[N * C * H * H / 4];
    for (int i = 0; i < expected.length; i++) {
      int p = i / C / (H / 2) % (H / 2);
      int q = i / C % (H / 2);
      expected[i] = Float.NEGATIVE_INFINITY;
      for (int h = Math.max(0, 2 * p - 1); h <= 2 * p + 1; h++) {
        for (int w = Math.max(0, 2 * q - 1); w <= 2 * q + 1; w++) {
          expected[i] =
              Math.max(expected[i], values[((i / C / (H * H / 4) * H + h) * H + w) * C + i % C]);
        }
      }
    }
    assertArrayEquals(expected, scene.download(out, expected.length, Element.HALF));
  }

  @Test
  void aFunctionThatNobodyWroteComplains() {
    assertNotEquals(0, call("cudnnRNNForward"));
    assertFalse(SoftwareDevice.complaints().isEmpty());
  }
}
