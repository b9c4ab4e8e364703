package dev.shortcut.engine.backend.onednn;

import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Generated code for one kernel and the layouts that it was generated for. It holds no state, so
 * that all slots share it.
 *
 * @param handle oneDNN's
 * @param implementation oneDNN's name of it, such as {@code jit:avx512_core}
 * @param source the layout of the (first) input
 * @param weights the layout of the weights where there are any
 * @param destination the layout of the output
 * @param scratch the extent of the scratch space where it needs any
 */
record Primitive(
    MemorySegment handle,
    String implementation,
    Descriptor source,
    Optional<Descriptor> weights,
    Descriptor destination,
    Optional<Descriptor> scratch) {

  /** Whether this is one of oneDNN's plain C++ loops, which exist so that everything works. */
  boolean isSlow() {
    return implementation.startsWith("ref") || implementation.startsWith("simple");
  }

  long scratchBytes() {
    return scratch.map(Descriptor::bytes).orElse(0L);
  }
}
