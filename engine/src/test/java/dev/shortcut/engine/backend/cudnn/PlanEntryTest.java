package dev.shortcut.engine.backend.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cudnn.BehaviorNote;
import dev.shortcut.bindings.cudnn.KnobChoice;
import dev.shortcut.bindings.cudnn.KnobType;
import dev.shortcut.bindings.cudnn.NumericalNote;
import dev.shortcut.testing.TestSeed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What is kept of a choice, as bytes that anybody may have changed. */
class PlanEntryTest {
  private static final int HEADER = Integer.BYTES + 32;

  private static final PlanKey KEY =
      new PlanKey(
          "a kernel", "cudnn92000", 900, Map.of("driverVer", 12090L, "multiProcessorCount", 132L));

  /** One of each kind, timed and not. */
  static List<PlanEntry> entries() {
    return Stream.of(
            new PlanEntry.Engine(
                "{\"Grüße\":1}",
                47,
                List.of(new KnobChoice(new KnobType(2), 5), new KnobChoice(new KnobType(0), -1)),
                Set.of(NumericalNote.TENSOR_CORE),
                Set.of(BehaviorNote.RUNTIME_COMPILATION, BehaviorNote.CUBLASLT_DEPENDENCY),
                12_345_678_901L),
            new PlanEntry.Slower(),
            new PlanEntry.Refusal(
                Map.of(
                    "TENSOR_CORE",
                    List.of("A engine 7", "FALLBACK engine 2"),
                    "größer",
                    List.of())),
            new PlanEntry.Rank(
                3, 4096, "cuBLASLt algorithm 21, tile 20, stages 24, split-k 1, cluster 0 [0x1]"))
        .flatMap(kept -> Stream.of(new PlanEntry(KEY, false, kept), new PlanEntry(KEY, true, kept)))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("entries")
  void whatIsWrittenIsRead(PlanEntry entry) throws IOException {
    assertEquals(entry, PlanEntry.read(entry.bytes()));
  }

  @ParameterizedTest
  @MethodSource("entries")
  void everyFlippedBitIsNoticed(PlanEntry entry) {
    byte[] bytes = entry.bytes();
    for (int bit = 0; bit < 8 * bytes.length; bit++) {
      byte[] damaged = bytes.clone();
      damaged[bit / 8] ^= (byte) (1 << bit % 8);
      assertThrows(IOException.class, () -> PlanEntry.read(damaged), "bit " + bit);
    }
  }

  @ParameterizedTest
  @MethodSource("entries")
  void everyTruncationIsNoticed(PlanEntry entry) {
    byte[] bytes = entry.bytes();
    for (int length = 0; length < bytes.length; length++) {
      byte[] damaged = Arrays.copyOf(bytes, length);
      assertThrows(IOException.class, () -> PlanEntry.read(damaged), "length " + length);
    }
    assertThrows(IOException.class, () -> PlanEntry.read(Arrays.copyOf(bytes, bytes.length + 1)));
  }

  @Test
  void theFormatBeforeIsAnotherOne() {
    byte[] bytes = entries().getFirst().bytes();
    bytes[Integer.BYTES - 1]--;
    var e = assertThrows(IOException.class, () -> PlanEntry.read(bytes));
    assertEquals("it is no plan of this format", e.getMessage());
  }

  /** A message is no place for megabytes, whoever wrote them. */
  @Test
  void ofReasonsSoMuchIsKeptAsPeopleCanRead() throws IOException {
    Map<String, List<String>> reasons = new LinkedHashMap<>();
    for (int i = 0; i < 1000; i++) {
      reasons.put(i + " " + "𝄞".repeat(1000), Collections.nCopies(1000, "x".repeat(2000)));
    }
    reasons.put("the last", List.of());
    var entry = new PlanEntry(KEY, false, new PlanEntry.Refusal(reasons));
    assertEquals(entry, PlanEntry.read(entry.bytes()));
    var kept = ((PlanEntry.Refusal) entry.kept()).reasons();
    assertEquals(32, kept.size());
    assertEquals("0 ", kept.keySet().iterator().next().substring(0, 2));
    kept.forEach((reason, candidates) -> {
      assertTrue(reason.length() <= 1000, reason);
      assertEquals(64, candidates.size());
      candidates.forEach(candidate -> assertEquals(100, candidate.length()));
    });
  }

  /** A right hash over anything: what is read must not trust the numbers in it. */
  @ParameterizedTest
  @MethodSource("entries")
  void nothingButAnEntryOrAReasonComesOfBytesWithARightHash(PlanEntry entry) {
    Random random = TestSeed.random("bodies");
    byte[] bytes = entry.bytes();
    for (int round = 0; round < 20_000; round++) {
      byte[] changed = Arrays.copyOf(bytes, HEADER + random.nextInt(bytes.length - HEADER + 8));
      for (int changes = random.nextInt(4); changes >= 0 && changed.length > HEADER; changes--) {
        int at = random.nextInt(HEADER, changed.length);
        changed[at] = (byte) (random.nextBoolean() ? random.nextInt() : -1);
      }
      ByteBuffer.wrap(changed)
          .position(Integer.BYTES)
          .put(PlanKey.sha256().digest(Arrays.copyOfRange(changed, HEADER, changed.length)));
      try {
        PlanEntry read = PlanEntry.read(changed);
        assertEquals(read, PlanEntry.read(read.bytes()));
      } catch (IOException _) {
        // The expected answer to most of them; any other exception fails the test.
      }
    }
  }
}
