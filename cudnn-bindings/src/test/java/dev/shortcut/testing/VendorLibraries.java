package dev.shortcut.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * NVIDIA's libraries and headers, where {@code cudnn-bindings/src/test/nvidia/fetch} puts them.
 * What is missing skips the calling test.
 */
public final class VendorLibraries {
  private VendorLibraries() {}

  /**
   * Versions that fit together. No two sets may be in one process, since their files have the same
   * sonames.
   */
  public enum Set {
    /** What the tests are run against: cuDNN 9.20 and CUDA 12.9. */
    PINNED(""),
    /** The oldest cuDNN that is supported, 9.11.1, with the rest of {@link #PINNED}. */
    OLDEST_CUDNN("cudnn-9.11"),
    /** The newest cuDNN that was tried, 9.28.0, with the rest of {@link #PINNED}. */
    NEWEST_CUDNN("cudnn-9.28"),
    /** The cuDNN that JCudnn was made for, 9.5.1, with the rest of {@link #PINNED}. */
    JCUDNN("cudnn-9.5"),
    /** cuDNN 9.20, cuBLAS and NVRTC for CUDA 13, with the driver of {@link #PINNED}. */
    CUDA_13("cuda-13");

    private final String name;

    Set(String name) {
      this.name = name;
    }

    /**
     * The folder that holds {@code driver} and {@code nvidia/NAME/lib}, as the bindings' property
     * {@code shortcut.nvidia.folder} takes it; it may not exist.
     */
    public Path folder() {
      Path folder = TestCache.folder("nvidia");
      return name.isEmpty() ? folder : folder.resolve("sets").resolve(name);
    }

    /**
     * A library by its soname.
     *
     * @param soname such as {@code libcudnn.so.9}
     */
    public Path library(String soname) {
      Path driver = folder().resolve("driver").resolve(soname);
      if (Files.exists(driver)) {
        return driver;
      }
      return packages("lib").stream()
          .map(lib -> lib.resolve(soname))
          .filter(Files::exists)
          .findFirst()
          .orElseGet(() -> missing(soname));
    }

    private List<Path> packages(String kind) {
      Path root = folder().resolve("nvidia");
      if (!Files.isDirectory(root)) {
        return List.of();
      }
      try (Stream<Path> packages = Files.list(root)) {
        return packages.map(p -> p.resolve(kind)).filter(Files::isDirectory).sorted().toList();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    private <T> T missing(String file) {
      return TestGroup.VENDOR.missing(
          "needs NVIDIA's %s in %s: cudnn-bindings/src/test/nvidia/fetch%s brings it"
              .formatted(file, folder(), name.isEmpty() ? "" : " " + name));
    }
  }

  /** The folder of {@link Set#PINNED}. */
  public static Path folder() {
    return Set.PINNED.folder();
  }

  /**
   * A library of {@link Set#PINNED} by its soname.
   *
   * @param soname such as {@code libcudnn.so.9}
   */
  public static Path library(String soname) {
    return Set.PINNED.library(soname);
  }

  /**
   * The folders with headers of {@link Set#PINNED}.
   *
   * @param header one that must be there, such as {@code cudnn.h}
   */
  public static List<Path> headers(String header) {
    List<Path> folders = Set.PINNED.packages("include");
    if (folders.stream().noneMatch(folder -> Files.exists(folder.resolve(header)))) {
      Set.PINNED.missing(header);
    }
    return folders;
  }
}
