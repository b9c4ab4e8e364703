package dev.shortcut.resnet.cli;

import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.PlanReport;
import dev.shortcut.engine.Planning;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.cost.CostReport;
import dev.shortcut.engine.cost.Prediction;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.resnet.Architecture;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import me.tongfei.progressbar.ProgressBar;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "plan",
    header = "Plan for a GPU that need not be here.",
    description = {
      "%nLets cuDNN choose, and where need be compile, what computes each kernel of a network on a GPU that is only described,"
          + " through the code that runs it there. Needed are cuDNN 9.11 or later, cuBLASLt and, for what cuDNN compiles, NVRTC and the"
          + " driver's library; no GPU, no driver that runs, and no weights. Shown are for each kernel the engine, whether its code comes"
          + " precompiled, its knobs, its workspace, cuDNN's notes on it, the size of its plan, how many other candidates there were and"
          + " what the choice took; and the memory that the network takes on that GPU. cuBLASLt chooses for linear layers on the GPU"
          + " itself. Unless one of those libraries is missing, the plans are kept in a folder, which can be copied to a machine with the GPU: an engine there that is given it"
          + " with --plan-cache takes the plans from it. Where driver or size of the GPU differ, it builds the same engines anew; where"
          + " cuDNN's version differs, it asks cuDNN.%n",
      "Predicted times are what the described GPU's peaks allow: each kernel takes its arithmetic at the peak rate or its bytes"
          + " at the memory's peak rate, whichever is longer, and 2 microseconds for its launch. Nothing of them is measured, and real"
          + " kernels take longer.%n",
    },
    footer = {
      "%nExamples:",
      "  shortcut plan --gpu h100 --model resnet50 --precision fp16 --batch 32",
      "  shortcut plan --gpu all --model resnet18,resnet50 --precision fp16 --format csv -o plans.csv",
      "  shortcut plan --gpu l4 --model resnet50 --precision fp16 --all-sizes --plan-cache plans",
      "  shortcut plan --gpu gpu.json --driver 12.4 --report   # of 'doctor --export-device gpu.json' over there"
    })
final class PlanCommand implements Callable<Integer> {
  private static final String ALL = "all";

  private final Console console;

  @Spec
  @SuppressWarnings("NullAway.Init")
  private CommandSpec spec;

  @Option(
      names = "--gpu",
      paramLabel = "NAME|FILE",
      required = true,
      split = ",",
      description =
          "What to plan for: t4, a10, a100, l4, h100, h200, b200, rtx5090, all of these, or a file that 'doctor --export-device'"
              + " wrote on a machine with the GPU.")
  private List<String> gpus = List.of();

  @Mixin private NetworksOption networks = new NetworksOption();

  @Option(
      names = "--precision",
      paramLabel = "TYPE",
      split = ",",
      description = "What is computed in: fp32, tf32, fp16, bf16. Default: ${DEFAULT-VALUE}.",
      defaultValue = "fp32")
  private List<Precision> precisions = List.of();

  @Option(
      names = "--batch",
      paramLabel = "N",
      split = ",",
      converter = DeviceOptions.Count.class,
      description = "Images that run at once. Default: ${DEFAULT-VALUE}.",
      defaultValue = "32")
  private List<Integer> batches = List.of();

  @Option(
      names = "--all-sizes",
      description =
          "With each batch also the smaller ones that an engine prepares for the ends of inputs: 1, 2, 4 and so on.")
  private boolean allSizes;

  @Mixin private SizeOption size = new SizeOption();

  @Option(
      names = "--slots",
      paramLabel = "N",
      description = "How many batches are to run at the same time. Default: ${DEFAULT-VALUE}.",
      defaultValue = "1",
      converter = DeviceOptions.Count.class)
  private int slots = 1;

  @Option(
      names = "--driver",
      paramLabel = "VERSION",
      description =
          "The CUDA version of the driver over there, such as 12.4, as nvidia-smi prints it. Default: the description's, which is"
              + " 12.9 for those that are known by name.")
  private @Nullable String driver;

