package dev.shortcut.resnet.batch;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * One picture that has not been read yet.
 *
 * @param id what its row is called: a file's path, or whatever the caller knows it by
 * @param source where its bytes come from; called once, on a worker
 */
public record Input(String id, Source source) {
  /**
   * The most bytes of one picture file that are read, 256 MiB: more than any picture of the pixels
   * that are decoded needs, little enough that one wrong file does not take the memory of all.
   */
  public static final int MAX_FILE_BYTES = 256 << 20;

  /** Where a picture's bytes come from. */
  @FunctionalInterface
  public interface Source {
    /**
     * The encoded picture, such as the content of a JPEG file.
     *
     * @throws IOException if it cannot be read; the message becomes the reason in the picture's row
     */
    byte[] read() throws IOException;
  }

  /** A picture that is in memory already. */
  public static Input of(String id, byte[] encoded) {
    return new Input(id, () -> encoded);
  }

  /** A picture file, called by its path as it is given; read when its turn comes. */
  public static Input of(Path file) {
    return new Input(file.toString(), () -> read(file));
  }

  /** Something that was asked for and cannot be a picture; its row carries the reason. */
  static Input failed(String id, String reason) {
    return new Input(
        id,
        () -> {
          throw new IOException(reason);
        });
  }

  private static byte[] read(Path file) throws IOException {
    // A pipe or a device could be read for ever.
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw new IOException("it is not a file");
    }
    try (InputStream stream = Files.newInputStream(file)) {
      byte[] bytes = stream.readNBytes(MAX_FILE_BYTES + 1);
      if (bytes.length > MAX_FILE_BYTES) {
        throw new IOException(
            "the file is larger than %d MiB, which no picture that is decoded here needs"
                .formatted(MAX_FILE_BYTES >> 20));
      }
      return bytes;
    }
  }
}
