package dev.shortcut.resnet.batch;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * A file that is written as {@code FILE.part} and takes its name when it is whole. Locked while
 * open, so that two processes never write the same one. Not thread-safe.
 */
final class PartFile implements AutoCloseable {
  private final Path file;
  private final Path path;
  private final FileChannel channel;

  private PartFile(Path file, Path path, FileChannel channel) {
    this.file = file;
    this.path = path;
    this.channel = channel;
  }

  /** Where the unfinished {@code file} lies. */
  static Path path(Path file) {
    return file.resolveSibling(file.getFileName() + ".part");
  }

  /** Begins anew; an unfinished one is emptied. */
  static PartFile create(Path file) {
    PartFile part = open(file);
    part.truncate(0);
    return part;
  }

  /**
   * Opens the unfinished file, or an empty one where there is none; {@link #append} writes to its
   * end.
   */
  static PartFile open(Path file) {
    Path path = path(file);
    @Nullable FileChannel channel = null;
    try {
      Path folder = file.toAbsolutePath().getParent();
      if (folder != null) {
        Files.createDirectories(folder);
      }
      channel =
          FileChannel.open(
              path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
      if (channel.tryLock() == null) {
        throw busy(path);
      }
      channel.position(channel.size());
      return new PartFile(file, path, channel);
    } catch (OverlappingFileLockException _) {
      closeQuietly(channel);
      throw busy(path);
    } catch (IOException e) {
      closeQuietly(channel);
      throw failed(path, "opened for writing", e);
    } catch (RuntimeException e) {
      closeQuietly(channel);
      throw e;
    }
  }

  private static ResumeException busy(Path path) {
    return new ResumeException(
        "%s is being written by another run; wait for it, or choose another output"
            .formatted(path));
  }

  /** Cuts off what lies behind the first {@code bytes} and goes on there. */
  void truncate(long bytes) {
    try {
      channel.truncate(bytes);
      channel.position(bytes);
    } catch (IOException e) {
      throw failed(path, "cut to its whole rows", e);
    }
  }

  long size() {
    try {
      return channel.size();
    } catch (IOException e) {
      throw failed(path, "read", e);
    }
  }

  void append(ByteBuffer bytes) {
    try {
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
    } catch (IOException e) {
      throw failed(path, "written", e);
    }
  }

  void write(ByteBuffer bytes, long position) {
    try {
      long end = Math.max(channel.position(), position + bytes.remaining());
      long at = position;
      while (bytes.hasRemaining()) {
        at += channel.write(bytes, at);
      }
      channel.position(end);
    } catch (IOException e) {
      throw failed(path, "written", e);
    }
  }

  /** Makes sure that the bytes are on the disk, closes, and gives the file its name. */
  void commit() {
    try {
      channel.force(true);
      rename(path, file);
    } catch (IOException e) {
      throw failed(path, "renamed to " + file.getFileName(), e);
    } finally {
      close();
    }
  }

  /** Writes a small file whole or not at all. */
  static void replace(Path file, byte[] content) {
    try (PartFile part = create(file)) {
      part.append(ByteBuffer.wrap(content));
      part.commit();
    }
  }

  private static void rename(Path from, Path to) throws IOException {
    try {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw failed(path, "closed", e);
    }
  }

  private static void closeQuietly(@Nullable FileChannel channel) {
    if (channel != null) {
      try {
        channel.close();
      } catch (IOException e) {
        System.getLogger(PartFile.class.getName())
            .log(System.Logger.Level.DEBUG, "close failed", e);
      }
    }
  }

  private static UncheckedIOException failed(Path path, String what, IOException cause) {
    return new UncheckedIOException(
        new IOException("%s cannot be %s: %s".formatted(path, what, Reasons.of(cause)), cause));
  }
}
