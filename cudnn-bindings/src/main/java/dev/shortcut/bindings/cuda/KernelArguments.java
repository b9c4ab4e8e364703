package dev.shortcut.bindings.cuda;

import dev.shortcut.bindings.library.CTypes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The values that a kernel is launched with, in native memory. A launch reads them before it
 * returns, so that they may be changed and used again at once; setting them allocates nothing.
 *
 * <p>Number and types must be those of the kernel: neither the driver nor anybody else checks them.
 * Not thread-safe.
 */
public final class KernelArguments {
  private static final long SLOT_BYTES = 8;

  private final int count;
  private final MemorySegment values;
  private final MemorySegment pointers;

  private KernelArguments(int count, Arena owner) {
    this.count = count;
    this.values = owner.allocate(Math.max(1, count) * SLOT_BYTES, SLOT_BYTES);
    this.pointers = owner.allocate(CTypes.POINTER, Math.max(1, count));
    for (int i = 0; i < count; i++) {
      pointers.setAtIndex(CTypes.POINTER, i, values.asSlice(i * SLOT_BYTES, SLOT_BYTES));
    }
  }

  /**
   * Arguments that are all zero bits.
   *
   * @param count how many the kernel has
   */
  public static KernelArguments of(int count, Arena owner) {
    if (count < 0) {
      throw new IllegalArgumentException("a kernel cannot have %d arguments".formatted(count));
    }
    return new KernelArguments(count, owner);
  }

  /** How many there are. */
  public int count() {
    return count;
  }

  /** Sets a 64-bit integer or an address on the device. */
  public void setLong(int index, long value) {
    values.setAtIndex(CTypes.LONG, checked(index), value);
  }

  /** Sets a 32-bit integer. */
  public void setInt(int index, int value) {
    values.set(CTypes.INT, checked(index) * SLOT_BYTES, value);
  }

  /** Sets a 32-bit floating-point number. */
  public void setFloat(int index, float value) {
    values.set(CTypes.FLOAT, checked(index) * SLOT_BYTES, value);
  }

  /** The array of pointers to the values. */
  MemorySegment pointers() {
    return pointers;
  }

  private int checked(int index) {
    if (index < 0 || index >= count) {
      throw new IndexOutOfBoundsException("argument %d of %d".formatted(index, count));
    }
    return index;
  }
}
