package dev.shortcut.bindings.cublas;

/**
 * cuBLASLt's enumerations, as many as are used and have no type of their own; names are C's without
 * the prefix {@code CUBLASLT_}. A test compares them with NVIDIA's header.
 */
final class CublasConstants {
  /** {@code cublasOperation_t}; its prefix is {@code CUBLAS_}. */
  static final int OP_T = 1;

  /** {@code cublasLtMatmulDescAttributes_t}. */
  static final int MATMUL_DESC_TRANSA = 3;

  static final int MATMUL_DESC_EPILOGUE = 7;
  static final int MATMUL_DESC_BIAS_POINTER = 8;
  static final int MATMUL_DESC_BIAS_DATA_TYPE = 26;

  /** {@code cublasLtMatmulPreferenceAttributes_t}. */
  static final int MATMUL_PREF_MAX_WORKSPACE_BYTES = 1;

  static final int MATMUL_PREF_REDUCTION_SCHEME_MASK = 3;
  static final int MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5;
  static final int MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6;
  static final int MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7;
  static final int MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8;

  /** {@code cublasLtEpilogue_t}: bits. */
  static final int EPILOGUE_DEFAULT = 1;

  static final int EPILOGUE_RELU = 2;
  static final int EPILOGUE_BIAS = 4;
  static final int EPILOGUE_RELU_BIAS = 6;

  /** {@code cublasLtReductionScheme_t}: bits. */
  static final int REDUCTION_SCHEME_COMPUTE_TYPE = 2;

  /** {@code cublasLtMatmulAlgoConfigAttributes_t}. */
  static final int ALGO_CONFIG_ID = 0;

  static final int ALGO_CONFIG_TILE_ID = 1;
  static final int ALGO_CONFIG_SPLITK_NUM = 2;
  static final int ALGO_CONFIG_STAGES_ID = 6;
  static final int ALGO_CONFIG_CLUSTER_SHAPE_ID = 8;

  /** {@code cublasLtMatmulAlgoCapAttributes_t}. */
  static final int ALGO_CAP_NUMERICAL_IMPL_FLAGS = 15;

  private CublasConstants() {}
}
