package dev.shortcut.engine.backend;

import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.DeviceReport;
import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.LibraryReport;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.PlanReport;
import dev.shortcut.engine.Planning;
import dev.shortcut.engine.backend.cudnn.CudnnBackend;
import dev.shortcut.engine.backend.cudnn.CudnnPlanning;
import dev.shortcut.engine.backend.jcudnn.JCudnnBackend;
import dev.shortcut.engine.backend.onednn.OneDnnBackend;
import dev.shortcut.engine.backend.reference.ReferenceBackend;
import dev.shortcut.engine.graph.Graph;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** The registry of ways to run a graph, and choosing among them. */
public final class Backends {
  /** In order of preference. What is not automatic runs only where it is asked for by name. */
  private static final List<Candidate> CANDIDATES =
      List.of(
          new Candidate(BackendChoice.CUDA, true, Backends::cuda),
          new Candidate(BackendChoice.JCUDA, false, Backends::jcuda),
          new Candidate(
              BackendChoice.CPU, true, onCpu(options -> OneDnnBackend.open(options.library()))),
          new Candidate(BackendChoice.REFERENCE, false, onCpu(_ -> new ReferenceBackend())));

  private Backends() {}

  /**
   * A way to run a graph that is not opened yet.
   *
   * @param choice its name in the options
   * @param automatic whether {@link BackendChoice#AUTO} may take it
   * @param opener opens it, or says in a {@link DeviceUnavailableException} why it cannot run here
   */
  private record Candidate(BackendChoice choice, boolean automatic, Opener opener) {
    Backend open(Options options) {
      Backend backend = opener.open(options);
      Optional<String> reason = backend.unsupported(options.precision());
      if (reason.isPresent()) {
        backend.close();
        throw new DeviceUnavailableException(
            "%s cannot compute in %s: %s".formatted(choice, options.precision(), reason.get()));
      }
      return backend;
    }
  }

  private interface Opener {
    Backend open(Options options);
  }

  /** Opens what has no devices to choose among; nobody who names one gets something else. */
  private static Opener onCpu(Opener opener) {
    return options -> {
      if (!(options.devices() instanceof DeviceChoice.First)) {
        throw new DeviceUnavailableException(
            "%s was asked for, but this backend runs on the CPU".formatted(options.devices()));
      }
      return opener.open(options);
    };
  }

  /**
   * An open backend and how it was come by.
   *
   * @param backend the caller's to close
   * @param choice which one it is and why, in one line, for people
   */
  public record Chosen(Backend backend, String choice) {}

  /** What searches for the native libraries of every backend find. */
  public static List<LibraryReport> libraries() {
    List<LibraryReport> reports = new ArrayList<>(CudnnBackend.examine());
    reports.add(JCudnnBackend.examine());
    reports.add(OneDnnBackend.examine());
    return reports;
  }

  /** Lets libraries that keep a log of their own write it there, once they are opened. */
  public static void logTo(Path file) {
    CudnnBackend.logTo(file);
  }

  /**
   * Plans what cuDNN is to run on a GPU that need not be there.
   *
   * @param graph what is to be computed, after passes
   * @throws InterruptedException once the plans in the making are made
   */
  public static PlanReport plan(Planning planning, Graph graph) throws InterruptedException {
    return CudnnPlanning.run(planning, graph);
  }

  /**
   * The first of the GPUs that are meant, as its own library describes it.
   *
   * @throws DeviceUnavailableException if it, its driver or a library is missing
   */
  public static GpuDescription describe(DeviceChoice devices) {
    return CudnnBackend.describe(devices);
  }

  /** The GPUs of this machine that some backend can run on. */
  public static List<DeviceReport> devices() {
    return CudnnBackend.allDevices();
  }

  /**
   * Opens the backend that the options ask for.
   *
   * @throws DeviceUnavailableException if it, or with {@link BackendChoice#AUTO} everything that
   *     may be taken, cannot run here; nothing is fallen back to that was not asked for
   */
  public static Chosen open(Options options) {
    BackendChoice wanted = options.backend();
    if (wanted != BackendChoice.AUTO) {
      Candidate candidate =
          CANDIDATES.stream().filter(c -> c.choice == wanted).findFirst().orElseThrow();
      return new Chosen(candidate.open(options), wanted + ": as asked for");
    }
    List<DeviceUnavailableException> refusals = new ArrayList<>();
    for (Candidate candidate : CANDIDATES) {
      if (candidate.automatic) {
        try {
          return new Chosen(candidate.open(options), candidate.choice + ": " + because(refusals));
        } catch (DeviceUnavailableException e) {
          refusals.add(e);
        }
      }
    }
    var failure =
        new DeviceUnavailableException(
            "no backend can run here; the plain-Java one always can, slowly: choose the backend %s. Why the others cannot:%n%s"
                .formatted(
                    BackendChoice.REFERENCE,
                    refusals.stream()
                        .map(Throwable::getMessage)
                        .collect(Collectors.joining("\n"))));
    refusals.forEach(failure::addSuppressed);
    throw failure;
  }

  private static String because(List<DeviceUnavailableException> refusals) {
    return refusals.isEmpty()
        ? "the first choice"
        : refusals.stream()
            .map(DeviceUnavailableException::summary)
            .collect(Collectors.joining("; "));
  }

  private static Backend cuda(Options options) {
    requireNoLibrary(options);
    return CudnnBackend.open(options.devices());
  }

  private static Backend jcuda(Options options) {
    requireNoLibrary(options);
    return JCudnnBackend.open(options.devices());
  }

  private static void requireNoLibrary(Options options) {
    if (options.library() != null) {
      throw new DeviceUnavailableException(
          "%s was given as the library, but a GPU takes several: name each by its own property"
              .formatted(options.library()));
    }
  }
}
