package dev.shortcut.engine;

/**
 * Memory on a device that the caller owns, such as what {@code cuMemAlloc} or {@code cudaMalloc}
 * gave.
 *
 * @param address the {@code CUdeviceptr}; a multiple of 4 where it holds floats
 * @param bytes how many bytes from there on may be used
 */
public record DeviceBuffer(long address, long bytes) {
  /** Checks the numbers. */
  public DeviceBuffer {
    if (address == 0 || bytes < 0) {
      throw new IllegalArgumentException(
          "no device memory: address 0x%x, %d bytes".formatted(address, bytes));
    }
  }
}
