package dev.shortcut.bindings.cuda;

/** Numbers that a kernel tells of itself ({@code CUfunction_attribute}), in C's order. */
public enum KernelAttribute {
  /** The largest block that the kernel can be launched with, in threads. */
  MAX_THREADS_PER_BLOCK,
  /** Bytes of shared memory that the kernel declares. */
  SHARED_SIZE_BYTES,
  /** Bytes of constant memory that the kernel declares. */
  CONST_SIZE_BYTES,
  /** Bytes of local memory of each thread. */
  LOCAL_SIZE_BYTES,
  /** Registers of each thread. */
  NUM_REGS,
  /** The virtual architecture that it was compiled for: 90 for 9.0. */
  PTX_VERSION,
  /** The real architecture that it was compiled for: 90 for 9.0. */
  BINARY_VERSION
}
