package dev.shortcut.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.shortcut.engine.cost.CostReport;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.memory.Liveness;
import dev.shortcut.engine.memory.MemoryPlan;
import dev.shortcut.engine.memory.MemoryPlanner;
import dev.shortcut.engine.pass.Passes;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/** A network of a thousand layers costs what its length says, and nothing overflows the stack. */
class DepthTest {
  private static Graph chain(int units) {
    var g = new GraphBuilder("chain", new Shape(4, 8, 8));
    Node x = g.input();
    for (int i = 0; i < units; i++) {
      g.block("unit" + i);
      Node y = g.convBnRelu("conv1", "bn1", "relu", x, new Layer.Convolution(4, 3, 1, 1));
      y = g.convBn("conv2", "bn2", y, new Layer.Convolution(4, 3, 1, 1));
      x = g.addRelu("add", "relu_1", y, x);
    }
    return g.build(x);
  }

  private static void prepare(int units) {
    Graph graph = chain(units);
    Graph fused = Passes.apply(graph, Passes.all(Layout.NHWC));
    assertEquals(2 * units, fused.kernels().size());
    assertEquals(2 * units, CostReport.of(graph, Precision.FP32).total().fusedKernels());
    for (Graph each : new Graph[] {graph, fused}) {
      MemoryPlan plan =
          MemoryPlanner.plan(Liveness.of(each).buffers(node -> 4 * node.shape().elements()), 64);
      assertEquals(plan.lowerBound(), plan.bytes());
    }
  }

  /** Bytes allocated stand for work done: they can be counted exactly where time cannot. */
  @Test
  void preparingAGraphGrowsWithItsLength() {
    prepare(1000);
    long few = allocatedBy(100);
    long many = allocatedBy(1600);
    assertTrue(many <= 16 * 1.25 * few, () -> "100 units: %d, 1600: %d".formatted(few, many));
  }

  private static long allocatedBy(int units) {
    var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    prepare(units);
    return threads.getCurrentThreadAllocatedBytes() - before;
  }
}
