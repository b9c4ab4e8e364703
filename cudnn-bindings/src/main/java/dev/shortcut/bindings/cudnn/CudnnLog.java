package dev.shortcut.bindings.cudnn;

import static dev.shortcut.bindings.library.CTypes.INT;
import static dev.shortcut.bindings.library.CTypes.POINTER;

import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Optional;

/**
 * cuDNN's own log, which says why it refused what it refused. cuDNN reads once, when it is first
 * used, where its log goes; so this comes before {@link Cudnn#open}.
 */
public final class CudnnLog {
  private static final String LEVEL = "CUDNN_LOGLEVEL_DBG";
  private static final String DESTINATION = "CUDNN_LOGDEST_DBG";

  private CudnnLog() {}

  /** How much is written. */
  public enum Detail {
    /** What failed. */
    ERRORS(1),
    /** And why engines were not taken. */
    WARNINGS(2),
    /** And every call with its descriptors: megabytes for a network. */
    CALLS(3);

    private final int level;

    Detail(int level) {
      this.level = level;
    }
  }

  /**
   * Lets cuDNN write its log to a file, unless the user's environment says already where it goes.
   * Sets environment variables of the process, so that no other native thread should be reading
   * them at this time: call it early.
   *
   * @return where the log will be: the file, or what the environment names, which may be {@code
   *     stderr} or {@code stdout}; empty where the environment sets a level and no destination
   */
  public static Optional<String> toFile(Path file, Detail detail) {
    if (System.getenv(LEVEL) != null || System.getenv(DESTINATION) != null) {
      return Optional.ofNullable(System.getenv(DESTINATION));
    }
    String destination = file.toAbsolutePath().toString();
    setenv(LEVEL, String.valueOf(detail.level));
    setenv(DESTINATION, destination);
    return Optional.of(destination);
  }

  private static void setenv(String name, String value) {
    MethodHandle setenv =
        NativeLibrary.find("the C library", "setenv")
            .sonames("libc.so.6")
            .load()
            .function("setenv", INT, POINTER, POINTER, INT);
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment key = frame.allocateFrom(name);
      MemorySegment text = frame.allocateFrom(value);
      int status;
      try {
        status = (int) setenv.invokeExact(key, text, 1);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      if (status != 0) {
        throw new IllegalStateException("the environment takes no variable " + name);
      }
    }
  }
}
