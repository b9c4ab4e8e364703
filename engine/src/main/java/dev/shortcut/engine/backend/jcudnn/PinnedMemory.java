package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;

/** Memory of the host that the devices of all contexts copy from and to while the host goes on. */
final class PinnedMemory extends Pointer {
  private final long bytes;

  private PinnedMemory(long bytes) {
    this.bytes = bytes;
  }

  /** Zeros, freed by the owner. */
  static PinnedMemory allocate(long bytes, Closer owner) {
    var memory = new PinnedMemory(bytes);
    Driver.make(
        "cuMemHostAlloc",
        () -> JCudaDriver.cuMemHostAlloc(memory, bytes, JCudaDriver.CU_MEMHOSTALLOC_PORTABLE),
        "cuMemFreeHost",
        () -> JCudaDriver.cuMemFreeHost(memory),
        owner);
    return memory;
  }

  /** The memory, for as long as the arena is open. */
  MemorySegment segment(Arena arena) {
    MemorySegment segment =
        NativeLibrary.view(MemorySegment.ofAddress(getNativePointer()), bytes, arena);
    return segment.fill((byte) 0);
  }
}
