package dev.shortcut.resnet;

import dev.shortcut.engine.EnginePlan;
import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.PlanReport;
import dev.shortcut.engine.PlannedKernel;
import dev.shortcut.engine.PlannedKernel.Kind;
import dev.shortcut.engine.Planning;
import dev.shortcut.engine.Precision;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A program that lets cuDNN plan every distinct kernel of some networks for GPUs that are only
 * described, and prints a line for each GPU, precision and batch size, and one for each kernel that
 * gets no plan.
 */
final class SupportMatrix {
  static final List<Precision> PRECISIONS =
      List.of(Precision.FP32, Precision.TF32, Precision.FP16, Precision.BF16);

  /** Engines that compute something else than was asked for, or something else every time. */
  private static final Set<String> NEVER =
      Set.of("DOWN_CONVERT_INPUTS", "NONDETERMINISTIC", "REDUCED_PRECISION_REDUCTION");

  private static final long MOST_WORKSPACE = 64L << 20;

  private static final Pattern PASSED_OVER = Pattern.compile("(?:passed over: |; )(\\d+) x ");

  private SupportMatrix() {}

  /**
   * What came of the distinct kernels of the networks for one GPU, precision and batch size.
   *
   * @param cudnn the version of cuDNN
   * @param planned kernels that got a plan
   * @param compiled how many of these plans hold code that was compiled for them
   * @param refused kernels that got none
   * @param passedOver candidates that were looked at and not taken
   * @param bytes of all plans in cuDNN's own text
   * @param seconds that making the plans took, all threads together
   */
  record Cell(
      String cudnn,
      String gpu,
      Precision precision,
      int batch,
      int planned,
      int compiled,
      int refused,
      int passedOver,
      long bytes,
      double seconds) {
    static Cell parse(List<String> words) {
      return new Cell(
          words.get(1),
          words.get(2),
          Precision.valueOf(words.get(3)),
          Integer.parseInt(words.get(4)),
          Integer.parseInt(words.get(5)),
          Integer.parseInt(words.get(6)),
          Integer.parseInt(words.get(7)),
          Integer.parseInt(words.get(8)),
          Long.parseLong(words.get(9)),
          Double.parseDouble(words.get(10)));
    }
  }

  /** A kernel without a plan. */
  record Refusal(String cudnn, String gpu, Precision precision, String kernel, String reason) {
    static Refusal parse(List<String> words) {
      return new Refusal(
          words.get(1), words.get(2), Precision.valueOf(words.get(3)), words.get(4), words.get(5));
    }
  }

  /**
   * What the program found.
   *
   * @param kernels the distinct kernels that got a plan somewhere, without batch and type
   * @param missing libraries that cuDNN had to do without
   */
  record Result(
      List<Cell> cells, List<Refusal> refusals, Set<String> kernels, Set<String> missing) {
    static Result parse(String output) {
      var result =
          new Result(
              new ArrayList<>(), new ArrayList<>(), new LinkedHashSet<>(), new LinkedHashSet<>());
      for (String line : output.lines().toList()) {
        List<String> words = List.of(line.split("\t", -1));
        switch (words.getFirst()) {
          case "cell" -> result.cells.add(Cell.parse(words));
          case "refused" -> result.refusals.add(Refusal.parse(words));
          case "kernel" -> result.kernels.add(words.get(1));
          case "missing" -> result.missing.add(words.get(1));
          default -> {} // what libraries log
        }
      }
      return result;
    }
  }

  /**
   * Plans.
   *
   * @param args networks, GPUs, precisions and batch sizes, each separated by commas; and a folder
   *     for plans, so that what several networks have is planned once
   */
  public static void main(String[] args) throws InterruptedException {
    List<Integer> batches = Arrays.stream(args[3].split(",")).map(Integer::valueOf).toList();
    Set<String> kernels = new LinkedHashSet<>();
    for (String gpu : args[1].split(",")) {
      for (String precision : args[2].split(",")) {
        Options options =
            Options.defaults()
                .withPrecision(Precision.valueOf(precision))
                .withPlanCache(Path.of(args[4]));
        plan(List.of(args[0].split(",")), gpu, options, batches, kernels);
      }
    }
    kernels.forEach(kernel -> System.out.println("kernel\t" + kernel));
  }

