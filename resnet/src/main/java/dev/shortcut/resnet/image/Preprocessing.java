package dev.shortcut.resnet.image;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * What a model's pictures went through when it was trained: the shorter side resized, the centre
 * cut out, and the mean and deviation that its pixels are normalised with.
 *
 * <p>{@link #apply} gives the pixels of torchvision's {@code Resize(resize)} and {@code
 * CenterCrop(crop)} on a Pillow image. Normalising, {@code (sample / 255 - mean) / std}, is the
 * engine's, which is given {@code mean} and {@code std}.
 *
 * @param resize length of the shorter side before the crop, pixels; the longer one is {@code (int)
 *     (resize * long / short)}
 * @param crop side of the square cut out of the middle, pixels; black is added where the picture is
 *     smaller
 * @param interpolation the filter of the resize
 * @param mean per channel, of samples from 0 to 1
 * @param std per channel, of samples from 0 to 1
 */
public record Preprocessing(int resize, int crop, Interpolation interpolation, Rgb mean, Rgb std) {
  /** Larger sides are taken for a mistake. */
  public static final int MOST_PIXELS_A_SIDE = 16_384;

  private static final Rgb IMAGENET_MEAN = new Rgb(0.485f, 0.456f, 0.406f);
  private static final Rgb IMAGENET_STD = new Rgb(0.229f, 0.224f, 0.225f);

  /**
   * Resize to 256 bilinearly, crop 224, the mean and deviation of ImageNet: torchvision's first
   * ResNet weights.
   */
  public static final Preprocessing IMAGENET =
      new Preprocessing(256, 224, Interpolation.BILINEAR, IMAGENET_MEAN, IMAGENET_STD);

  /**
   * Checks the numbers.
   *
   * @throws IllegalArgumentException if a side is not from 1 to {@value #MOST_PIXELS_A_SIDE}, a
   *     deviation is not positive, or a number is not finite
   */
  public Preprocessing {
    Objects.requireNonNull(interpolation, "interpolation");
    checkSide("resize", resize);
    checkSide("crop", crop);
    for (float value : mean.toArray()) {
      if (!Float.isFinite(value)) {
        throw new IllegalArgumentException("mean must be three finite numbers, not " + mean);
      }
    }
    for (float value : std.toArray()) {
      if (!(value > 0) || !Float.isFinite(value)) {
        throw new IllegalArgumentException("std must be three numbers above 0, not " + std);
      }
    }
  }

  /**
   * Reads the form that {@link #toJson} writes, or a side file of weights that has it as its member
   * {@code preprocessing}.
   *
   * @throws IllegalArgumentException if it is no such JSON; the message names the member that is
   *     wrong
   */
  public static Preprocessing fromJson(String json) {
    return PreprocessingJson.read(json);
  }

  /**
   * As a JSON object, {@code
   * {"resize":256,"crop":224,"interpolation":"bilinear","mean":[...],"std":[...]}}; {@link
   * #fromJson} reads it back to an equal value.
   */
  public String toJson() {
    return PreprocessingJson.write(this);
  }

  /** Bytes of one prepared picture: {@code crop * crop * 3}. */
  public int outputBytes() {
    return 3 * crop * crop;
  }

  /**
   * The resized and cropped picture, {@code crop x crop}; the same object if nothing has to be
   * done.
   *
   * @throws PictureException if the picture is so long and thin that its longer side would have
   *     more than {@link Integer#MAX_VALUE} pixels
   */
  public Picture apply(Picture picture) {
    Frame frame = frame(picture);
    if (frame.width() == picture.width()
        && frame.height() == picture.height()
        && crop == picture.width()
        && crop == picture.height()) {
      return picture;
    }
    byte[] rgb = new byte[outputBytes()];
    write(picture, frame, rgb);
    return new Picture(crop, crop, rgb);
  }

  /**
   * Writes what {@link #apply} returns, uint8 HWC, into the caller's memory.
   *
   * @param target gets {@link #outputBytes()} bytes from {@code offset} on
   * @throws IndexOutOfBoundsException if they do not fit; nothing is written then
   * @throws PictureException as {@link #apply}
   */
  public void applyInto(Picture picture, MemorySegment target, long offset) {
    Objects.checkFromIndexSize(offset, (long) outputBytes(), target.byteSize());
    MemorySegment.copy(
        MemorySegment.ofArray(apply(picture).rgb()), 0, target, offset, outputBytes());
  }

  /** The sides of the resized picture. */
  private record Frame(int width, int height) {}

  /**
   * torchvision's {@code _compute_resized_output_size}, which divides floating-point numbers and
   * cuts off the fraction.
   */
  private Frame frame(Picture picture) {
    int shorter = Math.min(picture.width(), picture.height());
    int longer = Math.max(picture.width(), picture.height());
    double length = (double) ((long) resize * longer) / shorter;
    if (length > Integer.MAX_VALUE) {
      throw new PictureException(
          picture.toString(),
          "it is too long and thin to be resized to %d pixels".formatted(resize));
    }
    return picture.width() <= picture.height()
        ? new Frame(resize, (int) length)
        : new Frame((int) length, resize);
  }

  private void write(Picture picture, Frame frame, byte[] rgb) {
    int width = Math.min(crop, frame.width());
    int height = Math.min(crop, frame.height());
    Resampling.Window window =
        new Resampling.Window(before(frame.width()), before(frame.height()), width, height);
    int left = (crop - width) / 2;
    int top = (crop - height) / 2;
    int stride = 3 * crop;
    Resampling.resize(
        picture,
        frame.width(),
        frame.height(),
        interpolation,
        window,
        rgb,
        3 * left + top * stride,
        stride);
  }

  /**
   * Pixels left out before the crop: half of what is too much, and half a pixel goes to the even
   * number, as in Python.
   */
  private int before(int length) {
    return length <= crop ? 0 : (int) Math.rint((length - crop) / 2.0);
  }

  private static void checkSide(String name, int pixels) {
    if (pixels < 1 || pixels > MOST_PIXELS_A_SIDE) {
      throw new IllegalArgumentException(
          "%s must be 1 to %d pixels, not %d".formatted(name, MOST_PIXELS_A_SIDE, pixels));
    }
  }
}
