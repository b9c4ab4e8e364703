package dev.shortcut.engine.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.NoSuchElementException;
import org.junit.jupiter.api.Test;

class WeightsTest {
  private static Graph graph() {
    var g = new GraphBuilder("test", new Shape(3, 8, 8));
    return g.build(g.add("conv", new Layer.Convolution(4, 3, 1, 1), g.input()));
  }

  @Test
  void constantWeightsHaveWhatTheGraphNeedsAndNothingElse() {
    try (Weights weights = Weights.constant(graph(), 0.5f)) {
      assertEquals(List.of("conv.weight"), List.copyOf(weights.names()));
      assertEquals(List.of(4, 3, 3, 3), weights.dims("conv.weight"));
      float[] expected = new float[4 * 3 * 3 * 3];
      java.util.Arrays.fill(expected, 0.5f);
      assertArrayEquals(expected, weights.read("conv.weight"));
      assertThrows(NoSuchElementException.class, () -> weights.read("conv.bias"));
      MemorySegment small = MemorySegment.ofArray(new float[4 * 3 * 3 * 3 - 1]);
      assertThrows(IllegalArgumentException.class, () -> weights.read("conv.weight", small));
    }
  }

  @Test
  void closedWeightsAreNotRead() {
    Weights weights = Weights.constant(graph(), 1);
    weights.close();
    weights.close();
    assertThrows(IllegalStateException.class, weights::names);
    assertThrows(IllegalStateException.class, () -> weights.read("conv.weight"));
  }
}
