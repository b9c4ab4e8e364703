package dev.shortcut.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class TestSeedTest {
  private static final Set<Long> SEEN = new HashSet<>();

  @RepeatedTest(5)
  void repetitionsOfOneTestGetDifferentNumbers(RepetitionInfo info) {
    SEEN.add(TestSeed.random().nextLong());
    assertEquals(info.getCurrentRepetition(), SEEN.size());
  }

  @Test
  void oneMethodAskingTwiceGetsTwoSequences() {
    assertNotEquals(fromHere(), fromHere());
  }

  @Test
  void oneSeedAndPurposeGiveOneSequence() {
    assertEquals(TestSeed.random("same").nextLong(), TestSeed.random("same").nextLong());
    assertNotEquals(TestSeed.random("same").nextLong(), TestSeed.random("other").nextLong());
  }

  private static long fromHere() {
    return TestSeed.random().nextLong();
  }
}
