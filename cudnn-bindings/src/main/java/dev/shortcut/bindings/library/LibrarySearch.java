package dev.shortcut.bindings.library;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Where a library is looked for, in order. A file that the user names, by argument, property or
 * environment variable, is the only one that is tried: if it cannot be opened, that is an error and
 * not a reason to take another.
 *
 * <p>Not thread-safe.
 */
public final class LibrarySearch {
  private static final Logger LOG = System.getLogger(LibrarySearch.class.getName());

  private final String name;
  private final String symbol;
  private final List<Place> places = new ArrayList<>();
  private final List<String> sonames = new ArrayList<>();
  private final List<Attempt> attempts = new ArrayList<>();
  private Refusal refusal = library -> null;

  /** One step of the search; it returns the library, or null after having recorded why not. */
  private sealed interface Place {
    /** A file that the user named; {@code file} is null where the user named none. */
    record Named(String how, @Nullable String file) implements Place {}

    record SystemLoader() implements Place {}

    record Folders(String how, List<String> patterns) implements Place {}

    record Bundled(LibraryBundle bundle) implements Place {}
  }

  /** Says of an opened library why it is not the one that is wanted. */
  @FunctionalInterface
  public interface Refusal {
    /** The reason, such as a version that is too old; null if the library is taken. */
    @Nullable String reason(NativeLibrary library);
  }

  LibrarySearch(String name, String symbol) {
    this.name = name;
    this.symbol = symbol;
  }

  /** A file that the caller was given, for instance on the command line; null for none. */
  public LibrarySearch file(String how, @Nullable Path file) {
    places.add(new Place.Named(how, file == null ? null : file.toString()));
    return this;
  }

  /** The file that a system property names. */
  public LibrarySearch property(String property) {
    places.add(new Place.Named("system property " + property, System.getProperty(property)));
    return this;
  }

  /** The file that an environment variable names. */
  public LibrarySearch environment(String variable) {
    places.add(new Place.Named("environment variable " + variable, System.getenv(variable)));
    return this;
  }

  /**
   * A folder that the user names by a system property or else by an environment variable.
   *
   * @param folders paths inside of it, each tried with every soname; may be patterns
   */
  public LibrarySearch namedFolder(String property, String variable, List<String> folders) {
    String how = "system property " + property;
    String root = System.getProperty(property, "");
    if (root.isBlank()) {
      how = "environment variable " + variable;
      root = Optional.ofNullable(System.getenv(variable)).orElse("");
    }
    if (root.isBlank()) {
      places.add(new Place.Named("system property %s or %s".formatted(property, how), null));
    } else {
      Path absolute = Path.of(root).toAbsolutePath();
      places.add(
          new Place.Folders(how, folders.stream().map(folder -> absolute + "/" + folder).toList()));
    }
    return this;
  }

  /** The folders of the active conda environment; nothing where there is none. */
  public LibrarySearch conda() {
    String root = System.getenv("CONDA_PREFIX");
    if (root != null && root.startsWith("/")) {
      places.add(
          new Place.Folders("conda", List.of(root + "/lib", root + "/targets/x86_64-linux/lib")));
    }
    return this;
  }

  /** Libraries that lie in a jar and are unpacked into a cache folder; needs no sonames. */
  public LibrarySearch bundled(LibraryBundle bundle) {
    places.add(new Place.Bundled(bundle));
    return this;
  }

  /**
   * The system's loader: LD_LIBRARY_PATH, the loader's cache and its default folders.
   *
   * @param names sonames, newest first; they are also what is looked for in folders
   */
  public LibrarySearch sonames(String... names) {
    sonames.addAll(Arrays.asList(names));
    places.add(new Place.SystemLoader());
    return this;
  }

  /**
   * Folders, each tried with every soname.
   *
   * @param how what these folders are, such as {@code CUDA toolkit}
   * @param patterns absolute paths, whose components may be glob patterns such as {@code cuda*};
   *     matches are tried in descending order, so that the newest version comes first
   */
  public LibrarySearch folders(String how, String... patterns) {
    places.add(new Place.Folders(how, List.of(patterns)));
    return this;
  }

