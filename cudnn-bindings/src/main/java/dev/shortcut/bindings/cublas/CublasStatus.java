package dev.shortcut.bindings.cublas;

/** What a cuBLAS call returns ({@code cublasStatus_t}). */
public enum CublasStatus {
  SUCCESS(0),
  NOT_INITIALIZED(1),
  ALLOC_FAILED(3),
  INVALID_VALUE(7),
  ARCH_MISMATCH(8),
  MAPPING_ERROR(11),
  EXECUTION_FAILED(13),
  INTERNAL_ERROR(14),
  NOT_SUPPORTED(15),
  LICENSE_ERROR(16),
  /** A number that cuBLAS 12.9 does not have. */
  UNKNOWN(-1);

  private final int code;

  CublasStatus(int code) {
    this.code = code;
  }

  /** The status of a number, {@link #UNKNOWN} for one that is not listed here. */
  public static CublasStatus of(int code) {
    for (CublasStatus status : values()) {
      if (status.code == code && status != UNKNOWN) {
        return status;
      }
    }
    return UNKNOWN;
  }

  /** cuBLAS' number; -1 for {@link #UNKNOWN}. */
  public int code() {
    return code;
  }
}
