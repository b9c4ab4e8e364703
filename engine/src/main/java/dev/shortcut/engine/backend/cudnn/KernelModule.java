package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cuda.ComputeCapability;
import dev.shortcut.bindings.nvrtc.CompiledProgram;
import dev.shortcut.bindings.nvrtc.Nvrtc;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The text of our own kernels, and compiling it. */
final class KernelModule {
  /** Threads of a block that works on the channels of one pixel; a power of two. */
  static final int ROW_THREADS = 256;

  private static final String FILE = "kernels.cu";

  private KernelModule() {}

  /** Machine code for devices of that kind. */
  static CompiledProgram compile(Nvrtc nvrtc, ComputeCapability capability, Arithmetic arithmetic) {
    return nvrtc.compile(
        FILE,
        source(),
        capability,
        List.of(
            "--define-macro=STORAGE=" + arithmetic.storage(),
            "--define-macro=ROW_THREADS=" + ROW_THREADS));
  }

  private static String source() {
    try (InputStream file = KernelModule.class.getResourceAsStream(FILE)) {
      if (file == null) {
        throw new IllegalStateException(FILE + " is missing from the jar");
      }
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
