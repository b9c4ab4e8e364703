package dev.shortcut.bindings.library;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.ValueLayout;

/** C's types on 64-bit Linux, for the descriptors of functions and the fields of structs. */
public final class CTypes {
  /** {@code char}: 1 byte. */
  public static final ValueLayout.OfByte CHAR = ValueLayout.JAVA_BYTE;

  /** {@code short} and {@code uint16_t}: 2 bytes. */
  public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT;

  /** {@code int}, {@code int32_t} and enumerations: 4 bytes. */
  public static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

  /** {@code long} and {@code int64_t}: 8 bytes. */
  public static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

  /** {@code size_t}: 8 bytes. */
  public static final ValueLayout.OfLong SIZE_T = ValueLayout.JAVA_LONG;

  /** {@code float}: 4 bytes. */
  public static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

  /** {@code double}: 8 bytes. */
  public static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE;

  /** Any pointer: 8 bytes. */
  public static final AddressLayout POINTER = ValueLayout.ADDRESS;

  private CTypes() {}
}
