package dev.shortcut.bindings.cudnn;

/**
 * cuDNN's enumerations, as many as are used and have no type of their own; names are C's without
 * the prefix {@code CUDNN_}. A test compares them with NVIDIA's header.
 */
final class CudnnConstants {
  /** {@code cudnnBackendDescriptorType_t}. */
  static final int BACKEND_POINTWISE_DESCRIPTOR = 0;

  static final int BACKEND_CONVOLUTION_DESCRIPTOR = 1;
  static final int BACKEND_ENGINE_DESCRIPTOR = 2;
  static final int BACKEND_ENGINECFG_DESCRIPTOR = 3;
  static final int BACKEND_ENGINEHEUR_DESCRIPTOR = 4;
  static final int BACKEND_EXECUTION_PLAN_DESCRIPTOR = 5;
  static final int BACKEND_KNOB_CHOICE_DESCRIPTOR = 7;
  static final int BACKEND_KNOB_INFO_DESCRIPTOR = 8;
  static final int BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR = 10;
  static final int BACKEND_OPERATION_POINTWISE_DESCRIPTOR = 13;
  static final int BACKEND_OPERATIONGRAPH_DESCRIPTOR = 15;
  static final int BACKEND_VARIANT_PACK_DESCRIPTOR = 16;
  static final int BACKEND_TENSOR_DESCRIPTOR = 17;
  static final int BACKEND_RESAMPLE_DESCRIPTOR = 24;
  static final int BACKEND_OPERATION_RESAMPLE_FWD_DESCRIPTOR = 25;
  static final int BACKEND_DEVICEPROP_DESCRIPTOR = 38;

  /** {@code cudnnBackendAttributeType_t}. */
  static final int TYPE_HANDLE = 0;

  static final int TYPE_DATA_TYPE = 1;
  static final int TYPE_BOOLEAN = 2;
  static final int TYPE_INT64 = 3;
  static final int TYPE_FLOAT = 4;
  static final int TYPE_DOUBLE = 5;
  static final int TYPE_VOID_PTR = 6;
  static final int TYPE_CONVOLUTION_MODE = 7;
  static final int TYPE_HEUR_MODE = 8;
  static final int TYPE_KNOB_TYPE = 9;
  static final int TYPE_NAN_PROPOGATION = 10;
  static final int TYPE_NUMERICAL_NOTE = 11;
  static final int TYPE_POINTWISE_MODE = 14;
  static final int TYPE_BACKEND_DESCRIPTOR = 15;
  static final int TYPE_BEHAVIOR_NOTE = 19;
  static final int TYPE_RESAMPLE_MODE = 21;
  static final int TYPE_PADDING_MODE = 22;
  static final int TYPE_INT32 = 23;
  static final int TYPE_CHAR = 24;

  /** {@code cudnnBackendAttributeName_t}. */
  static final int ATTR_POINTWISE_MODE = 0;

  static final int ATTR_POINTWISE_MATH_PREC = 1;

  static final int ATTR_CONVOLUTION_COMP_TYPE = 100;
  static final int ATTR_CONVOLUTION_CONV_MODE = 101;
  static final int ATTR_CONVOLUTION_DILATIONS = 102;
  static final int ATTR_CONVOLUTION_FILTER_STRIDES = 103;
  static final int ATTR_CONVOLUTION_POST_PADDINGS = 104;
  static final int ATTR_CONVOLUTION_PRE_PADDINGS = 105;
  static final int ATTR_CONVOLUTION_SPATIAL_DIMS = 106;

  static final int ATTR_ENGINEHEUR_MODE = 200;
  static final int ATTR_ENGINEHEUR_OPERATION_GRAPH = 201;
  static final int ATTR_ENGINEHEUR_RESULTS = 202;
  static final int ATTR_ENGINEHEUR_DEVICEPROP = 204;

  static final int ATTR_ENGINECFG_ENGINE = 300;
  static final int ATTR_ENGINECFG_KNOB_CHOICES = 302;

  static final int ATTR_EXECUTION_PLAN_HANDLE = 400;
  static final int ATTR_EXECUTION_PLAN_ENGINE_CONFIG = 401;
  static final int ATTR_EXECUTION_PLAN_WORKSPACE_SIZE = 402;
  static final int ATTR_EXECUTION_PLAN_JSON_REPRESENTATION = 405;
  static final int ATTR_EXECUTION_PLAN_DEVICEPROP = 407;

  static final int ATTR_KNOB_CHOICE_KNOB_TYPE = 600;
  static final int ATTR_KNOB_CHOICE_KNOB_VALUE = 601;

