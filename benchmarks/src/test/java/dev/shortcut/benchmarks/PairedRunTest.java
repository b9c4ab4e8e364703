package dev.shortcut.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class PairedRunTest {
  @Test
  void theOrderOfTheTurnsChangesWithEveryRound() throws Exception {
    var order = new StringBuilder();
    PairedRun run =
        PairedRun.measure(
            () -> order.append('a'), () -> order.append('b'), Duration.ZERO, 3, Duration.ZERO);
    // A warm-up and a trial turn of each; then turns of one timed batch behind two untimed ones.
    assertEquals("ab" + "aaabbb" + "aaabbb" + "bbbaaa" + "aaabbb", order.toString());
    assertEquals(3, run.ratio().getN());
    assertEquals(3, run.first().nanos().getN());
    assertEquals(3, run.second().nanos().getN());
  }

  @Test
  void aBatchThatFailsEndsTheMeasurement() {
    var failure = new IOException("no batch");
    assertSame(
        failure,
        assertThrows(
            IOException.class,
            () ->
                PairedRun.measure(
                    () -> {},
                    () -> {
                      throw failure;
                    },
                    Duration.ZERO,
                    1,
                    Duration.ZERO)));
  }
}
