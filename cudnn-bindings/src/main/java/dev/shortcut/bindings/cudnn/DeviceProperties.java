package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Closer;
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
 * memClockRateKHz}, {@code l2CacheSize}, {@code maxBlockSize}, {@code maxGridSize}, {@code
 * supportCoopLaunch}, {@code pciDeviceId}, {@code isTccDriver}, {@code driverVer}; flags are 0 or
 * 1.
 */
public final class DeviceProperties {
  /**
   * The keys whose values a plan is made for: it is restored only where all of them are the same.
   * Found out by trying each of the keys (cuDNN 9.20).
   */
  public static final List<String> COMPARED =
      List.of(
          "deviceVer",
          "driverVer",
          "multiProcessorCount",
          "maxSharedMemoryPerBlock",
          "maxSharedMemoryPerBlockOptin",
          "reservedSharedMemoryPerBlock",
          "maxRegistersPerSM",
          "regsPerBlock",
          "maxThreadsPerBlock",
          "maxThreadsPerSM");

  /** A description has about 700 characters. */
  private static final int LONGEST_JSON = 1 << 16;

  private final Descriptor descriptor;

  private DeviceProperties(Descriptor descriptor) {
    this.descriptor = descriptor;
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
        Descriptor.create(cudnn, owner, CudnnConstants.BACKEND_DEVICEPROP_DESCRIPTOR)
            .setHandle(CudnnConstants.ATTR_DEVICEPROP_HANDLE, handle)
            .complete());
  }

  /** cuDNN's text form, to plan for this device where it is not present. */
  public String json() {
    return descriptor.getText(CudnnConstants.ATTR_DEVICEPROP_JSON_REPRESENTATION);
  }

  /**
   * The values of the {@link #COMPARED} keys, in their order.
   *
   * @throws CudnnException if cuDNN cannot tell
   */
  public Map<String, Long> compared() {
    String text = json();
    Map<String, Long> values = new LinkedHashMap<>();
    for (String key : COMPARED) {
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
