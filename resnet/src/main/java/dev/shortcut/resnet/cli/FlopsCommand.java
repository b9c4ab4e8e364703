package dev.shortcut.resnet.cli;

import dev.shortcut.engine.Precision;
import dev.shortcut.engine.cost.Cost;
import dev.shortcut.engine.cost.CostReport;
import dev.shortcut.engine.cost.LayerCost;
import dev.shortcut.engine.cost.Traffic;
import dev.shortcut.resnet.Architecture;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "flops",
    header = "Count what networks cost.",
    description = {
      "%nCounts multiply-adds, parameters and bytes for one image, on the network as defined, before anything is fused. Without"
          + " --model: one line for each network of the family.%n",
      "One multiply-add is 1 MAC and 2 FLOPs; only convolutions and linear layers count, padding included. Papers often print"
          + " MACs under the name FLOPs. Bytes of activations are those that cross memory: every kernel reads what it needs and"
          + " writes its output, with one kernel for each layer (unfused), for each convolution with what is fused to it (fused),"
          + " or for each residual unit (block). Intensity is FLOPs for each byte, fused, weights included, at --batch.%n"
    },
    footer = {
      "%nExamples:",
      "  shortcut flops",
      "  shortcut flops --model resnet50 --by stage",
      "  shortcut flops --model resnet152-v1 --by layer --format csv"
    })
final class FlopsCommand implements Callable<Integer> {
  /** What one line of the table is. */
  private enum By {
    NETWORK,
    STAGE,
    BLOCK,
    LAYER
  }

  private final Console console;

  @Spec
  @SuppressWarnings("NullAway.Init")
  private CommandSpec spec;

  @Mixin private NetworkOptions networks = new NetworkOptions();

  @Option(
      names = "--by",
      paramLabel = "network|stage|block|layer",
      description = "What one line is. Default: network.",
      defaultValue = "network")
  private By by = By.NETWORK;

  @Mixin private SizeOption size = new SizeOption();

  @Option(
      names = "--classes",
      paramLabel = "N",
      description = "Number of classes. Default: what the network was published for.",
      converter = DeviceOptions.Count.class)
  private @Nullable Integer classes;

  @Option(
      names = "--precision",
      paramLabel = "TYPE",
      description =
          "Type of weights and activations in memory: fp32, fp16, bf16, int8, fp8. Default: ${DEFAULT-VALUE}.",
      defaultValue = "fp32")
  private Precision precision = Precision.FP32;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description =
          "Images that share one reading of the weights, for the intensity. Default: ${DEFAULT-VALUE}.",
      defaultValue = "1",
      converter = DeviceOptions.Count.class)
  private int batch = 1;

  @Mixin private FormatOption format = new FormatOption();

  FlopsCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    Architecture architecture = networks.architecture();
    if (architecture == null && by != By.NETWORK) {
      throw new ParameterException(
          spec.commandLine(), "--by %s needs --model".formatted(by).toLowerCase(Locale.ROOT));
    }
    Table table = by == By.LAYER ? layerTable() : partTable();
    for (Architecture network : architecture == null ? Architecture.all() : List.of(architecture)) {
      add(report(network), table);
    }
    console.print(table.in(format.chosen()));
    if (format.chosen() == Format.TEXT) {
      console.message(
          "For one image. 1 MAC = 1 multiply-add = 2 FLOPs. Bytes in %s, MB = 10^6."
              .formatted(precision));
    }
    return ExitCodes.OK;
  }

  private CostReport report(Architecture network) {
    int outputs = classes == null ? network.classes() : classes;
    return CostReport.of(size.graph(network, outputs), precision);
  }

  private Table partTable() {
    return new Table()
        .column(by.name().toLowerCase(Locale.ROOT), by.name().toLowerCase(Locale.ROOT))
        .column("MACs", "macs")
        .column("FLOPs", "flops")
        .column("share %", "share_percent", 2)
        .column("parameters", "parameters")
        .column("folded", "folded_parameters")
        .column("weights MB", "weight_megabytes", 3)
        .column("unfused MB", "unfused_megabytes", 3)
        .column("fused MB", "fused_megabytes", 3)
        .column("block MB", "block_megabytes", 3)
        .column("FLOPs/byte", "intensity", 1)
        .column("kernels", "kernels")
        .column("fused", "fused_kernels");
  }

  private Table layerTable() {
    return new Table()
        .column("layer", "layer")
        .column("kind", "kind")
        .column("output", "output")
        .column("MACs", "macs")
        .column("FLOPs", "flops")
        .column("share %", "share_percent", 2)
        .column("parameters", "parameters")
        .column("output bytes", "output_bytes")
        .column("weight bytes", "weight_bytes");
  }

  private void add(CostReport report, Table table) {
    long all = report.total().macs();
    switch (by) {
      case NETWORK -> add(report.graph().name(), report.total(), all, table);
      case STAGE -> report.byStage().forEach((stage, cost) -> add(stage, cost, all, table));
      case BLOCK -> blocks(report).forEach((block, cost) -> add(block, cost, all, table));
      case LAYER -> report.layers().forEach(layer -> add(layer, all, table));
    }
    if (by == By.STAGE || by == By.BLOCK) {
      add("total", report.total(), all, table);
    }
  }

  /** Residual units, and every stage's layers outside of them under the stage's name. */
  private static Map<String, Cost> blocks(CostReport report) {
    Map<String, Cost> parts = new LinkedHashMap<>();
    for (LayerCost layer : report.layers()) {
      String block = layer.node().block();
      parts.merge(block.isEmpty() ? layer.node().stage() : block, layer.cost(), Cost::plus);
    }
    return parts;
  }

  private void add(String name, Cost cost, long allMacs, Table table) {
    if (cost.kernels() == 0) {
      return; // the input
    }
    table.row(
        name,
        cost.macs(),
        cost.flops(),
        100.0 * cost.macs() / allMacs,
        cost.parameters(),
        cost.foldedParameters(),
        cost.weightBytes() / 1e6,
        cost.activationBytes(Traffic.UNFUSED) / 1e6,
        cost.activationBytes(Traffic.FUSED) / 1e6,
        cost.activationBytes(Traffic.BLOCK) / 1e6,
        cost.intensity(Traffic.FUSED, batch),
        cost.kernels(),
        cost.fusedKernels());
  }

  private void add(LayerCost layer, long allMacs, Table table) {
    table.row(
        layer.node().name(),
        layer.node().layer().description(),
        layer.node().shape().toString(),
        layer.cost().macs(),
        layer.cost().flops(),
        100.0 * layer.cost().macs() / allMacs,
        layer.cost().parameters(),
        layer.node().shape().elements() * precision.bytes(),
        layer.cost().weightBytes());
  }
}
