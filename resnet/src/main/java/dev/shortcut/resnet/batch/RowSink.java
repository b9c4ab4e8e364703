package dev.shortcut.resnet.batch;

import java.io.UncheckedIOException;

/**
 * Where the rows of one job go, in order. Used by one thread. Failures of writing are {@link
 * UncheckedIOException}s.
 */
interface RowSink extends AutoCloseable {
  /** What an earlier run has left. */
  default Resumed resumed() {
    return Resumed.NOTHING;
  }

  /** Takes the next row; may keep it until {@link #flush}. */
  void write(Row row);

  /** Hands everything taken so far to the system, so that it outlives this process. */
  void flush();

  /** All rows have come: the output takes its name. */
  void finish();

  /** Releases files; without {@link #finish} before it, what is there can be gone on with. */
  @Override
  void close();

  /**
   * What an earlier run has left.
   *
   * @param rows whole rows
   * @param ids SHA-256 over the ids of these rows, each followed by a zero byte
   * @param finished whether these are all
   */
  @SuppressWarnings("ArrayRecordComponent") // compared by MessageDigest.isEqual
  record Resumed(long rows, byte[] ids, boolean finished) {
    static final Resumed NOTHING = new Resumed(0, new IdDigest().value(), false);
  }
}
