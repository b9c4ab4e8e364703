package dev.shortcut.resnet.batch;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.Optional;
import java.util.OptionalLong;

/** Rows for a file, which a later run can go on with. */
final class FileSink implements RowSink {
  private final RowFormat format;
  private final Beginning beginning;
  private final PartFile part;
  private final Resumed resumed;
  private final ByteArrayOutputStream pending = new ByteArrayOutputStream();
  private long rows;

  private FileSink(RowFormat format, Beginning beginning, PartFile part, Resumed resumed) {
    this.format = format;
    this.beginning = beginning;
    this.part = part;
    this.resumed = resumed;
    this.rows = resumed.rows();
  }

  static RowSink open(RowFormat format, Beginning beginning) {
    if (beginning.finishedRows().isPresent()) {
      return new FinishedSink(beginning.finishedRows().getAsLong());
    }
    PartFile part = PartFile.open(beginning.file());
    try {
      if (!beginning.resumes()) {
        part.truncate(0);
        beginning.manifest().write(beginning.manifestFile(), OptionalLong.empty());
        part.append(ByteBuffer.wrap(format.header()));
        return new FileSink(format, beginning, part, Resumed.NOTHING);
      }
      Resumed resumed = keepWholeRows(format, beginning, part);
      return new FileSink(format, beginning, part, resumed);
    } catch (RuntimeException e) {
      part.close();
      throw e;
    }
  }

  private static Resumed keepWholeRows(RowFormat format, Beginning beginning, PartFile part) {
    try (InputStream in = Files.newInputStream(PartFile.path(beginning.file()))) {
      RowFormat.Scanner scanner = format.scan(in);
      var ids = new IdDigest();
      long rows = 0;
      for (Optional<String> id = scanner.next(); id.isPresent(); id = scanner.next()) {
        ids.add(id.get());
        rows++;
      }
      part.truncate(scanner.bytes());
      if (scanner.bytes() < format.header().length) {
        part.truncate(0);
        part.append(ByteBuffer.wrap(format.header()));
      }
      return new Resumed(rows, ids.value(), false);
    } catch (IOException e) {
      throw new UncheckedIOException(
          new IOException(
              "%s cannot be read: %s".formatted(PartFile.path(beginning.file()), Reasons.of(e)),
              e));
    }
  }

  @Override
  public Resumed resumed() {
    return resumed;
  }

  @Override
  public void write(Row row) {
    try {
      format.append(row, pending);
      rows++;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void flush() {
    part.append(ByteBuffer.wrap(pending.toByteArray()));
    pending.reset();
  }

  @Override
  public void finish() {
    flush();
    // Before the name: a run killed in between finds all rows and only has to rename.
    beginning.manifest().write(beginning.manifestFile(), OptionalLong.of(rows));
    part.commit();
  }

  @Override
  public void close() {
    part.close();
  }
}
