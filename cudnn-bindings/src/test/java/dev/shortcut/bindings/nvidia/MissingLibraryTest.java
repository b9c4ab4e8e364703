package dev.shortcut.bindings.nvidia;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.testing.OtherProcess;
import dev.shortcut.testing.VendorLibraries;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A complete set of NVIDIA's own libraries but for one, which the message has to be about. */
@Tag("vendor")
class MissingLibraryTest {
  private static final int CUDA_MAJOR = 12;

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({
    "DRIVER, for all that a GPU is to do, install NVIDIA's driver",
    "CUDNN, for convolutions and poolings, pip install nvidia-cudnn-cu12",
    "CUBLASLT, for matrix products, pip install nvidia-cublas-cu12",
    "NVRTC, to compile kernels for the GPU, pip install nvidia-cuda-nvrtc-cu12"
  })
  void theMessageNamesItAndWhatItIsForAndWhatToInstall(
      NvidiaLibrary missing, String use, String remedy) throws Exception {
    String soname = missing.soname(CUDA_MAJOR);
    for (NvidiaLibrary library : NvidiaLibrary.values()) {
      link(VendorLibraries.library(library.soname(CUDA_MAJOR)).getParent(), soname);
    }
    String file = folder.resolve(soname).toString();
    // Named as a file, so that no other installation on this machine is found instead.
    String said =
        OtherProcess.run(
            Opening.class,
            Map.of(missing.variable(), file, NvidiaLibrary.FOLDER_VARIABLE, folder.toString()));
    assertTrue(said.contains("NVIDIA's libraries cannot be used here: "), said);
    String line =
        said.lines()
            .filter(l -> l.startsWith("- " + missing.title() + ": "))
            .findFirst()
            .orElse("");
    assertTrue(line.contains("It is needed " + use + ", and there is none"), said);
    assertTrue(line.contains(remedy), said);
    assertTrue(said.contains(file), said);
  }

  /** The same files in the same shape, without those of that name. */
  private void link(Path complete, String without) throws IOException {
    Path shape = VendorLibraries.folder().relativize(complete);
    Path target = Files.createDirectories(folder.resolve(shape));
    List<Path> files;
    try (Stream<Path> listed = Files.list(complete)) {
      files = listed.toList();
    }
    for (Path file : files) {
      String name = file.getFileName().toString();
      if (!name.equals(without)) {
        Files.createSymbolicLink(target.resolve(name), file);
      }
    }
  }

  /** The other process. */
  static final class Opening {
    private Opening() {}

    public static void main(String[] args) {
      try {
        System.out.println("opened " + NvidiaLibraries.open());
      } catch (LibraryException e) {
        System.out.println(e.getMessage());
      }
    }
  }
}
