package dev.shortcut.bindings.nvidia;

import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NvidiaLibrary;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What planning for a device that is only described needs: cuDNN, and cuBLASLt, which cuDNN asks.
 * Where the driver's library and NVRTC are there too, cuDNN can compile; without them it has
 * precompiled engines only. No GPU is needed, and the driver is not started. Immutable and safe for
 * use by any thread.
 */
public final class PlanningLibraries {
  private static final Logger LOG = System.getLogger(PlanningLibraries.class.getName());

  private static final Set<String> NEEDED =
      Set.of(NvidiaLibrary.CUDNN.title(), NvidiaLibrary.CUBLASLT.title());

  private static @Nullable PlanningLibraries opened;

  private final Cudnn cudnn;
  private final List<Finding> missing;

  private PlanningLibraries(Cudnn cudnn, List<Finding> missing) {
    this.cudnn = cudnn;
    this.missing = List.copyOf(missing);
  }

  /**
   * The set of this process, which is looked for once; a failure is not remembered.
   *
   * @throws LibraryException if cuDNN or cuBLASLt is missing or fails; it says what to install and
   *     every place that was tried
   */
  public static synchronized PlanningLibraries open() {
    PlanningLibraries libraries = opened;
    if (libraries == null) {
      libraries = open(new Examination(NvidiaLibrary::find, Examination.Purpose.PLAN));
      opened = libraries;
      LOG.log(Level.INFO, "planning with {0}", libraries);
    }
    return libraries;
  }

  static PlanningLibraries open(Examination examination) {
    Cudnn cudnn = examination.cudnn();
    if (cudnn == null) {
      throw NvidiaLibraries.unusable(
          examination.findings().stream()
              .filter(finding -> NEEDED.contains(finding.name()))
              .toList());
    }
    return new PlanningLibraries(
        cudnn, examination.findings().stream().filter(finding -> !finding.usable()).toList());
  }

  /** cuDNN. */
  public Cudnn cudnn() {
    return cudnn;
  }

  /** Those of the driver and NVRTC that cuDNN cannot compile without and that are not there. */
  public List<Finding> missing() {
    return missing;
  }

  /** cuDNN, and what it has to do without. */
  @Override
  public String toString() {
    return missing.isEmpty()
        ? cudnn.toString()
        : cudnn
            + " without "
            + missing.stream().map(Finding::name).collect(Collectors.joining(" and "));
  }
}
