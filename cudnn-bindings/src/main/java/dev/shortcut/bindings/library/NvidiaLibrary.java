package dev.shortcut.bindings.library;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * NVIDIA's libraries that are used, and where each of them is looked for, in one order for all:
 *
 * <ol>
 *   <li>the file that the system property {@link #property} names,
 *   <li>the file that the environment variable {@link #variable} names,
 *   <li>the folder that {@value #FOLDER_PROPERTY} or {@value #FOLDER_VARIABLE} names, which has the
 *       shape of a {@code site-packages} folder: {@code nvidia/cudnn/lib} and so on, and {@code
 *       driver} for the driver,
 *   <li>the system's loader,
 *   <li>the folders of drivers or of CUDA toolkits, newest first,
 *   <li>the folders of conda and pip (not for the driver).
 * </ol>
 */
public enum NvidiaLibrary {
  /** The driver, which comes with the GPU's kernel module. */
  DRIVER("the CUDA driver", "CUDA", "cuDriverGetVersion", "libcuda.so", ""),
  /** cuDNN, which fixes the CUDA generation of the two below. */
  CUDNN("cuDNN", "CUDNN", "cudnnGetVersion", "libcudnn.so", "cudnn"),
  /** cuBLASLt, a part of cuBLAS. */
  CUBLASLT("cuBLASLt", "CUBLASLT", "cublasLtGetVersion", "libcublasLt.so", "cublas"),
  /** The compiler of CUDA C. */
  NVRTC("NVRTC", "NVRTC", "nvrtcCompileProgram", "libnvrtc.so", "cuda_nvrtc");

  /** The system property that names a folder with all of them. */
  public static final String FOLDER_PROPERTY = "shortcut.nvidia.folder";

  /** The environment variable that names a folder with all of them. */
  public static final String FOLDER_VARIABLE = "SHORTCUT_NVIDIA_FOLDER";

  private static final String[] DRIVERS = {
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib64",
    "/usr/lib64/nvidia",
    "/usr/local/nvidia/lib64",
    "/run/opengl-driver/lib",
    "/usr/lib/wsl/lib"
  };

  private static final String[] TOOLKITS = {
    "/usr/local/cuda*/lib64",
    "/usr/local/cuda*/targets/x86_64-linux/lib",
    "/opt/cuda/lib64",
    "/opt/nvidia/*/lib"
  };

  private static final Logger LOG = System.getLogger(NvidiaLibrary.class.getName());

  private final String title;
  private final String key;
  private final String symbol;
  private final String file;
  private final String folder;

  NvidiaLibrary(String title, String key, String symbol, String file, String folder) {
    this.title = title;
    this.key = key;
    this.symbol = symbol;
    this.file = file;
    this.folder = folder;
  }

  /** What people call it. */
  public String title() {
    return title;
  }

  /** The system property that names its file, such as {@code shortcut.cudnn.library}. */
  public String property() {
    return "shortcut." + key.toLowerCase(Locale.ROOT) + ".library";
  }

  /** The environment variable that names its file, such as {@code SHORTCUT_CUDNN_LIBRARY}. */
  public String variable() {
    return "SHORTCUT_" + key + "_LIBRARY";
  }

  /**
   * Its file's name.
   *
   * @param cudaMajor the CUDA generation, 12 or 13, which the driver and cuDNN do not depend on
   */
  public String soname(int cudaMajor) {
    return switch (this) {
      case DRIVER -> file + ".1";
      case CUDNN -> file + ".9";
      case CUBLASLT, NVRTC -> file + "." + cudaMajor;
    };
  }

  /**
   * Opens it.
   *
   * @param cudaMajor the CUDA generation, 12 or 13, which the driver and cuDNN do not depend on
   * @throws LibraryException if there is none; the message lists every place tried
   */
  public NativeLibrary find(int cudaMajor) {
    List<String> packages = packages(cudaMajor);
    LibrarySearch search =
        NativeLibrary.find(title, symbol)
            .property(property())
            .environment(variable())
            .namedFolder(FOLDER_PROPERTY, FOLDER_VARIABLE, packages)
            .sonames(soname(cudaMajor));
    if (this == DRIVER) {
      return search.folders("driver's folder", DRIVERS).refuse(NvidiaLibrary::stub).load();
    }
    search.folders("CUDA toolkit", TOOLKITS).conda();
    packages.forEach(search::wheels);
    return search.load();
  }

  /** A toolkit has a library without code in a folder of this name. */
  private static @Nullable String stub(NativeLibrary library) {
    Path file = Path.of(library.location());
    try {
      file = file.toRealPath();
    } catch (IOException e) {
      LOG.log(Level.TRACE, "cannot resolve " + file, e);
    }
    return file.toString().contains("/stubs/")
        ? "this is a toolkit's stub for linking programs, not a driver"
        : null;
  }

  private List<String> packages(int cudaMajor) {
    if (this == DRIVER) {
      return List.of("driver");
    }
    List<String> packages = new ArrayList<>(List.of("nvidia/" + folder + "/lib"));
    // From CUDA 13 on one folder holds the toolkit's libraries; cuDNN keeps its own.
    if (this != CUDNN && cudaMajor >= 13) {
      packages.addFirst("nvidia/cu" + cudaMajor + "/lib");
    }
    return List.copyOf(packages);
  }
}
