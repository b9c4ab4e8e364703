package dev.shortcut.engine.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.engine.DeviceUnavailableException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

class SlotSharesTest {
  /** Does nothing; told from others by its name. */
  private record Named(String name) implements Slot {
    @Override
    public void attach() {}

    @Override
    public MemorySegment inputStaging() {
      return MemorySegment.NULL;
    }

    @Override
    public MemorySegment outputStaging() {
      return MemorySegment.NULL;
    }

    @Override
    public void run(int images, MemorySegment input, MemorySegment output) {}
  }

  @Test
  void everyDeviceHasASlotAndNoneTwoMoreThanAnother() {
    assertEquals(List.of(1), SlotShares.counts(1, 1));
    assertEquals(List.of(1, 1, 1), SlotShares.counts(1, 3));
    assertEquals(List.of(2, 1, 1), SlotShares.counts(4, 3));
    assertEquals(List.of(2, 2, 1), SlotShares.counts(5, 3));
    assertEquals(List.of(2, 2, 2), SlotShares.counts(6, 3));
  }

  @Test
  void oneDeviceComesAfterAnother() {
    List<Slot> slots =
        SlotShares.alternating(
            List.of(
                List.of(new Named("a0"), new Named("a1")),
                List.of(new Named("b0"), new Named("b1")),
                List.of(new Named("c0"))));
    assertEquals(
        List.of("a0", "b0", "c0", "a1", "b1"),
        slots.stream().map(slot -> ((Named) slot).name()).toList());
  }

  @Test
  void anExecutionIsOpenedWhereThereIsOneDevice() {
    assertEquals("a", SlotShares.only(List.of("a")));
    var refused =
        assertThrows(
            DeviceUnavailableException.class, () -> SlotShares.only(List.of("a", "b", "c")));
    assertTrue(refused.summary().contains("runs on 3"), refused::toString);
  }
}
