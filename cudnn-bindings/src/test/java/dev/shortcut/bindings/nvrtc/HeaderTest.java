package dev.shortcut.bindings.nvrtc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.CHeaders;
import dev.shortcut.testing.VendorLibraries;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Our numbers and prototypes against NVIDIA's nvrtc.h, by a C++ compiler. */
@Tag("native")
@Tag("vendor")
class HeaderTest {
  @TempDir Path scratch;

  @Test
  void everyConstantIsTheHeaders() throws Exception {
    SequencedMap<String, Long> ours = new LinkedHashMap<>();
    for (NvrtcStatus status : NvrtcStatus.values()) {
      if (status != NvrtcStatus.UNKNOWN) {
        String name = status == NvrtcStatus.SUCCESS ? "NVRTC_SUCCESS" : "NVRTC_ERROR_" + status;
        ours.put(name, (long) status.ordinal());
      }
    }
    assertEquals(ours, headers().values(ours.sequencedKeySet()));
  }

  @Test
  void everyPrototypeIsTheHeaders() throws Exception {
    NativeLibrary library =
        NativeLibrary.find("NVRTC", "nvrtcVersion")
            .file("fetched", VendorLibraries.library("libnvrtc.so.12"))
            .load();
    new NvrtcFunctions(library);
    var ours = CHeaders.prototypes(library);
    assertTrue(ours.size() > 10, () -> "only " + ours.keySet());
    assertEquals(ours, headers().prototypes(ours.sequencedKeySet()));
  }

  private CHeaders headers() {
    return new CHeaders(scratch, VendorLibraries.headers("nvrtc.h"), List.of("nvrtc.h"));
  }
}
