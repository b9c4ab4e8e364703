package dev.shortcut.engine;

import java.util.Locale;

/** The type in which a compiled model computes. */
public enum Precision {
  /** IEEE single precision, with no reduced-precision matrix units. */
  FP32(4),
  /** Single precision in memory, 10-bit mantissas in NVIDIA's matrix units. */
  TF32(4),
  /** IEEE half precision in memory, single-precision sums. */
  FP16(2),
  /** bfloat16 in memory, single-precision sums. */
  BF16(2),
  /** 8-bit integers with scales, 32-bit sums. */
  INT8(1),
  /** 8-bit floats (e4m3) with scales, single-precision sums. */
  FP8(1);

  private final int bytes;

  Precision(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one activation in memory. */
  public int bytes() {
    return bytes;
  }

  /** The name as the command line spells it, such as {@code fp32}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
