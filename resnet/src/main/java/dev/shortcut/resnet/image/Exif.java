package dev.shortcut.resnet.image;

/** The one thing of a picture's EXIF data (CIPA DC-008) that matters here. */
final class Exif {
  private static final int HEADER = 6;

  private Exif() {}

  /**
   * The orientation in the EXIF data at {@code from} to {@code end}, with or without {@code
   * Exif\0\0} in front.
   *
   * @return upright where there is none and where the data is damaged: that spoils no picture
   */
  static Orientation orientation(byte[] data, int from, int end) {
    int start =
        end - from >= HEADER && data[from] == 'E' && data[from + 4] == 0 ? from + HEADER : from;
    try {
      return TiffDirectory.first(data, start, end).orientation();
    } catch (UndecodableException e) {
      return Orientation.UPRIGHT;
    }
  }
}
