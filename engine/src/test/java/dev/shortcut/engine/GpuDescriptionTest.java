package dev.shortcut.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.testing.TestSeed;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class GpuDescriptionTest {
  @TempDir Path folder;

  @ParameterizedTest
  @MethodSource("dev.shortcut.engine.GpuDescription#knownNames")
  void whatIsWrittenIsReadAsTheSame(String name) throws Exception {
    GpuDescription gpu = GpuDescription.known(name);
    assertEquals(gpu, GpuDescription.of(gpu.json()));
    Path file = Files.writeString(folder.resolve("gpu.json"), gpu.json());
    assertEquals(gpu, GpuDescription.read(file));
    assertEquals(gpu.hashCode(), GpuDescription.read(file).hashCode());
    assertTrue(gpu.peaks().bytesPerSecond().isPresent());
  }

  /** Before cuDNN 9.27 they did not have it, and files that were written then are still read. */
  @Test
  void theWidthOfTheBusMayBeMissing() {
    GpuDescription gpu = GpuDescription.known("a10");
    String without = gpu.json().replaceFirst(" *\"memoryBusWidth\": 384,\n", "");
    assertEquals(gpu.json().lines().count() - 1, without.lines().count());
    assertEquals(gpu.withMemoryBusWidth(0), GpuDescription.of(without));
    assertTrue(GpuDescription.of(without).peaks().bytesPerSecond().isEmpty());
  }

  /** cuDNN compares what it says itself, so that nothing else is of use to plans. */
  @Test
  void theWidthOfTheBusIsCudnnsOwnWhereItHasOne() {
    String json = GpuDescription.known("a10").json();
    assertTrue(json.contains("\"memoryBusWidth\": 384,"), json);
    assertEquals(
        GpuDescription.known("a10"),
        GpuDescription.ofCudnn("NVIDIA A10", json, 512),
        "cuDNN's own is to stay");
    for (String without :
        List.of(
            json.replace("\"memoryBusWidth\": 384,", ""),
            json.replace("\"memoryBusWidth\": 384,", "\"memoryBusWidth\": 0,"))) {
      assertEquals(
          GpuDescription.known("a10").withMemoryBusWidth(512),
          GpuDescription.ofCudnn("NVIDIA A10", without, 512));
    }
  }

  @Test
  void itsNumbersCanBeAskedFor() {
    GpuDescription h100 = GpuDescription.known("h100");
    assertEquals("NVIDIA H100 80GB HBM3", h100.name());
    assertEquals("sm_90", h100.architecture());
    assertEquals(90, h100.computeCapability());
    assertEquals(132, h100.multiprocessors());
    assertEquals(84_942_979_072L, h100.memory());
    assertEquals("12.9", h100.driver());
    assertEquals("sm_120", GpuDescription.known("rtx5090").architecture());
  }

  @ParameterizedTest
  @CsvSource({"12.4,12040", "13,13000", "13.0,13000", "12.9,12090", "11.8,11080"})
  void aDriverIsNamedByItsVersionOfCuda(String version, int number) {
    GpuDescription gpu = GpuDescription.known("l4").withDriver(version);
    assertTrue(gpu.json().contains("\"driverVer\": " + number), gpu.json());
    assertEquals(version.contains(".") ? version : version + ".0", gpu.driver());
    assertEquals(GpuDescription.known("l4"), gpu.withDriver("12.9"));
    assertEquals(!version.equals("12.9"), !GpuDescription.known("l4").equals(gpu));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "twelve", "12.", "12.4.1", "535.261", "-12", "9", " 12.4", "12.123"})
  void aVersionThatIsNoneIsRefused(String version) {
    GpuDescription l4 = GpuDescription.known("l4");
    var e = assertThrows(IllegalArgumentException.class, () -> l4.withDriver(version));
    assertTrue(e.getMessage().contains("12.4"), e.getMessage());
  }

  @Test
  void anUnknownNameIsAnsweredWithTheKnownOnes() {
    var e = assertThrows(IllegalArgumentException.class, () -> GpuDescription.known("v100"));
    assertTrue(e.getMessage().contains("a100"), e.getMessage());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"warpSize\": 32 | \"warpSiz\": 32 | nearest known one is \"warpSize\"",
        "\"warpSize\": 32, | `` | it lacks warpSize",
        "\"warpSize\": 32 | \"warpSize\": 32, \"warpSize\": 32 | \"warpSize\" comes twice",
        "\"warpSize\": 32 | \"warpSize\": 0 | from 1 to 1,024, not 0",
        "\"warpSize\": 32 | \"warpSize\": -32 | from 1 to 1,024, not -32",
        "\"warpSize\": 32 | \"warpSize\": 32.5 | a whole number",
        "\"warpSize\": 32 | \"warpSize\": 3e1 | a whole number",
        "\"warpSize\": 32 | \"warpSize\": 032 | a whole number",
        "\"warpSize\": 32 | \"warpSize\": 9999999999999999999999 | a whole number",
        "\"warpSize\": 32 | \"warpSize\": \"32\" | must be a number",
        "\"warpSize\": 32 | \"warpSize\": [32] | must be a number",
        "\"warpSize\": 32 | \"warpSize\": {} | a whole number",
        "\"isTccDriver\": 0 | \"isTccDriver\": false | true is 1 and false is 0",
        "\"isTccDriver\": 0 | \"isTccDriver\": 2 | from 0 to 1, not 2",
        "[1024, 1024, 64] | [1024, 1024] | a list of 3 numbers",
        "[1024, 1024, 64] | [1024, 1024, 64, 1] | a list of 3 numbers",
        "[1024, 1024, 64] | [] | a whole number",
        "[1024, 1024, 64] | [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] | ']' was expected",
        "NVIDIA L4 | NVIDIA\\nL4 | without backslashes",
        "NVIDIA L4 | NVIDIA \u00e94 | without backslashes",
        "\"NVIDIA L4\" | 4 | \"deviceName\" must be a text",
        "\"deviceVer\": 890 | \"deviceVer\": 89 | from 500 to 9,990, not 89",
        "\"driverVer\": 12090 | \"driverVer\": 12 | from 10,000",
      })
  void whatIsWrongIsNamed(String right, String wrong, String message) {
    String json = GpuDescription.known("l4").json();
    assertTrue(json.contains(right), json);
    String changed = json.replace(right, wrong);
    var e = assertThrows(IllegalArgumentException.class, () -> GpuDescription.of(changed));
    assertTrue(e.getMessage().contains(message), e.getMessage());
  }

  @Test
  void aFileThatIsNoDescriptionIsNamedWithWhatIsWrong() throws Exception {
    String json = GpuDescription.known("l4").json();
    for (String content :
        new String[] {
          "",
          "null",
          "[]",
          "{",
          json + "x",
          json + json,
          "\u0000" + json,
          "\ufeff" + json,
          json.substring(0, json.length() / 2),
          " ".repeat(70_000),
          "[".repeat(60_000),
          "{\"a\":" + "[1,".repeat(20_000),
        }) {
      Path file = Files.writeString(folder.resolve("gpu.json"), content);
      var e = assertThrows(IllegalArgumentException.class, () -> GpuDescription.read(file));
      assertTrue(e.getMessage().contains("gpu.json is no description"), e.getMessage());
      assertTrue(e.getMessage().length() < 500, e.getMessage());
    }
  }

  /** Nothing else comes out of damaged text than a description or its refusal. */
  @Test
  void damageIsRefusedOrHarmless() {
    Random random = TestSeed.random();
    String json = GpuDescription.known("b200").json();
    for (int round = 0; round < 20_000; round++) {
      var damaged = new StringBuilder(json);
      for (int times = random.nextInt(3); times >= 0; times--) {
        int at = random.nextInt(damaged.length());
        switch (random.nextInt(4)) {
          case 0 -> damaged.setCharAt(at, (char) random.nextInt(256));
          case 1 -> damaged.insert(at, "[]{},:\"0129 -e.".charAt(random.nextInt(15)));
          case 2 -> damaged.delete(at, Math.min(damaged.length(), at + 1 + random.nextInt(40)));
          default -> damaged.insert(at, json, at % json.length(), json.length());
        }
      }
      try {
        GpuDescription read = GpuDescription.of(damaged.toString());
        assertEquals(read, GpuDescription.of(read.json()));
      } catch (IllegalArgumentException e) {
        assertNotEquals("", String.valueOf(e.getMessage()));
        assertEquals(IllegalArgumentException.class, e.getClass(), damaged::toString);
      }
    }
  }
}
