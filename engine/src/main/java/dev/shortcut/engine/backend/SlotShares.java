package dev.shortcut.engine.backend;

import dev.shortcut.engine.DeviceUnavailableException;
import java.util.ArrayList;
import java.util.List;

/** How a model's slots are shared out among its devices. */
public final class SlotShares {
  private SlotShares() {}

  /**
   * How many slots each device has: one at least, and the first ones one more where that does not
   * come out even.
   *
   * @param slots of all devices together; where they are fewer than the devices, each has one
   */
  public static List<Integer> counts(int slots, int devices) {
    int all = Math.max(slots, devices);
    List<Integer> counts = new ArrayList<>();
    for (int device = 0; device < devices; device++) {
      counts.add(Math.ceilDiv(all - device, devices));
    }
    return counts;
  }

  /**
   * Slots in such an order that callers who come while others' batches run get one device after
   * another.
   *
   * @param byDevice each device's, none fewer than the one behind it
   */
  public static List<Slot> alternating(List<? extends List<? extends Slot>> byDevice) {
    List<Slot> slots = new ArrayList<>();
    for (int round = 0; round < byDevice.getFirst().size(); round++) {
      for (List<? extends Slot> device : byDevice) {
        if (round < device.size()) {
          slots.add(device.get(round));
        }
      }
    }
    return slots;
  }

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
