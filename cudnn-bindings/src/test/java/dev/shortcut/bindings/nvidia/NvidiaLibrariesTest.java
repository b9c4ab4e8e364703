package dev.shortcut.bindings.nvidia;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.Attempt;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.bindings.nvidia.Finding.Verdict;
import dev.shortcut.testing.TestGroup;
import dev.shortcut.testing.VendorLibraries;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** On libraries that pose as versions of NVIDIA's, and on NVIDIA's own. */
class NvidiaLibrariesTest {
  /** What poses as each library: nothing but its version. */
  private static final Map<NvidiaLibrary, String> SOURCES =
      Map.of(
          NvidiaLibrary.DRIVER,
          """
          int cuDriverGetVersion(int *version) { *version = %d; return 0; }
          """,
          NvidiaLibrary.CUDNN,
          """
          #include <stddef.h>
          size_t cudnnGetVersion(void) { return %d; }
          size_t cudnnGetCudartVersion(void) { return %d; }
          """,
          NvidiaLibrary.CUBLASLT,
          """
          #include <stddef.h>
          size_t cublasLtGetVersion(void) { return %d; }
          """,
          NvidiaLibrary.NVRTC,
          """
          int nvrtcVersion(int *major, int *minor) { *major = %d; *minor = %d; return 0; }
          int nvrtcCompileProgram(void) { return 0; }
          """);

  @TempDir Path folder;

  @Test
  void aMachineWithNothingIsToldWhatToInstall() {
    Examination nothing = new Examination(this::find);
    for (Finding finding : nothing.findings()) {
      assertEquals(Verdict.MISSING, finding.verdict());
      assertFalse(finding.attempts().isEmpty());
    }
    var e = assertThrows(LibraryException.class, () -> NvidiaLibraries.open(nothing));
    assertContains(
        e.getMessage(),
        "the CUDA driver, cuDNN, cuBLASLt, NVRTC",
        "install NVIDIA's driver",
        "--gpus all",
        "pip install nvidia-cudnn-cu12",
        "pip install nvidia-cublas-cu12",
        "pip install nvidia-cuda-nvrtc-cu12",
        "-Dshortcut.cudnn.library=FILE",
        folder.resolve("libcudnn.so.9").toString());
    assertEquals(
        nothing.findings().stream().mapToInt(finding -> finding.attempts().size()).sum(),
        e.attempts().size());
  }

  @Test
  @Tag("native")
  void versionsThatFitTogetherPassTheFirstLook() throws Exception {
    pose(NvidiaLibrary.DRIVER, 0, 13_000);
    pose(NvidiaLibrary.CUDNN, 0, 91_100, 12_090);
    pose(NvidiaLibrary.CUBLASLT, 12, 120_901);
    pose(NvidiaLibrary.NVRTC, 12, 12, 9);
    List<Finding> findings = new Examination(this::find).findings();
    assertEquals(
        List.of("13.0", "9.11.0 for CUDA 12", "12.9.1", "12.9"),
        findings.stream().map(Finding::version).toList());
    // These have no other functions, which is the next thing to be noticed.
    for (Finding finding : findings) {
      assertContains(finding.detail(), "has no function");
    }
  }

  @Test
  @Tag("native")
  void cublasOfAnotherGenerationThanCudnnIsTheOneToReplace() throws Exception {
    pose(NvidiaLibrary.DRIVER, 0, 13_000);
    pose(NvidiaLibrary.CUDNN, 0, 92_000, 13_000);
    pose(NvidiaLibrary.CUBLASLT, 12, 120_901);
    pose(NvidiaLibrary.NVRTC, 13, 13, 0);
    Finding cublas = finding(NvidiaLibrary.CUBLASLT);
    assertEquals(Verdict.UNSUITABLE, cublas.verdict());
    assertEquals(folder.resolve("libcublasLt.so.12").toString(), cublas.file());
    assertContains(cublas.detail(), "for CUDA 12", "cuDNN is for CUDA 13");
    assertContains(
        cublas.remedy(),
        "Replace cuBLASLt: pip install \"nvidia-cublas>=13,<14\"",
        "Or replace cuDNN by one for CUDA 12: pip install nvidia-cudnn-cu12");
    assertTrue(finding(NvidiaLibrary.NVRTC).usable());
    assertTrue(finding(NvidiaLibrary.CUDNN).usable());
  }

