package dev.shortcut.bindings.cuda;

/** Memory on a device. Any thread may use it; it must be closed by one only. */
public final class DeviceMemory implements AutoCloseable {
  private final Context context;
  private final long address;
  private final long bytes;
  private final boolean owned;
  private boolean closed;

  DeviceMemory(Context context, long address, long bytes, boolean owned) {
    this.context = context;
    this.address = address;
    this.bytes = bytes;
    this.owned = owned;
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

  /**
   * Hands the memory over: whoever takes it frees it. This object is closed then.
   *
   * @return where it begins
   * @throws IllegalStateException if it is closed, or borrowed and so nobody's to give
   */
  public long detach() {
    long detached = address();
    if (!owned) {
      throw new IllegalStateException("borrowed device memory cannot be handed over");
    }
    closed = true;
    return detached;
  }

  /** Frees it, after the work that is under way on the device; does nothing to borrowed memory. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (owned) {
      context.release(
          "device memory of %d bytes".formatted(bytes), () -> context.functions().memFree(address));
    }
  }
}
