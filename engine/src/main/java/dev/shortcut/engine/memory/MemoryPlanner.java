package dev.shortcut.engine.memory;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToLongFunction;

/**
 * Gives buffers places in one arena, so that no two that are needed at the same step overlap:
 * largest first, each into the smallest gap that it fits into, as TensorFlow Lite's planner does
 * (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference", section
 * 5.2). Where that leaves holes, other orders are tried and the smallest arena wins.
 *
 * <p>What it costs grows with the number of buffers that are needed at the same time, summed over
 * the steps; for a chain of layers that is its length.
 */
public final class MemoryPlanner {
  /** Orders in which to place; the earlier one wins a tie. */
  private static final List<Comparator<Place>> ORDERS =
      List.of(
          Comparator.comparingLong((Place p) -> -p.size).thenComparingInt(p -> p.first),
          Comparator.comparingInt((Place p) -> p.first - p.last).thenComparingLong(p -> -p.size),
          Comparator.comparingInt((Place p) -> p.first).thenComparingLong(p -> -p.size));

  /** How often each order is bettered by placing first what stuck out. */
  private static final int ROUNDS = 16;

  private MemoryPlanner() {}

  /**
   * Plans an arena. A buffer takes the place of the one that it names as {@link Buffer#inPlaceOf}
   * whenever that one is as large, was written by an earlier step, is read for the last time by the
   * step that writes the new one, and has not been taken by another.
   *
   * @param buffers in an order in which a buffer comes after the one that it may replace
   * @param alignment every offset is a multiple of this many bytes, a power of two
   */
  public static MemoryPlan plan(List<Buffer> buffers, long alignment) {
    return plan(buffers, alignment, new Effort());
  }

  /** What planning has cost, counted so that a test can see how it grows. */
  static final class Effort {
    long visits;
  }

  static MemoryPlan plan(List<Buffer> buffers, long alignment, Effort effort) {
    if (alignment < 1 || Long.bitCount(alignment) != 1) {
      throw new IllegalArgumentException("alignment must be a power of two, but was " + alignment);
    }
    Place[] placeOf = share(buffers, alignment);
    List<Place> places = Arrays.stream(placeOf).filter(p -> p.size > 0).distinct().toList();
    long attainable = lowerBound(places, place -> place.size);
    long best = Long.MAX_VALUE;
    for (Comparator<Place> order : ORDERS) {
      List<Place> ordered = new ArrayList<>(places);
      ordered.sort(order);
      for (int round = 0; round < ROUNDS && best > attainable; round++) {
        long bytes = arrange(ordered, effort);
        if (bytes < best) {
          best = bytes;
          places.forEach(place -> place.bestOffset = place.offset);
        }
        placeFirst(ordered, bytes);
      }
    }
    List<Long> offsets = Arrays.stream(placeOf).map(place -> place.bestOffset).toList();
    return new MemoryPlan(buffers, offsets, best, lowerBound(places, place -> place.bytes));
  }

  /** A stretch of the arena that one buffer has, or several one after another. */
  private static final class Place {
    final long bytes;
    final long size;
    final int first;
    int last;
    long offset;
    long bestOffset;

    Place(Buffer buffer, long alignment) {
      bytes = buffer.bytes();
      size = Math.ceilDiv(bytes, alignment) * alignment;
      first = buffer.first();
      last = buffer.last();
    }
  }

  private static Place[] share(List<Buffer> buffers, long alignment) {
    var placeOf = new Place[buffers.size()];
    var taken = new boolean[buffers.size()];
    for (int i = 0; i < placeOf.length; i++) {
      Buffer buffer = buffers.get(i);
      int replaced = buffer.inPlaceOf();
      if (replaced >= i) {
        throw new IllegalArgumentException(
            "%s cannot take the place of buffer %d, which is not before it"
                .formatted(buffer.name(), replaced));
      }
      if (replaced != Buffer.NOWHERE
          && !taken[replaced]
          && buffer.bytes() == buffers.get(replaced).bytes()
          && buffer.first() == buffers.get(replaced).last()
          && buffer.first() > buffers.get(replaced).first()) {
        taken[replaced] = true;
        placeOf[i] = placeOf[replaced];
        placeOf[i].last = buffer.last();
      } else {
        placeOf[i] = new Place(buffer, alignment);
      }
    }
    return placeOf;
  }

  /** What sticks out most is placed first the next time; all else keeps its order. */
  private static void placeFirst(List<Place> ordered, long bytes) {
    for (int i = 0; i < ordered.size(); i++) {
      if (ordered.get(i).offset + ordered.get(i).size == bytes) {
        ordered.addFirst(ordered.remove(i));
        return;
      }
    }
  }

  private static int steps(List<Place> places) {
    return 1 + places.stream().mapToInt(place -> place.last).max().orElse(-1);
  }

  private static long lowerBound(List<Place> places, ToLongFunction<Place> bytes) {
    long[] change = new long[steps(places) + 1];
    for (Place place : places) {
      change[place.first] += bytes.applyAsLong(place);
      change[place.last + 1] -= bytes.applyAsLong(place);
    }
    long needed = 0;
    long most = 0;
    for (long c : change) {
      needed += c;
      most = Math.max(most, needed);
    }
    return most;
  }

  /** Places all in the order given and returns the arena's size. */
  private static long arrange(List<Place> ordered, Effort effort) {
    var placed = new Placed(steps(ordered));
    long bytes = 0;
    for (Place place : ordered) {
      place.offset = smallestGap(placed.during(place, effort), place.size);
      placed.add(place);
      bytes = Math.max(bytes, place.offset + place.size);
    }
    return bytes;
  }

  /**
   * What has been placed, by step, so that finding who is there at the same time does not mean
   * asking all.
   */
  private static final class Placed {
    private final List<List<Place>> liveAt = new ArrayList<>();
    private final List<List<Place>> beginningAt = new ArrayList<>();

    Placed(int steps) {
      for (int step = 0; step < steps; step++) {
        liveAt.add(new ArrayList<>());
        beginningAt.add(new ArrayList<>());
      }
    }

    void add(Place place) {
      beginningAt.get(place.first).add(place);
      for (int step = place.first; step <= place.last; step++) {
        liveAt.get(step).add(place);
      }
    }

    /** All that share a step with {@code place}, each of them once. */
    List<Place> during(Place place, Effort effort) {
      List<Place> found = new ArrayList<>(liveAt.get(place.first));
      for (int step = place.first + 1; step <= place.last; step++) {
        found.addAll(beginningAt.get(step));
      }
      effort.visits += found.size() + place.last - place.first + 1;
      return found;
    }
  }

  /**
   * Where the smallest gap that is large enough begins; the end of all neighbours where there is
   * none.
   */
  private static long smallestGap(List<Place> neighbours, long size) {
    neighbours.sort(Comparator.comparingLong(place -> place.offset));
    long best = -1;
    long bestGap = Long.MAX_VALUE;
    long end = 0;
    for (Place neighbour : neighbours) {
      long gap = neighbour.offset - end;
      if (gap >= size && gap < bestGap) {
        best = end;
        bestGap = gap;
      }
      end = Math.max(end, neighbour.offset + neighbour.size);
    }
    return best >= 0 ? best : end;
  }
}
