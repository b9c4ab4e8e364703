package dev.shortcut.resnet.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.testing.device.SoftwareDevice;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What {@code doctor} says to somebody whose NVIDIA libraries are not as they should be. */
class DoctorTest {
  /** What is there and what to do about it, by the name of what was looked at. */
  private static Map<String, String> findings(String json) throws Exception {
    var findings = new TreeMap<String, String>();
    for (JsonNode row : new ObjectMapper().readTree(json)) {
      findings.put(
          row.get("what").textValue(),
          row.get("state").textValue() + ": " + row.get("detail").textValue());
    }
    return findings;
  }

  private static void assertSays(Map<String, String> findings, String what, String... parts) {
    for (String part : parts) {
      assertTrue(findings.getOrDefault(what, "").contains(part), () -> part + " in " + findings);
    }
  }

  @Tag("native")
  @Test
  void librariesForAnotherCudaThanCudnnsAreToBeReplaced() throws Exception {
    SoftwareDevice.install();
    SoftwareDevice.reset(
        SoftwareDevice.settings().driverVersion(13_000).with("cudnn.cudart", 13_000));
    Map<String, String> findings = findings(Cli.run("doctor", "--format", "json").out());
    assertSays(findings, "cuDNN", "works", "for CUDA 13");
    assertSays(
        findings,
        "cuBLASLt",
        "missing",
        "It is for CUDA 12, and cuDNN is for CUDA 13.",
        "Replace cuBLASLt: pip install \"nvidia-cublas>=13,<14\"",
        "Or replace cuDNN by one for CUDA 12: pip install nvidia-cudnn-cu12");
    assertSays(findings, "NVRTC", "missing", "It is for CUDA 12", "Replace NVRTC: pip install");
  }

  /** It goes on to the next row. */
  @Tag("native")
  @Test
  void aGpuThatCannotRunTheBundledNetworkFails() throws Exception {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().refuseToPlanConvolutions(3));
    try {
      Cli.Result result = Cli.run("doctor", "--format", "json");
      Map<String, String> findings = findings(result.out());
      assertSays(findings, "backend cuda", "fails", "no implementation of conv1");
      assertSays(findings, "backend reference", "works");
    } finally {
      SoftwareDevice.reset();
    }
  }

  @Test
  void aMachineWithoutNvidiasLibrariesIsToldWhatToInstall() throws Exception {
    ProcessBuilder doctor =
        Cli.process("doctor", "--format", "json").redirectError(ProcessBuilder.Redirect.DISCARD);
    doctor.environment().remove(NvidiaLibrary.FOLDER_VARIABLE);
    for (NvidiaLibrary library : NvidiaLibrary.values()) {
      doctor.environment().remove(library.variable());
    }
    Process process = doctor.start();
    Map<String, String> findings =
        findings(new String(process.getInputStream().readAllBytes(), UTF_8));
    assertEquals(ExitCodes.OK, process.waitFor(), "the CPU is always there");
    for (NvidiaLibrary library : NvidiaLibrary.values()) {
      String found = findings.getOrDefault(library.title(), "");
      assumeFalse(found.startsWith("works"), () -> "this machine has " + library.title());
    }
    assertSays(findings, "the CUDA driver", "missing", "install NVIDIA's driver", "--gpus all");
    Map<String, String> packages =
        Map.of("cuDNN", "nvidia-cudnn", "cuBLASLt", "nvidia-cublas", "NVRTC", "nvidia-cuda-nvrtc");
    packages.forEach((what, name) -> assertSays(findings, what, "missing", "pip install " + name));
    // Each place with the reason why there is nothing.
    for (String what : List.of("the CUDA driver", "cuDNN", "cuBLASLt", "NVRTC")) {
      assertSays(findings, what + ", place 1", "tried");
    }
    assertSays(findings, "backend cuda", "missing", "cuDNN");
    assertSays(findings, "backend auto", "works");
  }
}
