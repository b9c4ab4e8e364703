package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cudnn.Strictness.Case;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The table itself: what it holds, and that every difference is one and has its reason. */
class StrictnessTest {
  @Test
  void everyDifferenceHasItsReason() {
    List<Case> all = Strictness.cases();
    List<Case> differences = all.stream().filter(use -> use.difference() != null).toList();
    System.out.printf(
        "%d uses of cuDNN's graph API; the software device agrees on %d and differs on %d:%n",
        all.size(), all.size() - differences.size(), differences.size());
    for (Case use : differences) {
      System.out.printf(
          "- %s: %s, the software device: %s, since %s%n",
          use.name(), use.verdict(), use.difference().instead(), use.difference().why());
      assertNotEquals(use.verdict(), use.difference().instead(), use::name);
      assertFalse(use.difference().why().isBlank(), use::name);
      // The stand-in may be the stricter one, and never the laxer.
      assertTrue(
          List.of(Strictness.TAKEN, Strictness.PLANNED, Strictness.CRASH).contains(use.verdict()),
          use::name);
      assertFalse(
          List.of(Strictness.TAKEN, Strictness.PLANNED).contains(use.difference().instead()),
          use::name);
    }
  }

  /** What must not go missing from the table, by words of the cases' names. */
  @Test
  void everyKindOfMistakeIsInTheTable() {
    List<String> names = Strictness.cases().stream().map(Case::name).toList();
    Stream.of(
            "with the tag of",
            "two names",
            "minus one dimensions",
            "without attribute",
            "an alignment of",
            "the bias as the first operand",
            "the residual as the first operand",
            "that is not finished",
            "finished twice",
            "after the graph was finished",
            "two convolutions",
            "a plan restored for another",
            "a device description without",
            "a variant pack")
        .forEach(words ->
            assertTrue(
                names.stream().anyMatch(name -> name.contains(words)),
                () -> "no use \"" + words + "\""));
  }
}
