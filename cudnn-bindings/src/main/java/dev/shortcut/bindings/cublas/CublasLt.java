package dev.shortcut.bindings.cublas;

import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.bindings.library.NvidiaLibrary;

/**
 * An opened cuBLASLt 12 or 13. Immutable and safe for use by any thread; stays open for the life of
 * the process.
 */
public final class CublasLt {
  private final CublasLtFunctions functions;
  private final long version;

  private CublasLt(CublasLtFunctions functions) {
    this.functions = functions;
    version = functions.getVersion();
  }

  /**
   * Finds and opens cuBLASLt; {@link NvidiaLibrary} says where.
   *
   * @param cudaMajor 12 or 13, that of the CUDA runtime inside cuDNN
   * @throws LibraryException if there is none that can be used; the message lists every place tried
   */
  public static CublasLt open(int cudaMajor) {
    return of(NvidiaLibrary.CUBLASLT.find(cudaMajor));
  }

  /**
   * Takes a library that was opened already.
   *
   * @throws LibraryException if it lacks a function
   */
  public static CublasLt of(NativeLibrary library) {
    return new CublasLt(new CublasLtFunctions(library));
  }

  /** What {@link #version()} returns, of a library whose other functions may not be there. */
  public static long version(NativeLibrary library) {
    return CublasLtFunctions.getVersion(library);
  }

  /** The version as people write it, such as {@code 12.9.1}. */
  public static String text(long version) {
    return "%d.%d.%d".formatted(version / 10_000, version / 100 % 100, version % 100);
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
    return "cuBLASLt " + text(version) + " (" + functions.library().location() + ")";
  }
}
