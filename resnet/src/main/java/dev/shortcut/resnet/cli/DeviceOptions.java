package dev.shortcut.resnet.cli;

import dev.shortcut.engine.DeviceChoice;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Precision;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** On what a network runs. */
final class DeviceOptions {
  @Spec(Spec.Target.MIXEE)
  @SuppressWarnings("NullAway.Init")
  private CommandSpec spec;

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      description = {
        "auto (the best that this machine has; the choice is named in the messages), cuda (cuDNN on an NVIDIA GPU), cpu"
            + " (oneDNN), reference (plain Java, slow), jcuda (cuDNN through JCuda, which is not in the package). Default: ${DEFAULT-VALUE}."
      },
      defaultValue = "auto")
  private Options.BackendChoice backend = Options.BackendChoice.AUTO;

  @Option(
      names = "--device",
      paramLabel = "N|UUID|all",
      split = ",",
      description =
          "Which GPUs: numbers or UUIDs as nvidia-smi -L prints them (the beginning of a UUID will do), repeated or separated"
              + " by commas, or all. Default: the first.")
  private List<String> devices = List.of();

  @Option(
      names = "--precision",
      paramLabel = "TYPE",
      description =
          "What is computed in: fp32; others where the backend has them. Default: ${DEFAULT-VALUE}.",
      defaultValue = "fp32")
  private Precision precision = Precision.FP32;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "CPU threads of each slot. Default: the processors, shared among the slots.",
      converter = Count.class)
  private @Nullable Integer threads;

  @Option(
      names = "--slots",
      paramLabel = "N",
      description = "How many batches may run at the same time. Default: ${DEFAULT-VALUE}.",
      defaultValue = "1",
      converter = Count.class)
  private int slots = 1;

  @Option(
      names = "--memory-limit",
      paramLabel = "SIZE",
      description =
          "Most memory that the network may take, such as 500m or 2g; where it needs more, nothing is allocated and the"
              + " message says how much.",
      converter = Size.class)
  private @Nullable Long memoryLimit;

  @Option(
      names = "--library",
      paramLabel = "FILE",
      description = "The backend's shared library, instead of the one that is found.")
  private @Nullable Path library;

  @Option(
      names = "--legacy-convolutions",
      description =
          "Leave convolutions for which cuDNN's graph API has no plan to its call from before that API, which may be slow,"
              + " instead of refusing the network. The backend cuda only.")
  private boolean legacyConvolutions;

  @ArgGroup private Launching launching = new Launching();

  /** Ways that exclude each other. */
  static final class Launching {
    @Option(
        names = "--eager",
        description =
            "Launch a GPU's kernels one by one instead of as one CUDA graph. The results are the same.")
    private boolean eager;

    @Option(
        names = "--debug-sync",
        description =
            "As --eager, and wait for each kernel, so that a failure names the layer it came from. Slow.")
    private boolean debugSync;

    Options.Launch chosen() {
      if (debugSync) {
        return Options.Launch.STEPWISE;
      }
      return eager ? Options.Launch.EAGER : Options.Launch.GRAPH;
    }
  }

  @Option(
      names = "--explain",
      description =
          "Also print, to the messages, the network before and after each pass, where each activation lies in memory, and"
              + " what computes it.")
  private boolean explain;

  static final class Count implements ITypeConverter<Integer> {
    @Override
    public Integer convert(String value) {
      try {
        int count = Integer.parseInt(value);
        if (count > 0) {
          return count;
        }
      } catch (NumberFormatException _) {
        // said below
      }
      throw new TypeConversionException("'%s' is not a whole number above 0".formatted(value));
    }
  }

  static final class Size implements ITypeConverter<Long> {
    private static final Pattern SIZE = Pattern.compile("([0-9]{1,15})([kmgt]?)(i?b)?");

    @Override
    public Long convert(String value) {
      Matcher size = SIZE.matcher(value.toLowerCase(Locale.ROOT));
      if (size.matches()) {
        int shift = 10 * " kmgt".indexOf(size.group(2).isEmpty() ? " " : size.group(2));
        long number = Long.parseLong(size.group(1));
        if (number > 0 && number <= Long.MAX_VALUE >> shift) {
          return number << shift;
        }
      }
      throw new TypeConversionException("'%s' is not a size such as 500m or 2g".formatted(value));
    }
  }

  /** The library's defaults with what was asked for. */
  Options options() {
    Options options =
        Options.defaults()
            .withBackend(backend)
            .withPrecision(precision)
            .withSlots(slots)
            .withLibrary(library)
            .withDevices(devices())
            .withLaunch(launching.chosen())
            .withLegacyConvolutions(legacyConvolutions);
    if (threads != null) {
      options = options.withThreadsPerSlot(threads);
    }
    return memoryLimit == null ? options : options.withMemoryLimit(memoryLimit);
  }

  private DeviceChoice devices() {
    if (devices.isEmpty()) {
      return new DeviceChoice.First();
    }
    return devices.equals(List.of("all")) ? new DeviceChoice.All() : named(devices, spec);
  }

  /**
   * The devices with these names.
   *
   * @throws ParameterException if one of them is no name of a device
   */
  static DeviceChoice named(List<String> names, CommandSpec spec) {
    try {
      return new DeviceChoice.Named(names);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(
          spec.commandLine(), "Invalid value for option '--device': " + e.getMessage(), e);
    }
  }

  boolean explain() {
    return explain;
  }
}
