package dev.shortcut.engine.backend.cudnn;

import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.DeviceException;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.ShortcutException;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every single call that the backend makes, failing once: on the net of eight kernels, which
 * contains each kind.
 */
@Tag("native")
class FaultTest {
  private static final Graph GRAPH = EightKernels.logits();
  private static final MapWeights WEIGHTS =
      EightKernels.sparse(GRAPH, TestSeed.random("FaultTest weights"));
  private static final Logger LOG = Logger.getLogger("dev.shortcut");
  private static final float[] IMAGES =
      Tensors.integers(TestSeed.random("FaultTest images"), (int) EightKernels.IMAGE.elements(), 2);

  private float[] expected = {};

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
    expected = BackendUnderTest.REFERENCE.run(GRAPH, WEIGHTS, 1, IMAGES);
  }

  /** Other tests take the device as they find it. */
  @AfterEach
  void planAgain() {
    SoftwareDevice.reset();
  }

  /** How cuDNN computes the convolutions. */
  private enum Convolutions {
    PLANNED,
    /** The graph API has no plan for any of them; launched one by one, so that runs call it. */
    LEGACY;

    void reset() {
      SoftwareDevice.Settings settings = SoftwareDevice.settings();
      SoftwareDevice.reset(this == LEGACY ? settings.refuseToPlanConvolutions(3) : settings);
    }

    Engine open() {
      return Engine.open(
          Model.of(GRAPH, WEIGHTS),
          Options.defaults()
              .withBackend(BackendChoice.CUDA)
              .withMaxBatch(1)
              .withLaunch(this == LEGACY ? Options.Launch.EAGER : Options.Launch.GRAPH)
              .withLegacyConvolutions(this == LEGACY));
    }
  }

  /**
   * A call of compile that fails either fails the whole, with one exception that names call and
   * what it was for, or does not matter, since another candidate is taken.
   */
  @ParameterizedTest
  @EnumSource
  void everyFailedCallOfCompileIsNamedAndLeavesNothingBehind(Convolutions way)
      throws InterruptedException {
    way.reset();
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
        wrong.addAll(InjectedFault.wrongIn(e));
      } catch (RuntimeException e) {
        wrong.add("call %d, %s: %s".formatted(call, SoftwareDevice.fired(), e));
      }
      leavesNothing(call, wrong);
    }
    assertEquals(
        List.of(), wrong.subList(0, Math.min(20, wrong.size())), wrong.size() + " of " + calls);
    assertTrue(failed > calls / 10, failed + " failures");
  }

  @ParameterizedTest
  @EnumSource
  void everyFailedCallOfRunIsNamedAndTheEngineGoesOn(Convolutions way) throws InterruptedException {
    List<String> wrong = new ArrayList<>();
    way.reset();
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
          wrong.addAll(InjectedFault.wrongIn(e));
        }
        assertSameValues(expected, engine.run(IMAGES));
      }
      assertTrue(calls >= 11, calls + " calls");
    }
    leavesNothing(0, wrong);
    assertEquals(List.of(), wrong);
  }

  @ParameterizedTest
  @EnumSource
  void everyFailedCallOfCloseLeavesNothingBehind(Convolutions way) {
    way.reset();
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
