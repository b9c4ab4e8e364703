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

  /** The folder that holds {@code driver} and {@code nvidia/NAME/lib}; it may not exist. */
  public static Path folder() {
    String cache = System.getenv("XDG_CACHE_HOME");
    Path base =
        cache != null && cache.startsWith("/")
            ? Path.of(cache)
            : Path.of(System.getProperty("user.home"), ".cache");
    return base.resolve("shortcut").resolve("nvidia");
  }

  /**
   * A library by its soname.
   *
   * @param soname such as {@code libcudnn.so.9}
   */
  public static Path library(String soname) {
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

  /**
   * The folders with headers.
   *
   * @param header one that must be there, such as {@code cudnn.h}
   */
  public static List<Path> headers(String header) {
    List<Path> folders = packages("include");
    if (folders.stream().noneMatch(folder -> Files.exists(folder.resolve(header)))) {
      missing(header);
    }
    return folders;
  }

  private static List<Path> packages(String kind) {
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

  private static <T> T missing(String file) {
    return TestGroup.VENDOR.missing(
        "needs NVIDIA's %s in %s: cudnn-bindings/src/test/nvidia/fetch brings it"
            .formatted(file, folder()));
  }
}
