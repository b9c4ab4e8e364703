package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A GPU as far as plans depend on it, present or described. cuDNN's text form (JSON) has these
 * keys, all of them required: {@code cudaDeviceId}, {@code deviceVer} (900 for compute capability
 * 9.0), {@code multiProcessorCount}, {@code warpSize}, {@code maxSharedMemoryPerBlock}, {@code
 * maxSharedMemoryPerBlockOptin}, {@code oversizedSharedMemoryPerBlock}, {@code
 * reservedSharedMemoryPerBlock}, {@code maxRegistersPerSM}, {@code maxCtasPerSM}, {@code
 * maxThreadsPerSM}, {@code regsPerBlock}, {@code totalGlobalMem}, {@code smClockRateKHz}, {@code
 * memClockRateKHz}, {@code memoryBusWidth} (bits; from cuDNN 9.27 on, earlier ones pass over it),
 * {@code l2CacheSize}, {@code maxBlockSize}, {@code maxGridSize}, {@code supportCoopLaunch}, {@code
 * pciDeviceId}, {@code isTccDriver}, {@code driverVer}; flags are 0 or 1.
 */
public final class DeviceProperties {
  /** The keys that every version compares before it restores a plan. */
  private static final List<String> ALWAYS_COMPARED =
      List.of(
          "deviceVer",
          "multiProcessorCount",
          "maxSharedMemoryPerBlock",
          "maxSharedMemoryPerBlockOptin",
          "reservedSharedMemoryPerBlock",
          "maxRegistersPerSM",
          "regsPerBlock",
          "maxThreadsPerBlock",
          "maxThreadsPerSM");

  /** The first version of which it is known that it does not compare {@code driverVer}. */
  private static final long ANY_DRIVER = 92400;

  /** The first version that knows {@code memoryBusWidth}, and compares it. */
  private static final long WITH_MEMORY_BUS_WIDTH = 92700;

  /** A description has about 700 characters. */
  private static final int LONGEST_JSON = 1 << 16;

  private final Descriptor descriptor;
  private final List<String> comparedKeys;

  private DeviceProperties(Cudnn cudnn, Descriptor descriptor) {
    this.descriptor = descriptor;
    this.comparedKeys = comparedKeys(cudnn.version());
  }

  /**
   * The keys whose values a plan is made for: it is restored only where all of them are the same.
   * Found out by trying each of the keys with cuDNN 9.20, 9.22, 9.24 to 9.28.
   *
   * @param version cuDNN's
   */
  static List<String> comparedKeys(long version) {
    List<String> keys = new ArrayList<>(ALWAYS_COMPARED);
    if (version < ANY_DRIVER) {
      keys.add("driverVer");
    }
    if (version >= WITH_MEMORY_BUS_WIDTH) {
      keys.add("memoryBusWidth");
    }
    return List.copyOf(keys);
  }

  /**
   * Reads cuDNN's text form; needs no GPU.
   *
   * @throws IllegalArgumentException if the text is too long to be one
   * @throws CudnnException if cuDNN refuses it, for instance because it asks for another key
   */
  public static DeviceProperties fromJson(Cudnn cudnn, Closer owner, String json) {
    if (json.length() > LONGEST_JSON) {
      throw new IllegalArgumentException(
          "a device description of %,d characters, but %,d are the most"
              .formatted(json.length(), LONGEST_JSON));
    }
    try {
      return new DeviceProperties(
          cudnn,
          Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_DEVICEPROP_DESCRIPTOR)
              .setText(CudnnConstants.ATTR_DEVICEPROP_JSON_REPRESENTATION, json)
              .complete());
    } catch (CudnnException e) {
      throw new CudnnException("reading a device description" + cudnn.descriptionWindow(), e);
    }
  }

  /**
   * The properties of a handle's device.
   *
   * @throws CudnnException if cuDNN cannot tell
   */
  public static DeviceProperties of(Cudnn cudnn, Closer owner, CudnnHandle handle) {
    return new DeviceProperties(
        cudnn,
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_DEVICEPROP_DESCRIPTOR)
            .setHandle(CudnnConstants.ATTR_DEVICEPROP_HANDLE, handle)
            .complete());
  }

  /** cuDNN's text form, to plan for this device where it is not present. */
  public String json() {
    return descriptor.getText(CudnnConstants.ATTR_DEVICEPROP_JSON_REPRESENTATION);
  }

  /**
   * The values that a plan is made for, by their keys: it is restored only where all of them are
   * the same.
   *
   * @throws CudnnException if cuDNN cannot tell
   */
  public Map<String, Long> compared() {
    String text = json();
    Map<String, Long> values = new LinkedHashMap<>();
    for (String key : comparedKeys) {
      Matcher matcher = Pattern.compile("\"" + key + "\"\\s*:\\s*(\\d{1,18})\\b").matcher(text);
      if (!matcher.find()) {
        throw new IllegalStateException(
            "cuDNN's description of a device lacks %s: %s".formatted(key, text));
      }
      values.put(key, Long.valueOf(matcher.group(1)));
    }
    return values;
  }

  Descriptor descriptor() {
    return descriptor;
  }
}
