package dev.shortcut.engine.memory;

/**
 * A stretch of memory that is needed from one step to another, both included.
 *
 * @param name for messages
 * @param bytes its size; a buffer of 0 bytes takes no place in the arena
 * @param first the step that writes it
 * @param last the last step that reads it
 * @param inPlaceOf the index, in the planned list, of an earlier buffer whose place this one may
 *     take; {@link #NOWHERE} if there is none
 */
public record Buffer(String name, long bytes, int first, int last, int inPlaceOf) {
  /** No buffer to take the place of. */
  public static final int NOWHERE = -1;

  /** Checks that the numbers make sense. */
  public Buffer {
    if (bytes < 0 || first < 0 || last < first || inPlaceOf < NOWHERE) {
      throw new IllegalArgumentException(
          "bad buffer %s: bytes=%d first=%d last=%d inPlaceOf=%d"
              .formatted(name, bytes, first, last, inPlaceOf));
    }
  }

  /** Scratch space of one step. */
  public static Buffer scratch(String name, long bytes, int step) {
    return new Buffer(name, bytes, step, step, NOWHERE);
  }
}
