package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.engine.Precision;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;
import jcuda.cudaDataType;
import jcuda.jcublas.cublasComputeType;
import jcuda.jcudnn.cudnnDataType;
import jcuda.jcudnn.cudnnMathType;

/** What the libraries and our kernels are told for each precision. Sums are floats in all. */
enum Arithmetic {
  /** Floats and plain multiply-adds: with any other math type cuDNN may round them to ten bits. */
  FP32(
      Float.BYTES,
      "float",
      cudnnDataType.CUDNN_DATA_FLOAT,
      cudnnMathType.CUDNN_FMA_MATH,
      cudaDataType.CUDA_R_32F,
      cublasComputeType.CUBLAS_COMPUTE_32F),
  /** Floats, which tensor cores round to ten bits: what the default math type allows. */
  TF32(
      Float.BYTES,
      "float",
      cudnnDataType.CUDNN_DATA_FLOAT,
      cudnnMathType.CUDNN_DEFAULT_MATH,
      cudaDataType.CUDA_R_32F,
      cublasComputeType.CUBLAS_COMPUTE_32F_FAST_TF32),
  /** IEEE halves. */
  FP16(
      Short.BYTES,
      "half",
      cudnnDataType.CUDNN_DATA_HALF,
      cudnnMathType.CUDNN_TENSOR_OP_MATH,
      cudaDataType.CUDA_R_16F,
      cublasComputeType.CUBLAS_COMPUTE_32F),
  /** Floats' upper halves. */
  BF16(
      Short.BYTES,
      "bfloat16",
      cudnnDataType.CUDNN_DATA_BFLOAT16,
      cudnnMathType.CUDNN_TENSOR_OP_MATH,
      cudaDataType.CUDA_R_16BF,
      cublasComputeType.CUBLAS_COMPUTE_32F);

  /** What tensor cores load at once. */
  private static final int LOADED_BYTES = 16;

  private final int bytes;
  private final String value;
  private final int dataType;
  private final int mathType;
  private final int cublasType;
  private final int computeType;

  Arithmetic(int bytes, String value, int dataType, int mathType, int cublasType, int computeType) {
    this.bytes = bytes;
    this.value = value;
    this.dataType = dataType;
    this.mathType = mathType;
    this.cublasType = cublasType;
    this.computeType = computeType;
  }

  /** The one of that name; only for precisions that the backend supports. */
  static Arithmetic of(Precision precision) {
    return valueOf(precision.name());
  }

  /** Bytes of a value in memory. */
  int bytes() {
    return bytes;
  }

  /** The name by which the kernels' text knows the values. */
  String value() {
    return value;
  }

  /** {@code cudnnDataType_t} of the values in memory. */
  int dataType() {
    return dataType;
  }

  /** {@code cudnnMathType_t}. */
  int mathType() {
    return mathType;
  }

  /** {@code cudaDataType} of the values in memory. */
  int cublasType() {
    return cublasType;
  }

  /** {@code cublasComputeType_t}. */
  int computeType() {
    return computeType;
  }

  /**
   * Channels with which an image's few ones are filled up, so that tensor cores load whole ones.
   */
  int filledChannels(int channels) {
    int together = LOADED_BYTES / bytes;
    return Math.ceilDiv(channels, together) * together;
  }

  /** Writes one value, rounded to nearest, ties to even. */
  void write(MemorySegment target, long index, float number) {
    switch (this) {
      case FP32, TF32 -> target.setAtIndex(ValueLayout.JAVA_FLOAT, index, number);
      case FP16 -> target.setAtIndex(ValueLayout.JAVA_SHORT, index, Float.floatToFloat16(number));
      case BF16 -> target.setAtIndex(ValueLayout.JAVA_SHORT, index, upperHalf(number));
    }
  }

  private static short upperHalf(float number) {
    int bits = Float.floatToRawIntBits(number);
    if (Float.isNaN(number)) {
      return 0x7fff;
    }
    // Half of what is cut off, less one where the last bit that stays is even.
    return (short) ((bits + 0x7fff + (bits >>> Short.SIZE & 1)) >>> Short.SIZE);
  }

  /** The name as the command line spells it. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
