package dev.shortcut.engine.backend.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.shortcut.bindings.cudnn.BehaviorNote;
import dev.shortcut.bindings.cudnn.KnobChoice;
import dev.shortcut.bindings.cudnn.KnobType;
import dev.shortcut.bindings.cudnn.NumericalNote;
import dev.shortcut.testing.TestSeed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What is kept of a plan, as bytes that anybody may have changed. */
class PlanEntryTest {
  private static final int HEADER = Integer.BYTES + 32;

  static PlanEntry entry(String kernel, String json) {
    return new PlanEntry(
        new PlanKey(kernel, 92000, 900, Map.of("driverVer", 12090L, "multiProcessorCount", 132L)),
        json,
        47,
        List.of(new KnobChoice(new KnobType(2), 5), new KnobChoice(new KnobType(0), -1)),
        Set.of(NumericalNote.TENSOR_CORE),
        Set.of(BehaviorNote.RUNTIME_COMPILATION, BehaviorNote.CUBLASLT_DEPENDENCY),
        12_345_678_901L);
  }

  @Test
  void whatIsWrittenIsRead() throws IOException {
    PlanEntry entry = entry("a kernel", "{\"Grüße\":1}");
    assertEquals(entry, PlanEntry.read(entry.bytes()));
  }

  @Test
  void everyFlippedBitIsNoticed() {
    byte[] bytes = entry("a kernel", "{}").bytes();
    for (int bit = 0; bit < 8 * bytes.length; bit++) {
      byte[] damaged = bytes.clone();
      damaged[bit / 8] ^= (byte) (1 << bit % 8);
      assertThrows(IOException.class, () -> PlanEntry.read(damaged), "bit " + bit);
    }
  }

  @Test
  void everyTruncationIsNoticed() {
    byte[] bytes = entry("a kernel", "{}").bytes();
    for (int length = 0; length < bytes.length; length++) {
      byte[] damaged = Arrays.copyOf(bytes, length);
      assertThrows(IOException.class, () -> PlanEntry.read(damaged), "length " + length);
    }
    assertThrows(IOException.class, () -> PlanEntry.read(Arrays.copyOf(bytes, bytes.length + 1)));
  }

  /** A right hash over anything: what is read must not trust the numbers in it. */
  @Test
  void nothingButAPlanOrAReasonComesOfBytesWithARightHash() {
    Random random = TestSeed.random("bodies");
    byte[] bytes = entry("a kernel", "{}").bytes();
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
