package dev.shortcut.resnet.image;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;

/**
 * The first directory of a TIFF (Adobe, TIFF 6.0, section 2): the numbers under each tag. EXIF data
 * has the same form.
 */
final class TiffDirectory {
  static final int IMAGE_WIDTH = 256;
  static final int IMAGE_LENGTH = 257;
  static final int BITS_PER_SAMPLE = 258;
  static final int COMPRESSION = 259;
  static final int PHOTOMETRIC = 262;
  static final int STRIP_OFFSETS = 273;
  static final int ORIENTATION = 274;
  static final int SAMPLES_PER_PIXEL = 277;
  static final int ROWS_PER_STRIP = 278;
  static final int STRIP_BYTE_COUNTS = 279;
  static final int COLOR_MAP = 320;
  static final int TILE_WIDTH = 322;
  static final int TILE_LENGTH = 323;
  static final int TILE_OFFSETS = 324;
  static final int TILE_BYTE_COUNTS = 325;
  static final int EXTRA_SAMPLES = 338;
  static final int SAMPLE_FORMAT = 339;

  private static final int ENTRY = 12;
  private static final int BYTE = 1;
  private static final int SHORT = 3;
  private static final int LONG = 4;

  private final ByteBuffer data;

  /** Where an entry's numbers are. */
  private record Entry(int type, int count, int at) {}

  private final Map<Integer, Entry> entries = new HashMap<>();

  private TiffDirectory(ByteBuffer data) {
    this.data = data;
  }

  /**
   * The directory that the header at {@code from} points to.
   *
   * @throws UndecodableException if there is none before {@code end}
   */
  static TiffDirectory first(byte[] bytes, int from, int end) throws UndecodableException {
    ByteBuffer data = ByteBuffer.wrap(bytes, from, end - from).slice();
    if (data.remaining() < 8) {
      throw new UndecodableException(
          "it ends within its header; the file is cut off, get it again");
    }
    boolean little = data.get(0) == 'I' && data.get(1) == 'I';
    boolean big = data.get(0) == 'M' && data.get(1) == 'M';
    data.order(little ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
    if (!little && !big) {
      throw new UndecodableException("it has no byte order; the file is damaged");
    }
    if (data.getShort(2) == 43) {
      throw new UndecodableException(
          "it is a BigTIFF, which is not supported; convert it to TIFF or PNG");
    }
    TiffDirectory directory = new TiffDirectory(data);
    directory.read();
    return directory;
  }

  private void read() throws UndecodableException {
    long start = data.getInt(4) & 0xFFFFFFFFL;
    if (start < 8 || start + 2 > data.limit()) {
      throw new UndecodableException(
          "its directory lies outside; the file is cut off or damaged, get it again");
    }
    int count = data.getShort((int) start) & 0xFFFF;
    for (int i = 0; i < count; i++) {
      long at = start + 2 + (long) ENTRY * i;
      if (at + ENTRY > data.limit()) {
        throw new UndecodableException("its directory is cut off; get the file again");
      }
      int entry = (int) at;
      int tag = data.getShort(entry) & 0xFFFF;
      int type = data.getShort(entry + 2);
      long values = data.getInt(entry + 4) & 0xFFFFFFFFL;
      int size = type == BYTE ? 1 : type == SHORT ? 2 : type == LONG ? 4 : 0;
      if (size == 0) {
        continue; // text, fractions and what else no decoder needs
      }
      long where = values * size <= 4 ? at + 8 : data.getInt(entry + 8) & 0xFFFFFFFFL;
      if (where + values * size > data.limit()) {
        throw new UndecodableException(
            "the values of its tag %d lie outside; the file is cut off or damaged, get it again"
                .formatted(tag));
      }
      entries.putIfAbsent(tag, new Entry(type, (int) values, (int) where));
    }
  }

  Orientation orientation() {
    return Orientation.of(number(ORIENTATION, 1));
  }

  boolean has(int tag) {
    return entries.containsKey(tag);
  }

  /** How many values the tag has, 0 if it is not there. */
  int count(int tag) {
    Entry entry = entries.get(tag);
    return entry == null ? 0 : entry.count();
  }

  /** The tag's first value. */
  long number(int tag, long otherwise) {
    return count(tag) == 0 ? otherwise : number(tag, 0, otherwise);
  }

  /** The tag's value {@code index}, which must be below its count. */
  long value(int tag, int index) {
    return number(tag, index, 0);
  }

  private long number(int tag, int index, long otherwise) {
    Entry entry = entries.get(tag);
    if (entry == null) {
      return otherwise;
    }
    return switch (entry.type()) {
      case BYTE -> data.get(entry.at() + index) & 0xFF;
      case SHORT -> data.getShort(entry.at() + 2 * index) & 0xFFFF;
      default -> data.getInt(entry.at() + 4 * index) & 0xFFFFFFFFL;
    };
  }
}
