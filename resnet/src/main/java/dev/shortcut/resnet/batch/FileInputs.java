package dev.shortcut.resnet.batch;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;

/**
 * Pictures in files. At any time the names of the folders on the way to the current file are in
 * memory, and no more.
 *
 * @param description what was asked for, for messages
 * @param walks one for each thing that was asked for; each gives the same files whenever it is
 *     opened
 */
record FileInputs(String description, List<Iterable<FileInputs.Found>> walks) implements Inputs {
  /** Extensions of the formats that are decoded; other files below a folder are passed over. */
  static final Set<String> EXTENSIONS =
      Set.of("jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp", "dib", "tif", "tiff", "webp");

  private static final String GLOB_CHARACTERS = "*?[{";

  /**
   * A path to read, or why it cannot be.
   *
   * @param reason empty where there is a file
   */
  record Found(String id, Optional<Path> file, String reason) {
    static Found file(Path path) {
      return new Found(path.toString(), Optional.of(path), "");
    }

    static Found missing(String id, String reason) {
      return new Found(id, Optional.empty(), reason);
    }
  }

  @Override
  public Iterator<Input> open() {
    Iterator<Found> all = new ConcatenatedIterator<>(walks.iterator());
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return all.hasNext();
      }

      @Override
      public Input next() {
        Found found = all.next();
        return found
            .file()
            .map(Input::of)
            .orElseGet(() -> Input.failed(found.id(), found.reason()));
      }
    };
  }

  @Override
  public Optional<Survey> survey() {
    MessageDigest digest = sha256();
    long count = 0;
    for (Iterator<Found> all = new ConcatenatedIterator<>(walks.iterator());
        all.hasNext();
        count++) {
      Found found = all.next();
      String stamp = found.file().map(FileInputs::stamp).orElse(found.reason());
      digest.update((found.id() + '\0' + stamp + '\n').getBytes(StandardCharsets.UTF_8));
    }
    return Optional.of(new Survey(count, HexFormat.of().formatHex(digest.digest())));
  }

  @Override
  public String toString() {
    return description;
  }

  private static String stamp(Path file) {
    try {
      BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
      return attributes.size() + "\0" + attributes.lastModifiedTime().toMillis();
    } catch (IOException e) {
      return Reasons.of(e);
    }
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  /** A file as it is, or the picture files below a folder. */
  static Iterable<Found> walk(Path path) {
    return () ->
        Files.isDirectory(path)
            ? new FolderWalk(path, FileInputs::looksLikeAPicture)
            : List.of(Found.file(path)).iterator();
  }

  /**
   * The files that a pattern matches, each as the pattern's own beginning makes it: relative or
   * absolute.
   */
  static Iterable<Found> glob(String pattern) {
    PathMatcher matcher;
    try {
      matcher = FileSystems.getDefault().getPathMatcher("glob:" + pattern);
    } catch (PatternSyntaxException e) {
      throw new InputException(
          "%s is no pattern for files: %s".formatted(pattern, e.getDescription()), e);
    }
    int wild = 0;
    while (wild < pattern.length() && GLOB_CHARACTERS.indexOf(pattern.charAt(wild)) < 0) {
      wild++;
    }
    int slash = pattern.lastIndexOf('/', wild);
    Path root = Path.of(slash < 0 ? "" : slash == 0 ? "/" : pattern.substring(0, slash));
    return () -> {
      if (!Files.isDirectory(root)) {
        throw new InputException(
            "%s matches nothing: there is no folder %s".formatted(pattern, root));
      }
      return new FolderWalk(root, matcher::matches);
    };
  }

  /** Whether this argument is meant as a pattern. */
  static boolean isGlob(String argument) {
    return argument.chars().anyMatch(c -> GLOB_CHARACTERS.indexOf(c) >= 0);
  }

  /** The paths in a text file; blank lines are passed over. */
  static Iterable<Found> list(Path list) {
    return () -> {
      try {
        return new ListedFiles(Files.newBufferedReader(list), list);
      } catch (IOException e) {
        throw new InputException(
            "the list %s cannot be read: %s".formatted(list, Reasons.of(e)), e);
      }
    };
  }

  private static boolean looksLikeAPicture(Path file) {
    String name = String.valueOf(file.getFileName());
    int dot = name.lastIndexOf('.');
    return dot > 0 && EXTENSIONS.contains(name.substring(dot + 1).toLowerCase(Locale.ROOT));
  }

  /** Extensions in words, for messages. */
  static String extensions() {
    return EXTENSIONS.stream().sorted().collect(Collectors.joining(", "));
  }

  /**
   * Depth first, sorted by name, hidden files and folders left out, links followed but never in a
   * circle.
   */
  private static final class FolderWalk implements Iterator<Found> {
    private final Predicate<Path> wanted;
    private final Deque<Iterator<Path>> levels = new ArrayDeque<>();
    private final Deque<Path> ancestors = new ArrayDeque<>();
    private Optional<Found> next = Optional.empty();

    FolderWalk(Path root, Predicate<Path> wanted) {
      this.wanted = wanted;
      enter(root);
    }

    private void enter(Path folder) {
      try {
        Path real = folder.toRealPath();
        if (ancestors.contains(real)) {
          return;
        }
        levels.push(sorted(folder).iterator());
        ancestors.push(real);
      } catch (IOException e) {
        next =
            Optional.of(
                Found.missing(folder.toString(), "the folder cannot be read: " + Reasons.of(e)));
      }
    }

    private static List<Path> sorted(Path folder) throws IOException {
      List<Path> entries = new ArrayList<>();
      try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder)) {
        for (Path entry : stream) {
          if (!entry.getFileName().toString().startsWith(".")) {
            entries.add(entry);
          }
        }
      } catch (DirectoryIteratorException e) {
        throw e.getCause();
      }
      entries.sort(Comparator.comparing(entry -> entry.getFileName().toString()));
      return entries;
    }

    @Override
    public boolean hasNext() {
      while (next.isEmpty() && !levels.isEmpty()) {
        Iterator<Path> level = levels.peek();
        if (!level.hasNext()) {
          levels.pop();
          ancestors.pop();
          continue;
        }
        Path entry = level.next();
        if (Files.isDirectory(entry)) {
          enter(entry);
        } else if (wanted.test(entry)) {
          next = Optional.of(Found.file(entry));
        }
      }
      return next.isPresent();
    }

    @Override
    public Found next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      Found found = next.orElseThrow();
      next = Optional.empty();
      return found;
    }
  }

  /** The lines of a list; closes it when it has ended. */
  private static final class ListedFiles implements Iterator<Found> {
    private final BufferedReader reader;
    private final Path list;
    private Optional<String> next = Optional.empty();
    private boolean ended;

    ListedFiles(BufferedReader reader, Path list) {
      this.reader = reader;
      this.list = list;
    }

    @Override
    public boolean hasNext() {
      try {
        while (next.isEmpty() && !ended) {
          String line = reader.readLine();
          if (line == null) {
            ended = true;
            reader.close();
          } else if (!line.isBlank()) {
            next = Optional.of(line);
          }
        }
      } catch (IOException e) {
        throw new InputException(
            "the list %s cannot be read: %s".formatted(list, Reasons.of(e)), e);
      }
      return next.isPresent();
    }

    @Override
    public Found next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      String line = next.orElseThrow();
      next = Optional.empty();
      try {
        return Found.file(Path.of(line));
      } catch (InvalidPathException e) {
        return Found.missing(line, "it is no path: " + e.getReason());
      }
    }
  }
}