  /**
   * Folders inside Python packages, where pip puts libraries.
   *
   * @param folder the path inside a {@code site-packages} folder, such as {@code nvidia/cudnn/lib};
   *     may be a pattern
   */
  public LibrarySearch wheels(String folder) {
    List<String> roots = new ArrayList<>();
    for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
      String value = System.getenv(variable);
      if (value != null && value.startsWith("/")) {
        roots.add(value + "/lib/python3*/site-packages/" + folder);
      }
    }
    roots.add(System.getProperty("user.home") + "/.local/lib/python3*/site-packages/" + folder);
    roots.add("/usr/local/lib/python3*/dist-packages/" + folder);
    roots.add("/usr/local/lib/python3*/site-packages/" + folder);
    roots.add("/usr/lib/python3*/dist-packages/" + folder);
    roots.add("/usr/lib/python3*/site-packages/" + folder);
    places.add(new Place.Folders("pip package", List.copyOf(roots)));
    return this;
  }

  /** Passes over libraries that the caller has a reason against, which the error then gives. */
  public LibrarySearch refuse(Refusal reason) {
    refusal = reason;
    return this;
  }

  /**
   * Opens the first library that is found.
   *
   * @throws LibraryException if there is none; it lists every place tried with the loader's own
   *     reason
   */
  public NativeLibrary load() {
    attempts.clear();
    for (Place place : places) {
      NativeLibrary found =
          switch (place) {
            case Place.Named named -> tryNamed(named);
            case Place.SystemLoader _ -> trySystem();
            case Place.Folders folders -> tryFolders(folders);
            case Place.Bundled bundled -> tryBundled(bundled.bundle());
          };
      if (found != null) {
        LOG.log(Level.DEBUG, "opened {0}", found);
        return found;
      }
    }
    throw notFound();
  }

  private @Nullable NativeLibrary tryNamed(Place.Named place) {
    if (place.file() == null || place.file().isBlank()) {
      attempts.add(new Attempt(place.how(), "not given", "nothing to try"));
      return null;
    }
    // A name without a slash is searched by the loader; a user who names a file means that file.
    String file = Path.of(place.file()).toAbsolutePath().toString();
    NativeLibrary library = open(place.how(), file);
    if (library == null) {
      throw notFound();
    }
    return library;
  }

  private @Nullable NativeLibrary trySystem() {
    for (String soname : sonames) {
      NativeLibrary library = open("system loader", soname);
      if (library != null) {
        return library;
      }
    }
    return null;
  }

  private @Nullable NativeLibrary tryFolders(Place.Folders place) {
    Set<Path> folders = new LinkedHashSet<>();
    for (String pattern : place.patterns()) {
      folders.addAll(matching(pattern));
    }
    if (folders.isEmpty()) {
      attempts.add(new Attempt(place.how(), String.join(", ", place.patterns()), "no such folder"));
    }
    for (Path folder : folders) {
      for (String soname : sonames) {
        Path file = folder.resolve(soname);
        if (!Files.exists(file)) {
          attempts.add(new Attempt(place.how(), file.toString(), "no such file"));
          continue;
        }
        NativeLibrary library = open(place.how(), file.toString());
        if (library != null) {
          return library;
        }
      }
    }
    return null;
  }

  private @Nullable NativeLibrary tryBundled(LibraryBundle bundle) {
    Optional<String> unusable = bundle.unusable();
    if (unusable.isPresent()) {
      attempts.add(new Attempt("bundled", bundle.main(), unusable.get()));
      return null;
    }
    for (CacheFolder cache : CacheFolder.candidates()) {
      String how = "bundled, unpacked to the folder from " + cache.origin();
      Path file;
      try {
        file = bundle.unpack(cache);
      } catch (IOException e) {
        attempts.add(new Attempt(how, cache.path().toString(), CacheFolder.explain(e)));
        continue;
      }
      NativeLibrary library = open(how, file.toString());
      if (library != null) {
        return library;
      }
    }
    return null;
  }

  private @Nullable NativeLibrary open(String how, String file) {
    Loader.Opened opened = Loader.open(file);
    if (opened.lookup() == null) {
      attempts.add(new Attempt(how, file, opened.reason()));
      return null;
    }
    Optional<MemorySegment> address = opened.lookup().find(symbol);
    if (address.isEmpty()) {
      attempts.add(
          new Attempt(how, file, "it has no function " + symbol + ", so it is not " + name));
      return null;
    }
    String location = Loader.fileOf(address.get()).map(Path::toString).orElse(file);
    String reason = refusal.reason(new NativeLibrary(name, location, opened.lookup(), attempts));
    attempts.add(new Attempt(how, location, reason));
    return reason == null ? new NativeLibrary(name, location, opened.lookup(), attempts) : null;
  }

  private LibraryException notFound() {
    var text = new StringBuilder(name).append(" cannot be opened. Tried, in this order:");
    int number = 1;
    for (Attempt attempt : attempts) {
      text.append("\n  ").append(number++).append(". ").append(attempt);
    }
    if (!Loader.isGlibc()) {
      text.append(
              "\nThis Java runs on a C library other than glibc (musl, as in Alpine), which ready-made libraries")
          .append(" do not support: use a distribution with glibc.");
    }
    return new LibraryException(text.toString(), attempts);
  }

  /**
   * The folders that an absolute pattern matches, each component expanded in turn, in descending
   * order of name.
   */
  private static List<Path> matching(String pattern) {
    List<Path> found = List.of(Path.of("/"));
    for (Path component : Path.of(pattern)) {
      String glob = component.toString();
      boolean literal = glob.chars().noneMatch(c -> "*?[{".indexOf(c) >= 0);
      List<Path> next = new ArrayList<>();
      for (Path folder : found) {
        if (literal) {
          next.add(folder.resolve(glob));
        } else {
          next.addAll(children(folder, glob));
        }
      }
      found = next;
    }
    return found.stream().filter(Files::isDirectory).toList();
  }

  private static List<Path> children(Path folder, String glob) {
    List<Path> children = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, glob)) {
      entries.forEach(children::add);
    } catch (IOException e) {
      LOG.log(Level.TRACE, "cannot list " + folder, e);
    }
    children.sort((a, b) -> b.compareTo(a));
    return children;
  }
}
