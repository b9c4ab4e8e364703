package dev.shortcut.resnet.cli;

import dev.shortcut.bindings.library.Attempt;
import dev.shortcut.bindings.library.CacheFolder;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.bindings.webp.LibWebp;
import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.DeviceReport;
import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.engine.Engine;
import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.LibraryReport;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.ShortcutException;
import dev.shortcut.resnet.ImageModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "doctor",
    header = "Tell what this machine has and what is missing.",
    description = {
      "%nOpens every backend and every library that may be used, and says what was found, or where was looked and why it was"
          + " not taken. Nothing is changed but the cache folder, where the bundled libraries are unpacked.%n",
      "NVIDIA's libraries are looked for in this order: a system property and an environment variable for each (named in the"
          + " output), the folder that -Dshortcut.nvidia.folder or SHORTCUT_NVIDIA_FOLDER names, the system's loader, the folders of"
          + " drivers and CUDA toolkits, those of conda and pip. Each GPU computes one layer, which is compared with plain Java.%n",
      "oneDNN is looked for in this order: --library of other commands, -Dshortcut.onednn.library=FILE,"
          + " SHORTCUT_ONEDNN_LIBRARY=FILE, the one that is bundled, the system's loader. Bundled libraries are unpacked to"
          + " -Dshortcut.cache=FOLDER alone where that is given, else to XDG_CACHE_HOME, else to the temporary folder.%n",
      "Exit status 0: the default backend works here. 3: it does not.%n"
    },
    footer = {
      "%nExamples:",
      "  shortcut doctor",
      "  shortcut doctor --format json",
      "  shortcut doctor --export-device gpu.json"
    })
final class DoctorCommand implements Callable<Integer> {
  private static final String WORKS = "works";
  private static final String MISSING = "missing";
  private static final String FAILS = "fails";
  private static final String WEBP = "libwebp";

  private final Console console;

  @Spec
  @SuppressWarnings("NullAway.Init")
  private CommandSpec spec;

  @Option(
      names = "--export-device",
      paramLabel = "FILE",
      description =
          "Write the description of this machine's GPU to FILE, with which 'plan --gpu FILE' plans for it elsewhere, and do"
              + " nothing else.")
  private @Nullable Path export;

  @Option(
      names = "--device",
      paramLabel = "N|UUID",
      description = "Which GPU to describe. Default: the first.")
  private @Nullable String device;

  @Mixin private FormatOption format = new FormatOption();

  DoctorCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException, IOException {
    if (export != null) {
      return exportDevice(export);
    }
    if (device != null) {
      throw new ParameterException(
          spec.commandLine(), "--device needs --export-device: all GPUs are looked at");
    }
    Table findings =
        new Table().column("what", "what").column("state", "state").column("detail", "detail");
    findings.row("shortcut", "found", Version.number());
    findings.row(
        "Java",
        "found",
        "%s, %s, %s"
            .formatted(
                Runtime.version(),
                System.getProperty("java.vm.vendor"),
                System.getProperty("java.home")));
    findings.row(
        "system",
        "found",
        "%s %s, %s"
            .formatted(
                System.getProperty("os.name"),
                System.getProperty("os.version"),
                System.getProperty("os.arch")));
    findings.row("processor", "found", processor());
    findings.row("memory", "found", memory());
    findings.row("temporary folder", "found", System.getProperty("java.io.tmpdir"));
    CacheFolder.candidates()
        .forEach(cache ->
            findings.row(
                "cache folder", "found", "%s, from %s".formatted(cache.path(), cache.origin())));
    for (LibraryReport library : LibraryReport.all()) {
      library(
          library.name(),
          library.usable() ? WORKS : MISSING,
          firstLine(library.detail()),
          library.tried(),
          findings);
    }
    libWebp(findings);
    for (DeviceReport gpu : DeviceReport.all()) {
      gpu(gpu, findings);
    }
    boolean works = backend(Options.BackendChoice.AUTO, findings);
    backend(Options.BackendChoice.CPU, findings);
    backend(Options.BackendChoice.CUDA, findings);
    backend(Options.BackendChoice.REFERENCE, findings);
    console.print(findings.in(format.chosen()));
    return works ? ExitCodes.OK : ExitCodes.NO_DEVICE;
  }

