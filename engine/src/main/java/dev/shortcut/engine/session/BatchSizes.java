package dev.shortcut.engine.session;

import dev.shortcut.engine.backend.Backend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The batch sizes that a model is compiled for: 1, 2, 4, ... and the largest one, which need be no
 * power of two. Immutable.
 */
public final class BatchSizes {
  private final int[] ascending;
  private final Backend.Tail tail;

  /** The sizes up to {@code max}, for a backend that treats other sizes as {@code tail} says. */
  public BatchSizes(int max, Backend.Tail tail) {
    List<Integer> sizes = new ArrayList<>();
    for (long size = 1; size < max; size *= 2) {
      sizes.add((int) size);
    }
    sizes.add(max);
    this.ascending = sizes.stream().mapToInt(Integer::intValue).toArray();
    this.tail = tail;
  }

  /** All sizes, ascending. */
  public List<Integer> all() {
    return Arrays.stream(ascending).boxed().toList();
  }

  /** The largest size. */
  public int largest() {
    return ascending[ascending.length - 1];
  }

  /**
   * How many of the {@code remaining} images of a request run as its next batch. Repeated, this
   * makes 32 and 1 of 33 where tails are split; where they are padded, a batch may be any number up
   * to the largest size.
   */
  public int next(int remaining) {
    if (tail == Backend.Tail.PAD) {
      return Math.min(remaining, largest());
    }
    int next = 1;
    for (int size : ascending) {
      if (size <= remaining) {
        next = size;
      }
    }
    return next;
  }
}
