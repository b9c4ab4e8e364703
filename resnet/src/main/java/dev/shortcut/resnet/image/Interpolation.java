package dev.shortcut.resnet.image;

import java.util.Arrays;
import java.util.Locale;

/**
 * How pixels between pixels are found when a picture is resized: Pillow's filters under Pillow's
 * names.
 *
 * <p>All but {@link #NEAREST} are antialiased: when a picture shrinks, the filter grows with the
 * scale.
 */
public enum Interpolation {
  /** The pixel that is closest; no antialiasing. */
  NEAREST(0),
  /** The mean of the pixels that fall into one. */
  BOX(0.5),
  /** Triangle. What torchvision's reference transforms use. */
  BILINEAR(1),
  /** Hamming window over one pixel to each side. */
  HAMMING(1),
  /** Cubic convolution with a = -0.5. */
  BICUBIC(2),
  /** Sinc windowed by sinc, three pixels to each side. */
  LANCZOS(3);

  private static final double CUBIC = -0.5;

  private final double support;

  Interpolation(double support) {
    this.support = support;
  }

  /**
   * The filter of that name, in upper or lower case.
   *
   * @throws IllegalArgumentException if there is none; the message lists those there are
   */
  public static Interpolation of(String name) {
    for (Interpolation each : values()) {
      if (each.name().equalsIgnoreCase(name)) {
        return each;
      }
    }
    throw new IllegalArgumentException(
        "there is no interpolation \"%s\"; choose one of %s"
            .formatted(
                name,
                String.join(", ", Arrays.stream(values()).map(Interpolation::toString).toList())));
  }

  /** The name in lower case, as in Python and in the side files of weights. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Source pixels to each side that count, where nothing shrinks. */
  double support() {
    return support;
  }

  /** The filter at a distance of {@code x} pixels, as in Pillow's Resample.c. */
  double weight(double x) {
    double distance = Math.abs(x);
    return switch (this) {
      case NEAREST -> throw new IllegalStateException("nearest has no weights");
      case BOX -> x > -0.5 && x <= 0.5 ? 1 : 0;
      case BILINEAR -> Math.max(0, 1 - distance);
      case HAMMING ->
          distance >= 1 ? 0 : sinc(distance) * (0.54 + 0.46 * Math.cos(Math.PI * distance));
      case BICUBIC -> cubic(distance);
      case LANCZOS -> x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
    };
  }

  private static double cubic(double x) {
    if (x < 1) {
      return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
    }
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * CUBIC : 0;
  }

  private static double sinc(double x) {
    return x == 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
  }
}
