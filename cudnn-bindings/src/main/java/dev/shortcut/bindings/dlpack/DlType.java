package dev.shortcut.bindings.dlpack;

/**
 * What a tensor's elements are ({@code DLDataType}). Immutable and safe for use by any thread.
 *
 * @param code {@code DLDataTypeCode}: 0 signed, 1 unsigned, 2 IEEE float, 4 bfloat16, 5 complex, 6
 *     bool, and more, up to 255
 * @param bits of one lane, 1 to 255
 * @param lanes 1, and more for vectors, up to 65,535
 */
public record DlType(int code, int bits, int lanes) {
  /** Signed bytes. */
  public static final DlType INT8 = new DlType(0, 8, 1);

  /** Unsigned bytes, such as pixels. */
  public static final DlType UINT8 = new DlType(1, 8, 1);

  /** Signed 32-bit integers. */
  public static final DlType INT32 = new DlType(0, 32, 1);

  /** 16-bit floating-point numbers. */
  public static final DlType FLOAT16 = new DlType(2, 16, 1);

  /** The upper halves of 32-bit floating-point numbers. */
  public static final DlType BFLOAT16 = new DlType(4, 16, 1);

  /** 32-bit floating-point numbers. */
  public static final DlType FLOAT32 = new DlType(2, 32, 1);

  /** Checks the numbers. */
  public DlType {
    if (code < 0 || code > 255 || bits < 1 || bits > 255 || lanes < 1 || lanes > 65_535) {
      throw new IllegalArgumentException(
          "no type of DLPack's: code %d, %d bits, %d lanes".formatted(code, bits, lanes));
    }
  }

  /** Bytes of an element, rounded up to whole ones. */
  public int bytes() {
    return (bits * lanes + 7) / 8;
  }

  /** Such as {@code float32}. */
  @Override
  public String toString() {
    String name =
        switch (code) {
          case 0 -> "int";
          case 1 -> "uint";
          case 2 -> "float";
          case 4 -> "bfloat";
          case 5 -> "complex";
          case 6 -> "bool";
          default -> "type code %d of bits ".formatted(code);
        };
    return name + bits + (lanes == 1 ? "" : "x" + lanes);
  }
}
