package dev.shortcut.engine.backend.onednn;

import static dev.shortcut.bindings.library.CTypes.FLOAT;
import static dev.shortcut.bindings.library.CTypes.INT;
import static dev.shortcut.bindings.library.CTypes.POINTER;
import static dev.shortcut.bindings.library.CTypes.SIZE_T;

import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.atomic.AtomicLong;

/**
 * oneDNN's C API, as much of it as is called: one C function is one handle and one typed method
 * with C's argument order that checks the status. Names are C's without the prefix {@code dnnl_}.
 *
 * <p>Methods that create something return its handle, and whoever calls them destroys it. Immutable
 * and safe for use by any thread; so are oneDNN's primitives where the scratchpad is the caller's.
 */
final class OneDnn {
  /** {@code int arg; dnnl_memory_t memory}: one argument of {@link #primitiveExecute}. */
  static final long EXEC_ARG_BYTES = 16;

  /** Where the memory lies in an argument. */
  static final long EXEC_ARG_MEMORY = 8;

  /** {@code DNNL_MAX_NDIMS}: elements of a {@code dnnl_dims_t}. */
  static final int MAX_DIMENSIONS = 12;

  /** {@code int major, minor, patch; const char *hash; unsigned cpu_runtime, gpu_runtime}. */
  static final long VERSION_BYTES = 32;

  /** Where the threading runtime stands in a version. */
  static final long VERSION_CPU_RUNTIME = 24;

  private static final AtomicLong LIVE_HANDLES = new AtomicLong();

  private final NativeLibrary library;
  private final MethodHandle engineCreate;
  private final MethodHandle engineDestroy;
  private final MethodHandle streamCreate;
  private final MethodHandle streamWait;
  private final MethodHandle streamDestroy;
  private final MethodHandle memoryDescCreateWithTag;
  private final MethodHandle memoryDescClone;
  private final MethodHandle memoryDescDestroy;
  private final MethodHandle memoryDescEqual;
  private final MethodHandle memoryDescGetSize;
  private final MethodHandle memoryCreate;
  private final MethodHandle memorySetDataHandle;
  private final MethodHandle memoryDestroy;
  private final MethodHandle primitiveAttrCreate;
  private final MethodHandle primitiveAttrDestroy;
  private final MethodHandle primitiveAttrSetScratchpadMode;
  private final MethodHandle primitiveAttrSetFpmathMode;
  private final MethodHandle primitiveAttrSetDeterministic;
  private final MethodHandle primitiveAttrSetPostOps;
  private final MethodHandle postOpsCreate;
  private final MethodHandle postOpsDestroy;
  private final MethodHandle postOpsAppendSum;
  private final MethodHandle postOpsAppendEltwise;
  private final MethodHandle postOpsAppendBinary;
  private final MethodHandle convolutionForwardPrimitiveDescCreate;
  private final MethodHandle innerProductForwardPrimitiveDescCreate;
  private final MethodHandle poolingForwardPrimitiveDescCreate;
  private final MethodHandle eltwiseForwardPrimitiveDescCreate;
  private final MethodHandle softmaxForwardPrimitiveDescCreate;
  private final MethodHandle batchNormalizationForwardPrimitiveDescCreate;
  private final MethodHandle binaryPrimitiveDescCreate;
  private final MethodHandle matmulPrimitiveDescCreate;
  private final MethodHandle reorderPrimitiveDescCreate;
  private final MethodHandle primitiveDescQuery;
  private final MethodHandle primitiveDescQueryMd;
  private final MethodHandle primitiveDescDestroy;
  private final MethodHandle primitiveCreate;
  private final MethodHandle primitiveExecute;
  private final MethodHandle primitiveDestroy;
  private final MethodHandle getEffectiveCpuIsa;
  private final MethodHandle ompSetNumThreads;