  private int exportDevice(Path file) throws IOException {
    DeviceChoice choice =
        device == null ? new DeviceChoice.First() : DeviceOptions.named(List.of(device), spec);
    GpuDescription gpu = GpuDescription.of(choice);
    WholeFile.write(file, gpu.json());
    console.message("%s: %s".formatted(file, gpu));
    return ExitCodes.OK;
  }

  private static boolean backend(Options.BackendChoice choice, Table findings)
      throws InterruptedException {
    String what = "backend " + choice;
    try (ImageModel model = ImageModel.bundled();
        Engine engine =
            OpenEngine.of(
                model,
                Options.defaults()
                    .withBackend(choice)
                    .withMaxBatch(1)
                    .withInput(model.inputFormat()))) {
      findings.row(what, WORKS, "%s (%s)".formatted(engine.backend(), engine.choice()));
      return true;
    } catch (DeviceUnavailableException e) {
      findings.row(what, MISSING, firstLine(String.valueOf(e.getMessage())));
      return false;
    } catch (ShortcutException e) {
      findings.row(what, FAILS, firstLine(String.valueOf(e.getMessage())));
      return false;
    }
  }

  /** What it is, and whether one layer on it gives what it should. */
  private static void gpu(DeviceReport gpu, Table findings) throws InterruptedException {
    String what = "GPU " + gpu.number();
    findings.row(what, "found", gpu.toString());
    Options options =
        Options.defaults()
            .withBackend(Options.BackendChoice.CUDA)
            .withDevices(new DeviceChoice.Named(List.of(gpu.uuid())));
    what += ", one layer";
    try {
      Comparison result = FamilyKernel.SAMPLE.compare(options);
      findings.row(what, result.well() ? WORKS : "WRONG", result.toString());
    } catch (ShortcutException e) {
      findings.row(what, FAILS, firstLine(String.valueOf(e.getMessage())));
    }
  }

  private static void libWebp(Table findings) {
    try {
      LibWebp webp = LibWebp.load();
      NativeLibrary library = webp.library();
      library(
          WEBP,
          WORKS,
          "version %s, %s".formatted(webp.version(), library.location()),
          words(library.attempts()),
          findings);
    } catch (LibraryException e) {
      library(
          WEBP,
          MISSING,
          "lossy WebP pictures are refused; install libwebp (Debian: libwebp7)",
          words(e.attempts()),
          findings);
    }
  }

  private static List<String> words(List<Attempt> attempts) {
    return attempts.stream().map(Attempt::toString).toList();
  }

  /** A row for the library and one for each place where it was looked for. */
  private static void library(
      String name, String state, String detail, List<String> tried, Table findings) {
    findings.row(name, state, detail);
    for (int i = 0; i < tried.size(); i++) {
      findings.row("%s, place %d".formatted(name, i + 1), "tried", tried.get(i));
    }
  }

  /** What a search tried comes in rows of its own. */
  private static String firstLine(String message) {
    return message.lines().findFirst().orElse("");
  }

  private static String processor() {
    List<String> lines = lines(Path.of("/proc/cpuinfo"));
    String model = value(lines, "model name");
    List<String> flags = List.of(value(lines, "flags").split(" "));
    String vector =
        Stream.of("avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "avx2", "fma")
            .filter(flags::contains)
            .collect(Collectors.joining(", "));
    return "%s, %d processors for Java%s"
        .formatted(
            model.isEmpty() ? "unknown" : model,
            Runtime.getRuntime().availableProcessors(),
            vector.isEmpty() ? "" : ", " + vector);
  }

  private static String memory() {
    List<String> lines = lines(Path.of("/proc/meminfo"));
    return "%s in all, %s available, Java heap up to %,d MiB"
        .formatted(
            megabytes(value(lines, "MemTotal")),
            megabytes(value(lines, "MemAvailable")),
            Runtime.getRuntime().maxMemory() >> 20);
  }

  private static String megabytes(String kilobytes) {
    String number = kilobytes.replaceAll("[^0-9]", "");
    return number.isEmpty()
        ? "unknown"
        : String.format(Locale.ROOT, "%,d MiB", Long.parseLong(number) / 1024);
  }

  private static String value(List<String> lines, String name) {
    return lines.stream()
        .filter(line -> line.startsWith(name))
        .map(line -> line.substring(line.indexOf(':') + 1).strip())
        .findFirst()
        .orElse("");
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException _) {
      return List.of(); // no Linux: the detail stays unknown
    }
  }
}
