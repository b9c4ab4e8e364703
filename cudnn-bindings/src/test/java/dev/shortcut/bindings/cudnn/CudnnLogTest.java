package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.testing.VendorLibraries;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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
    var builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            String.join(
                ":",
                List.of(location(Cudnn.class), location(CudnnLogTest.class), location(Test.class))),
            Refusal.class.getName(),
            file.toString());
    builder.environment().remove("CUDNN_LOGLEVEL_DBG");
    builder.environment().remove("CUDNN_LOGDEST_DBG");
    if (environment != null) {
      builder.environment().put("CUDNN_LOGLEVEL_DBG", "2");
      builder.environment().put("CUDNN_LOGDEST_DBG", environment.toString());
    }
    Process process = builder.redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
    return output.lines().reduce("", (before, line) -> line);
  }

  private static String location(Class<?> type) throws Exception {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
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
