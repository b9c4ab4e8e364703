package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.OtherProcess;
import dev.shortcut.testing.VendorLibraries;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Installations of cuDNN that lack a part, which would end the process or stay unnoticed. */
@Tag("vendor")
class CudnnPartsTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "libcudnn_graph.so.9",
        "libcudnn_heuristic.so.9",
        "libcudnn_engines_runtime_compiled.so.9"
      })
  void aMissingPartIsNamed(String part) throws Exception {
    String said = open(part);
    assertTrue(said.contains("its part " + part + " cannot be opened"), said);
  }

  @Test
  void withoutPrecompiledEnginesItRunsAndWarns() throws Exception {
    String said = open("libcudnn_engines_precompiled.so.9");
    assertTrue(said.contains("comes without libcudnn_engines_precompiled.so.9"), said);
    assertTrue(said.contains("planned"), said);
  }

  @ParameterizedTest
  @ValueSource(strings = {"libcudnn_ops.so.9", "libcudnn_cnn.so.9", "libcudnn_adv.so.9", "none"})
  void partsThatAreNotUsedMayBeMissing(String part) throws Exception {
    assertEquals("planned", open(part).strip());
  }

  /** All that there is of the calls from before the graph API without a GPU: the descriptors. */
  @Test
  void theCallsFromBeforeTheGraphApiAreUsedWhereTheirPartsAre() throws Exception {
    assertEquals("described", describe("none").strip());
    for (String part : List.of("libcudnn_ops.so.9", "libcudnn_cnn.so.9")) {
      String said = describe(part);
      assertTrue(
          said.contains("comes without the calls from before the graph API: its part " + part),
          said);
    }
  }

  private String open(String without) throws Exception {
    return run(Opening.class, without);
  }

  private String describe(String without) throws Exception {
    return run(Describing.class, without);
  }

  private String run(Class<?> program, String without) throws Exception {
    Path complete = VendorLibraries.library("libcudnn.so.9").getParent();
    List<Path> files;
    try (Stream<Path> listed = Files.list(complete)) {
      files = listed.toList();
    }
    Path copy = Files.createDirectory(folder.resolve(without));
    for (Path file : files) {
      if (!file.getFileName().toString().equals(without)) {
        Files.createSymbolicLink(copy.resolve(file.getFileName()), file);
      }
    }
    return OtherProcess.run(program, Map.of(), copy.resolve("libcudnn.so.9").toString());
  }

  private static Cudnn cudnn(String file) {
    VendorCudnn.loadOthers();
    return Cudnn.of(
        NativeLibrary.find("cuDNN", "cudnnGetVersion").file("test", Path.of(file)).load());
  }

  /** The other process: opens a cuDNN, plans with it, and prints what came of it. */
  static final class Opening {
    private Opening() {}

    public static void main(String[] args) {
      try (var owner = new Closer()) {
        Cudnn cudnn = cudnn(args[0]);
        DeviceProperties properties =
            DeviceProperties.fromJson(cudnn, owner, KnownDevices.json("h100"));
        OperationGraph graph =
            FusedConvolution.ofResNet50(1).getLast().graph(cudnn, owner, DataType.HALF, true, null);
        EngineConfig config =
            Heuristics.candidates(cudnn, owner, graph, HeuristicMode.A, properties).getFirst();
        ExecutionPlan.of(cudnn, owner, config, null);
        System.out.println("planned");
      } catch (LibraryException e) {
        System.out.println(e.getMessage());
      }
    }
  }

  /** The other process: describes convolutions in the words from before the graph API. */
  static final class Describing {
    private Describing() {}

    public static void main(String[] args) {
      try (var owner = new Closer()) {
        Cudnn cudnn = cudnn(args[0]);
        for (DataType type : List.of(DataType.FLOAT, DataType.HALF, DataType.BFLOAT16)) {
          for (boolean tensorCores : new boolean[] {false, true}) {
            LegacyConvolutionPlan.of(
                cudnn,
                owner,
                new LegacyConvolution(
                    type, tensorCores, 2, 64, 14, 14, 64, 3, 2, 2, 2, 4, true, tensorCores));
          }
        }
        System.out.println("described");
      } catch (LibraryException e) {
        System.out.println(e.getMessage());
      }
    }
  }
}