  @Test
  @Tag("native")
  void nvrtcThatTheUserNamedMustBeOfCudnnsGeneration() throws Exception {
    pose(NvidiaLibrary.DRIVER, 0, 12_040);
    pose(NvidiaLibrary.CUDNN, 0, 92_000, 12_090);
    pose(NvidiaLibrary.CUBLASLT, 12, 120_901);
    // The file's name says 12, as that of a file that a property names may say anything.
    pose(NvidiaLibrary.NVRTC, 12, 13, 0);
    Finding nvrtc = finding(NvidiaLibrary.NVRTC);
    assertContains(nvrtc.detail(), "for CUDA 13", "cuDNN is for CUDA 12");
    assertContains(nvrtc.remedy(), "Replace NVRTC: pip install nvidia-cuda-nvrtc-cu12");
    assertFalse(
        nvrtc.remedy().contains("Or replace cuDNN"),
        () -> "the driver does not support CUDA 13: " + nvrtc.remedy());
  }

  @Test
  @Tag("native")
  void cudnnForANewerCudaThanTheDriverSaysWhichSideToChange() throws Exception {
    pose(NvidiaLibrary.DRIVER, 0, 12_090);
    pose(NvidiaLibrary.CUDNN, 0, 92_000, 13_000);
    Finding cudnn = finding(NvidiaLibrary.CUDNN);
    assertContains(cudnn.detail(), "for CUDA 13", "the driver supports CUDA 12");
    assertContains(
        cudnn.remedy(), "upgrade the driver to one for CUDA 13", "pip install nvidia-cudnn-cu12");
  }

  @Test
  @Tag("native")
  void versionsOutsideTheWindowsAreRefused() throws Exception {
    pose(NvidiaLibrary.DRIVER, 0, 11_080);
    assertContains(finding(NvidiaLibrary.DRIVER).remedy(), "Upgrade NVIDIA's driver", "CUDA 12.0");
    pose(NvidiaLibrary.CUDNN, 0, 91_002, 12_060);
    assertContains(finding(NvidiaLibrary.CUDNN).toString(), "9.10.2", "older than 9.11.0");
  }

  @Test
  @Tag("native")
  void cudnnOfAnotherMajorIsRefused() throws Exception {
    pose(NvidiaLibrary.CUDNN, 0, 100_000, 13_000);
    assertContains(finding(NvidiaLibrary.CUDNN).toString(), "10.0.0", "newer than cuDNN 9");
  }

  @Test
  @Tag("native")
  void cudnn8IsTooOldWhateverItsCount() throws Exception {
    pose(NvidiaLibrary.CUDNN, 0, 8_907, 12_020);
    assertContains(finding(NvidiaLibrary.CUDNN).toString(), "8.9.7", "older than 9.11.0");
  }

  @Test
  @Tag("native")
  void cudnnForAnUnknownCudaIsRefused() throws Exception {
    pose(NvidiaLibrary.DRIVER, 0, 14_000);
    pose(NvidiaLibrary.CUDNN, 0, 92_000, 14_000);
    assertContains(finding(NvidiaLibrary.CUDNN).detail(), "Only CUDA 12 and 13");
    assertContains(finding(NvidiaLibrary.CUDNN).remedy(), "nvidia-cudnn-cu13");
  }

  @Test
  @Tag("native")
  void cudnnWithoutOneOfItsPartsIsRefusedBeforeItEndsTheProcess() throws Exception {
    pose(NvidiaLibrary.CUDNN, 0, 92_000, 12_090);
    Path part = folder.resolve("libcudnn_heuristic.so.9");
    Files.writeString(part, "no library");
    Finding cudnn = finding(NvidiaLibrary.CUDNN);
    assertEquals(Verdict.UNSUITABLE, cudnn.verdict());
    assertContains(
        cudnn.detail(), "libcudnn_heuristic.so.9 cannot be opened", part.toString(), "damaged");
    assertContains(cudnn.remedy(), "Install it again: pip install nvidia-cudnn-cu12");
  }

  @Test
  @Tag("native")
  void aToolkitsStubIsNoDriver() throws Exception {
    Path stub = Files.createDirectories(folder.resolve("stubs")).resolve("libcuda.so");
    compile(SOURCES.get(NvidiaLibrary.DRIVER).formatted(12_090), stub);
    Path driver = Files.createDirectories(folder.resolve("driver"));
    Files.createSymbolicLink(driver.resolve("libcuda.so.1"), stub);
    withFolder(
        folder,
        () -> {
          List<Attempt> attempts;
          try {
            // Another test of this process may have opened a driver that the loader knows.
            attempts = NvidiaLibrary.DRIVER.find(0).attempts();
          } catch (LibraryException e) {
            attempts = e.attempts();
          }
          List<Attempt> tried = attempts;
          assertTrue(
              tried.stream().anyMatch(a -> a.toString().contains("a toolkit's stub")),
              tried::toString);
        });
  }

