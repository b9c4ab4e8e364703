package dev.shortcut.engine.session;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.engine.backend.Backend.Tail;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BatchSizesTest {
  private static List<Integer> cut(BatchSizes sizes, int images) {
    List<Integer> batches = new ArrayList<>();
    for (int left = images; left > 0; left -= batches.getLast()) {
      batches.add(sizes.next(left));
    }
    return batches;
  }

  @Test
  void sizesArePowersOfTwoAndTheLargestItself() {
    assertEquals(List.of(1), new BatchSizes(1, Tail.SPLIT).all());
    assertEquals(List.of(1, 2, 4, 8), new BatchSizes(8, Tail.SPLIT).all());
    assertEquals(List.of(1, 2, 4, 5), new BatchSizes(5, Tail.SPLIT).all());
    assertEquals(32, new BatchSizes(Integer.MAX_VALUE, Tail.SPLIT).all().size());
  }

  @Test
  void aTailIsSplitIntoCompiledSizes() {
    assertEquals(List.of(32, 1), cut(new BatchSizes(32, Tail.SPLIT), 33));
    assertEquals(List.of(32, 16, 8, 4, 2, 1), cut(new BatchSizes(32, Tail.SPLIT), 63));
    assertEquals(List.of(6, 6, 1), cut(new BatchSizes(6, Tail.SPLIT), 13));
  }

  @Test
  void aTailThatIsPaddedStaysWhole() {
    assertEquals(List.of(32, 31), cut(new BatchSizes(32, Tail.PAD), 63));
    assertEquals(List.of(5), cut(new BatchSizes(32, Tail.PAD), 5));
  }

  @ParameterizedTest
  @EnumSource
  void everyImageRunsOnce(Tail tail) {
    for (int max = 1; max <= 20; max++) {
      var sizes = new BatchSizes(max, tail);
      for (int images = 0; images <= 70; images++) {
        List<Integer> batches = cut(sizes, images);
        assertEquals(images, batches.stream().mapToInt(Integer::intValue).sum());
        assertEquals(
            Math.ceilDiv(images, max),
            tail == Tail.PAD ? batches.size() : Math.ceilDiv(images, max));
      }
    }
  }
}
