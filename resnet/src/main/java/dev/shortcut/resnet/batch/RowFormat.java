package dev.shortcut.resnet.batch;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;

/** How rows become bytes, and whole rows are told from a torn one. */
interface RowFormat {
  /** The name of the format, for manifests. */
  String name();

  /** What stands before the first row. */
  byte[] header();

  /** Appends one row with its line end. */
  void append(Row row, ByteArrayOutputStream out) throws IOException;

  /** Begins to read what {@link #header} and {@link #append} have written. */
  Scanner scan(InputStream in);

  /** Finds the whole rows of an unfinished file. */
  interface Scanner {
    /** The id of the next whole row; empty at the end, or where a row is torn. */
    Optional<String> next() throws IOException;

    /** Bytes from the start of the file to the end of the last row that {@link #next} gave. */
    long bytes();
  }
}
