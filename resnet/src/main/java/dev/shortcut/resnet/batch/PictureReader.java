package dev.shortcut.resnet.batch;

import java.lang.foreign.MemorySegment;

/** Makes what a network takes out of an encoded picture. Used by several threads at once. */
@FunctionalInterface
interface PictureReader {
  /**
   * Decodes, resizes and crops.
   *
   * @throws RuntimeException if the picture cannot be used; the message becomes the reason in its
   *     row
   */
  void read(byte[] encoded, MemorySegment target);
}
