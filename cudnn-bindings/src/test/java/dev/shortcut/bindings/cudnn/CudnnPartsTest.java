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

  private String open(String without) throws Exception {
    Path complete = VendorLibraries.library("libcudnn.so.9").getParent();
    List<Path> files;
    try (Stream<Path> listed = Files.list(complete)) {
      files = listed.toList();
    }
    for (Path file : files) {
      if (!file.getFileName().toString().equals(without)) {
        Files.createSymbolicLink(folder.resolve(file.getFileName()), file);
      }
    }
    return OtherProcess.run(Opening.class, Map.of(), folder.resolve("libcudnn.so.9").toString());
  }

  /** The other process: opens a cuDNN, plans with it, and prints what came of it. */
  static final class Opening {
    private Opening() {}

    public static void main(String[] args) {
      VendorCudnn.loadOthers();
      try (var owner = new Closer()) {
        Cudnn cudnn =
            Cudnn.of(
                NativeLibrary.find("cuDNN", "cudnnGetVersion")
                    .file("test", Path.of(args[0]))
                    .load());
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
}
