package dev.shortcut.resnet.cli;

import dev.shortcut.engine.EnginePlan;
import dev.shortcut.engine.MemoryReport;
import dev.shortcut.engine.PlanReport;
import dev.shortcut.engine.PlannedKernel;
import dev.shortcut.engine.cost.KernelPrediction;
import dev.shortcut.engine.cost.Prediction;
import dev.shortcut.engine.graph.Layer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * A network that was planned for a GPU, as tables and as JSON.
 *
 * @param gpu what the GPU was called on the command line
 * @param network its name
 * @param report the plans
 * @param predictions for each batch size, ascending; none where the GPU's peaks are not known
 */
record PlannedNetwork(
    String gpu, String network, PlanReport report, SequencedMap<Integer, Prediction> predictions) {
  private static final double MICRO = 1e6;

  /** A table for kernels of any number of networks, each of which names its own in each row. */
  static Table kernelTable() {
    return new Table()
        .column("gpu", "gpu")
        .column("model", "model")
        .column("precision", "precision")
        .column("batch", "batch")
        .column("kernel", "kernel")
        .column("kind", "kind")
        .column("engine", "engine")
        .column("code", "code")
        .column("knobs", "knobs")
        .column("workspace", "workspace_bytes")
        .column("numerical notes", "numerical_notes")
        .column("behavior notes", "behavior_notes")
        .column("plan bytes", "plan_bytes")
        .column("alternatives", "alternatives")
        .column("source", "source")
        .column("ms", "build_ms")
        .column("predicted us", "predicted_us")
        .column("share %", "predicted_share_percent")
        .column("bound", "predicted_bound")
        .column("implementation", "implementation");
  }

  /** Adds a row for each kernel to a {@link #kernelTable}. */
  void addKernels(Table table) {
    for (Map<String, Object> kernel : kernels()) {
      List<Object> row = new ArrayList<>(List.of(gpu, network, report.precision().toString()));
      for (String key : table.keys().subList(row.size(), table.keys().size())) {
        Object value = kernel.getOrDefault(key, "");
        row.add(value instanceof Collection<?> list ? words(list) : value);
      }
      table.row(row.toArray());
    }
  }

  /** The kernels for people: what differs from row to row, the widest last. */
  String text() {
    boolean several = predictions.size() > 1 || batches().size() > 1;
    Table table = new Table();
    if (several) {
      table.column("batch", "batch");
    }
    table
        .column("kernel", "kernel")
        .column("kind", "kind")
        .column("engine", "engine")
        .column("code", "code")
        .column("workspace", "workspace_bytes")
        .column("plan bytes", "plan_bytes")
        .column("others", "alternatives")
        .column("from", "source")
        .column("ms", "build_ms", 1)
        .column("predicted us", "predicted_us", 1)
        .column("share %", "predicted_share_percent", 1)
        .column("bound", "predicted_bound")
        .column("notes", "notes")
        .column("knobs", "knobs");
    for (Map<String, Object> kernel : kernels()) {
      List<Object> row = new ArrayList<>();
      for (String key : table.keys()) {
        Object value = key.equals("notes") ? notes(kernel) : kernel.getOrDefault(key, "");
        row.add(value instanceof Collection<?> list ? words(list) : value);
      }
      table.row(row.toArray());
    }
    return table.text();
  }

  private static List<Object> notes(Map<String, Object> kernel) {
    List<Object> notes = new ArrayList<>();
    for (String key : List.of("numerical_notes", "behavior_notes")) {
      if (kernel.get(key) instanceof Collection<?> some) {
        notes.addAll(some);
      }
    }
    return notes;
  }

  private static String words(Collection<?> list) {
    return String.join(" ", list.stream().map(String::valueOf).toList());
  }

  /**
   * A table for the predicted times of any number of networks, each of which names its own in each
   * row.
   */
  static Table predictionTable() {
    return withParts(
        new Table()
            .column("gpu", "gpu")
            .column("model", "model")
            .column("precision", "precision")
            .column("batch", "batch"));
  }

  private static Table withParts(Table table) {
    return table
        .column("by", "by")
        .column("part", "part")
        .column("FLOPs", "flops")
        .column("bytes", "bytes")
        .column("predicted us", "predicted_us", 1)
        .column("share %", "share_percent", 2)
        .column("bound", "bound");
  }

  /** Adds a row for each layer, block and stage to a {@link #predictionTable}. */
  void addPredictions(Table table) {
    predictions.forEach((batch, prediction) -> {
      for (Map<String, Object> part : parts(prediction)) {
        List<Object> row =
            new ArrayList<>(List.of(gpu, network, report.precision().toString(), batch));
        row.addAll(part.values());
        table.row(row.toArray());
      }
    });
  }

  /** The predicted times for people, a table for each batch size. */
  String predictionText() {
    var text = new StringBuilder();
    predictions.forEach((batch, prediction) -> {
      Table table = withParts(new Table());
      parts(prediction).forEach(part -> table.row(part.values().toArray()));
      text.append("predicted for a batch of %,d:%n".formatted(batch)).append(table.text());
    });
    return text.toString();
  }

  /**
   * Predicted times of kernels, named after the layer at which they begin, of blocks and stages.
   */
  private static List<Map<String, Object>> parts(Prediction whole) {
    List<Map<String, Object>> parts = new ArrayList<>();
    for (KernelPrediction kernel : whole.kernels()) {
      var own = new Prediction(whole.roofline(), whole.batch(), List.of(kernel));
      parts.add(part("layer", kernel.node().name(), own, whole, bound(kernel)));
    }
    whole.byBlock().forEach((name, own) -> parts.add(part("block", name, own, whole, "")));
    whole.byStage().forEach((name, own) -> parts.add(part("stage", name, own, whole, "")));
    parts.add(part("network", "total", whole, whole, ""));
    return parts;
  }

  private static Map<String, Object> part(
      String by, String name, Prediction part, Prediction whole, String bound) {
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("by", by);
    row.put("part", name);
    row.put("flops", part.flops());
    row.put("bytes", part.bytes());
    row.put("predicted_us", MICRO * part.seconds());
    row.put("share_percent", 100 * part.seconds() / whole.seconds());
    row.put("bound", bound);
    return row;
  }

  private static String bound(KernelPrediction kernel) {
    return kernel.bound().name().toLowerCase(Locale.ROOT);
  }

  /** Everything, for programs. */
  Map<String, Object> object(boolean withParts) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("gpu", gpu);
    object.put("product", report.gpu().name());
    object.put("architecture", report.gpu().architecture());
    object.put("driver", report.gpu().driver());
    object.put("cudnn", report.library());
    object.put("model", network);
    object.put("precision", report.precision().toString());
    object.put("batch", batches().getLast());
    object.put("kernels", kernels());
    Map<String, Object> plans = new LinkedHashMap<>();
    plans.put("different", report.plans().size());
    plans.put("compiled", compiled());
    plans.put("bytes", planBytes());
    plans.put("refused", report.refused().size());
    plans.put("left_out", report.missing());
    plans.put("seconds", report.time().toMillis() / 1e3);
    object.put("plans", plans);
    MemoryReport memory = report.memory();
    if (memory != null) {
      object.put("memory", memory(memory));
    }
    object.put(
        "predictions",
        predictions.values().stream().map(prediction -> predicted(prediction, withParts)).toList());
    return object;
  }

  private Map<String, Object> memory(MemoryReport memory) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("weights_bytes", memory.weights());
    object.put("arena_bytes_per_slot", memory.arenaPerSlot());
    object.put("workspace_bytes", workspaceBytes());
    object.put("slots", memory.slots());
    object.put("device_bytes", deviceBytes(memory));
    object.put("host_bytes", memory.total() - deviceBytes(memory));
    MemoryReport most = report.memoryAtMost();
    if (most != null) {
      object.put("device_bytes_at_most", deviceBytes(most));
    }
    object.put("fits", fits());
    return object;
  }

  private static Map<String, Object> predicted(Prediction prediction, boolean withParts) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("batch", prediction.batch());
    object.put("predicted_ms", 1e3 * prediction.seconds());
    object.put("predicted_images_per_second", prediction.imagesPerSecond());
    object.put("peak_flops_per_second", prediction.roofline().flopsPerSecond());
    object.put("peak_bytes_per_second", prediction.roofline().bytesPerSecond());
    object.put("launch_us", MICRO * Prediction.LAUNCH_SECONDS);
    if (withParts) {
      object.put("parts", parts(prediction));
    }
    return object;
  }

  /** Each kernel with what is known of it under the keys of the {@link #kernelTable}. */
  private List<Map<String, Object>> kernels() {
    Map<Integer, Map<String, KernelPrediction>> predicted = new HashMap<>();
    predictions.forEach((batch, prediction) -> {
      Map<String, KernelPrediction> byName = new HashMap<>();
      prediction.kernels().forEach(kernel -> byName.put(kernel.node().name(), kernel));
      predicted.put(batch, byName);
    });
    return report.kernels().stream()
        .map(kernel ->
            kernel(
                kernel,
                predicted.getOrDefault(kernel.batch(), Map.of()).get(kernel.node().name()),
                predictions.get(kernel.batch())))
        .toList();
  }

  private static Map<String, Object> kernel(
      PlannedKernel kernel, @Nullable KernelPrediction own, @Nullable Prediction whole) {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("kernel", kernel.node().name());
    object.put("batch", kernel.batch());
    object.put("kind", kernel.kind().toString());
    EnginePlan plan = kernel.plan();
    if (plan != null) {
      object.put("engine", plan.engine());
      object.put("code", plan.compiled() ? "compiled" : "precompiled");
      object.put("knobs", plan.knobs());
      object.put("workspace_bytes", plan.workspaceBytes());
      object.put("numerical_notes", plan.numericalNotes());
      object.put("behavior_notes", plan.behaviorNotes());
      object.put("plan_bytes", plan.bytes());
      object.put("alternatives", plan.alternatives());
      object.put("source", plan.source().toString());
      object.put("build_ms", plan.time().toNanos() / 1e6);
    }
    if (own != null && whole != null) {
      object.put("predicted_us", MICRO * own.seconds());
      object.put("predicted_share_percent", 100 * own.seconds() / whole.seconds());
      object.put("predicted_bound", bound(own));
    }
    object.put("operation", kernel.operation());
    object.put("implementation", kernel.implementation());
    return object;
  }

  /** What network for what GPU, on one line. */
  String title() {
    return "%s in %s, %s %s, for %s, by cuDNN %s"
        .formatted(
            network,
            report.precision(),
            batches().size() == 1 ? "batch" : "batches",
            words(batches()).replace(" ", ", "),
            report.gpu(),
            report.library());
  }

  /** The sums, a line each. */
  List<String> summary() {
    List<String> lines = new ArrayList<>();
    lines.add(
        String.format(
            Locale.ROOT,
            "plans: %,d different ones for %,d kernels, %,d compiled now, %,d bytes, in %.1f s",
            report.plans().size(),
            report.kernels().stream().filter(kernel -> kernel.plan() != null).count(),
            compiled(),
            planBytes(),
            report.time().toMillis() / 1e3));
    MemoryReport memory = report.memory();
    if (memory != null) {
      lines.add(
          String.format(
              Locale.ROOT,
              "memory: %.1f MB of weights, %.1f MB of activations and workspace for each of %s, %.1f MB on the GPU in all, which"
                  + " has %,.0f MB%s",
              memory.weights() / 1e6,
              (memory.arenaPerSlot() + memory.workspacePerSlot()) / 1e6,
              Console.counted(memory.slots(), "slot"),
              deviceBytes(memory) / 1e6,
              report.gpu().memory() / 1e6,
              fits() ? "" : ": that does not fit"));
    }
    predictions.forEach((batch, prediction) ->
        lines.add(
            String.format(
                Locale.ROOT,
                "predicted: %.3f ms for a batch of %,d, %,.0f images/s, if every kernel reached the GPU's peaks of %,.1f TFLOP/s or"
                    + " %,.0f GB/s behind a launch of %.0f us; nothing of this was measured",
                1e3 * prediction.seconds(),
                batch,
                prediction.imagesPerSecond(),
                prediction.roofline().flopsPerSecond() / 1e12,
                prediction.roofline().bytesPerSecond() / 1e9,
                MICRO * Prediction.LAUNCH_SECONDS)));
    if (predictions.isEmpty()) {
      lines.add(
          "predicted: nothing, since %s's peaks in %s or the width of its memory's bus are not known"
              .formatted(report.gpu().name(), report.precision()));
    }
    return lines;
  }

  /** What is wrong, a text each; none where the network can run. */
  List<String> complaints() {
    List<String> complaints = new ArrayList<>();
    List<PlannedKernel> refused = report.refused();
    if (!refused.isEmpty()) {
      complaints.add(
          "%s: there is no plan for %d of %s: %s. Of the first: %s"
              .formatted(
                  title(),
                  refused.size(),
                  Console.counted(report.kernels().size(), "kernel"),
                  names(refused),
                  refused.getFirst().implementation()));
    }
    if (!fits()) {
      complaints.add(title() + ": this does not fit into the GPU's memory");
    }
    return complaints;
  }

  /** What cuDNN might have planned with the libraries that are missing; empty if nothing. */
  Optional<String> leftOut() {
    List<PlannedKernel> left =
        report.kernels().stream()
            .filter(kernel -> kernel.kind() == PlannedKernel.Kind.OWN && pools(kernel))
            .toList();
    return report.missing().isEmpty() || left.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "%s: left out, since cuDNN could take only what is precompiled: %s"
                .formatted(title(), names(left)));
  }

  private static boolean pools(PlannedKernel kernel) {
    return kernel.node().layer() instanceof Layer.MaxPool
        || kernel.node().layer() instanceof Layer.AveragePool
        || kernel.node().layer() instanceof Layer.GlobalAveragePool;
  }

  private static String names(List<PlannedKernel> kernels) {
    return String.join(
        ", ", kernels.stream().map(kernel -> kernel.node().name()).distinct().toList());
  }

  private List<Integer> batches() {
    return report.kernels().stream().map(PlannedKernel::batch).distinct().sorted().toList();
  }

  private long compiled() {
    return report.plans().values().stream().filter(EnginePlan::compiled).count();
  }

  private long planBytes() {
    return report.plans().values().stream().mapToLong(EnginePlan::bytes).sum();
  }

  /** The most that one kernel wants; it lies in the arena. */
  private long workspaceBytes() {
    return report.plans().values().stream().mapToLong(EnginePlan::workspaceBytes).max().orElse(0);
  }

  private boolean fits() {
    MemoryReport memory = report.memory();
    return memory == null || deviceBytes(memory) <= report.gpu().memory();
  }

  private static long deviceBytes(MemoryReport memory) {
    return memory.weights() + memory.slots() * (memory.arenaPerSlot() + memory.workspacePerSlot());
  }
}
