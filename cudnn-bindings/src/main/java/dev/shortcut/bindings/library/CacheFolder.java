package dev.shortcut.bindings.library;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.AccessDeniedException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * A folder for files that can be made again. Nothing in it is trusted unless nobody but this user
 * could have put it there.
 *
 * @param origin where the idea came from, for messages
 * @param path the folder, which need not exist yet
 */
public record CacheFolder(String origin, Path path) {
  /** The system property that names the cache folder; if it is set, no other folder is tried. */
  public static final String PROPERTY = "shortcut.cache";

  /** How the names of files end that are still being written. */
  public static final String TEMPORARY = ".part";

  private static final int STICKY = 01000;

  private static final int ADMINISTRATOR = 0;

  /**
   * The folders to try, in order: the property, else XDG_CACHE_HOME and then the temporary folder.
   * The first that can be used is used.
   */
  public static List<CacheFolder> candidates() {
    String property = System.getProperty(PROPERTY, "");
    if (!property.isBlank()) {
      return List.of(
          new CacheFolder("system property " + PROPERTY, Path.of(property).toAbsolutePath()));
    }
    List<CacheFolder> folders = new ArrayList<>();
    String xdg = System.getenv("XDG_CACHE_HOME");
    // The XDG specification says that a relative path is to be ignored.
    if (xdg != null && xdg.startsWith("/")) {
      folders.add(new CacheFolder("XDG_CACHE_HOME", Path.of(xdg, "shortcut")));
    }
    String temporary = System.getProperty("java.io.tmpdir", "/tmp");
    folders.add(
        new CacheFolder(
            "the temporary folder",
            Path.of(temporary).toAbsolutePath().resolve("shortcut-" + userId())));
    return folders;
  }

  /**
   * A folder inside this one that only this user can write, made if need be.
   *
   * @throws IOException if it cannot be made, or if somebody else could write into it
   */
  Path privateFolder(String name) throws IOException {
    Path folder = path.resolve(name);
    Files.createDirectories(
        folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    checkPrivate(folder);
    return folder;
  }

  /**
   * Checks that nobody but this user and the system's administrator could have put anything into a
   * folder, so that what lies in it is as good as this user's own work.
   *
   * @throws IOException saying what is wrong with it
   */
  public static void checkTrusted(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      throw new IOException(folder + " is not a folder");
    }
    Path real = folder.toRealPath();
    if (!isTrustedOwner(real)) {
      throw new IOException(folder + " belongs to another user, who could put anything there");
    }
    if (writableByOthers(real)) {
      throw new IOException(
          "%s has the permissions %s, so that others could put anything there (chmod go-w %s)"
              .formatted(
                  folder,
                  PosixFilePermissions.toString(Files.getPosixFilePermissions(real)),
                  folder));
    }
    checkParents(real);
  }

  /**
   * Whether this is a plain file of this user's or of the system's administrator's that nobody else
   * can write.
   */
  public static boolean isTrustedFile(Path file) throws IOException {
    return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
        && isTrustedOwner(file)
        && !writableByOthers(file);
  }

  /** Writes what a file is to hold. */
  @FunctionalInterface
  public interface Content {
    /** Writes all of it; the stream is somebody else's to close. */
    void writeTo(OutputStream out) throws IOException;
  }

  /**
   * Writes a file under a temporary name, with the permissions of its own, and renames it: whoever
   * reads the file sees all of it or what was there before, and two processes that do this at once
   * both win.
   *
   * @throws IOException if it cannot be written, or what the content throws; nothing is left then
   */
  public static void replace(Path file, Set<PosixFilePermission> permissions, Content content)
      throws IOException {
    Path temporary =
        Files.createTempFile(
            file.getParent(),
            file.getFileName() + ".",
            TEMPORARY,
            PosixFilePermissions.asFileAttribute(permissions));
    try {
      try (OutputStream out = Files.newOutputStream(temporary)) {
        content.writeTo(out);
      }
      try {
        Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
      } catch (AtomicMoveNotSupportedException _) {
        Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
      }
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  /** Whether this is a plain file of this user that nobody else can write. */
  static boolean isOwnFile(Path file) throws IOException {
    return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
        && owner(file) == userId()
        && !writableByOthers(file);
  }

  /** What went wrong in words, with what to do. */
  static String explain(IOException e) {
    String what = e instanceof FileSystemException ? e.getClass().getSimpleName() + ": " : "";
    String said = String.valueOf(e.getMessage());
    boolean denied = e instanceof AccessDeniedException || said.contains("Read-only file system");
    return what
        + said
        + (denied ? "; the folder cannot be written" : "")
        + "; name a folder that only you can write with -D"
        + PROPERTY
        + "=FOLDER";
  }

  private static void checkPrivate(Path folder) throws IOException {
    if (Files.isSymbolicLink(folder) || !Files.isDirectory(folder)) {
      throw new IOException(folder + " is not a folder");
    }
    if (owner(folder) != userId()) {
      throw new IOException(folder + " belongs to another user, who could put anything there");
    }
    Set<PosixFilePermission> permissions =
        Files.getPosixFilePermissions(folder, LinkOption.NOFOLLOW_LINKS);
    if (!permissions.equals(PosixFilePermissions.fromString("rwx------"))) {
      throw new IOException(
          "%s has the permissions %s, but must be rwx------"
              .formatted(folder, PosixFilePermissions.toString(permissions)));
    }
    checkParents(folder.toRealPath());
  }

  /**
   * Whoever can rename a parent can put another folder in its place between our check and the use.
   */
  private static void checkParents(Path folder) throws IOException {
    for (Path parent = folder.getParent(); parent != null; parent = parent.getParent()) {
      int mode = (int) Files.getAttribute(parent, "unix:mode");
      boolean othersMayWrite =
          Files.getPosixFilePermissions(parent).contains(PosixFilePermission.OTHERS_WRITE);
      if (othersMayWrite && (mode & STICKY) == 0) {
        throw new IOException(
            "%s lies in %s, where every user may rename it".formatted(folder, parent));
      }
    }
  }

  private static boolean isTrustedOwner(Path file) throws IOException {
    int owner = owner(file);
    return owner == userId() || owner == ADMINISTRATOR;
  }

  private static boolean writableByOthers(Path file) throws IOException {
    Set<PosixFilePermission> permissions =
        Files.getPosixFilePermissions(file, LinkOption.NOFOLLOW_LINKS);
    return permissions.contains(PosixFilePermission.GROUP_WRITE)
        || permissions.contains(PosixFilePermission.OTHERS_WRITE);
  }

  private static int owner(Path file) throws IOException {
    return (int) Files.getAttribute(file, "unix:uid", LinkOption.NOFOLLOW_LINKS);
  }

  /** The number of the user that this process runs as, who need not have a name (containers). */
  private static int userId() {
    try {
      return owner(Path.of("/proc/self").toRealPath());
    } catch (IOException | UnsupportedOperationException e) {
      throw new LibraryException(
          "cannot find out which user this process runs as: /proc/self is unreadable", e);
    }
  }
}
