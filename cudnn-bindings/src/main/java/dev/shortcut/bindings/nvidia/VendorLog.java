package dev.shortcut.bindings.nvidia;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** The log that cuDNN writes itself. */
public final class VendorLog {
  /** Errors and warnings; what it informs of is every call. */
  private static final String LEVEL = "2";

  private VendorLog() {}

  /**
   * Lets cuDNN write its errors and warnings to a file. It reads that from the environment when it
   * is loaded, so that this has no effect afterwards.
   *
   * @param file made or emptied by cuDNN
   */
  public static void to(Path file) {
    NativeLibrary libc = NativeLibrary.find("the C library", "setenv").sonames("libc.so.6").load();
    MethodHandle setenv =
        libc.function("setenv", CTypes.INT, CTypes.POINTER, CTypes.POINTER, CTypes.INT);
    set(setenv, "CUDNN_LOGLEVEL_DBG", LEVEL);
    set(setenv, "CUDNN_LOGDEST_DBG", file.toAbsolutePath().toString());
  }

  /** A variable that somebody has set himself stays as it is. */
  private static void set(MethodHandle setenv, String name, String value) {
    int status;
    try (Arena frame = Arena.ofConfined()) {
      status = (int) setenv.invokeExact(frame.allocateFrom(name), frame.allocateFrom(value), 0);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    if (status != 0) {
      throw new IllegalStateException("setenv failed for " + name);
    }
  }
}
