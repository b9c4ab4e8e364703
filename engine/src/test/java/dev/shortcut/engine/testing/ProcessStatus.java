package dev.shortcut.engine.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;

/**
 * What Linux says of the running process; tests that ask elsewhere are skipped with that reason.
 */
public final class ProcessStatus {
  private static final Path SELF = Path.of("/proc/self");

  /**
   * Threads that the JVM starts and ends as it likes, among them those that carry virtual threads.
   */
  private static final Predicate<String> OF_THE_JVM =
      Pattern.compile(
              "(C1|C2|GC|G1|VM|JFR|Sweeper|Signal|Attach|Common-Cleaner|ForkJoin|VirtualThread|surefire).*")
          .asMatchPredicate();

  private ProcessStatus() {}

  /**
   * The names of the operating system's threads in this process, without the JVM's own. A native
   * thread has the name of the one that started it.
   */
  public static List<String> threads() {
    requireLinux();
    List<String> names = new ArrayList<>();
    try (DirectoryStream<Path> tasks = Files.newDirectoryStream(SELF.resolve("task"))) {
      for (Path task : tasks) {
        try {
          String name = Files.readString(task.resolve("comm")).strip();
          if (!OF_THE_JVM.test(name)) {
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
   * As {@link #threads}, but waits up to ten seconds until there are no more than {@code expected}:
   * an OpenMP library's threads end some time after the thread that they worked for.
   */
  public static List<String> threads(int expected) throws InterruptedException {
    long deadline = System.nanoTime() + 10_000_000_000L;
    List<String> names = threads();
    while (names.size() > expected && System.nanoTime() < deadline) {
      Thread.sleep(10);
      names = threads();
    }
    return names;
  }

  /** Bytes of memory that are not of a file and lie in RAM, after a garbage collection. */
  public static long residentBytes() {
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

  private static void requireLinux() {
    Assumptions.assumeTrue(Files.isDirectory(SELF.resolve("task")), "needs Linux's /proc");
  }
}
