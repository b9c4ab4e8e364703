package dev.shortcut.engine.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.pass.Passes;
import dev.shortcut.engine.testing.RandomGraphs;
import dev.shortcut.testing.TestSeed;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

class MemoryPlannerTest {
  private static Buffer buffer(long bytes, int first, int last) {
    return new Buffer(bytes + " bytes", bytes, first, last, Buffer.NOWHERE);
  }

  private static Buffer over(int replaced, long bytes, int first, int last) {
    return new Buffer(bytes + " bytes in place", bytes, first, last, replaced);
  }

  /** No two buffers share both a step and a byte, unless one took the other's place as allowed. */
  private static void assertSound(MemoryPlan plan, long alignment) {
    List<Buffer> buffers = plan.buffers();
    for (int i = 0; i < buffers.size(); i++) {
      Buffer a = buffers.get(i);
      assertEquals(0, plan.offset(i) % alignment, () -> a + " is not aligned");
      assertTrue(plan.offset(i) + a.bytes() <= plan.bytes(), () -> a + " ends outside the arena");
      for (int j = 0; j < i; j++) {
        Buffer b = buffers.get(j);
        boolean sameTime = a.first() <= b.last() && b.first() <= a.last();
        boolean sameBytes =
            plan.offset(i) < plan.offset(j) + b.bytes()
                && plan.offset(j) < plan.offset(i) + a.bytes();
        boolean inPlace =
            a.inPlaceOf() == j
                && a.first() == b.last()
                && a.bytes() == b.bytes()
                && plan.inPlace(i);
        assertTrue(!sameTime || !sameBytes || inPlace, () -> a + " overlaps " + b);
      }
    }
    assertTrue(plan.lowerBound() <= plan.bytes());
  }

  @Test
  void aChainAlternatesBetweenTwoPlaces() {
    List<Buffer> chain = new ArrayList<>();
    for (int step = 0; step < 9; step++) {
      chain.add(buffer(100, step, step + 1));
    }
    MemoryPlan plan = MemoryPlanner.plan(chain, 64);

    assertSound(plan, 64);
    assertEquals(256, plan.bytes());
    assertEquals(200, plan.lowerBound());
  }

  @Test
  void aBufferTakesThePlaceOfOneThatDies() {
    MemoryPlan plan =
        MemoryPlanner.plan(List.of(buffer(10, 0, 1), over(0, 10, 1, 2), over(1, 10, 2, 3)), 1);

    assertSound(plan, 1);
    assertTrue(plan.inPlace(1) && plan.inPlace(2));
    assertFalse(plan.inPlace(0));
    assertEquals(10, plan.bytes());
  }

  @Test
  void aBufferThatIsStillReadKeepsItsPlace() {
    MemoryPlan plan = MemoryPlanner.plan(List.of(buffer(10, 0, 2), over(0, 10, 1, 2)), 1);

    assertSound(plan, 1);
    assertFalse(plan.inPlace(1));
  }

  @Test
  void aBufferOfAnotherSizeKeepsItsPlace() {
    MemoryPlan plan = MemoryPlanner.plan(List.of(buffer(10, 0, 1), over(0, 9, 1, 2)), 1);

    assertSound(plan, 1);
    assertFalse(plan.inPlace(1));
  }

  @Test
  void onlyOneBufferTakesAPlace() {
    MemoryPlan plan =
        MemoryPlanner.plan(List.of(buffer(10, 0, 1), over(0, 10, 1, 1), over(0, 10, 1, 1)), 1);

    assertSound(plan, 1);
    assertTrue(plan.inPlace(1));
    assertFalse(plan.inPlace(2));
  }

  @Test
  void scratchSpaceOfDifferentStepsShares() {
    MemoryPlan plan =
        MemoryPlanner.plan(
            List.of(
                Buffer.scratch("a", 70, 0), Buffer.scratch("b", 50, 1), Buffer.scratch("c", 1, 1)),
            64);

    assertSound(plan, 64);
    assertEquals(128, plan.bytes());
  }

