package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.CTypes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A kernel of a module, which owns it. Immutable and safe for use by any thread. */
public final class Kernel {
  private final CudaModule module;
  private final String name;
  private final MemorySegment handle;

  Kernel(CudaModule module, String name, MemorySegment handle) {
    this.module = module;
    this.name = name;
    this.handle = handle;
  }

  /** Its name in the source. */
  public String name() {
    return name;
  }

  /** A number that the kernel tells of itself. */
  public int attribute(KernelAttribute attribute) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment value = frame.allocate(CTypes.INT);
      module.functions().funcGetAttribute(value, attribute.ordinal(), live());
      return value.get(CTypes.INT, 0);
    }
  }

  MemorySegment live() {
    module.live();
    return handle;
  }

  /** Its name. */
  @Override
  public String toString() {
    return name;
  }
}
