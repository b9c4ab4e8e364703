package dev.shortcut.bindings.cublas;

import static dev.shortcut.bindings.library.CTypes.INT;
import static dev.shortcut.bindings.library.CTypes.LONG;
import static dev.shortcut.bindings.library.CTypes.POINTER;
import static dev.shortcut.bindings.library.CTypes.SIZE_T;

import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * cuBLASLt's C API, as much of it as is called: one C function is one handle and one typed method
 * with C's argument order that checks the status. Names are C's without the prefix {@code
 * cublasLt}; device addresses and streams are {@code long}.
 *
 * <p>Immutable and safe for use by any thread.
 */
final class CublasLtFunctions {
  /** {@code cublasLtMatmulAlgo_t}: opaque, but the caller's. */
  static final long ALGO_BYTES = 64;

  /**
   * {@code cublasLtMatmulHeuristicResult_t}: the algorithm, {@code size_t workspaceSize}, {@code
   * int state}, {@code float wavesCount}, {@code int reserved[4]}.
   */
  static final long RESULT_BYTES = 96;

  /** Where the workspace's size stands in a result. */
  static final long RESULT_WORKSPACE = 64;

  /** Where the status stands in a result. */
  static final long RESULT_STATE = 72;

  private static final int SUCCESS = 0;

  private final NativeLibrary library;
  private final MethodHandle getVersion;
  private final MethodHandle getCudartVersion;
  private final MethodHandle getStatusString;
  private final MethodHandle create;
  private final MethodHandle destroy;
  private final MethodHandle matmulDescCreate;
  private final MethodHandle matmulDescSetAttribute;
  private final MethodHandle matmulDescDestroy;
  private final MethodHandle matrixLayoutCreate;
  private final MethodHandle matrixLayoutDestroy;
  private final MethodHandle matmulPreferenceCreate;
  private final MethodHandle matmulPreferenceSetAttribute;
  private final MethodHandle matmulPreferenceDestroy;
  private final MethodHandle matmulAlgoGetHeuristic;
  private final MethodHandle matmulAlgoCapGetAttribute;
  private final MethodHandle matmulAlgoConfigGetAttribute;
  private final MethodHandle matmul;

  CublasLtFunctions(NativeLibrary library) {
    this.library = library;
    getVersion = library.function("cublasLtGetVersion", SIZE_T);
    getCudartVersion = library.function("cublasLtGetCudartVersion", SIZE_T);
    getStatusString = library.function("cublasLtGetStatusString", POINTER, INT);
    create = status("Create", POINTER);
    destroy = status("Destroy", POINTER);
    matmulDescCreate = status("MatmulDescCreate", POINTER, INT, INT);
    matmulDescSetAttribute = status("MatmulDescSetAttribute", POINTER, INT, POINTER, SIZE_T);
    matmulDescDestroy = status("MatmulDescDestroy", POINTER);
    matrixLayoutCreate = status("MatrixLayoutCreate", POINTER, INT, LONG, LONG, LONG);
    matrixLayoutDestroy = status("MatrixLayoutDestroy", POINTER);
    matmulPreferenceCreate = status("MatmulPreferenceCreate", POINTER);
    matmulPreferenceSetAttribute =
        status("MatmulPreferenceSetAttribute", POINTER, INT, POINTER, SIZE_T);
    matmulPreferenceDestroy = status("MatmulPreferenceDestroy", POINTER);
    matmulAlgoGetHeuristic =
        status(
            "MatmulAlgoGetHeuristic",
            POINTER, // lightHandle
            POINTER, // operationDesc
            POINTER, // Adesc
            POINTER, // Bdesc
            POINTER, // Cdesc
            POINTER, // Ddesc
            POINTER, // preference
            INT, // requestedAlgoCount
            POINTER, // heuristicResultsArray
            POINTER); // returnAlgoCount
    matmulAlgoCapGetAttribute =
        status("MatmulAlgoCapGetAttribute", POINTER, INT, POINTER, SIZE_T, POINTER);
    matmulAlgoConfigGetAttribute =
        status("MatmulAlgoConfigGetAttribute", POINTER, INT, POINTER, SIZE_T, POINTER);
    matmul =
        status(
            "Matmul", POINTER, // lightHandle
            POINTER, // computeDesc
            POINTER, // alpha
            LONG, // A
            POINTER, // Adesc
            LONG, // B
            POINTER, // Bdesc
            POINTER, // beta
            LONG, // C
            POINTER, // Cdesc
            LONG, // D
            POINTER, // Ddesc
            POINTER, // algo
            LONG, // workspace
            SIZE_T, // workspaceSizeInBytes
            LONG); // stream
  }

  NativeLibrary library() {
    return library;
  }

  /** The version of a library whose other functions may not be there. */
  static long getVersion(NativeLibrary library) {
    return NativeLibrary.number(library.function("cublasLtGetVersion", SIZE_T));
  }

