package dev.shortcut.resnet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.engine.GpuDescription;
import dev.shortcut.engine.Precision;
import dev.shortcut.resnet.SupportMatrix.Cell;
import dev.shortcut.resnet.SupportMatrix.Refusal;
import dev.shortcut.resnet.SupportMatrix.Result;
import dev.shortcut.testing.OtherProcess;
import dev.shortcut.testing.VendorLibraries;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * NVIDIA's cuDNN, on a machine without a GPU, has a suitable plan for every kernel of the family on
 * every GPU that is described, and the README says so.
 *
 * <p>A run plans for one batch size and three GPUs. {@code -Dvendor.matrix=full} plans for four
 * batch sizes and all GPUs, which takes about half an hour of two processors. Either writes the
 * rows of the README's table that it made to {@code resnet/target/support-matrix.md}.
 */
@Tag("vendor")
class SupportMatrixTest {
  private static final boolean FULL = System.getProperty("vendor.matrix", "").equals("full");

  /** The batch size that the table is for; the others are to give the same numbers. */
  private static final int BATCH = 32;

  private static final String BATCHES = "1,8,32,128";

  /** Networks that have every kernel of the whole family. */
  private static final List<String> NETWORKS =
      List.of(
          "resnet18",
          "resnet50",
          "resnet50-v1",
          "wide_resnet50_2",
          "resnext50_32x4d",
          "resnext101_32x8d",
          "resnet20",
          "vgg11",
          "vgg13");

  /** The kernels of the oldest and the newest cuDNN's rows. */
  private static final List<String> RESNET50 = List.of("resnet50");

  @TempDir Path folder;

  @Test
  void everyKernelOfTheFamilyHasAPlan() throws Exception {
    Result pinned = plan(VendorLibraries.Set.PINNED, NETWORKS, Map.of());
    Result oldest = plan(VendorLibraries.Set.OLDEST_CUDNN, RESNET50, Map.of());
    Result newest = plan(VendorLibraries.Set.NEWEST_CUDNN, RESNET50, Map.of());
    List<String> rows = new ArrayList<>();
    for (Result result : List.of(pinned, oldest, newest)) {
      assertEquals(
          List.of(),
          result.refusals().stream().filter(refusal -> !isExpected(refusal)).toList(),
          "kernels without a plan");
      for (Cell cell : result.cells()) {
        assertEquals(result.kernels().size(), cell.planned() + cell.refused(), cell::toString);
        System.out.println(cell);
      }
      System.out.println(figures(result));
      rows.addAll(rows(result));
    }
    Files.write(Path.of("target", "support-matrix.md"), rows);
    String readme = Files.readString(Path.of("..", "README.md"));
    for (String row : rows) {
      assertTrue(readme.contains(row + "\n"), () -> "README.md lacks the row\n" + row);
    }
  }

  /** Else what is planned would not be every kernel. */
  @Test
  void noOtherNetworkHasAKernelOfItsOwn() throws Exception {
    List<String> arguments = List.of("h100", Precision.FP16.name(), String.valueOf(BATCH));
    Result some = run(VendorLibraries.Set.PINNED, NETWORKS, arguments, Map.of());
    List<String> others =
        Architecture.names().stream().filter(name -> !NETWORKS.contains(name)).toList();
    Result rest = run(VendorLibraries.Set.PINNED, others, arguments, Map.of());
    assertEquals(
        List.of(),
        rest.kernels().stream().filter(kernel -> !some.kernels().contains(kernel)).toList());
  }

  /** What is refused is refused for the library's own reason. */
  @Test
  void aT4HasNoBfloat16() throws Exception {
    Path log = folder.resolve("cudnn.log");
    Result result =
        run(
            VendorLibraries.Set.PINNED,
            List.of("resnet20"),
            List.of("t4", Precision.BF16.name(), String.valueOf(BATCH)),
            Map.of("CUDNN_LOGLEVEL_DBG", "2", "CUDNN_LOGDEST_DBG", log.toString()));
    assertEquals(10, result.refusals().size());
    assertTrue(result.refusals().stream().allMatch(SupportMatrixTest::isExpected));
    assertTrue(
        Files.readString(log)
            .contains(
                "NOT_SUPPORTED_ARCH_MISMATCH; Reason: is_bf16 && !hardware_bfloat16_supported"));
  }

