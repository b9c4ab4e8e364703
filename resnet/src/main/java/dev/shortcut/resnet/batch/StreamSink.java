package dev.shortcut.resnet.batch;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;

/** Rows for a stream that belongs to somebody else. */
final class StreamSink implements RowSink {
  private final RowFormat format;
  private final OutputStream stream;
  private final ByteArrayOutputStream pending = new ByteArrayOutputStream();

  StreamSink(RowFormat format, OutputStream stream) {
    this.format = format;
    this.stream = stream;
    pending.writeBytes(format.header());
  }

  @Override
  public void write(Row row) {
    try {
      format.append(row, pending);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void flush() {
    try {
      pending.writeTo(stream);
      stream.flush();
      pending.reset();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void finish() {
    flush();
  }

  @Override
  public void close() {}
}
