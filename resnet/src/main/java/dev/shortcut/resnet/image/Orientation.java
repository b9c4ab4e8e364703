package dev.shortcut.resnet.image;

/**
 * How stored pixels have to be turned to stand upright: the eight values of the TIFF and EXIF tag
 * 274.
 *
 * <p>A pixel (x, y) of the upright picture is read at {@code origin + x * dx + y * dy} of the
 * stored one.
 */
enum Orientation {
  UPRIGHT(false, false, false),
  MIRRORED(false, true, false),
  UPSIDE_DOWN(false, true, true),
  FLIPPED(false, false, true),
  TRANSPOSED(true, false, false),
  TURNED_LEFT(true, false, true),
  TRANSVERSED(true, true, true),
  TURNED_RIGHT(true, true, false);

  private static final Orientation[] BY_TAG = values();

  private final boolean swapped;
  private final boolean fromRight;
  private final boolean fromBottom;

  /**
   * @param swapped a row of the upright picture is a column of the stored one
   * @param fromRight the upright picture's first pixel comes from the stored right edge
   * @param fromBottom it comes from the stored bottom edge
   */
  Orientation(boolean swapped, boolean fromRight, boolean fromBottom) {
    this.swapped = swapped;
    this.fromRight = fromRight;
    this.fromBottom = fromBottom;
  }

  /** The tag's value 1 to 8; any other number counts as upright, as in Pillow. */
  static Orientation of(long tag) {
    return tag >= 1 && tag <= 8 ? BY_TAG[(int) tag - 1] : UPRIGHT;
  }

  /** The picture turned; itself where nothing is to be done. */
  Picture upright(Picture stored) {
    if (this == UPRIGHT) {
      return stored;
    }
    int w = stored.width();
    int h = stored.height();
    int outWidth = swapped ? h : w;
    int outHeight = swapped ? w : h;
    int stepX = fromRight ? -3 : 3;
    int stepY = fromBottom ? -3 * w : 3 * w;
    int origin = (fromRight ? 3 * (w - 1) : 0) + (fromBottom ? 3 * w * (h - 1) : 0);
    int dx = swapped ? stepY : stepX;
    int dy = swapped ? stepX : stepY;
    byte[] in = stored.rgb();
    byte[] out = new byte[in.length];
    int to = 0;
    for (int y = 0; y < outHeight; y++) {
      int from = origin + y * dy;
      for (int x = 0; x < outWidth; x++, from += dx, to += 3) {
        out[to] = in[from];
        out[to + 1] = in[from + 1];
        out[to + 2] = in[from + 2];
      }
    }
    return new Picture(outWidth, outHeight, out);
  }
}