  long getVersion() {
    return NativeLibrary.number(getVersion);
  }

  /** {@code major * 1000 + minor * 10} of the CUDA runtime inside. */
  long getCudartVersion() {
    return NativeLibrary.number(getCudartVersion);
  }

  /** Needs a current context. */
  void create(MemorySegment handle) {
    int status;
    try {
      status = (int) create.invokeExact(handle);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtCreate");
  }

  void destroy(MemorySegment handle) {
    int status;
    try {
      status = (int) destroy.invokeExact(handle);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtDestroy");
  }

  void matmulDescCreate(MemorySegment description, int computeType, int scaleType) {
    int status;
    try {
      status = (int) matmulDescCreate.invokeExact(description, computeType, scaleType);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatmulDescCreate");
  }

  void matmulDescSetAttribute(
      MemorySegment description, int attribute, MemorySegment value, long bytes) {
    int status;
    try {
      status = (int) matmulDescSetAttribute.invokeExact(description, attribute, value, bytes);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatmulDescSetAttribute");
  }

  void matmulDescDestroy(MemorySegment description) {
    int status;
    try {
      status = (int) matmulDescDestroy.invokeExact(description);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatmulDescDestroy");
  }

  void matrixLayoutCreate(
      MemorySegment layout, int type, long rows, long columns, long leadingDimension) {
    int status;
    try {
      status = (int) matrixLayoutCreate.invokeExact(layout, type, rows, columns, leadingDimension);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatrixLayoutCreate");
  }

  void matrixLayoutDestroy(MemorySegment layout) {
    int status;
    try {
      status = (int) matrixLayoutDestroy.invokeExact(layout);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatrixLayoutDestroy");
  }

  void matmulPreferenceCreate(MemorySegment preference) {
    int status;
    try {
      status = (int) matmulPreferenceCreate.invokeExact(preference);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatmulPreferenceCreate");
  }

  void matmulPreferenceSetAttribute(
      MemorySegment preference, int attribute, MemorySegment value, long bytes) {
    int status;
    try {
      status = (int) matmulPreferenceSetAttribute.invokeExact(preference, attribute, value, bytes);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatmulPreferenceSetAttribute");
  }

  void matmulPreferenceDestroy(MemorySegment preference) {
    int status;
    try {
      status = (int) matmulPreferenceDestroy.invokeExact(preference);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatmulPreferenceDestroy");
  }

  void matmulAlgoGetHeuristic(
      MemorySegment handle,
      MemorySegment description,
      MemorySegment a,
      MemorySegment b,
      MemorySegment c,
      MemorySegment d,
      MemorySegment preference,
      int requested,
      MemorySegment results,
      MemorySegment count) {
    int status;
    try {
      status =
          (int)
              matmulAlgoGetHeuristic.invokeExact(
                  handle, description, a, b, c, d, preference, requested, results, count);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatmulAlgoGetHeuristic");
  }

  void matmulAlgoCapGetAttribute(
      MemorySegment algorithm,
      int attribute,
      MemorySegment value,
      long bytes,
      MemorySegment written) {
    int status;
    try {
      status =
          (int) matmulAlgoCapGetAttribute.invokeExact(algorithm, attribute, value, bytes, written);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatmulAlgoCapGetAttribute");
  }

  void matmulAlgoConfigGetAttribute(
      MemorySegment algorithm,
      int attribute,
      MemorySegment value,
      long bytes,
      MemorySegment written) {
    int status;
    try {
      status =
          (int)
              matmulAlgoConfigGetAttribute.invokeExact(algorithm, attribute, value, bytes, written);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatmulAlgoConfigGetAttribute");
  }

  void matmul(
      MemorySegment handle,
      MemorySegment description,
      MemorySegment alpha,
      long a,
      MemorySegment aLayout,
      long b,
      MemorySegment bLayout,
      MemorySegment beta,
      long c,
      MemorySegment cLayout,
      long d,
      MemorySegment dLayout,
      MemorySegment algorithm,
      long workspace,
      long workspaceBytes,
      long stream) {
    int status;
    try {
      status =
          (int)
              matmul.invokeExact(
                  handle,
                  description,
                  alpha,
                  a,
                  aLayout,
                  b,
                  bLayout,
                  beta,
                  c,
                  cLayout,
                  d,
                  dLayout,
                  algorithm,
                  workspace,
                  workspaceBytes,
                  stream);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    check(status, "cublasLtMatmul");
  }

  private void check(int status, String function) {
    if (status != SUCCESS) {
      throw new CublasException(function, status, text(status));
    }
  }

  private String text(int status) {
    try {
      return NativeLibrary.string((MemorySegment) getStatusString.invokeExact(status));
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  private MethodHandle status(String function, MemoryLayout... arguments) {
    return library.function("cublasLt" + function, INT, arguments);
  }
}
