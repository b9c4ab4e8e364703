package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.Closer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** In a process of its own, since cuDNN asks once where its log goes. */
@Tag("vendor")
class CudnnLogTest {
  @Test
  void cudnnWritesItsReasonsToTheFile(@TempDir Path folder) throws Exception {
    Assumptions.assumeTrue(
        System.getenv("CUDNN_LOGDEST_DBG") == null && System.getenv("CUDNN_LOGLEVEL_DBG") == null,
        "the environment says already where cuDNN's log goes");
    Path file = folder.resolve("cudnn.log");
    assertEquals(
        Optional.of(file.toString()), CudnnLog.toFile(file, CudnnLog.Detail.WARNINGS));
    Cudnn cudnn = VendorCudnn.open();
    try (var owner = new Closer()) {
      assertThrows(
          CudnnException.class, () -> DeviceProperties.fromJson(cudnn, owner, "{\"warpSize\": 32}"));
    }
    String log = Files.readString(file);
    assertTrue(log.contains("cudnnBackendFinalize"), log);
    assertTrue(log.contains("HasMember"), log);
  }
}
