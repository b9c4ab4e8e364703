package dev.shortcut.bindings.nvrtc;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** What came of compiling a source. Immutable and safe for use by any thread. */
public final class CompiledProgram {
  private final String architecture;
  private final byte[] image;
  private final String log;

  CompiledProgram(String architecture, byte[] image, String log) {
    this.architecture = architecture;
    this.image = image;
    this.log = log;
  }

  /**
   * What it was compiled for: {@code sm_90} for machine code of 9.0, {@code compute_90} for PTX
   * that the driver has yet to compile.
   */
  public String architecture() {
    return architecture;
  }

  /** Machine code or PTX, as the driver loads it, in memory of the owner. */
  public MemorySegment image(Arena owner) {
    return owner.allocateFrom(ValueLayout.JAVA_BYTE, image);
  }

  /** How large the image is, in bytes. */
  public int imageBytes() {
    return image.length;
  }

  /** What the compiler said, such as warnings; empty where it said nothing. */
  public String log() {
    return log;
  }
}
