package dev.shortcut.testing.device;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cublas.ComputeType;
import dev.shortcut.bindings.cublas.CublasException;
import dev.shortcut.bindings.cublas.CublasLt;
import dev.shortcut.bindings.cublas.CublasLtHandle;
import dev.shortcut.bindings.cublas.Matmul;
import dev.shortcut.bindings.cublas.MatmulPlan;
import dev.shortcut.bindings.cublas.MatrixType;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.DeviceScene.Element;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The software cuBLASLt against plain Java, and against mistakes that it must catch. */
@Tag("native")
class SoftwareCublasTest {
  private DeviceScene scene;
  private CublasLtHandle handle;
  private final Random random = TestSeed.random();

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    scene = new DeviceScene();
    handle = scene.owner.own(CublasLt.open(12).newHandle());
  }

  @AfterEach
  void nothingIsLeft() {
    if (scene != null) {
      scene.close();
      assertEquals(Map.of(), SoftwareDevice.live());
    }
  }

  private static MatrixType type(Element element) {
    return switch (element) {
      case FLOAT -> MatrixType.FLOAT;
      case HALF -> MatrixType.HALF;
      default -> MatrixType.BFLOAT16;
    };
  }

  private float[] numbers(int count, boolean integral, Element element) {
    var values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = integral ? random.nextInt(9) - 4 : element.rounded((float) random.nextGaussian());
    }
    return values;
  }

  private static double[] expected(Matmul m, float[] x, float[] w, float[] bias) {
    var y = new double[(int) (m.m() * m.n())];
    for (int i = 0; i < y.length; i++) {
      int row = (int) (i / m.n());
      int column = (int) (i % m.n());
      double sum = 0;
      for (int k = 0; k < m.k(); k++) {
        sum += (double) x[(int) (row * m.k() + k)] * w[(int) (column * m.k() + k)];
      }
      sum += m.bias() ? bias[column] : 0;
      y[i] = m.relu() ? Math.max(0, sum) : sum;
    }
    return y;
  }

  private record Operands(float[] x, float[] w, float[] bias, long[] addresses) {}

  private Operands operands(Matmul m, Element element, boolean integral) {
    float[] x = numbers((int) (m.m() * m.k()), integral, element);
    float[] w = numbers((int) (m.n() * m.k()), integral, element);
    float[] bias = numbers((int) m.n(), integral, element);
    long y = scene.allocate(m.m() * m.n() * element.bytes);
    return new Operands(
        x,
        w,
        bias,
        new long[] {
          scene.upload(x, element), scene.upload(w, element), scene.upload(bias, element), y
        });
  }

  private float[] run(MatmulPlan plan, Matmul m, Operands o, Element element) {
    long workspace = plan.workspaceBytes() == 0 ? 0 : scene.allocate(plan.workspaceBytes());
    long[] a = o.addresses;
    plan.run(scene.stream, a[0], a[1], m.bias() ? a[2] : 0, a[3], workspace);
    return scene.download(a[3], (int) (m.m() * m.n()), element);
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT", "HALF", "BFLOAT16"})
  void productsOfIntegersAreExact(Element element) {
    for (long cap : new long[] {0, 32 << 20}) {
      for (int shape = 0; shape < 12; shape++) {
        var m =
            new Matmul(
                1 + random.nextInt(40),
                8L * (1 + random.nextInt(20)),
                8L * (1 + random.nextInt(60)),
                type(element),
                element == Element.FLOAT && shape % 2 == 1 ? ComputeType.TF32 : ComputeType.FLOAT,
                shape % 3 > 0,
                shape % 3 > 1);
        Operands o = operands(m, element, true);
        double[] exact = expected(m, o.x, o.w, o.bias);
        var expected = new float[exact.length];
        for (int i = 0; i < exact.length; i++) {
          expected[i] = element.rounded((float) exact[i]);
        }
        try (MatmulPlan plan = MatmulPlan.of(handle, m, cap)) {
          assertTrue(plan.workspaceBytes() <= cap);
          assertArrayEquals(expected, run(plan, m, o, element), () -> m + " " + plan.description());
        }
      }
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @Test
  void tf32IsLessPreciseThanFloat() {
    double[] errors = new double[2];
    for (ComputeType compute : ComputeType.values()) {
      var m = new Matmul(16, 64, 512, MatrixType.FLOAT, compute, true, false);
      Operands o = operands(m, Element.FLOAT, false);
      double[] exact = expected(m, o.x, o.w, o.bias);
      try (MatmulPlan plan = MatmulPlan.of(handle, m, 0)) {
        float[] actual = run(plan, m, o, Element.FLOAT);
        double error = 0;
        double power = 0;
        for (int i = 0; i < actual.length; i++) {
          error += Math.pow(actual[i] - exact[i], 2);
          power += Math.pow(exact[i], 2);
        }
        errors[compute.ordinal()] = error / power;
      }
    }
    assertTrue(errors[ComputeType.FLOAT.ordinal()] < 1e-12, () -> Arrays.toString(errors));
    assertTrue(errors[ComputeType.TF32.ordinal()] > 1e-9, () -> Arrays.toString(errors));
    assertTrue(errors[ComputeType.TF32.ordinal()] < 1e-6, () -> Arrays.toString(errors));
  }

  @Test
  void wrongAddressesAreRefused() {
    var m = new Matmul(4, 16, 64, MatrixType.HALF, ComputeType.FLOAT, true, true);
    Operands o = operands(m, Element.HALF, true);
    long[] a = o.addresses;
    try (MatmulPlan plan = MatmulPlan.of(handle, m, 0)) {
      // Misaligned, on the host, in place, no bias.
      assertThrows(
          CublasException.class, () -> plan.run(scene.stream, a[0] + 16, a[1], a[2], a[3], 0));
      assertThrows(CublasException.class, () -> plan.run(scene.stream, 4096, a[1], a[2], a[3], 0));
      assertThrows(CublasException.class, () -> plan.run(scene.stream, a[3], a[1], a[2], a[3], 0));
      assertThrows(CublasException.class, () -> plan.run(scene.stream, a[0], a[1], 0, a[3], 0));
    }
    assertFalse(SoftwareDevice.complaints().isEmpty());
  }

  @Test
  void aWorkspaceIsScribbledOnAsFarAsTheAlgorithmSaidAndNoFurther() {
    for (int k = 64; k < 2048; k += 64) {
      var m = new Matmul(8, 48, k, MatrixType.FLOAT, ComputeType.FLOAT, false, false);
      try (MatmulPlan plan = MatmulPlan.of(handle, m, 1 << 20)) {
        if (plan.workspaceBytes() == 0) {
          continue;
        }
        Operands o = operands(m, Element.FLOAT, true);
        int floats = (int) (plan.workspaceBytes() / 4);
        var marks = new float[floats + 64];
        Arrays.fill(marks, 1);
        long arena = scene.upload(marks, Element.FLOAT);
        long[] a = o.addresses;
        plan.run(scene.stream, a[0], a[1], 0, a[3], arena);
        float[] after = scene.download(arena, marks.length, Element.FLOAT);
        for (int i = 0; i < after.length; i++) {
          assertEquals(i < floats, Float.isNaN(after[i]), "float " + i + " of " + floats);
        }
        assertThrows(CublasException.class, () -> plan.run(scene.stream, a[0], a[1], 0, a[3], 0));
        return;
      }
    }
    throw new AssertionError("no product is offered an algorithm with workspace");
  }

  @Test
  void theFirstUseOfAnAlgorithmFailsInACapture() {
    var m = new Matmul(4, 16, 64, MatrixType.BFLOAT16, ComputeType.FLOAT, true, true);
    Operands o = operands(m, Element.BFLOAT16, true);
    long[] a = o.addresses;
    try (MatmulPlan plan = MatmulPlan.of(handle, m, 0)) {
      scene.stream.beginCapture();
      assertThrows(CublasException.class, () -> plan.run(scene.stream, a[0], a[1], a[2], a[3], 0));
      assertThrows(RuntimeException.class, () -> scene.stream.endCapture());
      assertFalse(SoftwareDevice.complaints().isEmpty());
    }
  }
}