  static final int ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA = 700;
  static final int ATTR_OPERATION_CONVOLUTION_FORWARD_BETA = 701;
  static final int ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC = 702;
  static final int ATTR_OPERATION_CONVOLUTION_FORWARD_W = 703;
  static final int ATTR_OPERATION_CONVOLUTION_FORWARD_X = 704;
  static final int ATTR_OPERATION_CONVOLUTION_FORWARD_Y = 705;

  static final int ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR = 750;
  static final int ATTR_OPERATION_POINTWISE_XDESC = 751;
  static final int ATTR_OPERATION_POINTWISE_BDESC = 752;
  static final int ATTR_OPERATION_POINTWISE_YDESC = 753;

  static final int ATTR_OPERATIONGRAPH_HANDLE = 800;
  static final int ATTR_OPERATIONGRAPH_OPS = 801;
  static final int ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT = 802;

  static final int ATTR_TENSOR_BYTE_ALIGNMENT = 900;
  static final int ATTR_TENSOR_DATA_TYPE = 901;
  static final int ATTR_TENSOR_DIMENSIONS = 902;
  static final int ATTR_TENSOR_STRIDES = 903;
  static final int ATTR_TENSOR_UNIQUE_ID = 906;
  static final int ATTR_TENSOR_IS_VIRTUAL = 907;

  static final int ATTR_VARIANT_PACK_UNIQUE_IDS = 1000;
  static final int ATTR_VARIANT_PACK_DATA_POINTERS = 1001;
  static final int ATTR_VARIANT_PACK_WORKSPACE = 1003;

  static final int ATTR_KNOB_INFO_TYPE = 1200;
  static final int ATTR_KNOB_INFO_MAXIMUM_VALUE = 1201;
  static final int ATTR_KNOB_INFO_MINIMUM_VALUE = 1202;
  static final int ATTR_KNOB_INFO_STRIDE = 1203;

  static final int ATTR_ENGINE_OPERATION_GRAPH = 1300;
  static final int ATTR_ENGINE_GLOBAL_INDEX = 1301;
  static final int ATTR_ENGINE_KNOB_INFO = 1302;
  static final int ATTR_ENGINE_NUMERICAL_NOTE = 1303;
  static final int ATTR_ENGINE_BEHAVIOR_NOTE = 1305;
  static final int ATTR_ENGINE_DEVICEPROP = 1307;

  static final int ATTR_RESAMPLE_MODE = 1700;
  static final int ATTR_RESAMPLE_COMP_TYPE = 1701;
  static final int ATTR_RESAMPLE_SPATIAL_DIMS = 1702;
  static final int ATTR_RESAMPLE_POST_PADDINGS = 1703;
  static final int ATTR_RESAMPLE_PRE_PADDINGS = 1704;
  static final int ATTR_RESAMPLE_STRIDES = 1705;
  static final int ATTR_RESAMPLE_WINDOW_DIMS = 1706;
  static final int ATTR_RESAMPLE_NAN_PROPAGATION = 1707;
  static final int ATTR_RESAMPLE_PADDING_MODE = 1708;

  static final int ATTR_OPERATION_RESAMPLE_FWD_XDESC = 1710;
  static final int ATTR_OPERATION_RESAMPLE_FWD_YDESC = 1711;
  static final int ATTR_OPERATION_RESAMPLE_FWD_DESC = 1716;

  static final int ATTR_DEVICEPROP_DEVICE_ID = 2700;
  static final int ATTR_DEVICEPROP_HANDLE = 2701;
  static final int ATTR_DEVICEPROP_JSON_REPRESENTATION = 2702;

  /** {@code cudnnConvolutionMode_t}: what every network means by a convolution. */
  static final int CROSS_CORRELATION = 1;

  /** {@code cudnnNanPropagation_t}. */
  static final int NOT_PROPAGATE_NAN = 0;

  static final int PROPAGATE_NAN = 1;

  /** {@code cudnnTensorFormat_t}: channels last. */
  static final int TENSOR_NHWC = 1;

  /** {@code cudnnConvolutionFwdAlgo_t}. */
  static final int CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM = 1;

  /** {@code cudnnMathType_t}. */
  static final int TENSOR_OP_MATH = 1;

  static final int FMA_MATH = 3;

  /** {@code cudnnActivationMode_t}. */
  static final int ACTIVATION_RELU = 1;

  static final int ACTIVATION_IDENTITY = 5;

  private CudnnConstants() {}
}
