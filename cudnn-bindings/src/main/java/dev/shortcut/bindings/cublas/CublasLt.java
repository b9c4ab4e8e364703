package dev.shortcut.bindings.cublas;

import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeLibrary;

/**
 * An opened cuBLASLt 12 or 13. Immutable and safe for use by any thread; stays open for the life of
 * the process.
 */
public final class CublasLt {
  /** The system property that names a library. */
  public static final String PROPERTY = "shortcut.cublaslt.library";

  /** The environment variable that names a library. */
  public static final String VARIABLE = "SHORTCUT_CUBLASLT_LIBRARY";

  private final CublasLtFunctions functions;
  private final long version;

  private CublasLt(CublasLtFunctions functions) {
    this.functions = functions;
    version = functions.getVersion();
  }

  /**
   * Finds and opens cuBLASLt: {@code -Dshortcut.cublaslt.library=FILE}, the environment variable
   * {@code SHORTCUT_CUBLASLT_LIBRARY}, the system's loader, toolkit folders, pip packages.
   *
   * @param cudaMajor 12 or 13, that of the CUDA runtime inside cuDNN
   * @throws LibraryException if there is none that can be used; the message lists every place tried
   */
  public static CublasLt open(int cudaMajor) {
    return of(
        NativeLibrary.find("cuBLASLt", "cublasLtGetVersion")
            .property(PROPERTY)
            .environment(VARIABLE)
            .sonames("libcublasLt.so." + cudaMajor)
            .folders("CUDA toolkit", "/usr/local/cuda*/lib64", "/usr/local/cuda*/targets/*/lib")
            .wheels("nvidia/{cublas,cu" + cudaMajor + "}/lib")
            .load());
  }

  /**
   * Takes a library that was opened already.
   *
   * @throws LibraryException if it lacks a function
   */
  public static CublasLt of(NativeLibrary library) {
    return new CublasLt(new CublasLtFunctions(library));
  }

  /** {@code major * 10000 + minor * 100 + patch}, such as 120901. */
  public long version() {
    return version;
  }

  /** The CUDA runtime inside, {@code major * 1000 + minor * 10}, such as 12090. */
  public long cudartVersion() {
    return functions.getCudartVersion();
  }

  /** The library that was opened. */
  public NativeLibrary library() {
    return functions.library();
  }

  /**
   * A handle on the current context.
   *
   * @throws CublasException if no context is current, or its device cannot be used
   */
  public CublasLtHandle newHandle() {
    return new CublasLtHandle(functions);
  }

  /** Version and file. */
  @Override
  public String toString() {
    return "cuBLASLt %d.%d.%d (%s)"
        .formatted(
            version / 10_000, version / 100 % 100, version % 100, functions.library().location());
  }
}