  private static void plan(
      List<String> networks,
      String gpu,
      Options options,
      List<Integer> batches,
      Set<String> kernels)
      throws InterruptedException {
    Precision precision = options.precision();
    Map<Integer, Map<String, PlannedKernel>> planned = new LinkedHashMap<>();
    Map<Integer, Map<String, String>> refused = new LinkedHashMap<>();
    for (int batch : batches) {
      planned.put(batch, new LinkedHashMap<>());
      refused.put(batch, new LinkedHashMap<>());
    }
    String cudnn = "";
    for (String network : networks) {
      PlanReport report =
          Planning.of(Architecture.parse(network).graph(), GpuDescription.known(gpu), options)
              .withBatchSizes(batches)
              .run();
      cudnn = report.library();
      report.missing().forEach(library -> print("missing", library));
      for (PlannedKernel kernel : report.kernels()) {
        if (kernel.plan() != null) {
          checkPlan(kernel.operation(), precision, kernel.plan());
          planned.get(kernel.batch()).putIfAbsent(kernel.operation(), kernel);
        }
        // What had to be done in another way says since when.
        int since = kernel.implementation().indexOf("since ");
        String refusal = "";
        if (kernel.kind() == Kind.NONE) {
          refusal = kernel.implementation().lines().skip(1).findFirst().orElse("").strip();
        } else if (since >= 0) {
          refusal = kernel.implementation().substring(since + "since ".length());
        }
        if (!refusal.isEmpty()) {
          int colon = refusal.indexOf(": ");
          refused
              .get(kernel.batch())
              .putIfAbsent(refusal.substring(0, colon), refusal.substring(colon + 2));
        }
      }
    }
    for (int batch : batches) {
      Map<String, PlannedKernel> good = planned.get(batch);
      print(
          "cell",
          cudnn,
          gpu,
          precision.name(),
          batch,
          good.size(),
          good.values().stream().filter(kernel -> kernel.plan().compiled()).count(),
          refused.get(batch).size(),
          good.values().stream().mapToInt(SupportMatrix::passedOver).sum(),
          good.values().stream().mapToLong(kernel -> kernel.plan().bytes()).sum(),
          String.format(
              Locale.ROOT,
              "%.3f",
              good.values().stream().mapToLong(kernel -> kernel.plan().time().toNanos()).sum()
                  / 1e9));
      for (Map.Entry<String, String> each : refused.get(batch).entrySet()) {
        print("refused", cudnn, gpu, precision.name(), each.getKey(), each.getValue());
      }
      good.keySet()
          .forEach(operation ->
              kernels.add(
                  operation
                      .replace(" " + precision + " ", " ")
                      .replace(" of " + batch + " x ", " of ")));
    }
  }

  /** The planner's promises, looked at from outside. */
  private static void checkPlan(String operation, Precision precision, EnginePlan plan) {
    for (String note : plan.numericalNotes()) {
      if (NEVER.contains(note) || (precision == Precision.FP32 && note.equals("TENSOR_CORE"))) {
        throw new AssertionError("%s: %s with %s".formatted(operation, plan, note));
      }
    }
    if (plan.workspaceBytes() > MOST_WORKSPACE) {
      throw new AssertionError("%s: %s wants too much workspace".formatted(operation, plan));
    }
  }

  private static int passedOver(PlannedKernel kernel) {
    int sum = 0;
    for (Matcher m = PASSED_OVER.matcher(kernel.implementation()); m.find(); ) {
      sum += Integer.parseInt(m.group(1));
    }
    return sum;
  }

  private static void print(Object... words) {
    System.out.println(String.join("\t", Arrays.stream(words).map(String::valueOf).toList()));
  }
}
