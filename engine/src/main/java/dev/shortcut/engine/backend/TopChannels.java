package dev.shortcut.engine.backend;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Shape;
import java.lang.foreign.MemorySegment;

/**
 * {@link Layer.TopK} on the host, for backends whose results lie there. Allocates nothing.
 *
 * @param layer what is computed
 * @param input the shape of one image that goes in
 */
public record TopChannels(Layer.TopK layer, Shape input) {
  /**
   * Computes it for one image of a batch.
   *
   * @param source the batch's floats in channel, row, column order
   * @param target room for the batch's results, likewise
   * @param image which one
   */
  public void compute(MemorySegment source, MemorySegment target, int image) {
    int plane = input.height() * input.width();
    long from = image * input.elements();
    long to = 2L * layer.k() * plane * image;
    for (int pixel = 0; pixel < plane; pixel++) {
      long before = Long.MAX_VALUE;
      for (int rank = 0; rank < layer.k(); rank++) {
        before = next(source, from + pixel, plane, before);
        int channel = (int) ~before;
        float value = source.getAtIndex(JAVA_FLOAT, from + (long) channel * plane + pixel);
        target.setAtIndex(JAVA_FLOAT, to + (long) rank * plane + pixel, value);
        target.setAtIndex(JAVA_FLOAT, to + (long) (layer.k() + rank) * plane + pixel, channel);
      }
    }
  }

  /** The largest key below {@code before}. */
  private long next(MemorySegment source, long first, int plane, long before) {
    long largest = Long.MIN_VALUE;
    for (int c = 0; c < input.channels(); c++) {
      long key = key(source.getAtIndex(JAVA_FLOAT, first + (long) c * plane), c);
      if (key < before && key > largest) {
        largest = key;
      }
    }
    return largest;
  }

  /** Greater for a greater value, as {@link Float#compare} has it, and for an earlier channel. */
  private static long key(float value, int channel) {
    int bits = Float.floatToIntBits(value);
    int ordered = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
    return (long) ordered << 32 | (~channel & 0xffffffffL);
  }
}
