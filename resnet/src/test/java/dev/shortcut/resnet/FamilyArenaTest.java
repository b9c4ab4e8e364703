package dev.shortcut.resnet;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.memory.Liveness;
import dev.shortcut.engine.memory.MemoryPlan;
import dev.shortcut.engine.memory.MemoryPlanner;
import dev.shortcut.engine.pass.Passes;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class FamilyArenaTest {
  /** Every network with every shortcut option that it can have. */
  static List<Architecture> family() {
    return Architecture.all().stream()
        .flatMap(a ->
            a instanceof ResNet resNet
                ? Arrays.stream(Shortcut.values()).map(resNet::withShortcut)
                : Stream.of(a))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("family")
  void noArenaIsMuchLargerThanWhatIsNeededAtOnce(Architecture architecture) {
    Graph graph = architecture.graph();
    Graph fused = Passes.apply(graph, Passes.all(Layout.NHWC));
    for (Graph each : List.of(graph, fused)) {
      for (int batch : new int[] {1, 32}) {
        for (int alignment : new int[] {64, 256}) {
          for (boolean inputInArena : new boolean[] {false, true}) {
            MemoryPlan plan = plan(each, batch, alignment, inputInArena);
            assertTrue(
                plan.bytes() <= 1.1 * plan.lowerBound(),
                () ->
                    "%s needs %d bytes and has %d"
                        .formatted(each, plan.lowerBound(), plan.bytes()));
          }
        }
      }
    }
  }

  private static MemoryPlan plan(Graph graph, int batch, int alignment, boolean inputInArena) {
    return MemoryPlanner.plan(
        Liveness.of(graph)
            .buffers(node ->
                node == graph.input() && !inputInArena
                    ? 0
                    : batch * node.shape().elements() * Float.BYTES),
        alignment);
  }
}
