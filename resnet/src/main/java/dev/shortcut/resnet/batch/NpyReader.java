package dev.shortcut.resnet.batch;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads a NumPy {@code .npy} file (format versions 1 to 3) of unsigned bytes or little-endian
 * floats in C order. The whole header is checked when the file is opened; elements are read in
 * pieces, so that a file may be larger than memory.
 *
 * <p>Not thread-safe.
 */
public final class NpyReader implements AutoCloseable {
  /** NumPy's own limit (numpy.lib.format, {@code _MAX_HEADER_SIZE}). */
  private static final int LONGEST_HEADER = 10_000;

  private static final int MOST_DIMS = 32;
  private static final int LARGEST_READ = 1 << 18;
  private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
  private static final Pattern DESCR = Pattern.compile("'descr'\\s*:\\s*('[^']{1,16}'|\\[)");
  private static final Pattern ORDER = Pattern.compile("'fortran_order'\\s*:\\s*(True|False)\\b");
  private static final Pattern SHAPE = Pattern.compile("'shape'\\s*:\\s*\\(([0-9, L]{0,400})\\)");

  private final Path file;
  private final FileChannel channel;
  private final NpyType type;
  private final List<Long> dims;
  private final long dataOffset;

  private NpyReader(Path file, FileChannel channel) throws IOException {
    this.file = file;
    this.channel = channel;
    ByteBuffer start = at(0, 8);
    byte[] magic = new byte[MAGIC.length];
    start.get(magic);
    if (!java.util.Arrays.equals(magic, MAGIC)) {
      throw bad("it does not begin as a .npy file does");
    }
    int major = start.get();
    if (major < 1 || major > 3) {
      throw bad("its format version is %d, and only 1 to 3 are known".formatted(major));
    }
    int lengthBytes = major == 1 ? 2 : 4;
    ByteBuffer lengthField = at(8, lengthBytes);
    long headerBytes =
        major == 1
            ? Short.toUnsignedInt(lengthField.getShort())
            : Integer.toUnsignedLong(lengthField.getInt());
    if (headerBytes > LONGEST_HEADER) {
      throw bad(
          "its header claims %d bytes, more than NumPy's limit of %d"
              .formatted(headerBytes, LONGEST_HEADER));
    }
    this.dataOffset = 8 + lengthBytes + headerBytes;
    String header =
        StandardCharsets.UTF_8.decode(at(8 + lengthBytes, (int) headerBytes)).toString();
    this.type = type(group(DESCR, header, "descr"));
    if (group(ORDER, header, "fortran_order").equals("True")) {
      throw bad("it is in Fortran order; save numpy.ascontiguousarray(a)");
    }
    this.dims = dims(group(SHAPE, header, "shape"));
    checkSize();
  }

