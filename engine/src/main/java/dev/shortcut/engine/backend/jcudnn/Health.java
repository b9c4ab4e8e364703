package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.engine.DeviceException;
import java.util.concurrent.atomic.AtomicReference;
import jcuda.driver.CUstream;
import org.jspecify.annotations.Nullable;

/**
 * Whether a device can still be used; after some errors nothing can, and nothing can be freed,
 * until the process ends. Safe for use by any thread.
 */
final class Health {
  private final String device;
  private final AtomicReference<@Nullable Throwable> fatal = new AtomicReference<>();

  /**
   * A device that is well.
   *
   * @param device its name for messages
   */
  Health(String device) {
    this.device = device;
  }

  boolean isLost() {
    return fatal.get() != null;
  }

  /**
   * Refuses work on a lost device.
   *
   * @throws DeviceException with what it was lost to
   */
  void check() {
    Throwable earlier = fatal.get();
    if (earlier != null) {
      throw lost("an earlier batch", earlier);
    }
  }

  /**
   * What to throw because of a failure.
   *
   * @param attempted what was being done
   * @param stream what is enqueued on it is waited for, so that its memory may be used again, and
   *     to see whether the device is lost; null where there is none
   */
  DeviceException failed(String attempted, Throwable failure, @Nullable CUstream stream) {
    boolean sticky = sticky(failure);
    if (!sticky && stream != null) {
      try {
        Driver.synchronize(stream);
      } catch (JCudaException e) {
        sticky = e.sticky();
        failure.addSuppressed(e);
      }
    }
    if (sticky) {
      fatal.compareAndSet(null, failure);
      return lost(attempted, failure);
    }
    return new DeviceException(
        "%s on %s failed: %s".formatted(attempted, device, failure.getMessage()), failure, false);
  }

  /** Whether every later call of this process fails as well. */
  static boolean sticky(Throwable failure) {
    return switch (failure) {
      case JCudaException e -> e.sticky();
      case CudaException e -> e.sticky();
      default -> false;
    };
  }

  private DeviceException lost(String attempted, Throwable failure) {
    return new DeviceException(
        "%s on %s failed: %s. The device is lost to this process: restart it"
            .formatted(attempted, device, failure.getMessage()),
        failure,
        true);
  }
}
