package dev.shortcut.engine.backend.onednn;

import java.lang.foreign.MemorySegment;

/**
 * The type, extents and layout of a tensor, as oneDNN knows them. Descriptors come from {@link
 * Descriptors}, where equal ones are the same object.
 */
final class Descriptor {
  private final MemorySegment handle;
  private final long bytes;

  Descriptor(MemorySegment handle, long bytes) {
    this.handle = handle;
    this.bytes = bytes;
  }

  MemorySegment handle() {
    return handle;
  }

  /** Bytes of the tensor, padding of a blocked layout included; 0 where the layout is open. */
  long bytes() {
    return bytes;
  }
}
