package dev.shortcut.bindings.cudnn;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Descriptions of GPUs that need not be present, for {@link DeviceProperties#fromJson}. Figures are
 * from data sheets and from devices that were asked; plans depend on the architecture, the number
 * of multiprocessors, shared memory, registers, threads and driver version of them.
 */
public final class KnownDevices {
  private static final List<String> NAMES =
      List.of("t4", "a10", "a100", "l4", "h100", "h200", "b200", "rtx5090");

  private KnownDevices() {}

  /**
   * The width of the bus to the memory in bits, which cuDNN's text form leaves out. Twice the
   * memory's clock times this gives the bytes per second of NVIDIA's data sheets within 3 %.
   *
   * @param name one of {@link #names}
   * @throws IllegalArgumentException if it is none of them
   */
  public static int memoryBusWidth(String name) {
    return switch (name) {
      case "l4" -> 192; // GDDR6, 300 GB/s
      case "t4" -> 256; // GDDR6, 320 GB/s
      case "a10" -> 384; // GDDR6, 600 GB/s
      case "rtx5090" -> 512; // GDDR7, 1,792 GB/s
      case "a100" -> 5120; // HBM2e, 2,039 GB/s
      case "h100" -> 5120; // HBM3, 3,350 GB/s
      case "h200" -> 6144; // HBM3e, 4,800 GB/s
      case "b200" -> 8192; // HBM3e, 8,000 GB/s
      default -> throw unknown(name);
    };
  }

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
