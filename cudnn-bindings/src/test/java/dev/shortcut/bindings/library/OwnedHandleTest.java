package dev.shortcut.bindings.library;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class OwnedHandleTest {
  private static final MemorySegment MADE = MemorySegment.ofAddress(4711);

  private final List<Long> destroyed = new ArrayList<>();

  private OwnedHandle made() {
    return OwnedHandle.create(
        "a thing",
        out -> out.set(CTypes.POINTER, 0, MADE),
        handle -> destroyed.add(handle.address()));
  }

  @Test
  void isDestroyedOnceAndNoMoreUsedThen() {
    OwnedHandle handle = made();
    assertEquals(MADE, handle.get());
    assertEquals(List.of(), destroyed);
    handle.close();
    handle.close();
    assertEquals(List.of(4711L), destroyed);
    assertEquals(
        "a thing is used after it was closed",
        assertThrows(IllegalStateException.class, handle::get).getMessage());
    assertThrows(IllegalStateException.class, handle::detach);
  }

  @Test
  void whatIsHandedOverIsTheTakersToDestroy() {
    OwnedHandle handle = made();
    assertEquals(MADE, handle.detach());
    assertThrows(IllegalStateException.class, handle::get);
    handle.close();
    assertEquals(List.of(), destroyed);
  }

  @Test
  void whatCannotBeMadeIsNotOwned() {
    var refused = new IllegalArgumentException("refused");
    assertSame(
        refused,
        assertThrows(
            IllegalArgumentException.class,
            () ->
                OwnedHandle.create(
                    "a thing",
                    _ -> {
                      throw refused;
                    },
                    handle -> destroyed.add(handle.address()))));
    assertEquals(List.of(), destroyed);
  }

  @Test
  void aFailureToDestroyStopsNobodyOnTheWayDown() {
    var owner = new Closer();
    owner.own(made());
    owner.own(
        new OwnedHandle(
            "a thing",
            MADE,
            _ -> {
              throw new IllegalStateException("stuck");
            }));
    owner.close();
    assertEquals(List.of(4711L), destroyed);
  }
}
