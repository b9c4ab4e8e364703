package dev.shortcut.engine.backend.jcudnn;

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
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Every single call that the backend makes through JCuda, failing once. */
@Tag("native")
class JCudnnFaultTest {
  private static final Graph GRAPH = EightKernels.logits();
  private static final MapWeights WEIGHTS =
      EightKernels.sparse(GRAPH, TestSeed.random("JCudnnFaultTest weights"));
  private static final float[] IMAGES =
      Tensors.integers(
          TestSeed.random("JCudnnFaultTest images"), (int) EightKernels.IMAGE.elements(), 2);
  private static final Logger LOG = Logger.getLogger("dev.shortcut");

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
    SoftwareDevice.reset();
    expected = BackendUnderTest.REFERENCE.run(GRAPH, WEIGHTS, 1, IMAGES);
  }

  private static Engine open() {
    return Engine.open(
        Model.of(GRAPH, WEIGHTS),
        Options.defaults().withBackend(BackendChoice.JCUDA).withMaxBatch(1));
  }

  @Test
  void everyFailedCallOfCompileIsNamedAndLeavesNothingBehind() throws InterruptedException {
    open().close();
    SoftwareDevice.reset();
    Engine counted = open();
    long calls = SoftwareDevice.calls();
    counted.close();
    int failed = 0;
    List<String> wrong = new ArrayList<>();
    for (long call = 1; call <= calls; call++) {
      SoftwareDevice.reset();
      SoftwareDevice.failCall(call);
      try (Engine engine = open()) {
        assertSameValues(expected, engine.run(IMAGES));
      } catch (ShortcutException e) {
        failed++;
        names(e, wrong);
      } catch (RuntimeException e) {
        wrong.add("call %d, %s: %s".formatted(call, SoftwareDevice.fired(), e));
      }
      leavesNothing(call, wrong);
    }
    assertEquals(
        List.of(), wrong.subList(0, Math.min(20, wrong.size())), wrong.size() + " of " + calls);
    // All but those that free what is not needed any more.
    assertTrue(failed > calls * 9 / 10, failed + " failures of " + calls);
  }

  @Test
  void everyFailedCallOfRunIsNamedAndTheEngineGoesOn() throws InterruptedException {
    List<String> wrong = new ArrayList<>();
    try (Engine engine = open()) {
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
          names(e, wrong);
        }
        assertSameValues(expected, engine.run(IMAGES));
      }
      assertTrue(calls >= 5, calls + " calls");
    }
    leavesNothing(0, wrong);
    assertEquals(List.of(), wrong);
  }

  @Test
  void everyFailedCallOfCloseLeavesNothingBehind() {
    Engine counted = open();
    long before = SoftwareDevice.calls();
    counted.close();
    long calls = SoftwareDevice.calls() - before;
    List<String> wrong = new ArrayList<>();
    for (long call = 1; call <= calls; call++) {
      SoftwareDevice.reset();
      Engine engine = open();
      SoftwareDevice.failCall(call);
      engine.close();
      engine.close();
      leavesNothing(call, wrong);
    }
    assertEquals(List.of(), wrong);
  }

  /** The message names the C function that failed, as JCuda spells it. */
  private static void names(ShortcutException e, List<String> wrong) {
    String function = SoftwareDevice.fired().getLast().split(" ")[1].replaceAll("_v\\d$", "");
    if (!String.valueOf(e.getMessage()).contains(function)) {
      wrong.add("%s is not named in: %s".formatted(function, e.getMessage()));
    }
  }

  private static void leavesNothing(long call, List<String> wrong) {
    InjectedFault.leftBehind().forEach(left -> wrong.add("call %d, %s".formatted(call, left)));
  }
}
