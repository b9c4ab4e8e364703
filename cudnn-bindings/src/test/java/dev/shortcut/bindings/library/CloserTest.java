package dev.shortcut.bindings.library;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class CloserTest {
  private final List<String> closed = new ArrayList<>();
  private final Closer closer = new Closer();

  @Test
  void theNewestIsClosedFirst() {
    own("a", null);
    own("b", null);
    own("c", null);
    closer.close();
    assertEquals(List.of("c", "b", "a"), closed);
  }

  @Test
  void closingTwiceClosesOnce() {
    own("a", null);
    closer.close();
    closer.close();
    assertEquals(List.of("a"), closed);
  }

  @Test
  void oneFailureDoesNotKeepTheOthersOpenAndTheFirstIsThrown() {
    var older = new IllegalStateException("older");
    var newer = new IllegalArgumentException("newer");
    own("a", null);
    own("b", older);
    own("c", newer);
    RuntimeException thrown = assertThrows(RuntimeException.class, closer::close);
    assertEquals(List.of("c", "b", "a"), closed);
    assertSame(newer, thrown);
    assertEquals(List.of(older), List.of(thrown.getSuppressed()));
  }

  @Test
  void whatFailsOnTheWayDownIsSuppressedIntoTheCause() {
    var cause = new IllegalStateException("cause");
    var failure = new IllegalStateException("failure");
    own("a", failure);
    closer.closeAfter(cause);
    assertEquals(List.of(failure), List.of(cause.getSuppressed()));
  }

  private void own(String name, RuntimeException failure) {
    closer.own(() -> {
      closed.add(name);
      if (failure != null) {
        throw failure;
      }
    });
  }
}
