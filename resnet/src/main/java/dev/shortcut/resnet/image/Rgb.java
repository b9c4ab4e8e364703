package dev.shortcut.resnet.image;

/**
 * One number per colour channel.
 *
 * @param red for channel 0
 * @param green for channel 1
 * @param blue for channel 2
 */
public record Rgb(float red, float green, float blue) {
  /** The three in channel order, in a new array. */
  public float[] toArray() {
    return new float[] {red, green, blue};
  }
}
