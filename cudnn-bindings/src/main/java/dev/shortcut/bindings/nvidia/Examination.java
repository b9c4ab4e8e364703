package dev.shortcut.bindings.nvidia;

import dev.shortcut.bindings.cublas.CublasLt;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.bindings.nvidia.Finding.Verdict;
import dev.shortcut.bindings.nvrtc.Nvrtc;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Opens the four libraries and notes what is wrong with each. First their files and versions are
 * looked at, since a library of another version may lack functions that are called; only when these
 * fit together is more of them touched.
 *
 * <p>cuDNN comes last: it opens its own parts, NVRTC, cuBLASLt and the driver by their sonames when
 * it first needs them, and then gets the files that are open already.
 */
final class Examination {
  /** The oldest driver that has all functions that are called, in CUDA's count. */
  private static final int OLDEST_DRIVER = 12_000;

  /** The CUDA generations whose libraries are known. */
  private static final int OLDEST_MAJOR = 12;

  private static final int NEWEST_MAJOR = 13;

  private final Finder finder;
  private final Purpose purpose;
  private final Map<NvidiaLibrary, Finding> findings = new EnumMap<>(NvidiaLibrary.class);

  /** The generation that the driver supports; 0 where there is no driver. */
  private int driverMajor;

  /** The generation that cuDNN was built for; 0 where there is no cuDNN. */
  private int cudaMajor;

  private final @Nullable Cuda cuda;
  private final @Nullable Cudnn cudnn;
  private final @Nullable CublasLt cublasLt;
  private final @Nullable Nvrtc nvrtc;

  /** What the libraries are wanted for. */
  enum Purpose {
    /** To run on a device: all four are needed, and the driver must start. */
    RUN,
    /**
     * To plan for a device that is described: cuDNN is needed, and cuBLASLt, which it asks; and it
     * looks into the driver and NVRTC where there are such when it compiles.
     */
    PLAN
  }

  /** How libraries are found. */
  @FunctionalInterface
  interface Finder {
    /**
     * Opens a library.
     *
     * @throws LibraryException if there is none
     */
    NativeLibrary find(NvidiaLibrary library, int cudaMajor);
  }

  /** Libraries to run with. */
  Examination(Finder finder) {
    this(finder, Purpose.RUN);
  }

  Examination(Finder finder, Purpose purpose) {
    this.finder = finder;
    this.purpose = purpose;
    NativeLibrary driver = driver();
    NativeLibrary cudnnLibrary = cudnnLibrary();
    NativeLibrary cublasLtLibrary =
        ofCudnnsGeneration(
            NvidiaLibrary.CUBLASLT,
            library -> Math.toIntExact(CublasLt.version(library) / 10_000),
            library -> CublasLt.text(CublasLt.version(library)));
    NativeLibrary nvrtcLibrary =
        ofCudnnsGeneration(
            NvidiaLibrary.NVRTC,
            library -> CudaVersion.major(Nvrtc.version(library)),
            library -> CudaVersion.text(Nvrtc.version(library)));
    if (purpose == Purpose.PLAN) {
      cuda = null;
      cublasLt = null;
      nvrtc =
          nvrtcLibrary == null
              ? null
              : open(NvidiaLibrary.NVRTC, nvrtcLibrary, Nvrtc::of, again(NvidiaLibrary.NVRTC));
      // Without cuBLASLt cuDNN ends the process when it ranks engines (tried: 9.20).
      cudnn =
          cudnnLibrary == null || cublasLtLibrary == null
              ? null
              : open(NvidiaLibrary.CUDNN, cudnnLibrary, Cudnn::of, again(NvidiaLibrary.CUDNN));
      return;
    }
    cuda = driver == null ? null : open(NvidiaLibrary.DRIVER, driver, Cuda::of, "");
    if (cudnnLibrary == null || cublasLtLibrary == null || nvrtcLibrary == null) {
      cudnn = null;
      cublasLt = null;
      nvrtc = null;
    } else {
      nvrtc = open(NvidiaLibrary.NVRTC, nvrtcLibrary, Nvrtc::of, again(NvidiaLibrary.NVRTC));
      cublasLt =
          open(
              NvidiaLibrary.CUBLASLT, cublasLtLibrary, CublasLt::of, again(NvidiaLibrary.CUBLASLT));
      cudnn = open(NvidiaLibrary.CUDNN, cudnnLibrary, Cudnn::of, again(NvidiaLibrary.CUDNN));
    }
  }

