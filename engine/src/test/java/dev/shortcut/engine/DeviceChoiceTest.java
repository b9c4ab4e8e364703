package dev.shortcut.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.testing.TestSeed;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class DeviceChoiceTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "0",
        "12",
        "GPU-6f1b2c3d-0000-1111-2222-333344445555",
        "GPU-6f",
        "MIG-6f1b2c3d-0000-1111-2222-333344445555",
        "MIG-GPU-6f1b2c3d-0000-1111-2222-333344445555/1/0"
      })
  void aNumberOrAUuidNamesADevice(String name) {
    assertEquals("device " + name, new DeviceChoice.Named(List.of(name)).toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "-1", "first", "GPU-", "gpu0", "0;1", "GPU-xyz\n", "99999"})
  void anythingElseIsRefused(String name) {
    assertThrows(IllegalArgumentException.class, () -> new DeviceChoice.Named(List.of("0", name)));
  }

  @Test
  void namingNoDeviceIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> new DeviceChoice.Named(List.of()));
    assertThrows(IllegalArgumentException.class, () -> new DeviceChoice.Context(0));
  }

  /** Somebody who names a GPU must not get the CPU. */
  @ParameterizedTest
  @EnumSource(
      value = BackendChoice.class,
      names = {"CPU", "REFERENCE"})
  void aBackendOfTheCpuHasNoDevices(BackendChoice backend) {
    var g = new GraphBuilder("linear", new Shape(3, 1, 1));
    Graph graph = g.build(g.add("fc", new Layer.Linear(2, true), g.input()));
    Model model = Model.of(graph, MapWeights.integers(graph, TestSeed.random()));
    for (DeviceChoice devices :
        List.of(
            new DeviceChoice.All(),
            new DeviceChoice.Named(List.of("0")),
            new DeviceChoice.Context(1),
            new DeviceChoice.CurrentContext())) {
      var refused =
          assertThrows(
              DeviceUnavailableException.class,
              () ->
                  Engine.open(model, Options.defaults().withBackend(backend).withDevices(devices)));
      assertTrue(refused.summary().contains(devices.toString()), refused::toString);
    }
  }

  @Test
  void theSummaryOfAFailureIsItsFirstLine() {
    var failure = new DeviceUnavailableException("no cuDNN. Tried, in this order:\n  1. here");
    assertEquals("no cuDNN", failure.summary());
  }
}
