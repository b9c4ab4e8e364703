package dev.shortcut.resnet.weights;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** A number type that weights are stored in, and its conversion to float. */
enum ElementType {
  F64(8),
  F32(4),
  F16(2),
  BF16(2),
  I64(8),
  I32(4),
  I16(2),
  I8(1),
  U8(1),
  BOOL(1);

  // Constant layouts, because the JIT compiles an access through them to one move; the other byte
  // order is swapped by hand.
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final int bytes;

  ElementType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one element. */
  int bytes() {
    return bytes;
  }

  /**
   * Converts elements of {@code source} and stores them side by side, in native byte order.
   *
   * @param from byte offset of the first element in {@code source}
   * @param stride elements from one element to the next in {@code source}
   * @param to byte offset of the first float in {@code target}
   */
  void toFloats(
      MemorySegment source,
      ByteOrder order,
      long from,
      long stride,
      MemorySegment target,
      long to,
      long count) {
    boolean swap = order != ByteOrder.LITTLE_ENDIAN;
    if (this == F32 && stride == 1 && order == ByteOrder.nativeOrder()) {
      MemorySegment.copy(source, from, target, to, count * Float.BYTES);
      return;
    }
    long step = stride * bytes;
    for (long i = 0; i < count; i++) {
      float value = toFloat(source, from + i * step, swap);
      target.set(ValueLayout.JAVA_FLOAT_UNALIGNED, to + i * Float.BYTES, value);
    }
  }

  private float toFloat(MemorySegment source, long at, boolean swap) {
    return switch (this) {
      case F64 -> (float) Double.longBitsToDouble(longAt(source, at, swap));
      case F32 -> Float.intBitsToFloat(intAt(source, at, swap));
      case F16 -> Float.float16ToFloat(shortAt(source, at, swap));
      case BF16 -> Float.intBitsToFloat(shortAt(source, at, swap) << 16);
      case I64 -> longAt(source, at, swap);
      case I32 -> intAt(source, at, swap);
      case I16 -> shortAt(source, at, swap);
      case I8 -> source.get(ValueLayout.JAVA_BYTE, at);
      case U8 -> Byte.toUnsignedInt(source.get(ValueLayout.JAVA_BYTE, at));
      case BOOL -> source.get(ValueLayout.JAVA_BYTE, at) == 0 ? 0 : 1;
    };
  }

  private static short shortAt(MemorySegment source, long at, boolean swap) {
    short raw = source.get(SHORT, at);
    return swap ? Short.reverseBytes(raw) : raw;
  }

  private static int intAt(MemorySegment source, long at, boolean swap) {
    int raw = source.get(INT, at);
    return swap ? Integer.reverseBytes(raw) : raw;
  }

  private static long longAt(MemorySegment source, long at, boolean swap) {
    long raw = source.get(LONG, at);
    return swap ? Long.reverseBytes(raw) : raw;
  }
}