  @Test
  void withoutTheDriversLibraryWhatIsPrecompiledIsPlanned() throws Exception {
    Path nowhere = folder.resolve("nothing.so");
    Result result =
        run(
            VendorLibraries.Set.PINNED,
            List.of("resnet50"),
            List.of("h100", Precision.FP16.name(), String.valueOf(BATCH)),
            Map.of(NvidiaLibrary.DRIVER.variable(), nowhere.toString()));
    String missing = String.join("\n", result.missing());
    assertTrue(missing.startsWith(NvidiaLibrary.DRIVER.title()), missing);
    assertTrue(missing.contains("needed for kernels that cuDNN compiles"), missing);
    assertTrue(missing.contains("-D" + NvidiaLibrary.DRIVER.property() + "=FILE"), missing);
    // The poolings are left to Shortcut's own kernels.
    assertEquals(
        List.of("average", "maximum"),
        result.refusals().stream().map(r -> r.kernel().split(" ")[0]).sorted().toList(),
        () -> result.refusals().toString());
    assertEquals(24, result.cells().getFirst().planned());
  }

  /**
   * The short list: Turing has no bfloat16, and cuDNN then offers nothing; and cuDNN 9.11 says of
   * every engine for poolings of floats that it uses tensor cores, so that Shortcut's own kernel is
   * taken instead.
   */
  private static boolean isExpected(Refusal refusal) {
    return switch (refusal.precision()) {
      case BF16 -> refusal.gpu().equals("t4") && refusal.reason().equals("no candidates");
      case FP32 ->
          refusal.cudnn().startsWith("9.11.")
              && refusal.kernel().matches("(maximum|average) .*")
              && refusal.reason().startsWith("TENSOR_CORE, which is not fp32");
      default -> false;
    };
  }

  private Result plan(VendorLibraries.Set set, List<String> networks, Map<String, String> variables)
      throws Exception {
    List<String> gpus = FULL ? GpuDescription.knownNames() : List.of("t4", "a100", "h100");
    return run(
        set,
        networks,
        List.of(
            String.join(",", gpus),
            SupportMatrix.PRECISIONS.stream().map(Enum::name).collect(Collectors.joining(",")),
            FULL ? BATCHES : String.valueOf(BATCH)),
        variables);
  }

  private Result run(
      VendorLibraries.Set set,
      List<String> networks,
      List<String> arguments,
      Map<String, String> variables)
      throws Exception {
    set.library("libcudnn.so.9");
    var environment = new HashMap<>(variables);
    environment.put(NvidiaLibrary.FOLDER_VARIABLE, set.folder().toString());
    List<String> all = new ArrayList<>(List.of(String.join(",", networks)));
    all.addAll(arguments);
    all.add(folder.resolve("plans").toString());
    return Result.parse(
        OtherProcess.run(SupportMatrix.class, environment, all.toArray(new String[0])));
  }

  /** The table's rows: how many kernels have a plan and how many have none. */
  private static List<String> rows(Result result) {
    List<String> rows = new ArrayList<>();
    Map<String, List<Cell>> byGpu =
        result.cells().stream().collect(Collectors.groupingBy(Cell::gpu));
    for (String gpu : GpuDescription.knownNames()) {
      List<Cell> cells = byGpu.getOrDefault(gpu, List.of());
      if (!cells.isEmpty()) {
        rows.add(
            "| %s | %s | %s |"
                .formatted(
                    cells.getFirst().cudnn(),
                    gpu,
                    SupportMatrix.PRECISIONS.stream()
                        .map(precision -> counts(cells, precision))
                        .collect(Collectors.joining(" | "))));
      }
    }
    return rows;
  }

  private static String counts(List<Cell> cells, Precision precision) {
    List<String> counts =
        cells.stream()
            .filter(cell -> cell.precision() == precision)
            .map(cell -> "%d / %d".formatted(cell.planned(), cell.refused()))
            .distinct()
            .toList();
    assertEquals(1, counts.size(), () -> "differs by batch size: " + cells);
    return counts.getFirst();
  }

  private static String figures(Result result) {
    List<Cell> cells = result.cells();
    return String.format(
        Locale.ROOT,
        "cuDNN %s: %,d graphs planned, %,d of them compiled, %,d refused, %,d candidates passed over, %,d bytes of plans,"
            + " %.0f s of all threads",
        cells.getFirst().cudnn(),
        cells.stream().mapToInt(Cell::planned).sum(),
        cells.stream().mapToInt(Cell::compiled).sum(),
        cells.stream().mapToInt(Cell::refused).sum(),
        cells.stream().mapToInt(Cell::passedOver).sum(),
        cells.stream().mapToLong(Cell::bytes).sum(),
        cells.stream().mapToDouble(Cell::seconds).sum());
  }
}
