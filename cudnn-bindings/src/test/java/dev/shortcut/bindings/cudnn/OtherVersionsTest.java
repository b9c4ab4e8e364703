package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.bindings.nvidia.Finding;
import dev.shortcut.bindings.nvidia.NvidiaLibraries;
import dev.shortcut.testing.OtherProcess;
import dev.shortcut.testing.VendorLibraries;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * NVIDIA's libraries of other versions than the other tests use, each set in a process of its own,
 * found as a user's would be.
 */
@Tag("vendor")
class OtherVersionsTest {
  private static final Set<NumericalNote> UNWANTED =
      Set.of(
          NumericalNote.DOWN_CONVERT_INPUTS,
          NumericalNote.NONDETERMINISTIC,
          NumericalNote.REDUCED_PRECISION_REDUCTION);

  @TempDir Path folder;

  @Test
  void theOldestCudnnPlansEveryConvolutionOfResNet50() throws Exception {
    String said = run(VendorLibraries.Set.OLDEST_CUDNN, Map.of(), "plan");
    assertContains(said, "cuDNN USABLE 9.11.1 for CUDA 12", "cuBLASLt USABLE 12.9.1");
    assertEverythingIsPlanned(said);
  }

  /** What pip brings where no version is asked for. */
  @Test
  void theNewestCudnnPlansEveryConvolutionOfResNet50() throws Exception {
    String said = run(VendorLibraries.Set.NEWEST_CUDNN, Map.of(), "plan");
    assertContains(said, "cuDNN USABLE 9.28.0 for CUDA 12", "cuBLASLt USABLE 12.9.1");
    assertEverythingIsPlanned(said);
    assertContains(said, "compared: " + new TreeSet<>(DeviceProperties.comparedKeys(92800)));
  }

  /** The driver that is fetched is one for CUDA 12, which is said of cuDNN. */
  @Test
  void cudnnForCuda13IsRefusedBesideADriverForCuda12() throws Exception {
    String said = run(VendorLibraries.Set.CUDA_13, Map.of());
    assertContains(
        said,
        "cuDNN UNSUITABLE 9.20.0 for CUDA 13",
        "It is for CUDA 13, and the driver supports CUDA 12 at most",
        "pip install nvidia-cudnn-cu12");
  }

  /** What opens the files knows where the wheels of CUDA 13 put them. */
  @Test
  void theWheelsOfCuda13FitTogether() throws Exception {
    String nowhere = folder.resolve("libcuda.so.1").toString();
    String said =
        run(VendorLibraries.Set.CUDA_13, Map.of(NvidiaLibrary.DRIVER.variable(), nowhere), "plan");
    assertContains(
        said,
        "the CUDA driver MISSING",
        "cuDNN USABLE 9.20.0 for CUDA 13",
        "cuBLASLt USABLE 13.0.2",
        "NVRTC USABLE 13.0");
    // Precompiled engines need no driver.
    assertEverythingIsPlanned(said);
  }

  private static void assertEverythingIsPlanned(String output) {
    int all = FusedConvolution.ofResNet50(1).size();
    assertEquals(
        Program.DEVICES.stream()
            .flatMap(device ->
                Stream.of("FLOAT", "HALF")
                    .map(type -> "planned %s %s: %d".formatted(device, type, all)))
            .toList(),
        output.lines().filter(line -> line.startsWith("planned ")).toList());
  }

  /** The other process: says what was found, and plans if it is told to. */
  static final class Program {
    private static final List<String> DEVICES = List.of("h100", "a100", "t4");

    private Program() {}

    public static void main(String[] args) {
      for (Finding finding : NvidiaLibraries.examine()) {
        System.out.printf(
            "%s %s %s %s %s%n",
            finding.name(),
            finding.verdict(),
            finding.version(),
            finding.detail(),
            finding.remedy());
      }
      if (args.length == 0) {
        return;
      }
      Cudnn cudnn = Cudnn.of(NvidiaLibrary.CUDNN.find(0));
      String plan = "";
      for (String device : DEVICES) {
        for (DataType type : List.of(DataType.FLOAT, DataType.HALF)) {
          List<String> plans =
              FusedConvolution.ofResNet50(32).stream()
                  .flatMap(convolution -> planned(cudnn, device, convolution, type).stream())
                  .toList();
          System.out.printf("planned %s %s: %d%n", device, type, plans.size());
          plan = device.equals(DEVICES.getFirst()) ? plans.getLast() : plan;
        }
      }
      System.out.println("compared: " + CudnnPlanTest.compared(cudnn, plan, DEVICES.getFirst()));
    }

    /** The text of the first plan that may be taken. */
    private static Optional<String> planned(
        Cudnn cudnn, String device, FusedConvolution convolution, DataType type) {
      try (var owner = new Closer()) {
        DeviceProperties properties =
            DeviceProperties.fromJson(cudnn, owner, KnownDevices.json(device));
        OperationGraph graph = convolution.graph(cudnn, owner, type, true, null);
        for (EngineConfig config :
            Heuristics.candidates(cudnn, owner, graph, HeuristicMode.A, properties)) {
          if (config.numericalNotes().stream().noneMatch(UNWANTED::contains)) {
            try {
              return Optional.of(ExecutionPlan.of(cudnn, owner, config, null).json());
            } catch (CudnnException e) {
              // The next one may.
            }
          }
        }
        return Optional.empty();
      }
    }
  }

  private static String run(
      VendorLibraries.Set set, Map<String, String> variables, String... arguments)
      throws Exception {
    set.library("libcudnn.so.9");
    var environment = new HashMap<>(variables);
    environment.put(NvidiaLibrary.FOLDER_VARIABLE, set.folder().toString());
    return OtherProcess.run(Program.class, environment, arguments);
  }

  private static void assertContains(String text, String... parts) {
    for (String part : parts) {
      assertTrue(text.contains(part), () -> "no \"" + part + "\" in: " + text);
    }
  }
}