  /**
   * Opens a file and checks its header against its size.
   *
   * @throws InputException if the file is missing, unreadable, damaged, or holds something else
   */
  public static NpyReader open(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new InputException(
          Files.exists(file) ? file + " is not a file" : "there is no file " + file);
    }
    FileChannel channel;
    try {
      channel = FileChannel.open(file);
    } catch (IOException e) {
      throw new InputException("%s cannot be read: %s".formatted(file, Reasons.of(e)), e);
    }
    try {
      return new NpyReader(file, channel);
    } catch (IOException e) {
      InputException failure =
          new InputException("%s cannot be read: %s".formatted(file, Reasons.of(e)), e);
      closeAfter(channel, failure);
      throw failure;
    } catch (RuntimeException e) {
      closeAfter(channel, e);
      throw e;
    }
  }

  private static void closeAfter(FileChannel channel, Exception failure) {
    try {
      channel.close();
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
  }

  /** The file, for messages. */
  public Path file() {
    return file;
  }

  /** The type of the elements. */
  public NpyType type() {
    return type;
  }

  /** Extents, outermost first; empty for a single value. */
  public List<Long> dims() {
    return dims;
  }

  /** Bytes of one row: everything behind the outermost extent. */
  public long rowBytes() {
    return dims.stream().skip(1).reduce((long) type.bytes(), Math::multiplyExact);
  }

  /**
   * Reads rows, which are what the outermost extent counts.
   *
   * @param target at least {@code rows * rowBytes()} bytes
   * @throws IndexOutOfBoundsException if the file has no such rows or they do not fit into {@code
   *     target}
   * @throws InputException if the file cannot be read or has become shorter
   */
  public void read(long firstRow, long rows, MemorySegment target) {
    if (dims.isEmpty() || firstRow < 0 || rows < 0 || rows > dims.getFirst() - firstRow) {
      throw new IndexOutOfBoundsException(
          "%s has shape %s, rows %d to %d were asked for"
              .formatted(file, dims, firstRow, firstRow + rows));
    }
    readBytes(dataOffset + firstRow * rowBytes(), Math.multiplyExact(rows, rowBytes()), target);
  }

  /**
   * Reads all elements.
   *
   * @throws IndexOutOfBoundsException if they do not fit into {@code target}
   * @throws InputException if the file cannot be read or has become shorter
   */
  public void readAll(MemorySegment target) {
    readBytes(dataOffset, dims.stream().reduce((long) type.bytes(), Math::multiplyExact), target);
  }

  private void readBytes(long position, long bytes, MemorySegment target) {
    try {
      // A segment over floats on the heap has no view as bytes that a channel could fill.
      var buffer = ByteBuffer.allocate((int) Math.min(bytes, LARGEST_READ));
      for (long done = 0; done < bytes; done += buffer.limit()) {
        buffer.clear().limit((int) Math.min(bytes - done, buffer.capacity()));
        readFully(buffer, position + done);
        target.asSlice(done, buffer.limit()).copyFrom(MemorySegment.ofBuffer(buffer.flip()));
      }
    } catch (IOException e) {
      throw new InputException("%s cannot be read: %s".formatted(file, Reasons.of(e)), e);
    }
  }

  private NpyType type(String quoted) {
    String descr = quoted.replace("'", "");
    for (NpyType known : NpyType.values()) {
      // One byte has no order: NumPy writes |, but takes either arrow.
      if (known.descr().equals(descr) || (known == NpyType.UINT8 && descr.matches("[<>=]?u1"))) {
        return known;
      }
    }
    throw bad(
        "its elements are %s; save a.astype('<f4') or a.astype('u1')"
            .formatted(descr.equals("[") ? "records" : "'" + descr + "'"));
  }

  private List<Long> dims(String tuple) {
    List<Long> result = new ArrayList<>();
    for (String part : tuple.split(",", -1)) {
      String number = part.replace("L", "").strip();
      if (number.isEmpty()) {
        continue;
      }
      if (!number.matches("[0-9]{1,18}")) {
        throw bad("its shape (%s) is not one".formatted(tuple));
      }
      result.add(Long.valueOf(number));
    }
    if (result.size() > MOST_DIMS) {
      throw bad("it has %d dimensions, more than NumPy's %d".formatted(result.size(), MOST_DIMS));
    }
    return List.copyOf(result);
  }

  private void checkSize() throws IOException {
    long expected;
    try {
      // Of no rows, too, each must have a size.
      long rows = dims.isEmpty() ? 1 : dims.getFirst();
      expected = Math.addExact(dataOffset, Math.multiplyExact(rows, rowBytes()));
    } catch (ArithmeticException _) {
      throw bad("its shape %s has more bytes than can be counted".formatted(dims));
    }
    if (channel.size() != expected) {
      throw bad(
          "its shape %s of '%s' needs %d bytes with the header, but it has %d"
              .formatted(dims, type.descr(), expected, channel.size()));
    }
  }

  private String group(Pattern pattern, String header, String key) {
    Matcher matcher = pattern.matcher(header);
    if (!matcher.find()) {
      throw bad("its header has no usable '%s'".formatted(key));
    }
    return matcher.group(1);
  }

  private ByteBuffer at(long position, int bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    try {
      readFully(buffer, position);
    } catch (EOFException _) {
      throw bad("it ends within its header");
    }
    return buffer.flip();
  }

  private void readFully(ByteBuffer buffer, long position) throws IOException {
    long from = position;
    while (buffer.hasRemaining()) {
      int read = channel.read(buffer, from);
      if (read < 0) {
        throw new EOFException("the file ends after %d bytes".formatted(from));
      }
      from += read;
    }
  }

  private InputException bad(String reason) {
    return new InputException("%s is no array that can be used here: %s".formatted(file, reason));
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw new InputException("%s cannot be closed: %s".formatted(file, Reasons.of(e)), e);
    }
  }
}
