package dev.shortcut.testing.device;

import dev.shortcut.bindings.library.NativeLibrary;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * Runs somebody's program, which knows nothing of it, on the software device, and ends with status
 * 3 if the program leaves anything behind or does what a GPU would not forgive.
 */
public final class ProgramOnDevice {
  /** A function of each. */
  private static final Map<String, String> LIBRARIES =
      Map.of(
          "cuda", "cuInit",
          "nvrtc", "nvrtcVersion",
          "cudnn", "cudnnGetVersion",
          "cublasLt", "cublasLtGetVersion",
          "cublas", "cublasCreate_v2");

  private ProgramOnDevice() {}

  /**
   * Runs a program.
   *
   * @param arguments a file to which the calls of NVIDIA's libraries are written afterwards, one a
   *     line; the program's main class; the program's own arguments
   */
  public static void main(String[] arguments) throws Throwable {
    SoftwareDevice.install();
    // Work runs when it must and not before, so that each missing wait shows.
    SoftwareDevice.reset(SoftwareDevice.settings().eagerness(0));
    // By their paths: who asks for them by name, as JCuda's native libraries do, then gets them.
    LIBRARIES.forEach((name, function) ->
        NativeLibrary.find(name, function)
            .file("built from the test tree", SoftwareDevice.library(name))
            .load());
    var own = new String[arguments.length - 2];
    System.arraycopy(arguments, 2, own, 0, own.length);
    try {
      Class.forName(arguments[1]).getMethod("main", String[].class).invoke(null, (Object) own);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
    report(Path.of(arguments[0]));
  }

  private static void report(Path calls) throws IOException {
    Files.write(calls, SoftwareDevice.log());
    if (!SoftwareDevice.complaints().isEmpty() || !SoftwareDevice.live().isEmpty()) {
      System.err.println("complaints: " + SoftwareDevice.complaints());
      System.err.println("left behind: " + SoftwareDevice.live());
      System.exit(3);
    }
  }
}