  @Test
  void whatHasNoBytesTakesNoPlace() {
    MemoryPlan plan = MemoryPlanner.plan(List.of(buffer(0, 0, 3), over(0, 0, 3, 4)), 64);

    assertEquals(0, plan.bytes());
    assertFalse(plan.inPlace(1));
    assertEquals(0, MemoryPlanner.plan(List.of(), 64).bytes());
  }

  @Test
  void alignmentMustBeAPowerOfTwo() {
    assertThrows(IllegalArgumentException.class, () -> MemoryPlanner.plan(List.of(), 48));
    assertThrows(IllegalArgumentException.class, () -> MemoryPlanner.plan(List.of(), 0));
  }

  @Test
  void onlyAnEarlierBufferCanBeReplaced() {
    List<Buffer> itself = List.of(over(0, 10, 0, 1));
    assertThrows(IllegalArgumentException.class, () -> MemoryPlanner.plan(itself, 1));
  }

  @RepeatedTest(200)
  void noTwoLiveBuffersShareBytes() {
    Random random = TestSeed.random();
    List<Buffer> buffers = new ArrayList<>();
    for (int i = 0; i < 60; i++) {
      int first = random.nextInt(40);
      int last = Math.min(39, first + (int) Math.abs(random.nextGaussian() * 6));
      int replaced = i > 0 && random.nextBoolean() ? random.nextInt(i) : Buffer.NOWHERE;
      if (replaced != Buffer.NOWHERE && random.nextBoolean()) {
        first = buffers.get(replaced).last();
        last = Math.max(first, last);
      }
      buffers.add(new Buffer("b" + i, random.nextInt(4) * 100L, first, last, replaced));
    }
    assertSound(MemoryPlanner.plan(buffers, 32), 32);
  }

  @RepeatedTest(200)
  void noTwoLiveTensorsOfAGraphShareBytes() {
    Graph graph = RandomGraphs.next(TestSeed.random(), 50);
    if (graph.nodes().size() % 2 == 0) {
      graph = Passes.apply(graph, Passes.all(Layout.NCHW));
    }
    Liveness liveness = Liveness.of(graph);
    List<Buffer> buffers = liveness.buffers(node -> node.shape().elements() * Float.BYTES);
    MemoryPlan plan = MemoryPlanner.plan(buffers, 64);
    assertSound(plan, 64);

    // The same once more from the graph itself: while a node runs, what it and later nodes read is
    // whole.
    List<Node> nodes = graph.nodes();
    for (int step = 0; step < nodes.size(); step++) {
      for (int other = 0; other < step; other++) {
        boolean readLater = false;
        for (int reader = step + 1; reader < nodes.size(); reader++) {
          readLater |= nodes.get(reader).inputs().contains(nodes.get(other));
        }
        if (readLater) {
          boolean apart =
              plan.offset(step) + buffers.get(step).bytes() <= plan.offset(other)
                  || plan.offset(other) + buffers.get(other).bytes() <= plan.offset(step);
          String what = nodes.get(step).name() + " overwrites " + nodes.get(other).name();
          assertTrue(apart, what);
        }
      }
    }
  }

  @Test
  void planningGrowsWithTheLengthOfAChain() {
    assertTrue(effort(8000) <= 8.1 * effort(1000), "planning is not linear in depth");
  }

  /**
   * A chain of residual units whose shortcut lives for three steps, and one buffer that lives on.
   */
  private static long effort(int steps) {
    List<Buffer> buffers = new ArrayList<>(List.of(buffer(64, 0, steps)));
    for (int step = 0; step < steps; step++) {
      buffers.add(
          buffer(640 + step % 7 * 64L, step, Math.min(steps, step + (step % 3 == 0 ? 3 : 1))));
    }
    var effort = new MemoryPlanner.Effort();
    assertTrue(MemoryPlanner.plan(buffers, 64, effort).bytes() > 0);
    return effort.visits;
  }
}
