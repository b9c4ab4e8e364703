package dev.shortcut.engine.backend.reference;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.shortcut.engine.graph.Shape;
import java.lang.foreign.MemorySegment;

/**
 * The values that one node leaves for a batch: floats in image, channel, row, column order.
 *
 * @param memory a slot's own memory, large enough for the largest batch
 * @param shape the extent of one image
 */
record Activation(MemorySegment memory, Shape shape) {
  /** Pixels of one channel. */
  int plane() {
    return shape.height() * shape.width();
  }

  float get(int image, int channel, int pixel) {
    return memory.getAtIndex(JAVA_FLOAT, index(image, channel, pixel));
  }

  void set(int image, int channel, int pixel, double value) {
    memory.setAtIndex(JAVA_FLOAT, index(image, channel, pixel), (float) value);
  }

  private long index(int image, int channel, int pixel) {
    return ((long) image * shape.channels() + channel) * plane() + pixel;
  }
}
