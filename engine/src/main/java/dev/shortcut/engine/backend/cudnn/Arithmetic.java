package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cudnn.DataType;
import dev.shortcut.engine.Precision;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;

/** The types that this backend computes in: what lies in memory, and how sums are taken. */
enum Arithmetic {
  /** Floats, and no tensor cores, since those read ten bits of a float's mantissa. */
  FP32(DataType.FLOAT, 32, false),
  /** Floats, of which tensor cores read ten bits of the mantissa. */
  TF32(DataType.FLOAT, 32, true),
  /** IEEE halves, summed as floats. */
  FP16(DataType.HALF, 16, true),
  /** Floats' upper halves, summed as floats. */
  BF16(DataType.BFLOAT16, 116, true);

  /**
   * Pixels have a multiple of this many channels in memory, the last ones zeros: tensor cores read
   * 16 bytes at a time, and cuDNN offers nothing good for anything less.
   */
  static final int CHANNELS = 8;

  private final DataType type;
  private final int storage;
  private final boolean tensorCores;

  Arithmetic(DataType type, int storage, boolean tensorCores) {
    this.type = type;
    this.storage = storage;
    this.tensorCores = tensorCores;
  }

  /** The one of that name; only for precisions that the backend supports. */
  static Arithmetic of(Precision precision) {
    return valueOf(precision.name());
  }

  /** The type in memory. */
  DataType type() {
    return type;
  }

  /** The number by which the kernels' text knows the type in memory. */
  int storage() {
    return storage;
  }

  /** Bytes of a value in memory. */
  int bytes() {
    return type.bytes();
  }

  /** Whether engines that use tensor cores may be taken. */
  boolean tensorCores() {
    return tensorCores;
  }

  /** {@code channels}, filled up to what lies in memory. */
  static int padded(int channels) {
    return Math.multiplyExact(Math.ceilDiv(channels, CHANNELS), CHANNELS);
  }

  /** Writes a value as the {@code index}-th of {@code target}, rounded to nearest, ties to even. */
  void store(MemorySegment target, long index, float value) {
    switch (this) {
      case FP32, TF32 -> target.setAtIndex(ValueLayout.JAVA_FLOAT, index, value);
      case FP16 -> target.setAtIndex(ValueLayout.JAVA_SHORT, index, Float.floatToFloat16(value));
      case BF16 -> target.setAtIndex(ValueLayout.JAVA_SHORT, index, floatToBfloat16(value));
    }
  }

  private static short floatToBfloat16(float value) {
    if (Float.isNaN(value)) {
      return 0x7fff;
    }
    int bits = Float.floatToRawIntBits(value);
    return (short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
  }

  /** The name as the command line spells it, such as {@code fp16}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