  /** One for each library, in their order. */
  List<Finding> findings() {
    return List.copyOf(findings.values());
  }

  @Nullable Cuda cuda() {
    return cuda;
  }

  @Nullable Cudnn cudnn() {
    return cudnn;
  }

  @Nullable CublasLt cublasLt() {
    return cublasLt;
  }

  @Nullable Nvrtc nvrtc() {
    return nvrtc;
  }

  private @Nullable NativeLibrary driver() {
    NvidiaLibrary kind = NvidiaLibrary.DRIVER;
    NativeLibrary library =
        find(kind, 0, purpose == Purpose.PLAN ? Install.driverLibrary() : Install.driver());
    if (library == null) {
      return null;
    }
    int version;
    try {
      version = Cuda.driverVersion(library);
    } catch (LibraryException | CudaException e) {
      return unsuitable(kind, library, "", sentence(e), Install.upgradeDriver(OLDEST_DRIVER));
    }
    String text = CudaVersion.text(version);
    driverMajor = CudaVersion.major(version);
    if (version < OLDEST_DRIVER) {
      return unsuitable(
          kind,
          library,
          text,
          "It supports CUDA %s at most.".formatted(text),
          Install.upgradeDriver(OLDEST_DRIVER));
    }
    return usable(kind, library, text);
  }

  private @Nullable NativeLibrary cudnnLibrary() {
    NvidiaLibrary kind = NvidiaLibrary.CUDNN;
    String remedy = "Replace it: " + Install.packages(kind, wantedMajor());
    NativeLibrary library = find(kind, 0, Install.packages(kind, wantedMajor()));
    if (library == null) {
      return null;
    }
    long version;
    int major;
    try {
      version = Cudnn.version(library);
      major = CudaVersion.major(Cudnn.cudartVersion(library));
    } catch (LibraryException e) {
      return unsuitable(kind, library, "", sentence(e), again(kind));
    }
    String text = "%s for CUDA %d".formatted(Cudnn.text(version), major);
    if (version < Cudnn.OLDEST_VERSION) {
      return unsuitable(
          kind,
          library,
          text,
          "It is older than %s.".formatted(Cudnn.text(Cudnn.OLDEST_VERSION)),
          "Upgrade it: " + Install.packages(kind, wantedMajor()));
    }
    if (version >= Cudnn.NEXT_MAJOR_VERSION) {
      return unsuitable(kind, library, text, "It is newer than cuDNN 9.", remedy);
    }
    if (major < OLDEST_MAJOR || major > NEWEST_MAJOR) {
      return unsuitable(
          kind,
          library,
          text,
          "Only CUDA %d and %d are supported.".formatted(OLDEST_MAJOR, NEWEST_MAJOR),
          remedy);
    }
    cudaMajor = major;
    if (purpose == Purpose.RUN && driverMajor >= OLDEST_MAJOR && driverMajor < major) {
      return unsuitable(
          kind,
          library,
          text,
          "It is for CUDA %d, and the driver supports CUDA %d at most."
              .formatted(major, driverMajor),
          "Either upgrade the driver to one for CUDA %d, or replace cuDNN: %s"
              .formatted(major, Install.packages(kind, driverMajor)));
    }
    return usable(kind, library, text);
  }

  private @Nullable NativeLibrary ofCudnnsGeneration(
      NvidiaLibrary kind,
      Function<NativeLibrary, Integer> majorOf,
      Function<NativeLibrary, String> textOf) {
    int wanted = wantedMajor();
    try {
      NativeLibrary library = finder.find(kind, wanted);
      int major = majorOf.apply(library);
      return major == wanted
          ? usable(kind, library, textOf.apply(library))
          : ofAnotherGeneration(kind, library, textOf.apply(library), major);
    } catch (LibraryException e) {
      for (int other = OLDEST_MAJOR; cudaMajor != 0 && other <= NEWEST_MAJOR; other++) {
        NativeLibrary library = other == wanted ? null : findQuietly(kind, other);
        if (library != null) {
          return ofAnotherGeneration(kind, library, textOf.apply(library), majorOf.apply(library));
        }
      }
      findings.put(
          kind,
          new Finding(
              kind.title(),
              Verdict.MISSING,
              "",
              "",
              "It is needed %s, and there is none for CUDA %d.".formatted(use(kind), wanted),
              Install.packages(kind, wanted),
              e.attempts()));
      return null;
    }
  }

