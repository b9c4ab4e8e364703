package dev.shortcut.engine.backend.onednn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.DeviceUnavailableException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Our numbers and prototypes against oneDNN's own headers, by a C++ compiler. */
@Tag("native")
class HeaderTest {
  /** Where the build unpacks the headers of the version that is bundled. */
  private static final Path HEADERS =
      Path.of("target", "onednn-headers", "org", "bytedeco", "dnnl", "linux-x86_64", "include")
          .toAbsolutePath();

  /** Constants whose names are not simply the header's. */
  private static final Map<String, String> NAMES =
      Map.ofEntries(
          Map.entry("FORMAT_NHWC", "dnnl_nhwc"),
          Map.entry("FORMAT_NCHW16C", "dnnl_nChw16c"),
          Map.entry("FORMAT_NCHW8C", "dnnl_nChw8c"),
          Map.entry("FORMAT_ANY", "dnnl_format_tag_any"),
          Map.entry("FORMAT_A", "dnnl_a"),
          Map.entry("FORMAT_AB", "dnnl_ab"),
          Map.entry("FORMAT_ABCD", "dnnl_abcd"),
          Map.entry("FORMAT_ABCDE", "dnnl_abcde"),
          Map.entry("SCRATCHPAD_USER", "dnnl_scratchpad_mode_user"),
          Map.entry("FPMATH_STRICT", "dnnl_fpmath_mode_strict"),
          Map.entry("RUNTIME_OMP", "DNNL_RUNTIME_OMP"));

  /**
   * Spells a function's type: p for a pointer, f for a float, i and l for integers of 4 and 8
   * bytes.
   */
  private static final String SIGNATURES =
      """
      #include <cstddef>
      #include <cstdio>
      #include <string>
      #include <type_traits>
      #include "dnnl.h"
      template <class T> char kind() {
        if (std::is_pointer<T>::value) return 'p';
        if (std::is_same<T, float>::value) return 'f';
        return sizeof(T) == 4 ? 'i' : sizeof(T) == 8 ? 'l' : '?';
      }
      template <class F> struct Signature;
      template <class R, class... A> struct Signature<R(A...)> {
        static std::string text() { return std::string() + kind<R>() + std::string({kind<A>()...}); }
      };
      int main() {
      """;

  @TempDir Path folder;

  @Test
  void everyConstantIsTheHeaders() throws Exception {
    Map<String, String> ours = new LinkedHashMap<>();
    for (Field field : OneDnnConstants.class.getDeclaredFields()) {
      if (field.getType() == int.class) {
        ours.put(nameInHeader(field.getName()), String.valueOf(field.getInt(null)));
      }
    }
    for (OneDnnStatus status : OneDnnStatus.values()) {
      if (status != OneDnnStatus.UNKNOWN) {
        ours.put("dnnl_" + lower(status.name()), String.valueOf(status.ordinal()));
      }
    }
    ours.put("DNNL_MAX_NDIMS", String.valueOf(OneDnn.MAX_DIMENSIONS));
    ours.put("sizeof(dnnl_dim_t)", "8");
    ours.put("sizeof(dnnl_exec_arg_t)", String.valueOf(OneDnn.EXEC_ARG_BYTES));
    ours.put("offsetof(dnnl_exec_arg_t, memory)", String.valueOf(OneDnn.EXEC_ARG_MEMORY));
    ours.put("sizeof(dnnl_version_t)", String.valueOf(OneDnn.VERSION_BYTES));
    ours.put("offsetof(dnnl_version_t, cpu_runtime)", String.valueOf(OneDnn.VERSION_CPU_RUNTIME));
    for (int i : List.of(0, 1, 7)) {
      ours.put(
          "DNNL_ARG_ATTR_MULTIPLE_POST_OP(%d) | DNNL_ARG_SRC_1".formatted(i),
          String.valueOf(OneDnnConstants.argBinaryPostOp(i)));
    }
    assertEquals(ours, inHeader(ours, "printf(\"%%lld\\n\", (long long)(%s));\n"));
  }

  @Test
  void everyPrototypeIsTheHeaders() throws Exception {
    OneDnn oneDnn;
    try {
      oneDnn = OneDnnLibrary.open(null);
    } catch (DeviceUnavailableException e) {
      oneDnn = Assumptions.abort(e.getMessage());
    }
    Map<String, String> ours = new LinkedHashMap<>();
    for (Field field : OneDnn.class.getDeclaredFields()) {
      if (field.getType() == MethodHandle.class && !field.getName().startsWith("omp")) {
        field.setAccessible(true);
        String function = "dnnl_" + lower(field.getName().replaceAll("([A-Z])", "_$1"));
        ours.put(function, signature(((MethodHandle) field.get(oneDnn)).type()));
      }
    }
    assertTrue(ours.size() > 30, () -> "only " + ours.keySet());
    assertEquals(
        ours, inHeader(ours, "printf(\"%%s\\n\", Signature<decltype(%s)>::text().c_str());\n"));
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
    return type == float.class ? 'f' : type == int.class ? 'i' : type == long.class ? 'l' : '?';
  }

  /** What a program prints that has one line of {@code format} for each key. */
  private Map<String, String> inHeader(Map<String, String> keys, String format)
      throws IOException, InterruptedException {
    Assumptions.assumeTrue(
        Files.exists(HEADERS.resolve("dnnl.h")),
        () -> "needs oneDNN's headers, which the build unpacks to " + HEADERS);
    var source = new StringBuilder(SIGNATURES);
    keys.keySet().forEach(key -> source.append(format.formatted(key)));
    Path file = Files.writeString(folder.resolve("header.cc"), source.append("}\n"));
    Path program = folder.resolve("header");
    run("c++", "-std=c++11", "-I" + HEADERS, "-o", program.toString(), file.toString());
    List<String> lines = run(program.toString()).lines().toList();
    assertEquals(keys.size(), lines.size());
    Map<String, String> found = new LinkedHashMap<>();
    for (String key : keys.keySet()) {
      found.put(key, lines.get(found.size()));
    }
    return found;
  }

  private static String run(String... command) throws IOException, InterruptedException {
    Process process;
    try {
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
    } catch (IOException e) {
      return Assumptions.abort("needs a C++ compiler: " + e.getMessage());
    }
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), () -> String.join(" ", command) + ": " + output);
    return output;
  }

  private static String nameInHeader(String field) {
    if (NAMES.containsKey(field)) {
      return NAMES.get(field);
    }
    return field.startsWith("ARG_") ? "DNNL_" + field : "dnnl_" + lower(field);
  }

  private static String lower(String name) {
    return name.toLowerCase(Locale.ROOT);
  }
}
