package dev.shortcut.bindings.cublas;

/** What products and sums are made in ({@code cublasComputeType_t}). */
public enum ComputeType {
  /** Single precision throughout; the tensor cores where the matrices are of a smaller type. */
  FLOAT(68),
  /** Single precision whose factors may be rounded to TF32. */
  TF32(77);

  private final int code;

  ComputeType(int code) {
    this.code = code;
  }

  /** cuBLAS' number. */
  public int code() {
    return code;
  }
}
