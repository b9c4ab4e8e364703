package dev.shortcut.engine.backend.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.ComputeCapability;
import dev.shortcut.bindings.library.NvidiaLibrary;
import dev.shortcut.bindings.nvrtc.CompiledProgram;
import dev.shortcut.bindings.nvrtc.Nvrtc;
import dev.shortcut.testing.OtherProcess;
import dev.shortcut.testing.VendorLibraries;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** NVIDIA's own compiler makes machine code of our kernels, for every GPU from Turing on. */
@Tag("vendor")
class KernelCompilationTest {
  /** In a process of its own, since another version's files have the same names. */
  @ParameterizedTest
  @CsvSource({"PINNED, 12", "CUDA_13, 13"})
  void everyArchitectureGetsMachineCodeAndNoWarning(VendorLibraries.Set set, int cudaMajor)
      throws Exception {
    set.library(NvidiaLibrary.NVRTC.soname(cudaMajor));
    List<String> said =
        OtherProcess.run(
                Program.class,
                Map.of(NvidiaLibrary.FOLDER_VARIABLE, set.folder().toString()),
                String.valueOf(cudaMajor))
            .lines()
            .toList();
    for (int architecture : new int[] {75, 80, 86, 87, 89, 90, 100, 103, 120}) {
      for (String kernels : Program.KERNELS) {
        String wanted = "sm_%d %s: machine code for sm_%1$d".formatted(architecture, kernels);
        assertTrue(said.contains(wanted), () -> wanted + " is not in " + said);
      }
    }
    assertEquals(
        List.of(), said.stream().filter(line -> !line.matches(Program.GOOD_LINE)).toList());
  }

  /** The other process: compiles for all that the compiler knows, and says what came of it. */
  static final class Program {
    static final String GOOD_LINE = "(sm_\\d+) \\w+ \\w+: machine code for \\1";

    /**
     * Both backends' kernels, in each type of memory, which is all that they know of a precision.
     */
    static final List<String> KERNELS =
        List.of(
            "cudnn fp32",
            "cudnn fp16",
            "cudnn bf16",
            "jcudnn float",
            "jcudnn half",
            "jcudnn bfloat16");

    private static final int OLDEST = 75;

    private Program() {}

    public static void main(String[] args) {
      Nvrtc nvrtc = Nvrtc.open(Integer.parseInt(args[0]));
      nvrtc.supportedArchitectures().parallelStream()
          .filter(architecture -> architecture >= OLDEST)
          .map(architecture -> new ComputeCapability(architecture / 10, architecture % 10))
          .forEach(capability -> KERNELS.forEach(kernels -> compile(nvrtc, capability, kernels)));
    }

    private static void compile(Nvrtc nvrtc, ComputeCapability capability, String kernels) {
      String type = kernels.substring(kernels.indexOf(' ') + 1);
      CompiledProgram program =
          kernels.startsWith("cudnn")
              ? KernelModule.compile(
                  nvrtc, capability, Arithmetic.valueOf(type.toUpperCase(Locale.ROOT)))
              : nvrtc.compile(
                  "kernels.cu",
                  source("/dev/shortcut/engine/backend/jcudnn/kernels.cu"),
                  capability,
                  List.of("--define-macro=VALUE_" + type + "=1"));
      System.out.printf(
          "%s %s: %s for %s%n%s",
          capability.architecture(),
          kernels,
          isElf(program) ? "machine code" : "no machine code",
          program.architecture(),
          program.log());
    }

    private static String source(String resource) {
      try (InputStream in = Program.class.getResourceAsStream(resource)) {
        return new String(in.readAllBytes(), StandardCharsets.UTF_8);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    private static boolean isElf(CompiledProgram program) {
      try (Arena frame = Arena.ofConfined()) {
        return program.image(frame).get(ValueLayout.JAVA_INT_UNALIGNED, 0) == 0x464c457f;
      }
    }
  }
}
