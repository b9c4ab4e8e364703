package dev.shortcut.bindings.cudnn;

/**
 * What the elements of a tensor are, or what a computation is done in ({@code cudnnDataType_t}).
 */
public enum DataType {
  FLOAT(0, 4),
  DOUBLE(1, 8),
  HALF(2, 2),
  INT8(3, 1),
  INT32(4, 4),
  UINT8(6, 1),
  BFLOAT16(9, 2),
  INT64(10, 8),
  BOOLEAN(11, 1),
  FP8_E4M3(12, 1),
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
