package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.engine.graph.Shape;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What one cuDNN graph computes, as numbers: all that the choice of a plan depends on, so that
 * equal kernels share one. Shapes are those in memory, channels filled up.
 */
sealed interface CudnnKernel {
  /** What an activation is and how sums are taken. */
  Arithmetic arithmetic();

  /** Images. */
  int batch();

  /** The shape of one image that goes in. */
  Shape x();

  /** The shape of one image that comes out. */
  Shape y();

  /** What is done to the sums of a convolution before they are stored. */
  enum Stage {
    /** A tensor of the output's shape is added. */
    SHORTCUT,
    /** A value for each channel is added. */
    BIAS,
    /** What is below zero becomes zero. */
    RELU
  }

  /**
   * A convolution and what follows it.
   *
   * @param stages in this order, which decides what engines there are for it: where the residual is
   *     added before the bias, cuDNN 9.20 has dozens of precompiled ones, the other way round three
   *     that are compiled at run time
   */
  record Convolution(
      Arithmetic arithmetic,
      int batch,
      Shape x,
      Shape y,
      int kernel,
      int stride,
      int padding,
      int dilation,
      int groups,
      List<Stage> stages)
      implements CudnnKernel {
    /** Copies the list. */
    public Convolution {
      stages = List.copyOf(stages);
    }

    /** The same sum with the residual and the bias added the other way round, if it has both. */
    Optional<Convolution> otherOrder() {
      if (!stages.contains(Stage.SHORTCUT) || !stages.contains(Stage.BIAS)) {
        return Optional.empty();
      }
      List<Stage> swapped = new ArrayList<>(stages);
      Collections.swap(swapped, swapped.indexOf(Stage.SHORTCUT), swapped.indexOf(Stage.BIAS));
      return Optional.of(
          new Convolution(
              arithmetic, batch, x, y, kernel, stride, padding, dilation, groups, swapped));
    }

    @Override
    public String toString() {
      return "convolution %s of %d x %s to %s, %dx%d/%d pad %d%s%s%s"
          .formatted(
              arithmetic,
              batch,
              x,
              y,
              kernel,
              kernel,
              stride,
              padding,
              dilation == 1 ? "" : " dilation " + dilation,
              groups == 1 ? "" : " groups " + groups,
              stages.stream()
                  .map(stage -> " +" + stage.name().toLowerCase(Locale.ROOT))
                  .collect(Collectors.joining()));
    }
  }

  /** A window's largest value or, padding counting as zeros, its mean. */
  record Pooling(
      Arithmetic arithmetic,
      int batch,
      Shape x,
      Shape y,
      boolean mean,
      int windowHeight,
      int windowWidth,
      int strideHeight,
      int strideWidth,
      int padding)
      implements CudnnKernel {
    @Override
    public String toString() {
      return "%s %s of %d x %s to %s, %dx%d/%dx%d pad %d"
          .formatted(
              mean ? "average" : "maximum",
              arithmetic,
              batch,
              x,
              y,
              windowHeight,
              windowWidth,
              strideHeight,
              strideWidth,
              padding);
    }
  }
}
