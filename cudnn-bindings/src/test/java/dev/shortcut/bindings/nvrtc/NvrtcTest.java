package dev.shortcut.bindings.nvrtc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.ComputeCapability;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.VendorLibraries;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class NvrtcTest {
  private static final ComputeCapability HOPPER = new ComputeCapability(9, 0);
  private static final String TWICE =
      """
      extern "C" __global__ void twice(float* x) { x[threadIdx.x] *= 2; }
      """;

  /** NVIDIA's own, which needs no GPU. */
  @Nested
  @Tag("vendor")
  class Vendors {
    private final Nvrtc nvrtc =
        Nvrtc.of(
            NativeLibrary.find("NVRTC", "nvrtcVersion")
                .file("fetched", VendorLibraries.library("libnvrtc.so.12"))
                .load());

    @Test
    void aKnownChipGetsMachineCode() {
      assertEquals(12_090, nvrtc.version());
      assertTrue(nvrtc.supportedArchitectures().containsAll(List.of(75, 80, 90, 100, 120)));
      CompiledProgram program = nvrtc.compile("twice.cu", TWICE, HOPPER, List.of("--fmad=false"));
      assertEquals("sm_90", program.architecture());
      assertEquals("", program.log());
      assertEquals("\177ELF", text(program).substring(0, 4));
    }

    @Test
    void aNewerChipGetsIntermediateCodeOfTheNewestKnownOne() {
      CompiledProgram program =
          nvrtc.compile("twice.cu", TWICE, new ComputeCapability(99, 0), List.of());
      int newest = nvrtc.supportedArchitectures().getLast();
      assertEquals("compute_" + newest, program.architecture());
      assertTrue(text(program).contains(".target sm_" + newest), () -> text(program));
      assertTrue(text(program).endsWith("\0"), "the driver wants a null byte at its end");
    }

    @Test
    void aChipThatWasDroppedIsRefused() {
      var e =
          assertThrows(
              LibraryException.class,
              () -> nvrtc.compile("twice.cu", TWICE, new ComputeCapability(3, 5), List.of()));
      assertTrue(e.getMessage().contains("this GPU has 3.5"), e::getMessage);
    }

    @Test
    void aMistakeIsReportedInTheCompilersWords() {
      var e =
          assertThrows(
              NvrtcException.class, () -> nvrtc.compile("bad.cu", "int f( { }", HOPPER, List.of()));
      assertEquals(NvrtcStatus.COMPILATION, e.status());
      assertTrue(e.getMessage().contains("bad.cu(1): error:"), e::getMessage);
      assertTrue(e.log().contains("--gpu-architecture=sm_90"), e::log);
    }

    @Test
    void anUnknownOptionIsReported() {
      var e =
          assertThrows(
              NvrtcException.class,
              () -> nvrtc.compile("twice.cu", TWICE, HOPPER, List.of("--nonsense")));
      assertEquals(NvrtcStatus.INVALID_OPTION, e.status());
      assertTrue(e.getMessage().contains("--nonsense"), e::getMessage);
    }

    @Test
    void warningsAreKept() {
      CompiledProgram program =
          nvrtc.compile(
              "warn.cu", "extern \"C\" __global__ void f() { int unused; }", HOPPER, List.of());
      assertTrue(program.log().contains("warn.cu(1): warning"), program::log);
    }

    private static String text(CompiledProgram program) {
      try (Arena frame = Arena.ofConfined()) {
        MemorySegment image = program.image(frame);
        assertEquals(program.imageBytes(), image.byteSize());
        return new String(image.toArray(ValueLayout.JAVA_BYTE), StandardCharsets.ISO_8859_1);
      }
    }
  }

  @Test
  @Tag("native")
  void everyFunctionThatIsBoundIsCalledAndNoProgramIsLeft() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    Nvrtc nvrtc = Nvrtc.open(12);
    nvrtc.compile("twice.cu", TWICE, HOPPER, List.of());
    nvrtc.compile("twice.cu", TWICE, new ComputeCapability(99, 0), List.of());
    assertThrows(
        NvrtcException.class, () -> nvrtc.compile("bad.cu", "int f( { }", HOPPER, List.of()));
    Set<String> bound = new HashSet<>(nvrtc.library().bound().keySet());
    SoftwareDevice.log().forEach(line -> bound.remove(line.split(" ")[1]));
    assertEquals(Set.of(), bound);
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  @Test
  @Tag("native")
  void noFailedCallLeavesAProgramBehind() {
    SoftwareDevice.install();
    Nvrtc nvrtc = Nvrtc.open(12);
    SoftwareDevice.reset();
    nvrtc.compile("twice.cu", TWICE, HOPPER, List.of());
    long calls = SoftwareDevice.calls();
    assertTrue(calls > 5, () -> "only " + SoftwareDevice.log());
    for (long n = 1; n <= calls; n++) {
      SoftwareDevice.reset();
      SoftwareDevice.failCall(n);
      if (n < calls) {
        assertThrows(
            NvrtcException.class, () -> nvrtc.compile("twice.cu", TWICE, HOPPER, List.of()));
        assertEquals(Map.of(), SoftwareDevice.live(), "call " + n);
      } else {
        // Only that the program could not be freed: the caller has what it asked for.
        nvrtc.compile("twice.cu", TWICE, HOPPER, List.of());
        assertEquals(
            List.of("nvrtc nvrtcDestroyProgram"),
            SoftwareDevice.fired().stream().map(f -> f.substring(0, f.lastIndexOf(' '))).toList());
      }
    }
    SoftwareDevice.reset();
  }
}
