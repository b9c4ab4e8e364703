package dev.shortcut.resnet.batch;

import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Where pictures come from, in a fixed order; nothing is read before its turn. */
public interface Inputs {
  /**
   * The pictures from the first on.
   *
   * @throws InputException if the source as a whole cannot be used
   */
  Iterator<Input> open();

  /**
   * How many there are and what they are, found without reading them; empty for a source that can
   * be gone through only once.
   *
   * @throws InputException if the source as a whole cannot be used
   */
  Optional<Survey> survey();

  /**
   * What a source holds.
   *
   * @param count number of pictures
   * @param fingerprint changes when a picture is added, removed, renamed, resized in bytes or
   *     written again
   */
  record Survey(long count, String fingerprint) {}

  /**
   * Files as they are given, and folders with all picture files below them, sorted by name at each
   * level.
   */
  static Inputs files(Path... paths) {
    return new FileInputs(
        Stream.of(paths).map(Path::toString).collect(Collectors.joining(", ")),
        Stream.of(paths).map(FileInputs::walk).toList());
  }

  /** Files and folders, as {@link #files(Path...)}. */
  static Inputs files(List<Path> paths) {
    return files(paths.toArray(Path[]::new));
  }

  /**
   * The files that a pattern such as {@code photos/**}{@code /*.jpg} matches ({@link
   * java.nio.file.FileSystem#getPathMatcher}), sorted by name at each level.
   */
  static Inputs glob(String pattern) {
    return new FileInputs(pattern, List.of(FileInputs.glob(pattern)));
  }

  /**
   * The files that a text file names, one path in each line; relative paths begin at the working
   * folder.
   */
  static Inputs list(Path list) {
    return new FileInputs("the list " + list, List.of(FileInputs.list(list)));
  }

  /** Several sources, one behind another. */
  static Inputs concat(List<Inputs> parts) {
    return new ConcatenatedInputs(parts);
  }

  /** Whether this reads as a pattern: it has a star, a question mark, a bracket or a brace. */
  static boolean isPattern(String text) {
    return FileInputs.isGlob(text);
  }

  /** Pictures that are known one by one. They are told from others by their ids and their order. */
  static Inputs of(List<Input> pictures) {
    List<Input> all = List.copyOf(pictures);
    var ids = new IdDigest();
    all.forEach(picture -> ids.add(picture.id()));
    String fingerprint = HexFormat.of().formatHex(ids.value());
    return new Inputs() {
      @Override
      public Iterator<Input> open() {
        return all.iterator();
      }

      @Override
      public Optional<Survey> survey() {
        return Optional.of(new Survey(all.size(), fingerprint));
      }

      @Override
      public String toString() {
        return "a list of pictures";
      }
    };
  }

  /** Pictures from anywhere else. The iterator is used once, by one thread, and may block. */
  static Inputs of(Iterator<Input> pictures) {
    return new Inputs() {
      @Override
      public Iterator<Input> open() {
        return pictures;
      }

      @Override
      public Optional<Survey> survey() {
        return Optional.empty();
      }
    };
  }
}