  private @Nullable NativeLibrary ofAnotherGeneration(
      NvidiaLibrary kind, NativeLibrary library, String version, int major) {
    String instead = Install.packages(kind, wantedMajor());
    if (cudaMajor == 0) {
      return unsuitable(
          kind,
          library,
          version,
          "It is for CUDA %d, and CUDA %d is wanted here.".formatted(major, wantedMajor()),
          "Replace it: " + instead);
    }
    boolean cudnnMayChange =
        major >= OLDEST_MAJOR
            && major <= NEWEST_MAJOR
            && (driverMajor == 0 || major <= driverMajor);
    return unsuitable(
        kind,
        library,
        version,
        "It is for CUDA %d, and cuDNN is for CUDA %d.".formatted(major, cudaMajor),
        "Replace %s: %s%s"
            .formatted(
                kind.title(),
                instead,
                cudnnMayChange
                    ? " Or replace cuDNN by one for CUDA %d: %s"
                        .formatted(major, Install.packages(NvidiaLibrary.CUDNN, major))
                    : ""));
  }

  /** Binds the functions of a library whose version fits, and lets it start. */
  private <T> @Nullable T open(
      NvidiaLibrary kind, NativeLibrary library, Function<NativeLibrary, T> opener, String remedy) {
    Finding before = findings.get(kind);
    if (before == null || !before.usable()) {
      return null;
    }
    try {
      return opener.apply(library);
    } catch (LibraryException | CudaException e) {
      unsuitable(kind, library, before.version(), sentence(e), remedy);
      return null;
    }
  }

  /**
   * The generation to look for and to advise: cuDNN's, else the newest that the driver supports.
   */
  private int wantedMajor() {
    return cudaMajor != 0 ? cudaMajor : Math.clamp(driverMajor, OLDEST_MAJOR, NEWEST_MAJOR);
  }

  /** What a library is needed for, behind "it is needed". */
  private String use(NvidiaLibrary kind) {
    if (purpose == Purpose.PLAN) {
      return switch (kind) {
        case CUDNN -> "to make plans";
        case CUBLASLT -> "for what cuDNN asks of it";
        case DRIVER, NVRTC -> "for kernels that cuDNN compiles";
      };
    }
    return switch (kind) {
      case DRIVER -> "for all that a GPU is to do";
      case CUDNN -> "for convolutions and poolings";
      case CUBLASLT -> "for matrix products";
      case NVRTC -> "to compile kernels for the GPU";
    };
  }

  private String again(NvidiaLibrary kind) {
    return "Install it again: " + Install.packages(kind, wantedMajor());
  }

  private @Nullable NativeLibrary find(NvidiaLibrary kind, int major, String remedy) {
    try {
      return finder.find(kind, major);
    } catch (LibraryException e) {
      findings.put(
          kind,
          new Finding(
              kind.title(),
              Verdict.MISSING,
              "",
              "",
              "It is needed %s, and there is none.".formatted(use(kind)),
              remedy,
              e.attempts()));
      return null;
    }
  }

  private @Nullable NativeLibrary findQuietly(NvidiaLibrary kind, int major) {
    try {
      return finder.find(kind, major);
    } catch (LibraryException _) {
      return null;
    }
  }

  private NativeLibrary usable(NvidiaLibrary kind, NativeLibrary library, String version) {
    findings.put(
        kind,
        new Finding(
            kind.title(), Verdict.USABLE, version, library.location(), "", "", library.attempts()));
    return library;
  }

  /** Returns null, for a library that is not to be used. */
  private @Nullable NativeLibrary unsuitable(
      NvidiaLibrary kind, NativeLibrary library, String version, String detail, String remedy) {
    findings.put(
        kind,
        new Finding(
            kind.title(),
            Verdict.UNSUITABLE,
            version,
            library.location(),
            detail,
            remedy,
            library.attempts()));
    return null;
  }

  private static String sentence(RuntimeException e) {
    String message = String.valueOf(e.getMessage());
    return message.endsWith(".") ? message : message + ".";
  }
}
