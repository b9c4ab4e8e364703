package dev.shortcut.bindings.cudnn;

import java.util.Map;

/**
 * A setting of an engine ({@code cudnnBackendKnobType_t}). Most are known by their number only.
 *
 * @param code cuDNN's number
 */
public record KnobType(int code) {
  private static final Map<Integer, String> NAMES =
      Map.ofEntries(
          Map.entry(1, "SWIZZLE"),
          Map.entry(2, "TILE_SIZE"),
          Map.entry(4, "EDGE"),
          Map.entry(11, "MULTIPLY"),
          Map.entry(12, "SPLIT_K_BUF"),
          Map.entry(13, "TILEK"),
          Map.entry(14, "STAGES"),
          Map.entry(15, "REDUCTION_MODE"),
          Map.entry(17, "SPLIT_K_SLC"),
          Map.entry(18, "IDX_MODE"),
          Map.entry(23, "SPECFILT"),
          Map.entry(24, "KERNEL_CFG"),
          Map.entry(25, "WORKSPACE"),
          Map.entry(27, "TILE_CGA_M"),
          Map.entry(28, "TILE_CGA_N"),
          Map.entry(29, "BLOCK_SIZE"),
          Map.entry(30, "OCCUPANCY"),
          Map.entry(38, "STREAM_K"),
          Map.entry(40, "TILE_M"),
          Map.entry(41, "TILE_N"),
          Map.entry(42, "WARP_SPEC_CFG"),
          Map.entry(43, "SWAP_AB"));

  /** cuDNN's name without its prefix, or {@code knob N}. */
  @Override
  public String toString() {
    return NAMES.getOrDefault(code, "knob " + code);
  }
}
