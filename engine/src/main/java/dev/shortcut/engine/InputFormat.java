package dev.shortcut.engine;

import java.util.List;

/**
 * What a batch of images looks like in memory when it is handed to an engine; images lie one behind
 * another.
 */
public sealed interface InputFormat {
  /** Bytes of one channel of one pixel. */
  int bytesPerValue();

  /** Floats in channel, row, column order, already normalised: PyTorch's default. */
  record Float32Nchw() implements InputFormat {
    @Override
    public int bytesPerValue() {
      return Float.BYTES;
    }
  }

  /** Floats in row, column, channel order, already normalised. */
  record Float32Nhwc() implements InputFormat {
    @Override
    public int bytesPerValue() {
      return Float.BYTES;
    }
  }

  /**
   * Unsigned bytes in row, column, channel order, as pictures are decoded. The engine computes
   * {@code (pixel / 255 - mean) / std} for each channel.
   *
   * @param mean one value per channel, on the scale of 0 to 1
   * @param std one value per channel, positive, on the scale of 0 to 1
   */
  record Uint8Nhwc(List<Double> mean, List<Double> std) implements InputFormat {
    /** Copies and checks the numbers. */
    public Uint8Nhwc {
      mean = List.copyOf(mean);
      std = List.copyOf(std);
      if (mean.size() != std.size() || mean.isEmpty()) {
        throw new IllegalArgumentException(
            "normalisation needs one mean and one std per channel, but has %d and %d"
                .formatted(mean.size(), std.size()));
      }
      if (!mean.stream().allMatch(Double::isFinite)
          || !std.stream().allMatch(s -> Double.isFinite(s) && s > 0)) {
        throw new IllegalArgumentException(
            "normalisation needs finite means and positive stds, but has mean %s and std %s"
                .formatted(mean, std));
      }
    }

    @Override
    public int bytesPerValue() {
      return 1;
    }

    /** What channel {@code channel} of a pixel becomes; computed in float, as torchvision does. */
    public float normalise(int channel, int pixel) {
      return (pixel / 255f - mean.get(channel).floatValue()) / std.get(channel).floatValue();
    }
  }
}
