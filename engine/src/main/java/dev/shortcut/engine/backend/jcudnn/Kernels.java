package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.bindings.library.Closer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import jcuda.nvrtc.JNvrtc;
import jcuda.nvrtc.nvrtcProgram;

/** The text of our own kernels, compiled for a kind of device through JNvrtc. */
final class Kernels {
  private static final Logger LOG = System.getLogger(Kernels.class.getName());
  private static final String FILE = "kernels.cu";

  private Kernels() {}

  /**
   * Machine code, or PTX with a null byte at its end.
   *
   * @param architecture {@code sm_90} for machine code, {@code compute_90} for PTX
   */
  static byte[] compile(Arithmetic arithmetic, String architecture) {
    var program = new nvrtcProgram();
    try (var owner = new Closer()) {
      Call.nvrtc(
              "nvrtcCreateProgram",
              () -> JNvrtc.nvrtcCreateProgram(program, source(), FILE, 0, null, null))
          .run();
      owner.own(
          Driver.quietly(
              Call.nvrtc("nvrtcDestroyProgram", () -> JNvrtc.nvrtcDestroyProgram(program))));
      String[] options = {
        "--gpu-architecture=" + architecture, "--define-macro=VALUE_" + arithmetic.value() + "=1"
      };
      try {
        Call.nvrtc(
                "nvrtcCompileProgram",
                () -> JNvrtc.nvrtcCompileProgram(program, options.length, options))
            .run();
      } catch (JCudaException e) {
        LOG.log(Level.ERROR, "{0} for {1}: {2}", FILE, architecture, log(program));
        throw e;
      }
      return architecture.startsWith("sm_") ? cubin(program) : ptx(program);
    }
  }

  private static byte[] cubin(nvrtcProgram program) {
    var size = new long[1];
    Call.nvrtc("nvrtcGetCUBINSize", () -> JNvrtc.nvrtcGetCUBINSize(program, size)).run();
    var image = new byte[Math.toIntExact(size[0])];
    Call.nvrtc("nvrtcGetCUBIN", () -> JNvrtc.nvrtcGetCUBIN(program, image)).run();
    return image;
  }

  private static byte[] ptx(nvrtcProgram program) {
    var text = new String[1];
    Call.nvrtc("nvrtcGetPTX", () -> JNvrtc.nvrtcGetPTX(program, text)).run();
    return (text[0] + "\0").getBytes(StandardCharsets.UTF_8);
  }

  private static String log(nvrtcProgram program) {
    var text = new String[1];
    Call.nvrtc("nvrtcGetProgramLog", () -> JNvrtc.nvrtcGetProgramLog(program, text)).run();
    return text[0];
  }

  private static String source() {
    try (InputStream file = Kernels.class.getResourceAsStream(FILE)) {
      if (file == null) {
        throw new IllegalStateException(FILE + " is missing from the jar");
      }
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
