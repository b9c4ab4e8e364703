package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.backend.jcudnn.Program.Images;
import dev.shortcut.engine.backend.jcudnn.Program.Launch;
import dev.shortcut.engine.backend.jcudnn.Program.Place;
import java.util.List;

/**
 * The launches at both ends of a program: images to the first activation, and results out of it.
 */
final class Edges {
  private Edges() {}

  /**
   * Converts images.
   *
   * @param target what they become
   * @param batch room for how many; what lies behind those that there are becomes zeros
   * @param images how many there are
   * @param format what they are handed over as
   * @param source where
   * @param mean a float for each channel, for bytes
   * @param std likewise
   */
  static Launch input(
      Images target,
      int batch,
      int images,
      InputFormat format,
      Place source,
      Place mean,
      Place std) {
    int channels = target.shape().channels();
    long pixels = (long) target.shape().height() * target.shape().width();
    long each = pixels * target.stored();
    return switch (format) {
      case InputFormat.Uint8Nhwc _ ->
          new Launch(
              "normalise",
              batch * each,
              List.of(
                  source,
                  mean,
                  std,
                  target.place(),
                  batch * each,
                  images * each,
                  channels,
                  target.stored()));
      case InputFormat.Float32Nchw _ ->
          pack(target, batch * each, images * each, source, 1, pixels);
      case InputFormat.Float32Nhwc _ ->
          pack(target, batch * each, images * each, source, channels, 1);
    };
  }

  private static Launch pack(
      Images target, long count, long filled, Place source, long pixelStep, long channelStep) {
    return new Launch(
        "pack",
        count,
        List.of(
            source,
            target.place(),
            count,
            filled,
            (long) target.shape().height() * target.shape().width(),
            target.shape().channels(),
            target.stored(),
            pixelStep,
            channelStep));
  }

  /**
   * Copies results.
   *
   * @param floats how many
   */
  static Launch output(long floats, Place source, Place target) {
    return new Launch("hand_back", floats, List.of(source, target, floats));
  }
}
