package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.testing.OtherProcess;
import dev.shortcut.testing.VendorLibraries;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** In processes of their own, since cuDNN asks once where its log goes. */
@Tag("vendor")
class CudnnLogTest {
  @Test
  void cudnnWritesItsReasonsToTheFile(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("cudnn.log");
    assertEquals(file.toString(), refuseSomething(file, null));
    String log = Files.readString(file);
    assertTrue(log.contains("cudnnBackendFinalize"), log);
    assertTrue(log.contains("HasMember"), log);
  }

  @Test
  void whatTheEnvironmentSaysComesFirst(@TempDir Path folder) throws Exception {
    Path users = folder.resolve("users.log");
    Path ours = folder.resolve("ours.log");
    assertEquals(users.toString(), refuseSomething(ours, users));
    assertTrue(Files.readString(users).contains("HasMember"));
    assertTrue(Files.notExists(ours));
  }

  /** Where the other process says that the log is. */
  private static String refuseSomething(Path file, Path environment) throws Exception {
    VendorLibraries.library("libcudnn.so.9");
    Map<String, String> variables =
        environment == null
            ? Map.of()
            : Map.of("CUDNN_LOGLEVEL_DBG", "2", "CUDNN_LOGDEST_DBG", environment.toString());
    return OtherProcess.run(Refusal.class, variables, file.toString())
        .lines()
        .reduce("", (before, line) -> line);
  }

  /** The other process: lets cuDNN refuse a description and prints where its log is. */
  static final class Refusal {
    private Refusal() {}

    public static void main(String[] args) {
      var where = CudnnLog.toFile(Path.of(args[0]), CudnnLog.Detail.WARNINGS);
      try (var owner = new Closer()) {
        DeviceProperties.fromJson(VendorCudnn.open(), owner, "{\"warpSize\": 32}");
      } catch (CudnnException e) {
        System.out.println(where.orElse(""));
        return;
      }
      throw new AssertionError("cuDNN took it");
    }
  }
}
