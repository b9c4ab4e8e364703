package dev.shortcut.engine.testing;

import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.ShortcutException;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.List;
import org.junit.jupiter.api.Assumptions;

/**
 * The backends that the one suite of backend tests runs for; a new backend joins by a line here.
 */
public enum BackendUnderTest {
  /** Judged by PyTorch's results; judges the others. */
  REFERENCE(BackendChoice.REFERENCE),
  /** Generated code; the graph's layouts are its own. */
  ONEDNN(BackendChoice.CPU),
  /** cuDNN on the software CUDA device. */
  CUDNN(BackendChoice.CUDA),
  /** cuDNN's older calls through JCuda on the software CUDA device. */
  JCUDNN(BackendChoice.JCUDA);

  private final BackendChoice choice;

  BackendUnderTest(BackendChoice choice) {
    this.choice = choice;
  }

  /** Options that choose this backend, and otherwise the default ones. */
  public Options options() {
    return Options.defaults().withBackend(choice);
  }

  /**
   * What is wrong with the message of a call that was made to fail: it names the C function, which
   * JCuda spells without its version.
   */
  public List<String> wrongIn(ShortcutException e) {
    return this == JCUDNN
        ? InjectedFault.wrongIn(e, name -> name.replaceAll("_v\\d$", ""))
        : InjectedFault.wrongIn(e);
  }

  /**
   * An engine on this backend; where the backend cannot run, the test is skipped with its reason.
   */
  public Engine open(Graph graph, Weights weights, Options options) {
    if (this == CUDNN || this == JCUDNN) {
      SoftwareDevice.install();
    }
    try {
      return Engine.open(Model.of(graph, weights), options.withBackend(choice));
    } catch (DeviceUnavailableException e) {
      return Assumptions.abort(this + " cannot run here: " + e.getMessage());
    }
  }

  /** The output of a graph for {@code images} images, run as one batch. */
  public float[] run(Graph graph, Weights weights, int images, float[] input) {
    try (Engine engine = open(graph, weights, options().withMaxBatch(images))) {
      return engine.run(input);
    } catch (InterruptedException e) {
      throw new AssertionError("nobody interrupts a test", e);
    }
  }
}
