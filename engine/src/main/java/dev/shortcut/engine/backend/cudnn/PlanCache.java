package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.library.CacheFolder;
import dev.shortcut.engine.EnginePlan;
import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Plans and other choices in a folder, a file each, for one compilation: what was made before is
 * not made again. Nothing in the folder is believed but what its key and its hash vouch for, and
 * the folder itself must be such that nobody else can have put anything there. Whatever is wrong
 * with a file, it is as if it were not there, and it is written anew.
 *
 * <p>Any number of processes, on kinds of device that differ, may share a folder: files are written
 * under temporary names and renamed, and each kind of device has files of its own. Safe for use by
 * any thread.
 */
final class PlanCache {
  private static final Logger LOG = System.getLogger(PlanCache.class.getName());

  private static final Set<PosixFilePermission> PRIVATE =
      PosixFilePermissions.fromString("rw-------");

  /** How many plans for other devices are tried before cuDNN is asked. */
  private static final int MOST_RELATIVES = 4;

  /** How many names are looked at: many more than the limit allows. */
  private static final int MOST_NAMES = 1 << 20;

  /** A file that was used is told by its time, which is not worth a write at every start. */
  private static final Duration REMEMBERED = Duration.ofHours(12);

  /** What a process left that was ended while it wrote. */
  private static final Duration ABANDONED = Duration.ofHours(1);

  private final Path folder;
  private final Limits limits;
  private final NavigableSet<String> names;
  private final Map<EnginePlan.Source, Integer> counts = new EnumMap<>(EnginePlan.Source.class);
  private final SortedSet<String> differences = new TreeSet<>();
  private int otherVersions;
  private boolean written;
  private @Nullable String lacking;
  private int notKept;
  private @Nullable IOException failure;

  private PlanCache(Path folder, Limits limits, NavigableSet<String> names) {
    this.folder = folder;
    this.limits = limits;
    this.names = names;
  }

  /**
   * How much a folder may hold; what was not used for longest goes first.
   *
   * @param bytes of all plans
   * @param files how many
   */
  record Limits(long bytes, int files) {
    static final Limits DEFAULT = new Limits(256L << 20, 20_000);
  }

  /**
   * The plans in a folder, which is made if need be.
   *
   * @throws IOException if it cannot be read, or others could have put something there
   */
  static PlanCache open(Path folder, Limits limits) throws IOException {
    Files.createDirectories(
        folder.toAbsolutePath(),
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    CacheFolder.checkTrusted(folder);
    NavigableSet<String> names = new TreeSet<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*" + PlanKey.SUFFIX)) {
      for (Path file : files) {
        if (names.size() == MOST_NAMES) {
          break;
        }
        names.add(file.getFileName().toString());
      }
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    }
    return new PlanCache(folder, limits, names);
  }

  /** The plans in a folder, or none, with a warning, where the folder cannot be used. */
  static @Nullable PlanCache openIfUsable(@Nullable Path folder) {
    if (folder == null) {
      return null;
    }
    try {
      return open(folder, Limits.DEFAULT);
    } catch (IOException e) {
      LOG.log(
          Level.WARNING, "plans are not kept, since the folder cannot be used: {0}", e.toString());
      return null;
    }
  }

  /**
   * Keeps nothing from now on, and says so in the end, since cuDNN offers less here than elsewhere:
   * without the driver's library it leaves engines out without a word, so that neither what it
   * holds best is what an engine on a GPU is to take, nor what it refuses is refused there. What
   * was kept before is taken all the same.
   *
   * @param libraries those that cuDNN lacks
   */
  synchronized void keepNothing(String libraries) {
    lacking = libraries;
  }

  /** What was chosen for just this, if there is anything. */
  Optional<PlanEntry> find(PlanKey key) {
    String name = key.fileName();
    Optional<PlanEntry> found = read(name);
    if (found.isPresent() && !found.get().key().equals(key)) {
      ignore(name, "it is for " + found.get().key());
      return Optional.empty();
    }
    if (found.isPresent()) {
      remember(folder.resolve(name));
    }
    return found;
  }

