package dev.shortcut.engine.graph;

/**
 * The extent of one image's activation: channels, height, width. It has no batch size; a graph
 * serves every batch size.
 *
 * <p>A vector of features is a shape of height 1 and width 1.
 *
 * @param channels number of channels, at least 1
 * @param height rows, at least 1
 * @param width columns, at least 1
 */
public record Shape(int channels, int height, int width) {
  /** Checks that no extent is below 1 and that the elements can be counted in an {@code int}. */
  public Shape {
    if (channels < 1 || height < 1 || width < 1) {
      throw new IllegalArgumentException(
          "a shape needs at least one channel, row and column, but was %dx%dx%d"
              .formatted(channels, height, width));
    }
    if (Math.multiplyHigh((long) channels * height, width) != 0
        || (long) channels * height * width > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "%dx%dx%d has more than 2^31-1 elements per image".formatted(channels, height, width));
    }
  }

  /** A vector of {@code count} features. */
  public static Shape features(int count) {
    return new Shape(count, 1, 1);
  }

  /** Elements of one image. */
  public long elements() {
    return (long) channels * height * width;
  }

  /** Whether there is one value per channel. */
  public boolean isFlat() {
    return height == 1 && width == 1;
  }

  /** Channels, height and width as {@code CxHxW}. */
  @Override
  public String toString() {
    return channels + "x" + height + "x" + width;
  }
}