  OneDnn(NativeLibrary library) {
    this.library = library;
    engineCreate = status("engine_create", POINTER, INT, SIZE_T);
    engineDestroy = status("engine_destroy", POINTER);
    streamCreate = status("stream_create", POINTER, POINTER, INT);
    streamWait = status("stream_wait", POINTER);
    streamDestroy = status("stream_destroy", POINTER);
    memoryDescCreateWithTag =
        status("memory_desc_create_with_tag", POINTER, INT, POINTER, INT, INT);
    memoryDescClone = status("memory_desc_clone", POINTER, POINTER);
    memoryDescDestroy = status("memory_desc_destroy", POINTER);
    memoryDescEqual = library.function("dnnl_memory_desc_equal", INT, POINTER, POINTER);
    memoryDescGetSize = library.function("dnnl_memory_desc_get_size", SIZE_T, POINTER);
    memoryCreate = status("memory_create", POINTER, POINTER, POINTER, POINTER);
    memorySetDataHandle = status("memory_set_data_handle", POINTER, POINTER);
    memoryDestroy = status("memory_destroy", POINTER);
    primitiveAttrCreate = status("primitive_attr_create", POINTER);
    primitiveAttrDestroy = status("primitive_attr_destroy", POINTER);
    primitiveAttrSetScratchpadMode = status("primitive_attr_set_scratchpad_mode", POINTER, INT);
    primitiveAttrSetFpmathMode = status("primitive_attr_set_fpmath_mode", POINTER, INT);
    primitiveAttrSetDeterministic = status("primitive_attr_set_deterministic", POINTER, INT);
    primitiveAttrSetPostOps = status("primitive_attr_set_post_ops", POINTER, POINTER);
    postOpsCreate = status("post_ops_create", POINTER);
    postOpsDestroy = status("post_ops_destroy", POINTER);
    postOpsAppendSum = status("post_ops_append_sum", POINTER, FLOAT, INT, INT);
    postOpsAppendEltwise = status("post_ops_append_eltwise", POINTER, INT, FLOAT, FLOAT);
    postOpsAppendBinary = status("post_ops_append_binary", POINTER, INT, POINTER);
    convolutionForwardPrimitiveDescCreate =
        status(
            "convolution_forward_primitive_desc_create",
            POINTER, // primitive_desc
            POINTER, // engine
            INT, // prop_kind
            INT, // alg_kind
            POINTER, // src
            POINTER, // weights
            POINTER, // bias
            POINTER, // dst
            POINTER, // strides
            POINTER, // dilates
            POINTER, // padding_l
            POINTER, // padding_r
            POINTER); // attr
    innerProductForwardPrimitiveDescCreate =
        status(
            "inner_product_forward_primitive_desc_create",
            POINTER, // primitive_desc
            POINTER, // engine
            INT, // prop_kind
            POINTER, // src
            POINTER, // weights
            POINTER, // bias
            POINTER, // dst
            POINTER); // attr
    poolingForwardPrimitiveDescCreate =
        status(
            "pooling_forward_primitive_desc_create",
            POINTER, // primitive_desc
            POINTER, // engine
            INT, // prop_kind
            INT, // alg_kind
            POINTER, // src
            POINTER, // dst
            POINTER, // strides
            POINTER, // kernel
            POINTER, // dilation
            POINTER, // padding_l
            POINTER, // padding_r
            POINTER); // attr
    eltwiseForwardPrimitiveDescCreate =
        status(
            "eltwise_forward_primitive_desc_create",
            POINTER, // primitive_desc
            POINTER, // engine
            INT, // prop_kind
            INT, // alg_kind
            POINTER, // src
            POINTER, // dst
            FLOAT, // alpha
            FLOAT, // beta
            POINTER); // attr
    softmaxForwardPrimitiveDescCreate =
        status(
            "softmax_forward_primitive_desc_create",
            POINTER, // primitive_desc
            POINTER, // engine
            INT, // prop_kind
            INT, // alg_kind
            POINTER, // src
            POINTER, // dst
            INT, // softmax_axis
            POINTER); // attr
    batchNormalizationForwardPrimitiveDescCreate =
        status(
            "batch_normalization_forward_primitive_desc_create",
            POINTER, // primitive_desc
            POINTER, // engine
            INT, // prop_kind
            POINTER, // src
            POINTER, // dst
            FLOAT, // epsilon
            INT, // flags
            POINTER); // attr
    binaryPrimitiveDescCreate =
        status(
            "binary_primitive_desc_create",
            POINTER, // primitive_desc
            POINTER, // engine
            INT, // alg_kind
            POINTER, // src0
            POINTER, // src1
            POINTER, // dst
            POINTER); // attr
    matmulPrimitiveDescCreate =
        status(
            "matmul_primitive_desc_create",
            POINTER, // primitive_desc
            POINTER, // engine
            POINTER, // src
            POINTER, // weights
            POINTER, // bias
            POINTER, // dst
            POINTER); // attr
    reorderPrimitiveDescCreate =
        status(
            "reorder_primitive_desc_create",
            POINTER, // reorder_primitive_desc
            POINTER, // src
            POINTER, // src_engine
            POINTER, // dst
            POINTER, // dst_engine
            POINTER); // attr
    primitiveDescQuery = status("primitive_desc_query", POINTER, INT, INT, POINTER);
    primitiveDescQueryMd =
        library.function("dnnl_primitive_desc_query_md", POINTER, POINTER, INT, INT);
    primitiveDescDestroy = status("primitive_desc_destroy", POINTER);
    primitiveCreate = status("primitive_create", POINTER, POINTER);
    primitiveExecute = status("primitive_execute", POINTER, POINTER, INT, POINTER);
    primitiveDestroy = status("primitive_destroy", POINTER);
    getEffectiveCpuIsa = library.function("dnnl_get_effective_cpu_isa", INT);
    // Of the OpenMP library that oneDNN itself was linked with, which is found through oneDNN.
    ompSetNumThreads = library.procedure("omp_set_num_threads", INT);
  }

