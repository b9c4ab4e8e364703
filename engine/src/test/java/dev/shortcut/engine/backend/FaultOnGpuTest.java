package dev.shortcut.engine.backend;

import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.DeviceException;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.ShortcutException;
import dev.shortcut.engine.backend.cudnn.EightKernels;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.InjectedFault;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every single call that a backend makes, failing once: on the net of eight kernels, which contains
 * each kind.
 */
@Tag("native")
@ParameterizedClass
@EnumSource
class FaultOnGpuTest {
  private static final Graph GRAPH = EightKernels.logits();
  private static final MapWeights WEIGHTS =
      EightKernels.sparse(GRAPH, TestSeed.random("FaultOnGpuTest weights"));
  private static final Logger LOG = Logger.getLogger("dev.shortcut");
  private static final float[] IMAGES =
      Tensors.integers(
          TestSeed.random("FaultOnGpuTest images"), (int) EightKernels.IMAGE.elements(), 2);

  private final Way way;
  private float[] expected = {};

  FaultOnGpuTest(Way way) {
    this.way = way;
  }

  /** A way to compute on a GPU. */
  enum Way {
    CUDNN(BackendUnderTest.CUDNN, 0.1, 11),
    /** The graph API has no plan for any convolution; launched one by one, so that runs call it. */
    CUDNN_LEGACY(BackendUnderTest.CUDNN, 0.1, 11),
    JCUDNN(BackendUnderTest.JCUDNN, 0.9, 5);

    private final BackendUnderTest backend;

    /**
     * More of a compilation than this part of its calls ends it. For a plan that cannot be made
     * another candidate is taken; without candidates only those calls do not count that free what
     * is not needed any more.
     */
    private final double failures;

    /** A batch makes that many at least. */
    private final int calls;

    Way(BackendUnderTest backend, double failures, int calls) {
      this.backend = backend;
      this.failures = failures;
      this.calls = calls;
    }

    private void reset() {
      SoftwareDevice.Settings settings = SoftwareDevice.settings();
      SoftwareDevice.reset(this == CUDNN_LEGACY ? settings.refuseToPlanConvolutions(3) : settings);
    }

    private Engine open() {
      Options options = backend.options().withMaxBatch(1);
      return Engine.open(
          Model.of(GRAPH, WEIGHTS),
          this == CUDNN_LEGACY
              ? options.withLaunch(Options.Launch.EAGER).withLegacyConvolutions(true)
              : options);
    }
  }

  /** What is not freed is logged, hundreds of times here. */
  @BeforeAll
  static void quiet() {
    LOG.setLevel(Level.OFF);
  }

  @AfterAll
  static void loud() {
    LOG.setLevel(null);
  }

  @BeforeEach
  void install() {
    SoftwareDevice.install();
    way.reset();
    expected = BackendUnderTest.REFERENCE.run(GRAPH, WEIGHTS, 1, IMAGES);
  }

  /** Other tests take the device as they find it. */
  @AfterEach
  void planAgain() {
    SoftwareDevice.reset();
  }

  /**
   * A call of compile that fails either fails the whole, with one exception that names call and
   * what it was for, or does not matter, since another candidate is taken.
   */
  @Test
  void everyFailedCallOfCompileIsNamedAndLeavesNothingBehind() throws InterruptedException {
    way.open().close();
    way.reset();
    Engine counted = way.open();
    long calls = SoftwareDevice.calls();
    counted.close();
    int failed = 0;
    List<String> wrong = new ArrayList<>();
    for (long call = 1; call <= calls; call++) {
      way.reset();
      SoftwareDevice.failCall(call);
      try (Engine engine = way.open()) {
        assertSameValues(expected, engine.run(IMAGES));
      } catch (ShortcutException e) {
        failed++;
        wrong.addAll(way.backend.wrongIn(e));
      } catch (RuntimeException e) {
        wrong.add("call %d, %s: %s".formatted(call, SoftwareDevice.fired(), e));
      }
      leavesNothing(call, wrong);
    }
    assertEquals(
        List.of(), wrong.subList(0, Math.min(20, wrong.size())), wrong.size() + " of " + calls);
    assertTrue(failed > way.failures * calls, failed + " failures of " + calls);
  }

  @Test
  void everyFailedCallOfRunIsNamedAndTheEngineGoesOn() throws InterruptedException {
    List<String> wrong = new ArrayList<>();
    try (Engine engine = way.open()) {
      long before = SoftwareDevice.calls();
      engine.run(IMAGES);
      long calls = SoftwareDevice.calls() - before;
      for (long call = 1; call <= calls; call++) {
        SoftwareDevice.failCall(call);
        try {
          engine.run(IMAGES);
          wrong.add("call %d, %s, was not noticed".formatted(call, SoftwareDevice.fired()));
        } catch (DeviceException e) {
          assertFalse(e.fatal(), e.getMessage());
          wrong.addAll(way.backend.wrongIn(e));
        }
        assertSameValues(expected, engine.run(IMAGES));
      }
      assertTrue(calls >= way.calls, calls + " calls");
    }
    leavesNothing(0, wrong);
    assertEquals(List.of(), wrong);
  }

  @Test
  void everyFailedCallOfCloseLeavesNothingBehind() {
    Engine counted = way.open();
    long before = SoftwareDevice.calls();
    counted.close();
    long calls = SoftwareDevice.calls() - before;
    List<String> wrong = new ArrayList<>();
    for (long call = 1; call <= calls; call++) {
      way.reset();
      Engine engine = way.open();
      SoftwareDevice.failCall(call);
      engine.close();
      engine.close();
      leavesNothing(call, wrong);
    }
    assertEquals(List.of(), wrong);
  }

  private static void leavesNothing(long call, List<String> wrong) {
    InjectedFault.leftBehind().forEach(left -> wrong.add("call %d, %s".formatted(call, left)));
  }
}
