package dev.shortcut.bindings.cudnn;

/**
 * What the elements of a tensor are, or what a computation is done in ({@code cudnnDataType_t}).
 */
public enum DataType {
  /** IEEE single precision. */
  FLOAT(0, 4),
  /** IEEE double precision. */
  DOUBLE(1, 8),
  /** IEEE half precision. */
  HALF(2, 2),
  /** Signed bytes. */
  INT8(3, 1),
  /** Signed 32-bit integers. */
  INT32(4, 4),
  /** Unsigned bytes. */
  UINT8(6, 1),
  /** The upper half of a single-precision float. */
  BFLOAT16(9, 2),
  /** Signed 64-bit integers. */
  INT64(10, 8),
  /** A byte that is 0 or 1. */
  BOOLEAN(11, 1),
  /** 8-bit floats with 4 bits of exponent. */
  FP8_E4M3(12, 1),
  /** 8-bit floats with 5 bits of exponent. */
  FP8_E5M2(13, 1),
  /** Only for computing: the tensor cores' faster accumulation of 8-bit floats. */
  FAST_FLOAT_FOR_FP8(14, 4);

  private final int code;
  private final int bytes;

  DataType(int code, int bytes) {
    this.code = code;
    this.bytes = bytes;
  }

  /** cuDNN's number. */
  public int code() {
    return code;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }
}
