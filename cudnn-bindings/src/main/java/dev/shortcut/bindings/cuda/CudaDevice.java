package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.CTypes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;

/** A GPU, or a MIG slice of one. Immutable and safe for use by any thread. */
public final class CudaDevice {
  private static final int LONGEST_NAME = 256;

  private final CudaFunctions functions;
  private final int ordinal;
  private final int number;
  private final String name;
  private final String uuid;
  private final long totalMemory;
  private final ComputeCapability computeCapability;

  private CudaDevice(
      CudaFunctions functions,
      int ordinal,
      int number,
      String name,
      String uuid,
      long totalMemory) {
    this.functions = functions;
    this.ordinal = ordinal;
    this.number = number;
    this.name = name;
    this.uuid = uuid;
    this.totalMemory = totalMemory;
    this.computeCapability =
        new ComputeCapability(
            attribute(DeviceAttribute.COMPUTE_CAPABILITY_MAJOR),
            attribute(DeviceAttribute.COMPUTE_CAPABILITY_MINOR));
  }

  /**
   * Asks the driver for what does not change.
   *
   * @param number the driver's {@code CUdevice}
   */
  static CudaDevice describe(CudaFunctions functions, int ordinal, int number) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment text = frame.allocate(LONGEST_NAME);
      functions.deviceGetName(text, LONGEST_NAME, number);
      String name = text.getString(0);
      MemorySegment uuid = frame.allocate(CudaFunctions.UUID_BYTES);
      functions.deviceGetUuid(uuid, number);
      MemorySegment bytes = frame.allocate(CTypes.SIZE_T);
      functions.deviceTotalMem(bytes, number);
      return new CudaDevice(
          functions,
          ordinal,
          number,
          name,
          uuid(uuid.toArray(ValueLayout.JAVA_BYTE), name),
          bytes.get(CTypes.SIZE_T, 0));
    }
  }

  /** The place in the driver's list, from 0, which depends on CUDA_VISIBLE_DEVICES. */
  public int ordinal() {
    return ordinal;
  }

  /** Such as {@code NVIDIA H100 80GB HBM3}. */
  public String name() {
    return name;
  }

  /** As nvidia-smi writes it: {@code GPU-} or {@code MIG-} and 36 characters. */
  public String uuid() {
    return uuid;
  }

  /** The generation of its processors. */
  public ComputeCapability computeCapability() {
    return computeCapability;
  }

  /** Bytes of memory. */
  public long totalMemory() {
    return totalMemory;
  }

  /**
   * A number that the device tells of itself.
   *
   * @throws CudaException if the driver does not know the attribute
   */
  public int attribute(DeviceAttribute attribute) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment value = frame.allocate(CTypes.INT);
      functions.deviceGetAttribute(value, attribute.code(), number);
      return value.get(CTypes.INT, 0);
    }
  }

  /**
   * The device's primary context, which all libraries of the process share. It lives as long as
   * somebody retains it; closing what is returned releases it once.
   *
   * @throws CudaException if the context cannot be made, such as for want of memory
   */
  public Context retainPrimary() {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment context = frame.allocate(CTypes.POINTER);
      functions.devicePrimaryCtxRetain(context, number);
      return new Context(functions, context.get(CTypes.POINTER, 0), this);
    }
  }

  int number() {
    return number;
  }

  /** Number, name and UUID. */
  @Override
  public String toString() {
    return "%d: %s (%s)".formatted(ordinal, name, uuid);
  }

  /**
   * The driver gives the bytes only; of a MIG slice it gives the slice's own and names its profile.
   */
  private static String uuid(byte[] bytes, String name) {
    String hex = HexFormat.of().formatHex(bytes);
    return "%s-%s-%s-%s-%s-%s"
        .formatted(
            name.contains(" MIG ") ? "MIG" : "GPU",
            hex.substring(0, 8),
            hex.substring(8, 12),
            hex.substring(12, 16),
            hex.substring(16, 20),
            hex.substring(20));
  }
}
