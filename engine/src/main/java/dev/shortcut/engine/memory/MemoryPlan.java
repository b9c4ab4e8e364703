package dev.shortcut.engine.memory;

import java.util.List;

/**
 * Where buffers lie in an arena. Immutable.
 *
 * @param buffers what was planned
 * @param offsets where each of them begins, in bytes from the arena's start, in the same order
 * @param bytes the size of the arena
 * @param lowerBound the most bytes that are needed at any one step, below which no arena can be:
 *     buffers that share a place counted once, alignment not counted
 */
public record MemoryPlan(List<Buffer> buffers, List<Long> offsets, long bytes, long lowerBound) {
  /** Copies the lists. */
  public MemoryPlan {
    buffers = List.copyOf(buffers);
    offsets = List.copyOf(offsets);
  }

  /** Where the buffer at that index of the list begins, in bytes from the arena's start. */
  public long offset(int index) {
    return offsets.get(index);
  }

  /** Whether the buffer at that index lies where the one lay that it was allowed to replace. */
  public boolean inPlace(int index) {
    int replaced = buffers.get(index).inPlaceOf();
    return replaced != Buffer.NOWHERE
        && buffers.get(index).bytes() > 0
        && offset(replaced) == offset(index);
  }
}