  /**
   * What was chosen for the same on other devices of the architecture, the latest first; what was
   * refused there may be planned here.
   */
  List<PlanEntry> relatives(PlanKey key) {
    String own = key.fileName();
    List<String> candidates =
        beginningWith(key.familyPrefix()).stream()
            .filter(name -> !name.equals(own))
            .sorted(Comparator.comparing(this::lastUse).reversed().thenComparing(name -> name))
            .limit(MOST_RELATIVES)
            .toList();
    List<PlanEntry> relatives = new ArrayList<>();
    for (String name : candidates) {
      read(name)
          .ifPresent(entry -> {
            if (!entry.key().isOfFamily(key) || !entry.key().fileName().equals(name)) {
              ignore(name, "it is for " + entry.key());
            } else if (!(entry.kept() instanceof PlanEntry.Refusal)) {
              relatives.add(entry);
            }
          });
    }
    return relatives;
  }

  private NavigableSet<String> beginningWith(String prefix) {
    return names.subSet(prefix, true, prefix + Character.MAX_VALUE, false);
  }

  private Optional<PlanEntry> read(String name) {
    Path file = folder.resolve(name);
    try {
      BasicFileAttributes attributes =
          Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      if (!attributes.isRegularFile() || !CacheFolder.isTrustedFile(file)) {
        throw new IOException("it is no plain file that only you can write");
      }
      if (attributes.size() > PlanEntry.LONGEST) {
        throw new IOException("it has %,d bytes".formatted(attributes.size()));
      }
      try (InputStream in = Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS)) {
        return Optional.of(PlanEntry.read(in.readNBytes(PlanEntry.LONGEST + 1)));
      }
    } catch (NoSuchFileException _) {
      return Optional.empty();
    } catch (IOException e) {
      ignore(name, String.valueOf(e.getMessage()));
      return Optional.empty();
    }
  }

  /** Takes note that what was kept for just this cannot be used. */
  void ignore(PlanKey key, String why) {
    ignore(key.fileName(), why);
  }

  private void ignore(String name, String why) {
    LOG.log(
        Level.WARNING,
        "the kept plan {0} is ignored and made anew: {1}",
        folder.resolve(name),
        why);
  }

  /** Keeps a choice for later; where it cannot be written, the compilation goes on without. */
  void store(PlanEntry entry) {
    if (isNotKept()) {
      return;
    }
    byte[] bytes = entry.bytes();
    if (bytes.length > PlanEntry.LONGEST) {
      LOG.log(Level.DEBUG, "a plan of {0} bytes is not kept: {1}", bytes.length, entry.key());
      return;
    }
    try {
      CacheFolder.replace(folder.resolve(entry.key().fileName()), PRIVATE, out -> out.write(bytes));
      written();
    } catch (IOException e) {
      failed(e);
    }
  }

  private synchronized boolean isNotKept() {
    notKept += lacking == null ? 0 : 1;
    return lacking != null;
  }

  private synchronized void written() {
    written = true;
  }

  private synchronized void failed(IOException e) {
    if (failure == null) {
      failure = e;
      LOG.log(Level.WARNING, "plans cannot be kept in {0}: {1}", folder, e.toString());
    }
  }

  /** Why a plan could not be written, if so. */
  synchronized Optional<IOException> failure() {
    return Optional.ofNullable(failure);
  }

  /** Takes note of a plan that lay here just as it is wanted. */
  void taken() {
    count(EnginePlan.Source.CACHED_PLAN);
  }

  /** Takes note of a plan that was made again of another one's engine and settings. */
  synchronized void rebuilt(PlanKey key, PlanKey from) {
    count(EnginePlan.Source.ENGINE_AND_KNOBS);
    List<String> fields = key.differences(from);
    differences.add(fields.isEmpty() ? "cuDNN refuses the plan" : String.join("; ", fields));
  }

  /** Takes note of a plan that cuDNN had to be asked for. */
  synchronized void chosen(PlanKey key) {
    count(EnginePlan.Source.HEURISTICS);
    // Plans for another architecture are what a shared folder is for; and what is of the family did
    // not serve for another reason, such as that it is a refusal.
    if (beginningWith(key.kernelPrefix()).stream()
        .anyMatch(name -> key.isForArchitecture(name) && !name.startsWith(key.familyPrefix()))) {
      otherVersions++;
    }
  }

  private synchronized void count(EnginePlan.Source source) {
    counts.merge(source, 1, Integer::sum);
  }

  /** Says in one line how much of what was kept could be used, and makes room. */
  void finish(String what) {
    report(what);
    if (wasWritten()) {
      makeRoom();
    }
  }

  private synchronized boolean wasWritten() {
    return written;
  }

  private synchronized void report(String what) {
    if (notKept > 0) {
      LOG.log(
          Level.WARNING,
          "{0} plans of {1} are not kept in {2}, since cuDNN offers less without {3}",
          notKept,
          what,
          folder,
          lacking);
    }
    int rebuilt = counts.getOrDefault(EnginePlan.Source.ENGINE_AND_KNOBS, 0);
    Level level = rebuilt > 0 || otherVersions > 0 ? Level.INFO : Level.DEBUG;
    if (!LOG.isLoggable(level)) {
      return;
    }
    var line = new StringBuilder("plans of ").append(what).append(" from ").append(folder);
    line.append(": %d as kept".formatted(counts.getOrDefault(EnginePlan.Source.CACHED_PLAN, 0)));
    if (rebuilt > 0) {
      line.append(
          ", %d made again of the kept engine and settings (%s)"
              .formatted(rebuilt, String.join("; or ", differences)));
    }
    line.append(", %d chosen anew".formatted(counts.getOrDefault(EnginePlan.Source.HEURISTICS, 0)));
    if (otherVersions > 0) {
      line.append(
          ", of which %d are kept for another cuDNN or in another format".formatted(otherVersions));
    }
    LOG.log(level, line.toString());
  }

  private FileTime lastUse(String name) {
    try {
      return Files.getLastModifiedTime(folder.resolve(name), LinkOption.NOFOLLOW_LINKS);
    } catch (IOException _) {
      return FileTime.from(Instant.EPOCH);
    }
  }

  private void remember(Path file) {
    try {
      Instant now = Instant.now();
      FileTime last = Files.getLastModifiedTime(file, LinkOption.NOFOLLOW_LINKS);
      if (last.toInstant().isBefore(now.minus(REMEMBERED))) {
        Files.setLastModifiedTime(file, FileTime.from(now));
      }
    } catch (IOException e) {
      // A folder that cannot be written is as good as another.
      LOG.log(Level.TRACE, "the time of " + file + " stays as it is", e);
    }
  }

  /** A file of the folder when it was looked at. */
  private record Kept(Path file, long bytes, FileTime lastUse) {}

  /** Deletes what was not used for longest, until nine tenths of the limits are kept. */
  private void makeRoom() {
    List<Kept> kept = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        String name = file.getFileName().toString();
        BasicFileAttributes attributes = attributes(file);
        if (attributes == null || !attributes.isRegularFile()) {
          continue;
        }
        FileTime time = attributes.lastModifiedTime();
        if (name.endsWith(PlanKey.SUFFIX)) {
          kept.add(new Kept(file, attributes.size(), time));
        } else if (name.endsWith(CacheFolder.TEMPORARY)
            && name.contains(PlanKey.SUFFIX)
            && time.toInstant().isBefore(Instant.now().minus(ABANDONED))) {
          Files.deleteIfExists(file);
        }
      }
      long bytes = kept.stream().mapToLong(Kept::bytes).sum();
      int number = kept.size();
      if (bytes <= limits.bytes() && number <= limits.files()) {
        return;
      }
      kept.sort(Comparator.comparing(Kept::lastUse).thenComparing(Kept::file));
      for (Kept oldest : kept) {
        if (bytes <= limits.bytes() / 10 * 9 && number <= limits.files() / 10 * 9) {
          break;
        }
        Files.deleteIfExists(oldest.file());
        bytes -= oldest.bytes();
        number--;
      }
    } catch (IOException | DirectoryIteratorException e) {
      LOG.log(Level.WARNING, "old plans cannot be deleted from {0}: {1}", folder, e.toString());
    }
  }

  /** Null for a file that another process has deleted meanwhile. */
  private static @Nullable BasicFileAttributes attributes(Path file) {
    try {
      return Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    } catch (IOException _) {
      return null;
    }
  }
}
