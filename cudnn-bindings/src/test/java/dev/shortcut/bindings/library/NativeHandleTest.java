package dev.shortcut.bindings.library;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class NativeHandleTest {
  private static final MemorySegment MADE = MemorySegment.ofAddress(4711);

  private final List<Long> destroyed = new ArrayList<>();

  private NativeHandle made() {
    return NativeHandle.create(
        "thing",
        out -> out.set(CTypes.POINTER, 0, MADE),
        handle -> destroyed.add(handle.address()));
  }

  @Test
  void isDestroyedOnceAndNoMoreUsedThen() {
    NativeHandle handle = made();
    assertEquals(MADE, handle.get());
    assertEquals(List.of(), destroyed);
    handle.close();
    handle.close();
    assertEquals(List.of(4711L), destroyed);
    assertEquals(
        "this thing is closed",
        assertThrows(IllegalStateException.class, handle::get).getMessage());
    assertThrows(IllegalStateException.class, handle::detach);
  }

  @Test
  void whatIsHandedOverIsTheTakersToDestroy() {
    NativeHandle handle = made();
    assertEquals(MADE, handle.detach());
    assertThrows(IllegalStateException.class, handle::get);
    handle.close();
    assertEquals(List.of(), destroyed);
  }

  @Test
  void whatIsBorrowedIsNobodysToDestroyOrToGive() {
    NativeHandle handle = NativeHandle.borrowed("thing", MADE);
    assertEquals(MADE, handle.get());
    assertEquals(
        "a borrowed thing cannot be handed over",
        assertThrows(IllegalStateException.class, handle::detach).getMessage());
    assertEquals(MADE, handle.get());
    handle.close();
    assertEquals(
        "this thing is closed",
        assertThrows(IllegalStateException.class, handle::get).getMessage());
  }

  @Test
  void whatCannotBeMadeIsNotOwned() {
    var refused = new IllegalArgumentException("refused");
    assertSame(
        refused,
        assertThrows(
            IllegalArgumentException.class,
            () ->
                NativeHandle.create(
                    "thing",
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
        NativeHandle.owned(
            "thing",
            MADE,
            _ -> {
              throw new IllegalStateException("stuck");
            }));
    owner.close();
    assertEquals(List.of(4711L), destroyed);
  }
}
