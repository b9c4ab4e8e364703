package dev.shortcut.engine.backend.onednn;

/**
 * oneDNN's enumerations and macros, as many as are used. A test compares them with the header of
 * the version that is bundled.
 */
final class OneDnnConstants {
  /** {@code dnnl_engine_kind_t}. */
  static final int CPU = 1;

  /** {@code dnnl_stream_flags_t}. */
  static final int STREAM_DEFAULT_FLAGS = 1;

  /** {@code dnnl_data_type_t}. */
  static final int F32 = 3;

  /** {@code dnnl_prop_kind_t}. */
  static final int FORWARD_INFERENCE = 96;

  /** {@code dnnl_format_tag_t}: the primitive chooses. */
  static final int FORMAT_ANY = 1;

  static final int FORMAT_A = 2;
  static final int FORMAT_AB = 3;
  static final int FORMAT_ABCD = 5;
  static final int FORMAT_ABCDE = 6;
  static final int FORMAT_NHWC = 22;
  static final int FORMAT_NCHW16C = 78;
  static final int FORMAT_NCHW8C = 102;

  /** {@code dnnl_alg_kind_t}. */
  static final int CONVOLUTION_DIRECT = 1;

  static final int ELTWISE_RELU = 32;
  static final int POOLING_MAX = 511;
  static final int POOLING_AVG_INCLUDE_PADDING = 767;
  static final int BINARY_ADD = 131056;
  static final int BINARY_DIV = 131060;
  static final int SOFTMAX_ACCURATE = 196608;

  /** {@code dnnl_normalization_flags_t}: mean and variance are given. */
  static final int USE_GLOBAL_STATS = 1;

  static final int USE_SCALE = 2;
  static final int USE_SHIFT = 4;

  /** {@code dnnl_scratchpad_mode_t}: the caller brings the scratch space. */
  static final int SCRATCHPAD_USER = 1;

  /** {@code dnnl_fpmath_mode_t}: no lower precision inside. */
  static final int FPMATH_STRICT = 0;

  /** {@code dnnl_query_t}. */
  static final int QUERY_IMPL_INFO_STR = 8;

  static final int QUERY_SRC_MD = 129;
  static final int QUERY_WEIGHTS_MD = 131;
  static final int QUERY_DST_MD = 133;
  static final int QUERY_SCRATCHPAD_MD = 136;

  /** {@code DNNL_ARG_*}. */
  static final int ARG_SRC = 1;

  static final int ARG_SRC_1 = 2;
  static final int ARG_DST = 17;
  static final int ARG_WEIGHTS = 33;
  static final int ARG_BIAS = 41;
  static final int ARG_MEAN = 49;
  static final int ARG_VARIANCE = 50;
  static final int ARG_SCALE = 51;
  static final int ARG_SHIFT = 52;
  static final int ARG_SCRATCHPAD = 80;

  /** {@code DNNL_RUNTIME_OMP}: the library runs its threads through OpenMP. */
  static final int RUNTIME_OMP = 2;

  private OneDnnConstants() {}

  /** {@code DNNL_ARG_ATTR_MULTIPLE_POST_OP(index) | DNNL_ARG_SRC_1}. */
  static int argBinaryPostOp(int index) {
    return (32768 * (index + 1)) | ARG_SRC_1;
  }
}
