package dev.shortcut.engine.backend.onednn;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.Closer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The arguments of one execution: an array of {@code dnnl_exec_arg_t} that grows by one entry at a
 * time.
 */
final class Arguments {
  /** Source, weights, bias, second source, destination, scratch space. */
  private static final int MOST = 8;

  private final OneDnn oneDnn;
  private final MemorySegment engine;
  private final Closer owner;
  private final MemorySegment segment;
  private int count;

  /**
   * Without entries.
   *
   * @param frame where the array is allocated
   * @param owner destroys the memory objects that the entries point to
   */
  Arguments(OneDnn oneDnn, MemorySegment engine, Arena frame, Closer owner) {
    this.oneDnn = oneDnn;
    this.engine = engine;
    this.owner = owner;
    this.segment = frame.allocate(MOST * OneDnn.EXEC_ARG_BYTES, 8);
  }

  /**
   * Adds an entry and returns its memory object.
   *
   * @param data where the tensor lies, or {@link MemorySegment#NULL} if that is set later
   */
  MemorySegment add(int index, Descriptor layout, MemorySegment data) {
    MemorySegment memory = oneDnn.memoryCreate(layout.handle(), engine, data);
    owner.own(() -> oneDnn.memoryDestroy(memory));
    long at = count * OneDnn.EXEC_ARG_BYTES;
    segment.set(CTypes.INT, at, index);
    segment.set(CTypes.POINTER, at + OneDnn.EXEC_ARG_MEMORY, memory);
    count++;
    return memory;
  }

  int count() {
    return count;
  }

  MemorySegment segment() {
    return segment;
  }
}
