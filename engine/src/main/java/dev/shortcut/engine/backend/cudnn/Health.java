package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.engine.DeviceException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Whether a device can still be used. Some errors of a GPU, such as an access outside of its
 * memory, cannot be got rid of: every later call of the process fails with them as well. Safe for
 * use by any thread.
 */
final class Health {
  private final String device;
  private final AtomicReference<Throwable> lost = new AtomicReference<>();

  /**
   * A device that is well.
   *
   * @param device its name for messages
   */
  Health(String device) {
    this.device = device;
  }

  /** Whether the device is lost; then nothing native may be freed. */
  boolean isLost() {
    return lost.get() != null;
  }

  /**
   * Refuses work on a lost device.
   *
   * @throws DeviceException with what it was lost to
   */
  void check() {
    Throwable cause = lost.get();
    if (cause != null) {
      throw fatal("an earlier batch", cause);
    }
  }

  /**
   * What to throw because {@code failure} was thrown while something was attempted.
   *
   * @param streams are asked whether the device is lost where the failure does not tell; they wait
   *     for whatever is still enqueued
   */
  DeviceException failed(String attempted, Throwable failure, Stream... streams) {
    Throwable cause = failure;
    boolean sticky = isSticky(failure);
    for (Stream stream : streams) {
      if (!sticky) {
        CudaException drained = drain(stream);
        if (drained != null) {
          sticky = isSticky(drained);
          cause.addSuppressed(drained);
        }
      }
    }
    if (sticky) {
      lost.compareAndSet(null, cause);
      return fatal(attempted, cause);
    }
    return new DeviceException(
        "%s on %s failed: %s".formatted(attempted, device, failure.getMessage()), cause, false);
  }

  /** Waits for a stream's work, so that its memory may be used again. */
  private static @Nullable CudaException drain(Stream stream) {
    try {
      stream.synchronize();
      return null;
    } catch (CudaException e) {
      return e;
    }
  }

  /** Whether every later call of this process fails as well. */
  static boolean isSticky(Throwable failure) {
    return failure instanceof CudaException e && e.sticky();
  }

  private DeviceException fatal(String attempted, Throwable cause) {
    return new DeviceException(
        "%s on %s failed: %s. The device is lost to this process: restart it"
            .formatted(attempted, device, cause.getMessage()),
        cause,
        true);
  }
}
