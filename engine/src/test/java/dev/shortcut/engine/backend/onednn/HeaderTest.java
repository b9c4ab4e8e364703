package dev.shortcut.engine.backend.onednn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.DeviceUnavailableException;
import dev.shortcut.testing.CHeaders;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
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

  @TempDir Path folder;

  @Test
  void everyConstantIsTheHeaders() throws Exception {
    SequencedMap<String, Long> ours = new LinkedHashMap<>();
    for (Field field : OneDnnConstants.class.getDeclaredFields()) {
      if (field.getType() == int.class) {
        ours.put(nameInHeader(field.getName()), field.getLong(null));
      }
    }
    for (OneDnnStatus status : OneDnnStatus.values()) {
      if (status != OneDnnStatus.UNKNOWN) {
        ours.put("dnnl_" + lower(status.name()), (long) status.ordinal());
      }
    }
    ours.put("DNNL_MAX_NDIMS", (long) OneDnn.MAX_DIMENSIONS);
    ours.put("sizeof(dnnl_dim_t)", 8L);
    ours.put("sizeof(dnnl_exec_arg_t)", OneDnn.EXEC_ARG_BYTES);
    ours.put("offsetof(dnnl_exec_arg_t, memory)", OneDnn.EXEC_ARG_MEMORY);
    ours.put("sizeof(dnnl_version_t)", OneDnn.VERSION_BYTES);
    ours.put("offsetof(dnnl_version_t, cpu_runtime)", OneDnn.VERSION_CPU_RUNTIME);
    for (int i : List.of(0, 1, 7)) {
      ours.put(
          "DNNL_ARG_ATTR_MULTIPLE_POST_OP(%d) | DNNL_ARG_SRC_1".formatted(i),
          (long) OneDnnConstants.argBinaryPostOp(i));
    }
    assertEquals(ours, headers().values(ours.sequencedKeySet()));
  }

  @Test
  void everyPrototypeIsTheHeaders() throws Exception {
    OneDnn oneDnn;
    try {
      oneDnn = OneDnnLibrary.open(null);
    } catch (DeviceUnavailableException e) {
      oneDnn = Assumptions.abort(e.getMessage());
    }
    var ours = new TreeMap<>(CHeaders.prototypes(oneDnn.library()));
    ours.keySet().removeIf(function -> !function.startsWith("dnnl_"));
    assertTrue(ours.size() > 30, () -> "only " + ours.keySet());
    assertEquals(ours, headers().prototypes(ours.sequencedKeySet()));
  }

  private CHeaders headers() {
    Assumptions.assumeTrue(
        Files.exists(HEADERS.resolve("dnnl.h")),
        () -> "needs oneDNN's headers, which the build unpacks to " + HEADERS);
    return new CHeaders(folder, List.of(HEADERS), List.of("dnnl.h"));
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
