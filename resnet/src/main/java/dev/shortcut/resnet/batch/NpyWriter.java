package dev.shortcut.resnet.batch;

import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Writes a NumPy {@code .npy} file row by row; the number of rows is put into the header at the
 * end. Everything goes to {@code FILE.part}, which takes the file's name in {@link #finish}: a file
 * of that name is always whole.
 *
 * <p>Not thread-safe.
 */
public final class NpyWriter implements AutoCloseable {
  /** NumPy aligns data to 64 bytes; two lines of that leave room for any shape. */
  static final int HEADER_BYTES = 128;

  private static final int LARGEST_WRITE = 1 << 18;

  private final PartFile part;
  private final NpyType type;
  private final List<Long> rowDims;
  private final long rowBytes;
  private long rows;

  private NpyWriter(PartFile part, NpyType type, List<Long> rowDims, long rows) {
    this.part = part;
    this.type = type;
    this.rowDims = List.copyOf(rowDims);
    this.rowBytes = rowDims.stream().reduce((long) type.bytes(), Math::multiplyExact);
    this.rows = rows;
  }

  /**
   * Begins a file, in place of an unfinished one.
   *
   * @param rowDims the extents behind the outermost one
   * @throws UncheckedIOException if it cannot be written
   */
  public static NpyWriter create(Path file, NpyType type, List<Long> rowDims) {
    PartFile part = PartFile.create(file);
    var writer = new NpyWriter(part, type, rowDims, 0);
    try {
      writer.writeHeader();
    } catch (RuntimeException e) {
      part.close();
      throw e;
    }
    return writer;
  }

  /**
   * Goes on with an unfinished file behind its first {@code rows} rows; what follows them is cut
   * off.
   */
  static NpyWriter resume(Path file, NpyType type, List<Long> rowDims, long rows) {
    var writer = new NpyWriter(PartFile.open(file), type, rowDims, rows);
    writer.part.truncate(HEADER_BYTES + rows * writer.rowBytes);
    return writer;
  }

  /** Rows written so far. */
  public long rows() {
    return rows;
  }

  /**
   * Appends whole rows.
   *
   * @throws UncheckedIOException if they cannot be written
   */
  public void write(MemorySegment values) {
    if (values.byteSize() % rowBytes != 0) {
      throw new IllegalArgumentException(
          "%d bytes are no whole number of rows of %d".formatted(values.byteSize(), rowBytes));
    }
    // A segment over floats on the heap has no view as bytes that a channel could take.
    var buffer = ByteBuffer.allocate((int) Math.min(values.byteSize(), LARGEST_WRITE));
    for (long done = 0; done < values.byteSize(); done += buffer.limit()) {
      buffer.clear().limit((int) Math.min(values.byteSize() - done, buffer.capacity()));
      MemorySegment.ofBuffer(buffer).copyFrom(values.asSlice(done, buffer.limit()));
      part.append(buffer);
    }
    rows += values.byteSize() / rowBytes;
  }

  /** Completes the header and gives the file its name. */
  public void finish() {
    writeHeader();
    part.commit();
  }

  private void writeHeader() {
    String shape =
        rows + "," + rowDims.stream().map(dim -> " " + dim).collect(Collectors.joining(","));
    String header =
        "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }".formatted(type.descr(), shape);
    ByteBuffer bytes = ByteBuffer.allocate(HEADER_BYTES);
    bytes.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, HEADER_BYTES - 10, 0});
    bytes.put(header.getBytes(StandardCharsets.US_ASCII));
    while (bytes.remaining() > 1) {
      bytes.put((byte) ' ');
    }
    bytes.put((byte) '\n').flip();
    part.write(bytes, 0);
  }

  /** Closes the file; without {@link #finish} before it, {@code FILE.part} is left as it is. */
  @Override
  public void close() {
    part.close();
  }
}
