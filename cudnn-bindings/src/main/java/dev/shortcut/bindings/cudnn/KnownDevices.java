package dev.shortcut.bindings.cudnn;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Descriptions of GPUs that need not be present, for {@link DeviceProperties#fromJson}. Figures are
 * from data sheets and from devices that were asked; plans depend on the architecture, the number
 * of multiprocessors, shared memory, registers, threads and driver version of them. Twice the
 * memory's clock times the width of its bus gives the bytes per second of NVIDIA's data sheets
 * within 3 %.
 */
public final class KnownDevices {
  private static final List<String> NAMES =
      List.of("t4", "a10", "a100", "l4", "h100", "h200", "b200", "rtx5090");

  private KnownDevices() {}

  /** The names, oldest architecture first. */
  public static List<String> names() {
    return NAMES;
  }

  /**
   * A description.
   *
   * @param name one of {@link #names}
   * @throws IllegalArgumentException if it is none of them
   */
  public static String json(String name) {
    // Only what is listed: a name never becomes a path by itself.
    if (!NAMES.contains(name)) {
      throw unknown(name);
    }
    String resource = "devices/" + name + ".json";
    try (InputStream in = KnownDevices.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalStateException("the jar lacks its file " + resource);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + resource, e);
    }
  }

  private static IllegalArgumentException unknown(String name) {
    return new IllegalArgumentException(
        "no GPU is known as %s; known are %s".formatted(name, String.join(", ", NAMES)));
  }
}
