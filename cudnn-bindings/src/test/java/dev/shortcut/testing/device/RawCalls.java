package dev.shortcut.testing.device;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A library's C functions by name and without any check, for tests that use them wrongly on
 * purpose. An {@code int} goes as an int, a {@code long} as a 64-bit number or a handle, a segment
 * as a pointer. Each function returns its status.
 */
final class RawCalls {
  private final NativeLibrary library;
  private final Arena arena = Arena.ofAuto();
  private final Map<String, MethodHandle> handles = new ConcurrentHashMap<>();

  RawCalls(Path file, String symbol) {
    library =
        NativeLibrary.find(file.getFileName().toString(), symbol).file("the test", file).load();
  }

  /** Calls a function and returns its status. */
  int status(String function, Object... arguments) {
    MemoryLayout[] layouts =
        Arrays.stream(arguments).map(RawCalls::layout).toArray(MemoryLayout[]::new);
    MethodHandle handle =
        handles.computeIfAbsent(
            function + Arrays.toString(layouts),
            _ -> library.function(function, CTypes.INT, layouts));
    try {
      return (int) handle.invokeWithArguments(arguments);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /** Calls a function that must succeed. */
  void check(String function, Object... arguments) {
    int status = status(function, arguments);
    if (status != 0) {
      throw new AssertionError(
          function + " returned " + status + "; complaints: " + SoftwareDevice.complaints());
    }
  }

  /**
   * Calls a function that must succeed and returns the 64 bits that it writes to its first
   * argument.
   */
  long made(String function, Object... others) {
    MemorySegment out = arena.allocate(ValueLayout.JAVA_LONG);
    Object[] arguments = new Object[others.length + 1];
    arguments[0] = out;
    System.arraycopy(others, 0, arguments, 1, others.length);
    check(function, arguments);
    return out.get(ValueLayout.JAVA_LONG, 0);
  }

  /** Memory for an argument; 16 bytes at least. */
  MemorySegment room(long bytes) {
    return arena.allocate(Math.max(bytes, 16), 16);
  }

  /** A C string. */
  MemorySegment text(String text) {
    return arena.allocateFrom(text);
  }

  private static MemoryLayout layout(Object argument) {
    return switch (argument) {
      case Integer _ -> CTypes.INT;
      case Byte _ -> CTypes.CHAR;
      case Long _ -> CTypes.LONG;
      case MemorySegment _ -> CTypes.POINTER;
      default -> throw new IllegalArgumentException("no C type for " + argument.getClass());
    };
  }
}
