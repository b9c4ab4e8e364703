package dev.shortcut.engine;

import dev.shortcut.engine.backend.Backends;
import dev.shortcut.engine.cost.GpuPeaks;
import java.util.List;
import java.util.Locale;

/**
 * A GPU that engines can run on, or a slice of one.
 *
 * @param number what {@link DeviceChoice.Named} may call it; depends on what of the machine this
 *     process may see
 * @param uuid what {@link DeviceChoice.Named} may call it, the same in every process
 * @param name the vendor's name of the product
 * @param architecture its generation, such as {@code sm_90}
 * @param memory its bytes
 * @param free how many of them were free when this was made
 * @param driver the driver's version, for people
 * @param peaks what the most that it can do follows from
 */
public record DeviceReport(
    int number,
    String uuid,
    String name,
    String architecture,
    long memory,
    long free,
    String driver,
    GpuPeaks peaks) {
  /**
   * All that this process may use, in the order of their numbers; none where a driver is missing or
   * does not start, of which {@link LibraryReport} tells.
   */
  public static List<DeviceReport> all() {
    return Backends.devices();
  }

  /** Everything on one line. */
  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "%d: %s, %s, %s, %,d MiB of which %,d are free, %s",
        number,
        name,
        uuid,
        architecture,
        memory >> 20,
        free >> 20,
        driver);
  }
}
