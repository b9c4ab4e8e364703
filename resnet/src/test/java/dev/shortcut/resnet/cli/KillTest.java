package dev.shortcut.resnet.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.testing.TestSeed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a process leaves that is killed is gone on with; nothing is lost and nothing comes twice.
 */
@Timeout(400)
class KillTest {
  private static final int KILLS = 20;
  private static final int PICTURES = 800;

  @TempDir private Path folder;

  private Path pictures(Random random) throws IOException {
    return Cli.pictures(PICTURES - 1, random, folder);
  }

  private Process start(Path pictures, Path output) throws IOException {
    return Cli.resumable("classify", pictures, output, folder.resolve("messages.txt")).start();
  }

  @Test
  void afterTwentyKillsTheOutputIsWhatItWouldHaveBeen() throws Exception {
    Random random = TestSeed.random();
    Path pictures = pictures(random);
    Path whole = folder.resolve("whole.jsonl");
    Process unbroken = start(pictures, whole);
    assertEquals(1, unbroken.waitFor(), this::messages); // the bad pictures
    assertEquals(PICTURES, Files.readAllLines(whole).size());

    Path output = folder.resolve("broken.jsonl");
    Path part = folder.resolve("broken.jsonl.part");
    long bytes = Files.size(whole);
    int kills = 0;
    int torn = 0;
    while (kills < KILLS) {
      Process process = start(pictures, output);
      // Somewhere in the next twentieth of the output: at no row's end, and at no time of the
      // process in particular.
      long from = Files.exists(part) ? Files.size(part) : 0;
      long until = Math.min(from + random.nextLong(1, bytes / KILLS), bytes - 1);
      while (process.isAlive() && (!Files.exists(part) || Files.size(part) < until)) {
        Thread.sleep(0, random.nextInt(1, 500_000));
      }
      assertTrue(process.isAlive(), () -> "it ended before it was killed: " + messages());
      process.destroyForcibly();
      process.waitFor();
      kills++;
      assertFalse(Files.exists(output));
      torn += Files.size(part) > 0 && !Files.readString(part).endsWith("\n") ? 1 : 0;
    }
    Process last = start(pictures, output);
    assertEquals(1, last.waitFor(), this::messages);
    assertArrayEquals(Files.readAllBytes(whole), Files.readAllBytes(output));
    System.err.printf("%d kills, %d of them within a row%n", kills, torn);
    try (Stream<Path> left = Files.list(folder)) {
      assertEquals(
          List.of(), left.map(Path::toString).filter(name -> name.endsWith(".part")).toList());
    }
  }

  @Test
  void anInterruptedRunEndsWith130AndCanBeGoneOnWith() throws Exception {
    Path pictures = pictures(TestSeed.random());
    Path output = folder.resolve("rows.csv");
    Path part = folder.resolve("rows.csv.part");
    Process process = start(pictures, output);
    while (process.isAlive() && (!Files.exists(part) || Files.size(part) < 2000)) {
      Thread.sleep(1);
    }
    new ProcessBuilder("kill", "-INT", String.valueOf(process.pid())).inheritIO().start().waitFor();
    assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    assertEquals(130, process.exitValue(), this::messages);
    assertTrue(messages().contains("--resume"), this::messages);
    assertTrue(Files.readString(part).endsWith("\n"));
    Process last = start(pictures, output);
    assertEquals(1, last.waitFor(), this::messages);
    assertEquals(PICTURES + 1, Files.readAllLines(output).size());
  }

  @Test
  void aClosedPipeEndsTheRunQuietly() throws Exception {
    Path pictures = pictures(TestSeed.random());
    Process process =
        Cli.process("classify", pictures.toString(), "--backend", "reference", "--format", "json")
            .redirectError(folder.resolve("messages.txt").toFile())
            .start();
    try (var out = process.inputReader()) {
      assertTrue(out.readLine().startsWith("{\"id\""));
    }
    assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    assertEquals(0, process.exitValue(), this::messages);
    assertFalse(messages().contains("mistake"), this::messages);
  }

  private String messages() {
    try {
      return Files.readString(folder.resolve("messages.txt"));
    } catch (IOException e) {
      return e.toString();
    }
  }
}
