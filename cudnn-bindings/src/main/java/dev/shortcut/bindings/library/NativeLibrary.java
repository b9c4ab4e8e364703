package dev.shortcut.bindings.library;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * An opened shared library and the one way in which its functions are bound. Libraries stay open
 * for the life of the process, because they may own threads. Safe for use by any thread.
 *
 * <p>A binding is one handle and one typed method, which checks what the function returned:
 *
 * <pre>{@code
 * private final MethodHandle setDevice = cuda.function("cudaSetDevice", CTypes.INT, CTypes.INT);
 *
 * void setDevice(int device) {
 *   int status;
 *   try {
 *     status = (int) setDevice.invokeExact(device);
 *   } catch (Throwable t) {
 *     throw NativeLibrary.unreachable(t);
 *   }
 *   check(status, "cudaSetDevice");
 * }
 * }</pre>
 */
public final class NativeLibrary {
  private final String name;
  private final String location;
  private final SymbolLookup symbols;
  private final List<Attempt> attempts;
  private final Map<String, MethodType> bound = new ConcurrentHashMap<>();

  NativeLibrary(String name, String location, SymbolLookup symbols, List<Attempt> attempts) {
    this.name = name;
    this.location = location;
    this.symbols = symbols;
    this.attempts = List.copyOf(attempts);
  }

  /**
   * Begins a search. The places are tried in the order in which they are added.
   *
   * @param name what people call the library, for messages
   * @param symbol a function that every version of it has; a file without it is passed over
   */
  public static LibrarySearch find(String name, String symbol) {
    return new LibrarySearch(name, symbol);
  }

  /** What people call the library. */
  public String name() {
    return name;
  }

  /** The file that was opened, as the loader knows it. */
  public String location() {
    return location;
  }

  /** The places that were tried, in order, the last one being where the library was found. */
  public List<Attempt> attempts() {
    return attempts;
  }

  /**
   * Opens a library that this one opens by its soname when it first needs it: in this one's folder,
   * or, if there is no such file, as the system's loader finds it. What is open then is what this
   * one gets.
   *
   * @return the places that were tried; the last one says whether there is such a library
   */
  public List<Attempt> openPart(String soname) {
    List<Attempt> tried = new ArrayList<>();
    Path beside = Path.of(location).resolveSibling(soname);
    for (String file : List.of(beside.toString(), soname)) {
      Loader.Opened opened = Loader.open(file);
      String how = file.equals(soname) ? "system loader" : "beside " + name;
      tried.add(new Attempt(how, file, opened.lookup() == null ? opened.reason() : null));
      if (opened.lookup() != null || Files.exists(beside)) {
        break;
      }
    }
    return tried;
  }

  /** Whether the library, or one that it depends on, has a function of that name. */
  public boolean has(String function) {
    return symbols.find(function).isPresent();
  }

  /**
   * A handle for a C function that returns something, to be called with {@code invokeExact}.
   * Functions of libraries that this one depends on are found as well.
   *
   * @throws LibraryException if there is no such function, naming the file
   */
  public MethodHandle function(String function, MemoryLayout result, MemoryLayout... arguments) {
    return link(function, FunctionDescriptor.of(result, arguments));
  }

  /**
   * A handle for a C function that returns nothing.
   *
   * @throws LibraryException if there is no such function, naming the file
   */
  public MethodHandle procedure(String function, MemoryLayout... arguments) {
    return link(function, FunctionDescriptor.ofVoid(arguments));
  }

  /**
   * A handle for a C function that returns nothing and that a library gave out the address of, such
   * as in a struct.
   */
  public static MethodHandle procedureAt(MemorySegment function, MemoryLayout... arguments) {
    return Loader.link(function, FunctionDescriptor.ofVoid(arguments));
  }

  /**
   * A C function that returns nothing and calls Java, for the life of the process. Whatever it
   * throws ends the process.
   */
  public static MemorySegment callback(MethodHandle target, MemoryLayout... arguments) {
    return Loader.callback(target, FunctionDescriptor.ofVoid(arguments));
  }

  /** The functions that have been bound so far and the types that they were bound with. */
  public Map<String, MethodType> bound() {
    return Map.copyOf(bound);
  }

  /** Calls a function that takes nothing and returns a {@code size_t}. */
  public static long number(MethodHandle function) {
    try {
      return (long) function.invokeExact();
    } catch (Throwable t) {
      throw unreachable(t);
    }
  }

  /** A copy of a C string that the library owns; an empty one for a null pointer. */
  public static String string(MemorySegment pointer) {
    return Loader.string(pointer);
  }

  /**
   * Memory behind a pointer that a library gave out, such as a struct that it owns.
   *
   * @param bytes how much of it may be touched; the library's documentation says so, nobody checks
   */
  public static MemorySegment view(MemorySegment pointer, long bytes) {
    return Loader.view(pointer, bytes);
  }

  /**
   * Memory behind a pointer that a library gave out, which can be touched until the owner is
   * closed.
   *
   * @param bytes how much of it may be touched; the library's documentation says so, nobody checks
   */
  public static MemorySegment view(MemorySegment pointer, long bytes, Arena owner) {
    return Loader.view(pointer, bytes, owner);
  }

  /**
   * What to throw when the call itself, not the function, threw: an error of the virtual machine as
   * it is, and otherwise a mistake in the binding.
   */
  public static RuntimeException unreachable(Throwable t) {
    if (t instanceof Error error) {
      throw error;
    }
    if (t instanceof RuntimeException unchecked) {
      return unchecked;
    }
    return new IllegalStateException("a native call threw " + t, t);
  }

  /** Name and file. */
  @Override
  public String toString() {
    return name + " (" + location + ")";
  }

  private MethodHandle link(String function, FunctionDescriptor descriptor) {
    MethodHandle handle = Loader.link(address(function), descriptor);
    bound.put(function, handle.type());
    return handle;
  }

  /**
   * Where a C function is, to be handed to a library that calls it.
   *
   * @throws LibraryException if there is no such function, naming the file
   */
  public MemorySegment address(String function) {
    return symbols
        .find(function)
        .orElseThrow(() ->
            new LibraryException(
                "%s has no function %s: its version is not one that this program can use, or it is another library"
                    .formatted(this, function)));
  }
}
