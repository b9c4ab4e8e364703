package dev.shortcut.resnet;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;

/**
 * A dozen pictures that the bundled model was not trained on, from the test set of CIFAR-10
 * (Krizhevsky 2009), JPEG of 32x32 pixels. The first part of a picture's name is its class.
 */
public final class BundledPictures {
  private static final List<String> NAMES =
      List.of(
          "airplane-0001.jpg",
          "automobile-0001.jpg",
          "bird-0001.jpg",
          "cat-0001.jpg",
          "cat-0002.jpg",
          "deer-0001.jpg",
          "dog-0001.jpg",
          "frog-0001.jpg",
          "horse-0001.jpg",
          "ship-0001.jpg",
          "ship-0002.jpg",
          "truck-0001.jpg");

  private BundledPictures() {}

  /** The pictures' names, such as {@code cat-0001.jpg}. */
  public static List<String> names() {
    return NAMES;
  }

  /**
   * The content of a picture's file.
   *
   * @throws IllegalArgumentException if there is no such picture
   */
  public static byte[] read(String name) {
    if (!NAMES.contains(name)) {
      throw new IllegalArgumentException("no bundled picture is called " + name);
    }
    try (InputStream stream = BundledPictures.class.getResourceAsStream("pictures/" + name)) {
      if (stream == null) {
        throw new IllegalStateException(name + " is missing from this library's jar");
      }
      return stream.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
