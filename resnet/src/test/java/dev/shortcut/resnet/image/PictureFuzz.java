package dev.shortcut.resnet.image;

/**
 * Any bytes are a picture or refused with a reason: no other exception, no exhausted heap or stack,
 * no crash.
 */
public final class PictureFuzz {
  private static final DecodeOptions SMALL =
      DecodeOptions.DEFAULT.withMaxPixels(1 << 20).withMaxBytes(1 << 20);

  private PictureFuzz() {}

  /** What Jazzer calls with each input. */
  public static void fuzzerTestOneInput(byte[] data) {
    try {
      Picture picture = Picture.decode(data, SMALL);
      Preprocessing.IMAGENET.apply(picture);
    } catch (PictureException refused) {
      if (refused.getCause() instanceof Error error) {
        throw error;
      }
    }
  }
}
