package dev.shortcut.engine.backend.reference;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.shortcut.engine.InputFormat;
import java.lang.foreign.MemorySegment;

/** Brings the caller's images into channel, row, column order as floats; a part is a channel. */
final class InputKernel implements Kernel {
  private final InputFormat format;
  private final Activation output;
  private MemorySegment images = MemorySegment.NULL;

  InputKernel(InputFormat format, Activation output) {
    this.format = format;
    this.output = output;
  }

  /** The images to read from now on, in the format that this was made for. */
  void read(MemorySegment newImages) {
    images = newImages;
  }

  @Override
  public int parts() {
    return output.shape().channels();
  }

  @Override
  public void compute(int image, int channel, Scratch scratch) {
    int channels = output.shape().channels();
    int plane = output.plane();
    long first = (long) image * channels * plane;
    for (int pixel = 0; pixel < plane; pixel++) {
      long nchw = first + (long) channel * plane + pixel;
      long nhwc = first + (long) pixel * channels + channel;
      float value =
          switch (format) {
            case InputFormat.Float32Nchw _ -> images.getAtIndex(JAVA_FLOAT, nchw);
            case InputFormat.Float32Nhwc _ -> images.getAtIndex(JAVA_FLOAT, nhwc);
            case InputFormat.Uint8Nhwc bytes ->
                bytes.normalise(channel, Byte.toUnsignedInt(images.get(JAVA_BYTE, nhwc)));
          };
      output.set(image, channel, pixel, value);
    }
  }
}
