package dev.shortcut.bindings.cublas;

/** What the elements of a matrix are ({@code cudaDataType_t}). */
public enum MatrixType {
  /** IEEE single precision. */
  FLOAT(0, 4),
  /** IEEE half precision. */
  HALF(2, 2),
  /** The upper half of a single-precision float. */
  BFLOAT16(14, 2);

  private final int code;
  private final int bytes;

  MatrixType(int code, int bytes) {
    this.code = code;
    this.bytes = bytes;
  }

  /** CUDA's number. */
  public int code() {
    return code;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }
}