  /** How many handles were created and not destroyed, in the whole process; for tests. */
  static long liveHandles() {
    return LIVE_HANDLES.get();
  }

  /** The file that was opened, for messages. */
  NativeLibrary library() {
    return library;
  }

  /**
   * What {@code dnnl_version} tells.
   *
   * @param cpuRuntime how it runs its threads, one of {@link OneDnnConstants}' runtimes
   */
  record Version(int major, int minor, int patch, int cpuRuntime) {
    @Override
    public String toString() {
      return "%d.%d.%d".formatted(major, minor, patch);
    }
  }

  Version version() {
    return version(library);
  }

  /** The version of a library whose other functions may not be there. */
  static Version version(NativeLibrary library) {
    MethodHandle version = library.function("dnnl_version", POINTER);
    MemorySegment pointer;
    try {
      pointer = (MemorySegment) version.invokeExact();
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    MemorySegment struct = NativeLibrary.view(pointer, VERSION_BYTES);
    return new Version(
        struct.get(INT, 0),
        struct.get(INT, 4),
        struct.get(INT, 8),
        struct.get(INT, VERSION_CPU_RUNTIME));
  }

  /** The instruction set that code is generated for, one of {@code dnnl_cpu_isa_t}. */
  int getEffectiveCpuIsa() {
    try {
      return (int) getEffectiveCpuIsa.invokeExact();
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /** Sets how many threads parallel regions that the calling thread begins will have. */
  void ompSetNumThreads(int threads) {
    try {
      ompSetNumThreads.invokeExact(threads);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  MemorySegment engineCreate(int kind, long index) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status = (int) engineCreate.invokeExact(out, kind, index);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_engine_create", out);
    }
  }

  void engineDestroy(MemorySegment engine) {
    destroy(engineDestroy, engine, "dnnl_engine_destroy");
  }

  MemorySegment streamCreate(MemorySegment engine, int flags) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status = (int) streamCreate.invokeExact(out, engine, flags);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_stream_create", out);
    }
  }

  void streamWait(MemorySegment stream) {
    int status;
    try {
      status = (int) streamWait.invokeExact(stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "dnnl_stream_wait");
  }

  void streamDestroy(MemorySegment stream) {
    destroy(streamDestroy, stream, "dnnl_stream_destroy");
  }

  MemorySegment memoryDescCreateWithTag(long[] dims, int dataType, int tag) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      MemorySegment extents = dims(frame, dims);
      int status;
      try {
        status =
            (int) memoryDescCreateWithTag.invokeExact(out, dims.length, extents, dataType, tag);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_memory_desc_create_with_tag", out);
    }
  }

  MemorySegment memoryDescClone(MemorySegment descriptor) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status = (int) memoryDescClone.invokeExact(out, descriptor);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_memory_desc_clone", out);
    }
  }

  void memoryDescDestroy(MemorySegment descriptor) {
    destroy(memoryDescDestroy, descriptor, "dnnl_memory_desc_destroy");
  }

  boolean memoryDescEqual(MemorySegment a, MemorySegment b) {
    try {
      return (int) memoryDescEqual.invokeExact(a, b) != 0;
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /** Bytes, padding of blocked layouts included. */
  long memoryDescGetSize(MemorySegment descriptor) {
    try {
      return (long) memoryDescGetSize.invokeExact(descriptor);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  MemorySegment memoryCreate(MemorySegment descriptor, MemorySegment engine, MemorySegment data) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status = (int) memoryCreate.invokeExact(out, descriptor, engine, data);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_memory_create", out);
    }
  }

  void memorySetDataHandle(MemorySegment memory, MemorySegment data) {
    int status;
    try {
      status = (int) memorySetDataHandle.invokeExact(memory, data);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "dnnl_memory_set_data_handle");
  }

  void memoryDestroy(MemorySegment memory) {
    destroy(memoryDestroy, memory, "dnnl_memory_destroy");
  }

  MemorySegment primitiveAttrCreate() {
    return create(primitiveAttrCreate, "dnnl_primitive_attr_create");
  }

  void primitiveAttrDestroy(MemorySegment attr) {
    destroy(primitiveAttrDestroy, attr, "dnnl_primitive_attr_destroy");
  }

  void primitiveAttrSetScratchpadMode(MemorySegment attr, int mode) {
    set(primitiveAttrSetScratchpadMode, attr, mode, "dnnl_primitive_attr_set_scratchpad_mode");
  }

  void primitiveAttrSetFpmathMode(MemorySegment attr, int mode) {
    set(primitiveAttrSetFpmathMode, attr, mode, "dnnl_primitive_attr_set_fpmath_mode");
  }

  void primitiveAttrSetDeterministic(MemorySegment attr, int value) {
    set(primitiveAttrSetDeterministic, attr, value, "dnnl_primitive_attr_set_deterministic");
  }

  /** Copies the operations into the attributes. */
  void primitiveAttrSetPostOps(MemorySegment attr, MemorySegment postOps) {
    int status;
    try {
      status = (int) primitiveAttrSetPostOps.invokeExact(attr, postOps);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "dnnl_primitive_attr_set_post_ops");
  }

  MemorySegment postOpsCreate() {
    return create(postOpsCreate, "dnnl_post_ops_create");
  }

  void postOpsDestroy(MemorySegment postOps) {
    destroy(postOpsDestroy, postOps, "dnnl_post_ops_destroy");
  }

  void postOpsAppendSum(MemorySegment postOps, float scale, int zeroPoint, int dataType) {
    int status;
    try {
      status = (int) postOpsAppendSum.invokeExact(postOps, scale, zeroPoint, dataType);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "dnnl_post_ops_append_sum");
  }

  void postOpsAppendEltwise(MemorySegment postOps, int algorithm, float alpha, float beta) {
    int status;
    try {
      status = (int) postOpsAppendEltwise.invokeExact(postOps, algorithm, alpha, beta);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "dnnl_post_ops_append_eltwise");
  }

  void postOpsAppendBinary(MemorySegment postOps, int algorithm, MemorySegment src1) {
    int status;
    try {
      status = (int) postOpsAppendBinary.invokeExact(postOps, algorithm, src1);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "dnnl_post_ops_append_binary");
  }

  /**
   * @param dilates rows and columns skipped between two taps, 0 for a dense filter
   */
  MemorySegment convolutionForwardPrimitiveDescCreate(
      MemorySegment engine,
      int propKind,
      int algorithm,
      MemorySegment src,
      MemorySegment weights,
      MemorySegment bias,
      MemorySegment dst,
      long[] strides,
      long[] dilates,
      long[] paddingL,
      long[] paddingR,
      MemorySegment attr) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      MemorySegment s = dims(frame, strides);
      MemorySegment d = dims(frame, dilates);
      MemorySegment l = dims(frame, paddingL);
      MemorySegment r = dims(frame, paddingR);
      int status;
      try {
        status =
            (int)
                convolutionForwardPrimitiveDescCreate.invokeExact(
                    out, engine, propKind, algorithm, src, weights, bias, dst, s, d, l, r, attr);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_convolution_forward_primitive_desc_create", out);
    }
  }

  MemorySegment innerProductForwardPrimitiveDescCreate(
      MemorySegment engine,
      int propKind,
      MemorySegment src,
      MemorySegment weights,
      MemorySegment bias,
      MemorySegment dst,
      MemorySegment attr) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status =
            (int)
                innerProductForwardPrimitiveDescCreate.invokeExact(
                    out, engine, propKind, src, weights, bias, dst, attr);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_inner_product_forward_primitive_desc_create", out);
    }
  }

  MemorySegment poolingForwardPrimitiveDescCreate(
      MemorySegment engine,
      int propKind,
      int algorithm,
      MemorySegment src,
      MemorySegment dst,
      long[] strides,
      long[] kernel,
      long[] dilation,
      long[] paddingL,
      long[] paddingR,
      MemorySegment attr) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      MemorySegment s = dims(frame, strides);
      MemorySegment k = dims(frame, kernel);
      MemorySegment d = dims(frame, dilation);
      MemorySegment l = dims(frame, paddingL);
      MemorySegment r = dims(frame, paddingR);
      int status;
      try {
        status =
            (int)
                poolingForwardPrimitiveDescCreate.invokeExact(
                    out, engine, propKind, algorithm, src, dst, s, k, d, l, r, attr);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_pooling_forward_primitive_desc_create", out);
    }
  }

  MemorySegment eltwiseForwardPrimitiveDescCreate(
      MemorySegment engine,
      int propKind,
      int algorithm,
      MemorySegment src,
      MemorySegment dst,
      float alpha,
      float beta,
      MemorySegment attr) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status =
            (int)
                eltwiseForwardPrimitiveDescCreate.invokeExact(
                    out, engine, propKind, algorithm, src, dst, alpha, beta, attr);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_eltwise_forward_primitive_desc_create", out);
    }
  }

  MemorySegment softmaxForwardPrimitiveDescCreate(
      MemorySegment engine,
      int propKind,
      int algorithm,
      MemorySegment src,
      MemorySegment dst,
      int axis,
      MemorySegment attr) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status =
            (int)
                softmaxForwardPrimitiveDescCreate.invokeExact(
                    out, engine, propKind, algorithm, src, dst, axis, attr);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_softmax_forward_primitive_desc_create", out);
    }
  }

  MemorySegment batchNormalizationForwardPrimitiveDescCreate(
      MemorySegment engine,
      int propKind,
      MemorySegment src,
      MemorySegment dst,
      float epsilon,
      int flags,
      MemorySegment attr) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status =
            (int)
                batchNormalizationForwardPrimitiveDescCreate.invokeExact(
                    out, engine, propKind, src, dst, epsilon, flags, attr);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_batch_normalization_forward_primitive_desc_create", out);
    }
  }

  MemorySegment binaryPrimitiveDescCreate(
      MemorySegment engine,
      int algorithm,
      MemorySegment src0,
      MemorySegment src1,
      MemorySegment dst,
      MemorySegment attr) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status =
            (int)
                binaryPrimitiveDescCreate.invokeExact(
                    out, engine, algorithm, src0, src1, dst, attr);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_binary_primitive_desc_create", out);
    }
  }

  MemorySegment matmulPrimitiveDescCreate(
      MemorySegment engine,
      MemorySegment src,
      MemorySegment weights,
      MemorySegment bias,
      MemorySegment dst,
      MemorySegment attr) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status =
            (int) matmulPrimitiveDescCreate.invokeExact(out, engine, src, weights, bias, dst, attr);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_matmul_primitive_desc_create", out);
    }
  }

  MemorySegment reorderPrimitiveDescCreate(
      MemorySegment src,
      MemorySegment srcEngine,
      MemorySegment dst,
      MemorySegment dstEngine,
      MemorySegment attr) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status =
            (int) reorderPrimitiveDescCreate.invokeExact(out, src, srcEngine, dst, dstEngine, attr);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_reorder_primitive_desc_create", out);
    }
  }

  /** {@code dnnl_primitive_desc_query} for what is a string; it lives as long as the descriptor. */
  String primitiveDescQueryString(MemorySegment primitiveDesc, int what) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status = (int) primitiveDescQuery.invokeExact(primitiveDesc, what, 0, out);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      check(status, "dnnl_primitive_desc_query");
      return NativeLibrary.string(out.get(POINTER, 0));
    }
  }

  /** A memory descriptor that belongs to the primitive descriptor. */
  MemorySegment primitiveDescQueryMd(MemorySegment primitiveDesc, int what, int index) {
    try {
      return (MemorySegment) primitiveDescQueryMd.invokeExact(primitiveDesc, what, index);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  void primitiveDescDestroy(MemorySegment primitiveDesc) {
    destroy(primitiveDescDestroy, primitiveDesc, "dnnl_primitive_desc_destroy");
  }

  MemorySegment primitiveCreate(MemorySegment primitiveDesc) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status = (int) primitiveCreate.invokeExact(out, primitiveDesc);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, "dnnl_primitive_create", out);
    }
  }

  /**
   * @param arguments that many times {@link #EXEC_ARG_BYTES}
   */
  void primitiveExecute(
      MemorySegment primitive, MemorySegment stream, int count, MemorySegment arguments) {
    int status;
    try {
      status = (int) primitiveExecute.invokeExact(primitive, stream, count, arguments);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "dnnl_primitive_execute");
  }

  void primitiveDestroy(MemorySegment primitive) {
    destroy(primitiveDestroy, primitive, "dnnl_primitive_destroy");
  }

  private static MemorySegment create(MethodHandle handle, String function) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment out = frame.allocate(POINTER);
      int status;
      try {
        status = (int) handle.invokeExact(out);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return created(status, function, out);
    }
  }

  private static void set(MethodHandle handle, MemorySegment object, int value, String function) {
    int status;
    try {
      status = (int) handle.invokeExact(object, value);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, function);
  }

  private static void destroy(MethodHandle handle, MemorySegment object, String function) {
    int status;
    try {
      status = (int) handle.invokeExact(object);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, function);
    LIVE_HANDLES.decrementAndGet();
  }

  private static MemorySegment created(int status, String function, MemorySegment out) {
    check(status, function);
    LIVE_HANDLES.incrementAndGet();
    return out.get(POINTER, 0);
  }

  private static void check(int status, String function) {
    if (status != 0) {
      throw new OneDnnException(function, status);
    }
  }

  /** A {@code dnnl_dims_t}, which functions may read to its end. */
  private static MemorySegment dims(SegmentAllocator frame, long[] values) {
    MemorySegment dims = frame.allocate(SIZE_T, MAX_DIMENSIONS);
    MemorySegment.copy(values, 0, dims, SIZE_T, 0, values.length);
    return dims;
  }

  private MethodHandle status(String function, MemoryLayout... arguments) {
    return library.function("dnnl_" + function, INT, arguments);
  }
}
