package dev.shortcut.bindings.cublas;

/** What the elements of a matrix are ({@code cudaDataType_t}). */
public enum MatrixType {
  FLOAT(0, 4),
  HALF(2, 2),
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
