package dev.shortcut.engine.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;

/**
 * What Linux says of the running process; tests that ask elsewhere are skipped with that reason.
 */
public final class ProcessStatus {
  private static final Path SELF = Path.of("/proc/self");

  private ProcessStatus() {}

  /**
   * The names of the operating system's threads in this process that begin with {@code prefix}. A
   * native thread has the name of the one that started it, so a backend's are found by its threads'
   * names, whatever else the virtual machine starts and ends meanwhile.
   */
  public static List<String> threads(String prefix) {
    requireLinux();
    List<String> names = new ArrayList<>();
    try (DirectoryStream<Path> tasks = Files.newDirectoryStream(SELF.resolve("task"))) {
      for (Path task : tasks) {
        try {
          String name = Files.readString(task.resolve("comm")).strip();
          if (name.startsWith(prefix)) {
            names.add(name);
          }
        } catch (NoSuchFileException _) {
          // ended in the meantime
        } catch (IOException e) {
          if (!"No such process".equals(e.getMessage())) {
            throw e;
          }
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return names;
  }

  /**
   * As {@link #threads}, but waits up to ten seconds until there are none: an OpenMP library's
   * threads end some time after the thread that they worked for.
   */
  public static List<String> threadsLeft(String prefix) throws InterruptedException {
    long deadline = System.nanoTime() + 10_000_000_000L;
    List<String> names = threads(prefix);
    while (!names.isEmpty() && System.nanoTime() < deadline) {
      Thread.sleep(10);
      names = threads(prefix);
    }
    return names;
  }

  /** Bytes of memory that are not of a file and lie in RAM, after a garbage collection. */
  private static long residentBytes() {
    requireLinux();
    System.gc();
    try {
      return Files.readAllLines(SELF.resolve("status")).stream()
          .filter(line -> line.startsWith("RssAnon:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
          .findFirst()
          .orElseThrow();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What may leave memory behind. */
  public interface Rounds {
    void run() throws InterruptedException;
  }

  /**
   * By how many bytes the process grows while {@code rounds} run: less than {@code bound}, or the
   * least of three times. A leak grows each time; the virtual machine's compilers and the
   * allocator's caches take theirs once, on a busy machine late.
   */
  public static long growth(long bound, Rounds rounds) throws InterruptedException {
    long least = Long.MAX_VALUE;
    for (int i = 0; i < 3 && least >= bound; i++) {
      long before = residentBytes();
      rounds.run();
      least = Math.min(least, residentBytes() - before);
    }
    return least;
  }

  private static void requireLinux() {
    Assumptions.assumeTrue(Files.isDirectory(SELF.resolve("task")), "needs Linux's /proc");
  }
}
