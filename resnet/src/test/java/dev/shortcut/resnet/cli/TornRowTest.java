package dev.shortcut.resnet.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.testing.TestGroup;
import dev.shortcut.testing.TestSeed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Processes that are killed while they write a row: a library that is loaded before the system's
 * kills them at a byte of their output that the seed decides. {@link KillTest} kills at random
 * moments, which hardly ever fall within a row.
 */
@Tag("native")
@Timeout(300)
class TornRowTest {
  private static final int KILLS = 6;
  private static final int PICTURES = 150;
  private static final int KILLED = 128 + 9;
  private static final int NPY_HEADER = 128;
  private static final int VECTOR = 64 * Float.BYTES;

  private static final String KILLER =
      """
      #define _GNU_SOURCE
      #include <dlfcn.h>
      #include <signal.h>
      #include <stdio.h>
      #include <stdlib.h>
      #include <string.h>
      #include <sys/types.h>
      #include <unistd.h>

      static long left = -1;

      /* How much of a piece may be written; less than all of it, and the process dies of the rest. */
      static size_t allowed(int fd, size_t bytes) {
        char link[64], path[4096];
        const char *file = getenv("KILL_FILE");
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        if (!file || length < 0) return bytes;
        path[length] = 0;
        if (strcmp(path, file)) return bytes;
        if (left < 0) left = atol(getenv("KILL_AFTER"));
        if ((size_t) left >= bytes) {
          left -= bytes;
          return bytes;
        }
        return left;
      }

      ssize_t write(int fd, const void *data, size_t bytes) {
        ssize_t (*next)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
        size_t piece = allowed(fd, bytes);
        ssize_t written = next(fd, data, piece);
        if (piece < bytes) kill(getpid(), SIGKILL);
        return written;
      }

      ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) {
        ssize_t (*next)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
        size_t piece = allowed(fd, bytes);
        ssize_t written = next(fd, data, piece, at);
        if (piece < bytes) kill(getpid(), SIGKILL);
        return written;
      }
      """;

  @TempDir private Path folder;
  private Path pictures;
  private Path killer;

  @BeforeEach
  void makePicturesAndTheKiller() throws Exception {
    pictures = Cli.pictures(PICTURES, TestSeed.random(), folder);
    killer = folder.resolve("killer.so");
    Path source = Files.writeString(folder.resolve("killer.c"), KILLER);
    Process cc;
    try {
      cc =
          new ProcessBuilder(
                  "cc", "-shared", "-fPIC", "-o", killer.toString(), source.toString(), "-ldl")
              .redirectErrorStream(true)
              .redirectOutput(messages().toFile())
              .start();
    } catch (IOException e) {
      TestGroup.NATIVE.missing("needs a C compiler: " + e.getMessage());
      return;
    }
    assertEquals(0, cc.waitFor(), this::said);
  }

  @ParameterizedTest
  @ValueSource(strings = {"rows.jsonl", "rows.csv", "vectors"})
  void whatEndsWithinARowIsGoneOnWith(String name) throws Exception {
    Random random = TestSeed.random(name);
    Path real = folder.toRealPath(); // the killer compares paths as the system has them
    Path whole = Files.createDirectories(real.resolve("whole")).resolve(name);
    Path output = Files.createDirectories(real.resolve("torn")).resolve(name);
    assertEquals(1, process(whole).start().waitFor(), this::said);

    boolean vectors = name.equals("vectors");
    Path grows = vectors ? output.resolve("part-00000.npy.part") : Path.of(output + ".part");
    long bytes = vectors ? Files.size(whole.resolve("part-00000.npy")) : Files.size(whole);
    int within = 0;
    for (int kill = 0; kill < KILLS; kill++) {
      long after = random.nextLong(1, bytes / KILLS);
      ProcessBuilder process = process(output);
      process.environment().put("LD_PRELOAD", killer.toString());
      process.environment().put("KILL_FILE", grows.toString());
      process.environment().put("KILL_AFTER", String.valueOf(after));
      assertEquals(KILLED, process.start().waitFor(), this::said);
      byte[] left = Files.readAllBytes(grows);
      boolean between =
          vectors
              ? (left.length - NPY_HEADER) % VECTOR == 0
              : left.length == 0 || left[left.length - 1] == '\n';
      within += between ? 0 : 1;
    }
    assertTrue(within > 0, "all kills fell between two rows");

    assertEquals(1, process(output).start().waitFor(), this::said);
    Map<String, byte[]> expected = contents(whole.getParent());
    Map<String, byte[]> found = contents(output.getParent());
    assertEquals(expected.keySet(), found.keySet());
    found.forEach((file, content) -> assertArrayEquals(expected.get(file), content, file));
  }

  private ProcessBuilder process(Path output) {
    String command = output.endsWith("vectors") ? "embed" : "classify";
    return Cli.resumable(command, pictures, output, messages());
  }

  private static Map<String, byte[]> contents(Path folder) throws IOException {
    Map<String, byte[]> contents = new TreeMap<>();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        contents.put(folder.relativize(file).toString(), Files.readAllBytes(file));
      }
    }
    return contents;
  }

  private Path messages() {
    return folder.resolve("messages.txt");
  }

  private String said() {
    try {
      return Files.readString(messages());
    } catch (IOException e) {
      return e.toString();
    }
  }
}