  @Option(
      names = "--report",
      description =
          "Show the predicted times by layer, block and stage with the share of each, instead of the kernels; in JSON beside"
              + " them.")
  private boolean report;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Plans that are made at the same time. Default: the processors.",
      converter = DeviceOptions.Count.class)
  private @Nullable Integer threads;

  @Mixin private PlanCacheOption plans = new PlanCacheOption();

  @Mixin private FormatOption format = new FormatOption();

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description =
          "Where the result goes instead of standard output; it gets its name when it is whole.")
  private @Nullable Path output;

  PlanCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException, IOException {
    Map<String, GpuDescription> described = descriptions();
    List<PlannedNetwork> planned = new ArrayList<>();
    for (Map.Entry<String, GpuDescription> gpu : described.entrySet()) {
      for (Architecture network : networks.chosen()) {
        for (Precision precision : precisions) {
          for (int batch : batches) {
            planned.add(plan(gpu.getKey(), gpu.getValue(), network, precision, batch));
          }
        }
      }
    }
    write(text(planned));
    planned.stream()
        .flatMap(network -> network.report().missing().stream())
        .distinct()
        .forEach(missing -> console.message("missing for compiling: " + missing));
    planned.forEach(network -> network.leftOut().ifPresent(console::message));
    List<String> complaints =
        planned.stream().flatMap(network -> network.complaints().stream()).toList();
    complaints.forEach(console::message);
    return complaints.isEmpty() ? ExitCodes.OK : ExitCodes.INPUTS_FAILED;
  }

  /** By what they are called here. */
  private Map<String, GpuDescription> descriptions() {
    Map<String, GpuDescription> described = new LinkedHashMap<>();
    for (String gpu : gpus.contains(ALL) ? GpuDescription.knownNames() : gpus) {
      try {
        GpuDescription description = description(gpu);
        described.put(gpu, driver == null ? description : description.withDriver(driver));
      } catch (IllegalArgumentException e) {
        throw new ParameterException(spec.commandLine(), e.getMessage(), e);
      }
    }
    return described;
  }

  private GpuDescription description(String gpu) {
    Path file = Path.of(gpu);
    if (GpuDescription.knownNames().contains(gpu)) {
      return GpuDescription.known(gpu);
    }
    if (!Files.exists(file)) {
      throw new IllegalArgumentException(
          "%s is neither a file nor a GPU that is known: %s"
              .formatted(gpu, String.join(", ", GpuDescription.knownNames())));
    }
    try {
      return GpuDescription.read(file);
    } catch (IOException e) {
      throw new ParameterException(spec.commandLine(), "cannot read %s: %s".formatted(gpu, e), e);
    }
  }

  private PlannedNetwork plan(
      String name, GpuDescription gpu, Architecture network, Precision precision, int batch)
      throws InterruptedException {
    Graph graph = size.graph(network, network.classes());
    Options options =
        Options.defaults()
            .withBackend(Options.BackendChoice.CUDA)
            .withPrecision(precision)
            .withSlots(slots)
            .withMaxBatch(batch)
            .withPlanCache(plans.folder())
            // Pictures come as bytes; what they are normalised with changes no plan.
            .withInput(new InputFormat.Uint8Nhwc(List.of(0.5, 0.5, 0.5), List.of(0.5, 0.5, 0.5)));
    Planning planning = Planning.of(graph, gpu, options);
    if (!allSizes) {
      planning = planning.withBatchSizes(List.of(batch));
    }
    if (threads != null) {
      planning = planning.withThreads(threads);
    }
    List<Integer> batchSizes = planning.batchSizes();
    PlanReport planned =
        run(planning, "%s %s %s %d".formatted(name, network.name(), precision, batch));
    SequencedMap<Integer, Prediction> predictions = new TreeMap<>();
    gpu.peaks()
        .roofline(precision)
        .ifPresent(roofline -> {
          CostReport costs = CostReport.of(graph, precision);
          for (int each : batchSizes) {
            predictions.put(each, Prediction.of(costs, roofline, each));
          }
        });
    return new PlannedNetwork(name, network.name(), planned, predictions);
  }

  private PlanReport run(Planning planning, String title) throws InterruptedException {
    if (!console.errIsTerminal()) {
      return untilBrokenOff(planning);
    }
    try (ProgressBar bar = RunningJob.bar(title)) {
      return untilBrokenOff(
          planning.withProgress(progress -> bar.maxHint(progress.total()).stepTo(progress.done())));
    }
  }

  /**
   * A process that ends while threads of it are inside of cuDNN crashes now and then in cuDNN's own
   * clean-up, so that plans which are being made come to their end first.
   */
  private PlanReport untilBrokenOff(Planning planning) throws InterruptedException {
    return BreakOff.atItsEnd(
        planning::run,
        Thread.currentThread()::interrupt,
        _ ->
            console.message(
                plans.folder() == null
                    ? "interrupted"
                    : "interrupted; the plan cache has what was made"));
  }

  private String text(List<PlannedNetwork> planned) {
    return switch (format.chosen()) {
      case JSON -> {
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("shortcut", Version.number());
        all.put("networks", planned.stream().map(network -> network.object(report)).toList());
        yield Table.json(all);
      }
      case CSV -> (report ? predictions(planned) : kernels(planned)).csv();
      case TEXT -> {
        var text = new StringBuilder();
        for (PlannedNetwork network : planned) {
          text.append(text.isEmpty() ? "" : "\n").append(network.title()).append('\n');
          text.append(report ? network.predictionText() : network.text());
          network.summary().forEach(line -> text.append(line).append('\n'));
        }
        yield text.toString();
      }
    };
  }

  private static Table kernels(List<PlannedNetwork> planned) {
    Table table = PlannedNetwork.kernelTable();
    planned.forEach(network -> network.addKernels(table));
    return table;
  }

  private static Table predictions(List<PlannedNetwork> planned) {
    Table table = PlannedNetwork.predictionTable();
    planned.forEach(network -> network.addPredictions(table));
    return table;
  }

  private void write(String text) throws IOException {
    if (output == null) {
      console.print(text);
    } else {
      WholeFile.write(output, text);
    }
  }
}
