package dev.shortcut.bindings.library;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The dynamic loader of the system: opens libraries and says why it could not. */
@SuppressWarnings("restricted")
final class Loader {
  /** Messages and paths of the loader are cut here; PATH_MAX is 4096. */
  private static final long LONGEST_STRING = 1 << 16;

  private static final int RTLD_LAZY = 1;

  /** {@code const char *dli_fname; void *dli_fbase; const char *dli_sname; void *dli_saddr}. */
  private static final long DL_INFO_BYTES = 4 * ValueLayout.ADDRESS.byteSize();

  private Loader() {}

  /** What came of trying to open a file or soname: a lookup, or the reason why not. */
  record Opened(@Nullable SymbolLookup lookup, String reason) {}

  /** Opens a library for the life of the process: its threads may outlive whoever used it. */
  static Opened open(String fileOrSoname) {
    checkNativeAccess();
    try {
      return new Opened(SymbolLookup.libraryLookup(fileOrSoname, Arena.global()), "");
    } catch (IllegalArgumentException e) {
      return new Opened(null, reason(fileOrSoname, String.valueOf(e.getMessage())));
    } catch (IllegalCallerException e) {
      throw new LibraryException(nativeAccessDenied(), e);
    }
  }

  /** The file that an address belongs to, as the loader knows it. */
  static Optional<Path> fileOf(MemorySegment address) {
    Optional<MethodHandle> dladdr =
        function("dladdr", FunctionDescriptor.of(CTypes.INT, CTypes.POINTER, CTypes.POINTER));
    if (dladdr.isEmpty()) {
      return Optional.empty();
    }
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment info = frame.allocate(DL_INFO_BYTES, ValueLayout.ADDRESS.byteAlignment());
      int found = (int) dladdr.get().invokeExact(address, info);
      return found == 0
          ? Optional.empty()
          : Optional.of(Path.of(string(info.get(ValueLayout.ADDRESS, 0))));
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  /** A C string that the library owns; an empty one for a null pointer. */
  static String string(MemorySegment pointer) {
    return pointer.equals(MemorySegment.NULL)
        ? ""
        : pointer.reinterpret(LONGEST_STRING).getString(0);
  }

  /** The memory behind a pointer. */
  static MemorySegment view(MemorySegment pointer, long bytes) {
    return pointer.reinterpret(bytes);
  }

  /** The memory behind a pointer, for as long as the owner is open. */
  static MemorySegment view(MemorySegment pointer, long bytes, Arena owner) {
    return pointer.reinterpret(bytes, owner, null);
  }

  /** Whether the C library is another one than glibc: musl has no such function. */
  static boolean isGlibc() {
    return Linker.nativeLinker().defaultLookup().find("gnu_get_libc_version").isPresent();
  }

  /**
   * Links a function of the library.
   *
   * @param address where it is
   */
  static MethodHandle link(MemorySegment address, FunctionDescriptor descriptor) {
    checkNativeAccess();
    return Linker.nativeLinker().downcallHandle(address, descriptor);
  }

  /** A C function that calls Java, for the life of the process. */
  static MemorySegment callback(MethodHandle target, FunctionDescriptor descriptor) {
    checkNativeAccess();
    return Linker.nativeLinker().upcallStub(target, descriptor, Arena.global());
  }

  /**
   * What to do about a reason that the loader gave, as a sentence to append; empty where nothing is
   * known.
   *
   * @param dlerror the loader's own words
   * @param file the file or soname that was opened
   */
  static String remedy(String dlerror, String file) {
    String text = dlerror.toLowerCase(Locale.ROOT);
    if (text.contains("failed to map segment")) {
      return "; its folder is on a file system mounted noexec, or lacks execute permission: choose another one with -D"
          + CacheFolder.PROPERTY
          + "=FOLDER";
    }
    if (text.contains("glibc") && text.contains("not found")) {
      return "; this system's C library is older than the library needs (the bundled one needs glibc 2.34, of 2021):"
          + " use a newer distribution, or name a library that was built for this one";
    }
    if (text.contains("error relocating")
        || text.contains("ld-linux-x86-64.so.2")
        || text.contains("symbol not found")) {
      return "; this looks like musl libc (Alpine), and the library needs glibc: use a distribution with glibc, or name"
          + " a library that was built for musl";
    }
    if (text.contains("libstdc++.so.6: cannot open")) {
      return "; install the C++ runtime (Debian, Ubuntu: libstdc++6; Fedora, RHEL: libstdc++)";
    }
    int missing = text.indexOf(": cannot open shared object file");
    if (missing > 0 && !dlerror.substring(0, missing).equals(file)) {
      return "; the file itself is there, but %s, which it needs, is not: install it, or put its folder into"
              .formatted(dlerror.substring(0, missing))
          + " LD_LIBRARY_PATH";
    }
    if (text.contains("wrong elf class")
        || text.contains("invalid elf header")
        || text.contains("file too short")) {
      return "; this is no shared library for this machine, or a damaged one";
    }
    return "";
  }

  /** The sentence that tells how to allow this module to call native code. */
  static String nativeAccessDenied() {
    Module module = Loader.class.getModule();
    String name = module.isNamed() ? module.getName() : "ALL-UNNAMED";
    return "Java denies native access to %s, so no native library can be opened. Add --enable-native-access=%s to the"
            .formatted(module.isNamed() ? "module " + name : "the class path", name)
        + " java command.";
  }

  private static void checkNativeAccess() {
    if (!System.getProperty("os.name", "").equals("Linux")) {
      throw new LibraryException(
          "native libraries are used on Linux only, and this is "
              + System.getProperty("os.name")
              + " on "
              + System.getProperty("os.arch"));
    }
  }

  /** Asks the loader a second time: SymbolLookup keeps its reason to itself (JDK 25). */
  private static String reason(String fileOrSoname, String otherwise) {
    Optional<MethodHandle> dlopen =
        function("dlopen", FunctionDescriptor.of(CTypes.POINTER, CTypes.POINTER, CTypes.INT));
    Optional<MethodHandle> dlerror = function("dlerror", FunctionDescriptor.of(CTypes.POINTER));
    if (dlopen.isEmpty() || dlerror.isEmpty()) {
      return otherwise;
    }
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment name = frame.allocateFrom(fileOrSoname);
      MemorySegment handle = (MemorySegment) dlopen.get().invokeExact(name, RTLD_LAZY);
      if (!handle.equals(MemorySegment.NULL)) {
        return otherwise;
      }
      MemorySegment error = (MemorySegment) dlerror.get().invokeExact();
      String said = string(error);
      return said.isEmpty() ? otherwise : said + remedy(said, fileOrSoname);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  private static Optional<MethodHandle> function(String name, FunctionDescriptor descriptor) {
    return Linker.nativeLinker()
        .defaultLookup()
        .find(name)
        .map(address -> link(address, descriptor));
  }
}
