package dev.shortcut.bindings.cudnn;

import java.util.List;

/**
 * What an engine does to the numbers ({@code cudnnBackendNumericalNote_t}). A newer cuDNN may have
 * others, which are kept as numbers.
 *
 * @param code cuDNN's number
 */
public record NumericalNote(int code) {
  /** Tensor cores; on float data that means TF32. */
  public static final NumericalNote TENSOR_CORE = new NumericalNote(0);

  /** Inputs are rounded to a smaller type first. */
  public static final NumericalNote DOWN_CONVERT_INPUTS = new NumericalNote(1);

  /** Sums are kept in a smaller type than the compute type. */
  public static final NumericalNote REDUCED_PRECISION_REDUCTION = new NumericalNote(2);

  public static final NumericalNote FFT = new NumericalNote(3);

  /** Two runs may differ. */
  public static final NumericalNote NONDETERMINISTIC = new NumericalNote(4);

  public static final NumericalNote WINOGRAD = new NumericalNote(5);
  public static final NumericalNote WINOGRAD_TILE_4X4 = new NumericalNote(6);
  public static final NumericalNote WINOGRAD_TILE_6X6 = new NumericalNote(7);
  public static final NumericalNote WINOGRAD_TILE_13X13 = new NumericalNote(8);

  /** NaN in, NaN out. */
  public static final NumericalNote STRICT_NAN_PROP = new NumericalNote(9);

  static final List<String> NAMES =
      List.of(
          "TENSOR_CORE",
          "DOWN_CONVERT_INPUTS",
          "REDUCED_PRECISION_REDUCTION",
          "FFT",
          "NONDETERMINISTIC",
          "WINOGRAD",
          "WINOGRAD_TILE_4X4",
          "WINOGRAD_TILE_6X6",
          "WINOGRAD_TILE_13X13",
          "STRICT_NAN_PROP");

  /** cuDNN's name without its prefix, or {@code note N}. */
  @Override
  public String toString() {
    return code >= 0 && code < NAMES.size() ? NAMES.get(code) : "note " + code;
  }
}
