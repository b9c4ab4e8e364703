package dev.shortcut.engine.backend.cudnn;

import static dev.shortcut.engine.testing.Tensors.assertSameValues;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.Precision;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.testing.BackendUnderTest;
import dev.shortcut.engine.testing.MapWeights;
import dev.shortcut.engine.testing.Tensors;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.VendorLibraries;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The backend with plans that NVIDIA's cuDNN made, which the software device executes. */
@Tag("native")
@Tag("vendor")
@Tag("device")
class VendorPlansTest {
  @ParameterizedTest
  @CsvSource({"90, FP32", "90, TF32", "90, FP16", "90, BF16", "80, FP16", "75, FP16"})
  void wholeNumbersComeOutExactly(int capability, Precision precision) throws InterruptedException {
    VendorLibraries.library("libcudnn.so.9");
    SoftwareDevice.install();
    SoftwareDevice.reset(
        SoftwareDevice.settings()
            .computeCapability(capability)
            .with("cudnn.vendor", VendorLibraries.folder()));
    Graph graph = EightKernels.logits();
    MapWeights weights = EightKernels.sparse(graph, TestSeed.random("weights"));
    int images = 2;
    float[] pixels =
        Tensors.integers(
            TestSeed.random("images"), images * Math.toIntExact(EightKernels.IMAGE.elements()), 2);
    Options options =
        Options.defaults()
            .withBackend(BackendChoice.CUDA)
            .withPrecision(precision)
            .withMaxBatch(images);
    try (Engine engine = Engine.open(Model.of(graph, weights), options)) {
      assertSameValues(
          BackendUnderTest.REFERENCE.run(graph, weights, images, pixels), engine.run(pixels));
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }
}
