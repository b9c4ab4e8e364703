package dev.shortcut.resnet.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.resnet.ImageModel;
import dev.shortcut.testing.OtherProcess;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A process that is told to end ends once no thread is inside of a GPU's libraries. */
@Tag("native")
@Timeout(120)
class BreakOffTest {
  @BeforeEach
  void needsTheDevice() {
    SoftwareDevice.install();
  }

  @Test
  void anEngineThatIsBeingOpenedIsOpenedAndClosedFirst() throws Exception {
    Process process = OtherProcess.start(Opening.class, Map.of());
    try (var output = process.inputReader()) {
      String line = output.readLine();
      while (line != null && !line.equals(Opening.INSIDE)) {
        line = output.readLine();
      }
      process.toHandle().destroy(); // the process's own would close what is read here
      List<String> rest = output.lines().toList();
      assertEquals(143, process.waitFor(), rest::toString);
      assertTrue(rest.getFirst().contains("interrupted"), rest::toString);
      assertEquals("left behind: {}", rest.getLast(), rest::toString);
      assertTrue(rest.stream().noneMatch(each -> each.startsWith("used")), rest::toString);
    }
  }

  /**
   * Opens an engine as the commands do; its weights come only after the process is told to end,
   * which a hook of its own then holds up for as long as anything is left on the device.
   */
  static final class Opening {
    static final String INSIDE = "inside of opening";

    private static final Duration LONGEST_OPENING = Duration.ofSeconds(30);

    private Opening() {}

    public static void main(String[] arguments) throws InterruptedException {
      SoftwareDevice.install();
      SoftwareDevice.reset();
      var told = new CountDownLatch(1);
      Runtime.getRuntime()
          .addShutdownHook(
              new Thread(() -> {
                told.countDown();
                long deadline = System.nanoTime() + LONGEST_OPENING.toNanos();
                while (!SoftwareDevice.live().isEmpty() && System.nanoTime() < deadline) {
                  LockSupport.parkNanos(1_000_000);
                }
                System.out.println("left behind: " + SoftwareDevice.live());
              }));
      try (ImageModel model = ImageModel.bundled();
          Engine engine =
              OpenEngine.of(
                  new Late(model, told),
                  "a network",
                  Options.defaults()
                      .withBackend(Options.BackendChoice.CUDA)
                      .withInput(model.inputFormat()),
                  false,
                  Console.ofProcess())) {
        System.out.println("used on " + engine.backend());
        Thread.sleep(Long.MAX_VALUE); // it is not this that closes it
      }
    }
  }

  /** A model whose first tensor is there once the process is told to end. */
  private record Late(Graph graph, Weights weights) implements Model {
    Late(Model model, CountDownLatch told) {
      this(model.graph(), new LateWeights(model.weights(), told));
    }
  }

  private record LateWeights(Weights weights, CountDownLatch told) implements Weights {
    @Override
    public void read(String name, MemorySegment target) {
      if (told.getCount() > 0 && !SoftwareDevice.live().isEmpty()) {
        System.out.println(Opening.INSIDE);
      }
      try {
        told.await();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
      weights.read(name, target);
    }

    @Override
    public String description() {
      return weights.description();
    }

    @Override
    public Set<String> names() {
      return weights.names();
    }

    @Override
    public List<Integer> dims(String name) {
      return weights.dims(name);
    }

    @Override
    public void close() {
      weights.close();
    }
  }
}
