package dev.shortcut.bindings.cudnn;

import java.util.List;

/**
 * A setting of an engine ({@code cudnnBackendKnobType_t}). A newer cuDNN may have others, which are
 * kept as numbers.
 *
 * @param code cuDNN's number
 */
public record KnobType(int code) {
  static final List<String> NAMES =
      List.of(
          "SPLIT_K",
          "SWIZZLE",
          "TILE_SIZE",
          "USE_TEX",
          "EDGE",
          "KBLOCK",
          "LDGA",
          "LDGB",
          "CHUNK_K",
          "SPLIT_H",
          "WINO_TILE",
          "MULTIPLY",
          "SPLIT_K_BUF",
          "TILEK",
          "STAGES",
          "REDUCTION_MODE",
          "CTA_SPLIT_K_MODE",
          "SPLIT_K_SLC",
          "IDX_MODE",
          "SLICED",
          "SPLIT_RS",
          "SINGLEBUFFER",
          "LDGC",
          "SPECFILT",
          "KERNEL_CFG",
          "WORKSPACE",
          "TILE_CGA",
          "TILE_CGA_M",
          "TILE_CGA_N",
          "BLOCK_SIZE",
          "OCCUPANCY",
          "ARRAY_SIZE_PER_THREAD",
          "NUM_C_PER_BLOCK",
          "SPLIT_COLS",
          "TILE_ROWS",
          "TILE_COLS",
          "LOAD_SIZE",
          "CTA_COUNT",
          "STREAM_K",
          "SPLIT_P_SLC",
          "TILE_M",
          "TILE_N",
          "WARP_SPEC_CFG",
          "SWAP_AB");

  /** cuDNN's name without its prefix, or {@code knob N}. */
  @Override
  public String toString() {
    return code >= 0 && code < NAMES.size() ? NAMES.get(code) : "knob " + code;
  }
}
