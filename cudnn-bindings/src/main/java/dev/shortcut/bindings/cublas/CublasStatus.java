package dev.shortcut.bindings.cublas;

/** What a cuBLAS call returns ({@code cublasStatus_t}). */
public enum CublasStatus {
  /** {@code CUBLAS_STATUS_SUCCESS}. */
  SUCCESS(0),
  /** {@code CUBLAS_STATUS_NOT_INITIALIZED}. */
  NOT_INITIALIZED(1),
  /** {@code CUBLAS_STATUS_ALLOC_FAILED}. */
  ALLOC_FAILED(3),
  /** {@code CUBLAS_STATUS_INVALID_VALUE}. */
  INVALID_VALUE(7),
  /** {@code CUBLAS_STATUS_ARCH_MISMATCH}. */
  ARCH_MISMATCH(8),
  /** {@code CUBLAS_STATUS_MAPPING_ERROR}. */
  MAPPING_ERROR(11),
  /** {@code CUBLAS_STATUS_EXECUTION_FAILED}. */
  EXECUTION_FAILED(13),
  /** {@code CUBLAS_STATUS_INTERNAL_ERROR}. */
  INTERNAL_ERROR(14),
  /** {@code CUBLAS_STATUS_NOT_SUPPORTED}. */
  NOT_SUPPORTED(15),
  /** {@code CUBLAS_STATUS_LICENSE_ERROR}. */
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
