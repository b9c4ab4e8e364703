package dev.shortcut.bindings.webp;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.LibraryException;
import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Objects;
import java.util.Optional;

/** The decoder of libwebp (webp/decode.h). Immutable; any number of threads may decode at once. */
public final class LibWebp {
  private final NativeLibrary library;
  private final MethodHandle getDecoderVersion;
  private final MethodHandle getInfo;
  private final MethodHandle decodeRgbInto;

  private LibWebp(NativeLibrary library) {
    this.library = library;
    this.getDecoderVersion = library.function("WebPGetDecoderVersion", CTypes.INT);
    this.getInfo =
        library.function(
            "WebPGetInfo",
            CTypes.INT,
            CTypes.POINTER,
            CTypes.SIZE_T,
            CTypes.POINTER,
            CTypes.POINTER);
    this.decodeRgbInto =
        library.function(
            "WebPDecodeRGBInto",
            CTypes.POINTER,
            CTypes.POINTER,
            CTypes.SIZE_T,
            CTypes.POINTER,
            CTypes.SIZE_T,
            CTypes.INT);
  }

  /**
   * A picture's size.
   *
   * @param width pixels, 1 to 16383
   * @param height pixels, 1 to 16383
   */
  public record Size(int width, int height) {}

  /**
   * Finds libwebp: {@code -Dwebp.library=FILE}, the environment variable {@code WEBP_LIBRARY}, then
   * the system's loader.
   *
   * @throws LibraryException if there is none; the message lists every place tried
   */
  public static LibWebp load() {
    return new LibWebp(
        NativeLibrary.find("libwebp", "WebPDecodeRGBInto")
            .property("webp.library")
            .environment("WEBP_LIBRARY")
            .sonames("libwebp.so.7", "libwebp.so.6", "libwebpdecoder.so.3")
            .load());
  }

  /** The library that was opened. */
  public NativeLibrary library() {
    return library;
  }

  /** The decoder's version, such as {@code 1.2.4}. */
  public String version() {
    int version;
    try {
      version = (int) getDecoderVersion.invokeExact();
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
    return "%d.%d.%d".formatted(version >> 16 & 255, version >> 8 & 255, version & 255);
  }

  /**
   * What the header says; nothing is decoded.
   *
   * @param data a WebP file, or the content of its {@code VP8 } or {@code VP8L} chunk, from {@code
   *     offset} on
   * @return empty if the bytes are no WebP or too few
   */
  public Optional<Size> size(byte[] data, int offset, int length) {
    Objects.checkFromIndexSize(offset, length, data.length);
    int known;
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment in = copy(data, offset, length, frame);
      MemorySegment width = frame.allocate(CTypes.INT);
      MemorySegment height = frame.allocate(CTypes.INT);
      try {
        known = (int) getInfo.invokeExact(in, (long) length, width, height);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return known == 0
          ? Optional.empty()
          : Optional.of(new Size(width.get(CTypes.INT, 0), height.get(CTypes.INT, 0)));
    }
  }

  /**
   * The pixels, {@code 3 * width * height} bytes, rows from top to bottom; alpha is left out. Takes
   * as much native memory again while it runs.
   *
   * @param data as for {@link #size}
   * @param size what {@link #size} returned for the same bytes, and the caller found small enough
   * @return empty if the bytes are damaged or cut off
   */
  public Optional<byte[]> decodeRgb(byte[] data, int offset, int length, Size size) {
    Objects.checkFromIndexSize(offset, length, data.length);
    int stride = Math.multiplyExact(3, size.width());
    int bytes = Math.multiplyExact(stride, size.height());
    MemorySegment result;
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment in = copy(data, offset, length, frame);
      MemorySegment out = frame.allocate(bytes);
      try {
        result =
            (MemorySegment) decodeRgbInto.invokeExact(in, (long) length, out, (long) bytes, stride);
      } catch (Throwable t) {
        throw NativeLibrary.unreachable(t);
      }
      return result.equals(MemorySegment.NULL)
          ? Optional.empty()
          : Optional.of(out.toArray(ValueLayout.JAVA_BYTE));
    }
  }

  private static MemorySegment copy(byte[] data, int offset, int length, Arena frame) {
    MemorySegment in = frame.allocate(Math.max(length, 1));
    MemorySegment.copy(data, offset, in, ValueLayout.JAVA_BYTE, 0, length);
    return in;
  }
}
