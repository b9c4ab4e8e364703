package dev.shortcut.resnet;

import dev.shortcut.resnet.image.Interpolation;
import dev.shortcut.resnet.image.Preprocessing;
import dev.shortcut.resnet.image.Rgb;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a caller knows better than a weights file and its side file. Whatever is null is taken from
 * them. Immutable; begin with {@link #NONE}.
 *
 * @param architecture the network, for weights that do not say which they are of
 * @param resize shorter side of a picture before the crop, pixels
 * @param crop side of the square that the network sees, pixels
 * @param interpolation filter of the resize
 * @param mean per channel, of samples from 0 to 1
 * @param std per channel, of samples from 0 to 1
 * @param labels names of the classes, in the order of the network's outputs
 */
public record Overrides(
    @Nullable Architecture architecture,
    @Nullable Integer resize,
    @Nullable Integer crop,
    @Nullable Interpolation interpolation,
    @Nullable Rgb mean,
    @Nullable Rgb std,
    @Nullable List<String> labels) {

  /** Everything as the files say. */
  public static final Overrides NONE = new Overrides(null, null, null, null, null, null, null);

  /** Copies the labels. */
  public Overrides {
    labels = labels == null ? null : List.copyOf(labels);
  }

  /** The same with a network. */
  public Overrides withArchitecture(Architecture value) {
    return new Overrides(value, resize, crop, interpolation, mean, std, labels);
  }

  /** The same with names of the classes. */
  public Overrides withLabels(List<String> value) {
    return new Overrides(architecture, resize, crop, interpolation, mean, std, value);
  }

  /**
   * The preprocessing that these leave of another.
   *
   * @throws IllegalArgumentException if the result makes no sense
   */
  Preprocessing apply(Preprocessing base) {
    return new Preprocessing(
        resize == null ? base.resize() : resize,
        crop == null ? base.crop() : crop,
        interpolation == null ? base.interpolation() : interpolation,
        mean == null ? base.mean() : mean,
        std == null ? base.std() : std);
  }
}
