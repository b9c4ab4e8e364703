package dev.shortcut.resnet.image;

/** 256 colours, RGB. */
final class Palette {
  private final byte[] rgb = new byte[3 * 256];

  /** A grey ramp, which is what Pillow finds behind the end of a palette that is too short. */
  Palette() {
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) (i / 3);
    }
  }

  void set(int index, int red, int green, int blue) {
    rgb[3 * index] = (byte) red;
    rgb[3 * index + 1] = (byte) green;
    rgb[3 * index + 2] = (byte) blue;
  }

  /** Writes the colour's three bytes; {@code index} is taken modulo 256. */
  void copy(int index, byte[] to, int at) {
    int from = 3 * (index & 0xFF);
    to[at] = rgb[from];
    to[at + 1] = rgb[from + 1];
    to[at + 2] = rgb[from + 2];
  }
}
