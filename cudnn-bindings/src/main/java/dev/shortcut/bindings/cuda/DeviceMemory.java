package dev.shortcut.bindings.cuda;

/** Memory on a device. Any thread may use it; it must be closed by one only. */
public final class DeviceMemory implements AutoCloseable {
  private final Context context;
  private final long address;
  private final long bytes;
  private boolean closed;

  DeviceMemory(Context context, long address, long bytes) {
    this.context = context;
    this.address = address;
    this.bytes = bytes;
  }

  /** Where it begins, on the device: never to be touched by the host. */
  public long address() {
    if (closed) {
      throw new IllegalStateException("this device memory of %d bytes is closed".formatted(bytes));
    }
    return address;
  }

  /** How much it is. */
  public long bytes() {
    return bytes;
  }

  /** Frees it, after the work that is under way on the device. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      context.release(
          "device memory of %d bytes".formatted(bytes), () -> context.functions().memFree(address));
    }
  }
}
