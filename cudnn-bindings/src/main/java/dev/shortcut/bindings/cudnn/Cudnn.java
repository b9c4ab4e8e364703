package dev.shortcut.bindings.cudnn;

import dev.shortcut.bindings.library.Attempt;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.bindings.library.NvidiaLibrary;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** An opened cuDNN 9. Safe for use by any thread; stays open for the life of the process. */
public final class Cudnn {
  /** The first version that plans for a device that is described: 9.11.0. */
  public static final long OLDEST_VERSION = 91100;

  /** The first version of the next major, whose functions are not known. */
  public static final long NEXT_MAJOR_VERSION = 100_000;

  /** The newest version that was tried; a later one may ask for another key of a description. */
  static final long NEWEST_KNOWN_DESCRIPTION = 92800;

  private static final Logger LOG = System.getLogger(Cudnn.class.getName());

  /** The parts that the graph API needs. */
  private static final List<String> PARTS =
      List.of(
          "libcudnn_graph.so.9",
          "libcudnn_heuristic.so.9",
          "libcudnn_engines_runtime_compiled.so.9");

  /** A part that cuDNN's package for compiling at run time only leaves out. */
  private static final String PRECOMPILED = "libcudnn_engines_precompiled.so.9";

  /** The parts that the calls from before the graph API need; that package leaves them out, too. */
  private static final List<String> LEGACY_PARTS =
      List.of("libcudnn_ops.so.9", "libcudnn_cnn.so.9");

  private final CudnnFunctions functions;
  private final long version;
  private @Nullable LegacyFunctions legacy;

  private Cudnn(NativeLibrary library) {
    // NVIDIA packs it without this part, too; but it may also have been lost.
    if (!library.openPart(PRECOMPILED).getLast().succeeded()) {
      LOG.log(
          Level.WARNING,
          "{0} comes without {1}: every plan has to be compiled, and some precisions have none",
          library,
          PRECOMPILED);
    }
    functions = new CudnnFunctions(library);
    version = functions.getVersion();
    try {
      functions.graphVersionCheck();
    } catch (CudnnException e) {
      throw new LibraryException(
          "%s is version %s, but its parts do not belong together or cannot be opened (%s): install cuDNN again as a whole, and keep other versions out of LD_LIBRARY_PATH"
              .formatted(library, text(version), e.getMessage()));
    }
  }

  /**
   * Finds and opens cuDNN; {@link NvidiaLibrary} says where.
   *
   * @throws LibraryException if there is none that can be used; the message lists every place tried
   */
  public static Cudnn open() {
    return of(NvidiaLibrary.CUDNN.find(0));
  }

  /**
   * Takes a library that was opened already.
   *
   * @throws LibraryException if it cannot be used; the message says what to install instead
   */
  public static Cudnn of(NativeLibrary library) {
    // First, since another version may lack functions that we bind.
    long version = version(library);
    if (version < OLDEST_VERSION) {
      throw new LibraryException(
          "%s is version %s, but %s or a later 9.x is needed: upgrade cuDNN (pip: nvidia-cudnn-cu12 or nvidia-cudnn-cu13)"
              .formatted(library, text(version), text(OLDEST_VERSION)));
    }
    return new Cudnn(library);
  }

  /**
   * What {@link #version()} returns, of a library whose other functions may not be there.
   *
   * @throws LibraryException if a part of cuDNN cannot be opened
   */
  public static long version(NativeLibrary library) {
    openParts(library, PARTS, "is incomplete");
    return CudnnFunctions.getVersion(library);
  }

  /**
   * What {@link #cudartVersion()} returns, of a library whose other functions may not be there.
   *
   * @throws LibraryException if a part of cuDNN cannot be opened
   */
  public static long cudartVersion(NativeLibrary library) {
    openParts(library, PARTS, "is incomplete");
    return CudnnFunctions.getCudartVersion(library);
  }

  /** {@code major * 10000 + minor * 100 + patch}, such as 92000. */
  public long version() {
    return version;
  }

  /** The version as people write it, such as {@code 9.20.0}. */
  public static String text(long version) {
    // cuDNN 8 and older counted major * 1000 + minor * 100 + patch.
    long major = version < 10_000 ? version / 1000 : version / 10_000;
    return "%d.%d.%d"
        .formatted(major, version / 100 % (version < 10_000 ? 10 : 100), version % 100);
  }

  /**
   * The CUDA runtime inside, {@code major * 1000 + minor * 10}, such as 12090. Its major fixes that
   * of NVRTC and cuBLAS, and the driver must not be older.
   */
  public long cudartVersion() {
    return functions.getCudartVersion();
  }

  /** Why the last call on this OS thread failed; empty where none did. cuDNN forgets it then. */
  public String lastError() {
    return functions.lastErrorString();
  }

  /** The library that was opened. */
  public NativeLibrary library() {
    return functions.library();
  }

  /**
   * A handle on the current context.
   *
   * @throws CudnnException if no context is current, or its device cannot be used
   */
  public CudnnHandle newHandle() {
    return new CudnnHandle(functions);
  }

  /**
   * A handle that somebody else owns; closing it does nothing. Its stream is whatever was set last,
   * by either side.
   *
   * @param cudnnHandle its {@code cudnnHandle_t}, of this same library
   */
  public CudnnHandle borrowHandle(long cudnnHandle) {
    return new CudnnHandle(functions, cudnnHandle, false);
  }

  /**
   * A handle that somebody else made and hands over; closing it destroys it.
   *
   * @param cudnnHandle its {@code cudnnHandle_t}, of this same library
   */
  public CudnnHandle adoptHandle(long cudnnHandle) {
    return new CudnnHandle(functions, cudnnHandle, true);
  }

  /** Version and file. */
  @Override
  public String toString() {
    return "cuDNN " + text(version) + " (" + functions.library().location() + ")";
  }

  /**
   * libcudnn.so.9 holds next to nothing: it opens the other libraries when it first needs them, and
   * ends the process where it cannot (tried: cuDNN 9.20 without libcudnn_graph, cudnnGetVersion).
   */
  private static void openParts(NativeLibrary library, List<String> parts, String verdict) {
    for (String part : parts) {
      List<Attempt> tried = library.openPart(part);
      if (!tried.getLast().succeeded()) {
        throw new LibraryException(
            "%s %s: its part %s cannot be opened (%s)"
                .formatted(
                    library,
                    verdict,
                    part,
                    tried.stream().map(Attempt::toString).collect(Collectors.joining("; "))),
            tried);
      }
    }
  }

  CudnnFunctions functions() {
    return functions;
  }

  /**
   * The calls from before the graph API.
   *
   * @throws LibraryException if this cuDNN comes without them
   */
  synchronized LegacyFunctions legacy() {
    if (legacy == null) {
      openParts(library(), LEGACY_PARTS, "comes without the calls from before the graph API");
      legacy = new LegacyFunctions(functions);
    }
    return legacy;
  }

  /** What to add to a refusal of a device description; empty where the version is a known one. */
  String descriptionWindow() {
    return version <= NEWEST_KNOWN_DESCRIPTION
        ? ""
        : " (known are those that cuDNN %s to %s take, and this is %s)"
            .formatted(text(OLDEST_VERSION), text(NEWEST_KNOWN_DESCRIPTION), text(version));
  }
}
