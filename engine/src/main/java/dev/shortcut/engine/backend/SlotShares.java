package dev.shortcut.engine.backend;

import dev.shortcut.engine.DeviceUnavailableException;
import java.util.List;

/** What a model with a share on each of several devices does with them. */
public final class SlotShares {
  private SlotShares() {}

  /**
   * The share that an execution is opened on.
   *
   * @throws DeviceUnavailableException if there are several
   */
  public static <T> T only(List<T> shares) {
    if (shares.size() != 1) {
      throw new DeviceUnavailableException(
          "an execution belongs to one device, but this engine runs on %d; open one on the device that the caller's memory is on"
              .formatted(shares.size()));
    }
    return shares.getFirst();
  }
}
