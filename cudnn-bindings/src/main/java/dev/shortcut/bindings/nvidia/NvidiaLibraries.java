package dev.shortcut.bindings.nvidia;

import dev.shortcut.bindings.cublas.CublasLt;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.library.Attempt;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.bindings.nvrtc.Nvrtc;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The driver, cuDNN, cuBLASLt and NVRTC, opened as one set: cuDNN was built for one CUDA
 * generation, 12 or 13, which the other two must have too and which the driver must support. {@link
 * NvidiaLibrary} says where they are looked for. Immutable and safe for use by any thread.
 */
public final class NvidiaLibraries {
  private static final Logger LOG = System.getLogger(NvidiaLibraries.class.getName());

  private static @Nullable NvidiaLibraries opened;

  private final Cuda cuda;
  private final Cudnn cudnn;
  private final CublasLt cublasLt;
  private final Nvrtc nvrtc;

  private NvidiaLibraries(Cuda cuda, Cudnn cudnn, CublasLt cublasLt, Nvrtc nvrtc) {
    this.cuda = cuda;
    this.cudnn = cudnn;
    this.cublasLt = cublasLt;
    this.nvrtc = nvrtc;
  }

  /**
   * The set of this process, which is looked for once; a failure is not remembered.
   *
   * @throws LibraryException if a library is missing, fails, or does not fit the others; it says
   *     which, what to install, and every place that was tried
   */
  public static synchronized NvidiaLibraries open() {
    NvidiaLibraries libraries = opened;
    if (libraries == null) {
      libraries = open(new Examination(NvidiaLibrary::find));
      opened = libraries;
      LOG.log(Level.INFO, "using {0}", libraries);
    }
    return libraries;
  }

  /** What is there of each library, in the order driver, cuDNN, cuBLASLt, NVRTC; never throws. */
  public static List<Finding> examine() {
    return new Examination(NvidiaLibrary::find).findings();
  }

  /** The set that an examination found. */
  static NvidiaLibraries open(Examination examination) {
    Cuda cuda = examination.cuda();
    Cudnn cudnn = examination.cudnn();
    CublasLt cublasLt = examination.cublasLt();
    Nvrtc nvrtc = examination.nvrtc();
    if (cuda == null || cudnn == null || cublasLt == null || nvrtc == null) {
      throw unusable(examination.findings());
    }
    return new NvidiaLibraries(cuda, cudnn, cublasLt, nvrtc);
  }

  /** The driver, initialised. */
  public Cuda cuda() {
    return cuda;
  }

  /** cuDNN. */
  public Cudnn cudnn() {
    return cudnn;
  }

  /** cuBLASLt. */
  public CublasLt cublasLt() {
    return cublasLt;
  }

  /** NVRTC. */
  public Nvrtc nvrtc() {
    return nvrtc;
  }

  /** Versions and files. */
  @Override
  public String toString() {
    return "%s %s (%s), %s, %s, NVRTC %s (%s)"
        .formatted(
            NvidiaLibrary.DRIVER.title(),
            CudaVersion.text(cuda.driverVersion()),
            cuda.library().location(),
            cudnn,
            cublasLt,
            CudaVersion.text(nvrtc.version()),
            nvrtc.library().location());
  }

  /** What to throw where some of the libraries cannot be used. */
  static LibraryException unusable(List<Finding> findings) {
    List<Finding> bad = findings.stream().filter(finding -> !finding.usable()).toList();
    var text =
        new StringBuilder("NVIDIA's libraries cannot be used here: ")
            .append(bad.stream().map(Finding::name).collect(Collectors.joining(", ")))
            .append('.');
    for (Finding finding : bad) {
      text.append("\n- ").append(finding);
      int number = 1;
      for (Attempt attempt : finding.attempts()) {
        text.append("\n    ").append(number++).append(". ").append(attempt);
      }
    }
    return new LibraryException(
        text.toString(), bad.stream().flatMap(finding -> finding.attempts().stream()).toList());
  }
}
