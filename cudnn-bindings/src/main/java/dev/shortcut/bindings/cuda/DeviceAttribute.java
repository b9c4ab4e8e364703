package dev.shortcut.bindings.cuda;

/** Numbers that a device tells of itself ({@code CUdevice_attribute}); those that are asked for. */
public enum DeviceAttribute {
  /** Threads of a block. */
  MAX_THREADS_PER_BLOCK(1),
  /** Threads of a block in its first dimension. */
  MAX_BLOCK_DIM_X(2),
  /** Threads of a block in its second dimension. */
  MAX_BLOCK_DIM_Y(3),
  /** Threads of a block in its third dimension. */
  MAX_BLOCK_DIM_Z(4),
  /** Blocks of a grid in its first dimension. */
  MAX_GRID_DIM_X(5),
  /** Blocks of a grid in its second dimension. */
  MAX_GRID_DIM_Y(6),
  /** Blocks of a grid in its third dimension. */
  MAX_GRID_DIM_Z(7),
  /** Bytes of shared memory for a block that asks for nothing special. */
  MAX_SHARED_MEMORY_PER_BLOCK(8),
  /** Threads of a warp. */
  WARP_SIZE(10),
  /** Registers of 32 bits for a block. */
  MAX_REGISTERS_PER_BLOCK(12),
  /** Peak clock of the processors, kHz. */
  CLOCK_RATE(13),
  /** Multiprocessors. */
  MULTIPROCESSOR_COUNT(16),
  /** 1 where the GPU shares the host's memory. */
  INTEGRATED(18),
  /** 0 for anybody, 2 for nobody, 3 for one process at a time. */
  COMPUTE_MODE(20),
  /** 1 where memory errors are corrected. */
  ECC_ENABLED(32),
  /** Bus on PCI. */
  PCI_BUS_ID(33),
  /** Device on PCI. */
  PCI_DEVICE_ID(34),
  /** 1 for Windows' compute-only driver. */
  TCC_DRIVER(35),
  /** Peak clock of the memory, kHz; bytes a second are twice this times the width of the bus. */
  MEMORY_CLOCK_RATE(36),
  /** Bits. */
  GLOBAL_MEMORY_BUS_WIDTH(37),
  /** Bytes. */
  L2_CACHE_SIZE(38),
  /** Threads that a multiprocessor holds at once. */
  MAX_THREADS_PER_MULTIPROCESSOR(39),
  /** Copies that run at once beside kernels. */
  ASYNC_ENGINE_COUNT(40),
  /** Domain on PCI. */
  PCI_DOMAIN_ID(50),
  /** First number of the compute capability. */
  COMPUTE_CAPABILITY_MAJOR(75),
  /** Second number of the compute capability. */
  COMPUTE_CAPABILITY_MINOR(76),
  /** Bytes of shared memory of a multiprocessor. */
  MAX_SHARED_MEMORY_PER_MULTIPROCESSOR(81),
  /** Registers of 32 bits of a multiprocessor. */
  MAX_REGISTERS_PER_MULTIPROCESSOR(82),
  /** 1 where a grid's blocks may wait for each other. */
  COOPERATIVE_LAUNCH(95),
  /** Bytes of shared memory for a block that asks for more than usual. */
  MAX_SHARED_MEMORY_PER_BLOCK_OPTIN(97),
  /** Blocks that a multiprocessor holds at once. */
  MAX_BLOCKS_PER_MULTIPROCESSOR(106),
  /** Bytes of each block's shared memory that the driver keeps. */
  RESERVED_SHARED_MEMORY_PER_BLOCK(111);

  private final int code;

  DeviceAttribute(int code) {
    this.code = code;
  }

  /** The number in C. */
  public int code() {
    return code;
  }
}
