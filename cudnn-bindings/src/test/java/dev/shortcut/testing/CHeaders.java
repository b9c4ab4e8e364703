package dev.shortcut.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.bindings.library.NativeLibrary;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodType;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedCollection;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * What a library's own C headers say, found out by a C++ compiler, for comparison with our
 * bindings. Without a compiler the calling test is skipped.
 *
 * @param scratch an empty folder for the compiler
 * @param folders where the headers lie
 * @param headers what is included, in order
 */
public record CHeaders(Path scratch, List<Path> folders, List<String> headers) {
  /**
   * Spells a function's type, the result first: p for a pointer, f and d for floating-point
   * numbers, c, i and l for integers of 1, 4 and 8 bytes, v for none, ? for anything else.
   */
  private static final String SIGNATURES =
      """
      template <class T> char kind() {
        if (std::is_void<T>::value) return 'v';
        if (std::is_pointer<T>::value) return 'p';
        if (std::is_same<T, float>::value) return 'f';
        if (std::is_same<T, double>::value) return 'd';
        if (!std::is_integral<T>::value && !std::is_enum<T>::value) return '?';
        return size<T>() == 1 ? 'c' : size<T>() == 4 ? 'i' : size<T>() == 8 ? 'l' : '?';
      }
      template <class F> struct Signature;
      template <class R, class... A> struct Signature<R(A...)> {
        static std::string text() { return std::string() + kind<R>() + std::string({kind<A>()...}); }
      };
      template <class R> struct Signature<R()> {
        static std::string text() { return std::string() + kind<R>(); }
      };
      """;

  private static final String SIZE =
      """
      template <class T> struct Size { static const std::size_t value = sizeof(T); };
      template <> struct Size<void> { static const std::size_t value = 0; };
      template <class T> std::size_t size() { return Size<T>::value; }
      """;

  /**
   * Numbers by the C expressions that give them: constants, {@code sizeof(...)}, {@code
   * offsetof(...)}.
   */
  public Map<String, Long> values(SequencedCollection<String> expressions)
      throws IOException, InterruptedException {
    Map<String, Long> values = new LinkedHashMap<>();
    print(expressions, "std::printf(\"%%lld\\n\", (long long)(%s));\n")
        .forEach((expression, text) -> values.put(expression, Long.valueOf(text)));
    return values;
  }

  /** The types of functions by their names, spelled as {@link #prototypes(NativeLibrary)} does. */
  public Map<String, String> prototypes(SequencedCollection<String> functions)
      throws IOException, InterruptedException {
    return print(functions, "std::printf(\"%%s\\n\", Signature<decltype(%s)>::text().c_str());\n");
  }

  /**
   * The types of all functions that have been bound: the result first, then the arguments; p for a
   * pointer, f and d for floating-point numbers, c, i and l for integers of 1, 4 and 8 bytes, v for
   * none.
   */
  public static SequencedMap<String, String> prototypes(NativeLibrary library) {
    SequencedMap<String, String> prototypes = new TreeMap<>();
    library.bound().forEach((function, type) -> prototypes.put(function, signature(type)));
    return prototypes;
  }

  private static String signature(MethodType type) {
    var text = new StringBuilder().append(kind(type.returnType()));
    type.parameterList().forEach(parameter -> text.append(kind(parameter)));
    return text.toString();
  }

  private static char kind(Class<?> type) {
    if (type == MemorySegment.class) {
      return 'p';
    }
    if (type == void.class) {
      return 'v';
    }
    return switch (type.getName()) {
      case "float" -> 'f';
      case "double" -> 'd';
      case "byte" -> 'c';
      case "int" -> 'i';
      case "long" -> 'l';
      default -> '?';
    };
  }

  /** What a program prints that has one line of {@code format} for each key. */
  private Map<String, String> print(SequencedCollection<String> keys, String format)
      throws IOException, InterruptedException {
    var source = new StringBuilder();
    for (String header : List.of("cstddef", "cstdio", "string", "type_traits")) {
      source.append("#include <").append(header).append(">\n");
    }
    headers.forEach(header -> source.append("#include \"").append(header).append("\"\n"));
    source.append(SIZE).append(SIGNATURES).append("int main() {\n");
    keys.forEach(key -> source.append(format.formatted(key)));
    Path file = Files.writeString(scratch.resolve("headers.cc"), source.append("}\n"));
    Path program = scratch.resolve("headers");
    List<String> command = new ArrayList<>(List.of("c++", "-std=c++11"));
    folders.forEach(folder -> command.add("-I" + folder));
    command.addAll(List.of("-o", program.toString(), file.toString()));
    run(command);
    List<String> lines = run(List.of(program.toString())).lines().toList();
    assertEquals(keys.size(), lines.size());
    Map<String, String> found = new LinkedHashMap<>();
    for (String key : keys) {
      found.put(key, lines.get(found.size()));
    }
    return found;
  }

  private static String run(List<String> command) throws IOException, InterruptedException {
    Process process;
    try {
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
    } catch (IOException e) {
      return TestGroup.NATIVE.missing("needs a C++ compiler: " + e.getMessage());
    }
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), () -> String.join(" ", command) + ": " + output);
    return output;
  }
}
