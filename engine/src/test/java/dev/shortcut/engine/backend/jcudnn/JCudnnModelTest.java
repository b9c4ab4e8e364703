package dev.shortcut.engine.backend.jcudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.backend.cudnn.EightKernels;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import jcuda.driver.JCudaDriver;
import jcuda.jcudnn.JCudnn;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What only the backend through JCuda does, on the software CUDA device. */
@Tag("native")
class JCudnnModelTest {
  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
  }

  @AfterEach
  void nothingIsLeftAndNothingWasWrong() {
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
    assertEquals(0, SoftwareDevice.bytesInUse(0));
  }

  private static Options options() {
    return Options.defaults().withBackend(BackendChoice.JCUDA).withMaxBatch(4);
  }

  private static Engine open(Graph graph, Weights weights, Options options) {
    return Engine.open(Model.of(graph, weights), options);
  }

  private static MapWeights sparse(Graph graph) {
    return EightKernels.sparse(graph, TestSeed.random("weights"));
  }

  @Test
  void aLayerThatCudnnDoesNotDoIsRefusedByItsName() {
    Graph graph = EightKernels.probabilities();
    for (String function :
        List.of(
            "cudnnGetConvolutionForwardWorkspaceSize", "cudnnConvolutionBiasActivationForward")) {
      SoftwareDevice.reset();
      SoftwareDevice.failFunction(function, 2, 3000);
      var e =
          assertThrows(
              ModelException.class, () -> open(graph, sparse(graph), options().withMaxBatch(1)));
      String message = String.valueOf(e.getMessage());
      assertTrue(message.contains("conv2") && message.contains(function), message);
    }
  }

  /** A program may have told JCuda to throw, which then holds for us as well. */
  @Test
  void exceptionsOfJCudasSayTheSame() {
    Graph graph = EightKernels.logits();
    MapWeights weights = sparse(graph);
    open(graph, weights, options()).close();
    List<String> functions =
        List.of(
            "cuMemAlloc_v2",
            "cudnnCreateTensorDescriptor",
            "cudnnGetConvolutionForwardWorkspaceSize");
    List<List<String>> messages = new ArrayList<>();
    for (boolean throwing : List.of(false, true)) {
      JCudaDriver.setExceptionsEnabled(throwing);
      JCudnn.setExceptionsEnabled(throwing);
      List<String> said = new ArrayList<>();
      try {
        for (String function : functions) {
          SoftwareDevice.reset();
          SoftwareDevice.failFunction(function, 1, function.startsWith("cu") ? 2 : 0);
          var e = assertThrows(RuntimeException.class, () -> open(graph, weights, options()));
          said.add(String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
        }
      } finally {
        JCudaDriver.setExceptionsEnabled(false);
        JCudnn.setExceptionsEnabled(false);
      }
      messages.add(said);
    }
    assertEquals(messages.getFirst(), messages.getLast());
  }
}