  @Test
  @Tag("native")
  void theFolderThatTheUserNamedComesBeforeTheSystems() throws Exception {
    Path named = Files.createDirectories(folder.resolve("nvidia/cu13/lib"));
    compile(
        SOURCES.get(NvidiaLibrary.CUBLASLT).formatted(130_000), named.resolve("libcublasLt.so.13"));
    withFolder(
        folder,
        () ->
            assertEquals(
                named.resolve("libcublasLt.so.13").toString(),
                NvidiaLibrary.CUBLASLT.find(13).location()));
  }

  @Test
  @Tag("vendor")
  void nvidiasOwnLibrariesWithoutAGpuLackTheGpuOnly() {
    Examination examination =
        new Examination((kind, major) ->
            NativeLibrary.find(kind.title(), symbol(kind))
                .file("fetched", VendorLibraries.library(kind.soname(major)))
                .load());
    List<Finding> findings = examination.findings();
    assertContains(findings.getFirst().detail(), "cuInit", "NO_DEVICE");
    assertTrue(findings.stream().skip(1).allMatch(Finding::usable), () -> findings.toString());
    assertEquals("9.20.0 for CUDA 12", findings.get(1).version());
    assertEquals("12.9.1", findings.get(2).version());
    assertEquals("12.9", findings.get(3).version());
  }

  @Test
  void everyLibraryHasItsPropertyAndVariable() {
    assertEquals(
        List.of(
            "shortcut.cuda.library SHORTCUT_CUDA_LIBRARY libcuda.so.1",
            "shortcut.cudnn.library SHORTCUT_CUDNN_LIBRARY libcudnn.so.9",
            "shortcut.cublaslt.library SHORTCUT_CUBLASLT_LIBRARY libcublasLt.so.13",
            "shortcut.nvrtc.library SHORTCUT_NVRTC_LIBRARY libnvrtc.so.13"),
        List.of(NvidiaLibrary.values()).stream()
            .map(l -> l.property() + " " + l.variable() + " " + l.soname(13))
            .toList());
  }

  private interface Action {
    void run() throws Exception;
  }

  /** Lets the folder be named, and no file. */
  private static void withFolder(Path folder, Action action) throws Exception {
    Properties before = (Properties) System.getProperties().clone();
    try {
      for (NvidiaLibrary library : NvidiaLibrary.values()) {
        System.clearProperty(library.property());
      }
      System.setProperty(NvidiaLibrary.FOLDER_PROPERTY, folder.toString());
      action.run();
    } finally {
      System.setProperties(before);
    }
  }

  private Finding finding(NvidiaLibrary kind) {
    return new Examination(this::find).findings().get(kind.ordinal());
  }

  private NativeLibrary find(NvidiaLibrary kind, int cudaMajor) {
    return NativeLibrary.find(kind.title(), symbol(kind))
        .file("the test's", folder.resolve(kind.soname(cudaMajor)))
        .load();
  }

  private static String symbol(NvidiaLibrary kind) {
    return switch (kind) {
      case DRIVER -> "cuDriverGetVersion";
      case CUDNN -> "cudnnGetVersion";
      case CUBLASLT -> "cublasLtGetVersion";
      case NVRTC -> "nvrtcVersion";
    };
  }

  private void pose(NvidiaLibrary kind, int cudaMajor, Object... versions)
      throws IOException, InterruptedException {
    compile(SOURCES.get(kind).formatted(versions), folder.resolve(kind.soname(cudaMajor)));
    if (kind == NvidiaLibrary.CUDNN) {
      for (String part : List.of("graph", "heuristic", "engines_runtime_compiled")) {
        compile("int part;", folder.resolve("libcudnn_" + part + ".so.9"));
      }
    }
  }

  private static void compile(String source, Path library)
      throws IOException, InterruptedException {
    Path file = Files.writeString(Path.of(library + ".c"), source);
    Process process;
    try {
      process =
          new ProcessBuilder("cc", "-shared", "-fPIC", "-o", library.toString(), file.toString())
              .redirectErrorStream(true)
              .start();
    } catch (IOException e) {
      TestGroup.NATIVE.missing("needs a C compiler: " + e.getMessage());
      return;
    }
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
  }

  private static void assertContains(String text, String... parts) {
    for (String part : parts) {
      assertTrue(text.contains(part), () -> "no \"" + part + "\" in: " + text);
    }
  }
}
