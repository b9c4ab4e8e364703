package dev.shortcut.resnet.batch;

import java.io.OutputStream;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Where rows go and in which form. Rows that go to files are written to {@code FILE.part}, which
 * becomes {@code FILE} when all are there; {@code FILE.manifest.json} beside it says what they were
 * made from. Immutable.
 */
public final class Rows {
  private final Opener opener;
  private final Existing existing;

  /** What is done about an unfinished output that is there already. */
  private enum Existing {
    REFUSE,
    RESUME,
    OVERWRITE
  }

  @FunctionalInterface
  private interface Opener {
    RowSink open(RowKind kind, Manifest manifest, Existing existing);
  }

  private Rows(Opener opener, Existing existing) {
    this.opener = opener;
    this.existing = existing;
  }

  private Rows(Opener opener) {
    this(opener, Existing.REFUSE);
  }

  /** One JSON object in each line of a file. */
  public static Rows jsonLines(Path file) {
    return file(file, JsonLines::new);
  }

  /** A table with a line of column names, RFC 4180 with line feeds. */
  public static Rows csv(Path file) {
    return file(file, Csv::new);
  }

  /** One JSON object in each line of a stream, which is flushed after each batch and not closed. */
  public static Rows jsonLines(OutputStream stream) {
    return new Rows((kind, _, _) -> new StreamSink(new JsonLines(kind), stream));
  }

  /**
   * A table with a line of column names on a stream, which is flushed after each batch and not
   * closed.
   */
  public static Rows csv(OutputStream stream) {
    return new Rows((kind, _, _) -> new StreamSink(new Csv(kind), stream));
  }

  /**
   * Vectors in {@code part-00000.npy}, {@code part-00001.npy} and so on of a folder, as float32 of
   * shape (rows, values); {@code ids.jsonl} has one line for each input, which says in which part
   * and row its vector lies, or why it has none.
   */
  public static Rows npy(Path folder) {
    return new Rows((kind, manifest, existing) ->
        switch (kind) {
          case RowKind.Values values ->
              VectorFolder.open(
                  folder,
                  values,
                  Beginning.of(
                      folder.resolve("ids.jsonl"),
                      folder.resolve("manifest.json"),
                      manifest.with("rows", "npy"),
                      existing == Existing.RESUME,
                      existing == Existing.OVERWRITE));
          case RowKind.Top _ ->
              throw new IllegalArgumentException(
                  "labels do not go into .npy files: use jsonLines or csv");
        });
  }

  /** Rows for the caller, one at a time, on the job's own thread. */
  public static Rows to(Consumer<Row> consumer) {
    return new Rows((_, _, _) -> new ConsumerSink(consumer));
  }

  private static Rows file(Path file, Function<RowKind, RowFormat> format) {
    return new Rows((kind, manifest, existing) -> {
      RowFormat rows = format.apply(kind);
      return FileSink.open(
          rows,
          Beginning.of(
              file,
              file.resolveSibling(file.getFileName() + ".manifest.json"),
              manifest.with("rows", rows.name()),
              existing == Existing.RESUME,
              existing == Existing.OVERWRITE));
    });
  }

  /**
   * The same output; what an earlier run has left unfinished is gone on with, and one that is
   * finished is left alone. Where inputs, weights or options have changed since, starting the job
   * throws {@link ResumeException}. Without effect on streams and consumers.
   */
  public Rows resume() {
    return new Rows(opener, Existing.RESUME);
  }

  /** The same output; what an earlier run has left unfinished is begun anew. */
  public Rows overwrite() {
    return new Rows(opener, Existing.OVERWRITE);
  }

  RowSink open(RowKind kind, Manifest manifest) {
    return opener.open(kind, manifest, existing);
  }
}
