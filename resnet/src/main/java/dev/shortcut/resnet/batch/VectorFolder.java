package dev.shortcut.resnet.batch;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * Vectors in numbered {@code .npy} files of a folder, with one line for each input in {@code
 * ids.jsonl}. A vector is always written before its line, so that every line that is there has its
 * vector.
 */
final class VectorFolder implements RowSink {
  /** 128 MiB of ResNet-50's features: large enough for few files, small enough to be handled. */
  static final int ROWS_PER_PART = 16_384;

  private final Path folder;
  private final RowKind.Values values;
  private final Beginning beginning;
  private final PartFile ids;
  private final Resumed resumed;
  private final ByteArrayOutputStream pending = new ByteArrayOutputStream();
  private long rows;
  private long vectors;
  private @Nullable NpyWriter part;

  private VectorFolder(
      Path folder,
      RowKind.Values values,
      Beginning beginning,
      PartFile ids,
      Resumed resumed,
      long vectors) {
    this.folder = folder;
    this.values = values;
    this.beginning = beginning;
    this.ids = ids;
    this.resumed = resumed;
    this.rows = resumed.rows();
    this.vectors = vectors;
  }

  static RowSink open(Path folder, RowKind.Values values, Beginning beginning) {
    if (beginning.finishedRows().isPresent()) {
      return new FinishedSink(beginning.finishedRows().getAsLong());
    }
    if (!beginning.resumes() && !beginning.overwrites() && !parts(folder).isEmpty()) {
      throw new ResumeException(
          "%s holds vectors of another run already; choose another folder, or --overwrite"
              .formatted(folder));
    }
    PartFile ids = PartFile.open(beginning.file());
    try {
      if (!beginning.resumes()) {
        clear(folder, beginning);
        ids.truncate(0);
        beginning.manifest().write(beginning.manifestFile(), OptionalLong.empty());
        return new VectorFolder(folder, values, beginning, ids, Resumed.NOTHING, 0);
      }
      return resume(folder, values, beginning, ids);
    } catch (RuntimeException e) {
      ids.close();
      throw e;
    }
  }

  /** Parts of another output between the new ones would be taken for them. */
  private static void clear(Path folder, Beginning beginning) {
    try {
      for (Path file : parts(folder)) {
        Files.delete(file);
      }
      Files.deleteIfExists(beginning.file());
    } catch (IOException e) {
      throw new UncheckedIOException(
          new IOException("%s cannot be cleared: %s".formatted(folder, Reasons.of(e)), e));
    }
  }

  private static List<Path> parts(Path folder) {
    List<Path> parts = new ArrayList<>();
    if (!Files.isDirectory(folder)) {
      return parts;
    }
    try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, "part-*.npy*")) {
      found.forEach(parts::add);
      return parts;
    } catch (IOException e) {
      throw new UncheckedIOException(
          new IOException("%s cannot be looked at: %s".formatted(folder, Reasons.of(e)), e));
    }
  }

  private static VectorFolder resume(
      Path folder, RowKind.Values values, Beginning beginning, PartFile ids) {
    try (InputStream in = Files.newInputStream(PartFile.path(beginning.file()))) {
      var lines = new JsonLines.LineScanner(in);
      var digest = new IdDigest();
      long rows = 0;
      long vectors = 0;
      long bytes = 0;
      for (Optional<String> id = lines.next(); id.isPresent(); id = lines.next()) {
        if (!lines.has("error")) {
          if (!isWritten(folder, values, vectors)) {
            break; // only a machine that lost its power can have kept the line and not the vector
          }
          vectors++;
        }
        digest.add(id.get());
        rows++;
        bytes = lines.bytes();
      }
      ids.truncate(bytes);
      var resumed = new Resumed(rows, digest.value(), false);
      var sink = new VectorFolder(folder, values, beginning, ids, resumed, vectors);
      sink.resumePart();
      return sink;
    } catch (IOException e) {
      throw new UncheckedIOException(
          new IOException(
              "%s cannot be read: %s".formatted(PartFile.path(beginning.file()), Reasons.of(e)),
              e));
    }
  }

  private static boolean isWritten(Path folder, RowKind.Values values, long vector)
      throws IOException {
    Path file = partFile(folder, vector / ROWS_PER_PART);
    Path present = Files.exists(file) ? file : PartFile.path(file);
    long end =
        NpyWriter.HEADER_BYTES + (vector % ROWS_PER_PART + 1) * values.size() * (long) Float.BYTES;
    return Files.exists(present) && Files.size(present) >= end;
  }

  /** Opens the part that the last vector lies in, unless it is full and has its name. */
  private void resumePart() throws IOException {
    if (vectors == 0) {
      return;
    }
    Path file = partFile(folder, (vectors - 1) / ROWS_PER_PART);
    long rowsInPart = (vectors - 1) % ROWS_PER_PART + 1;
    if (Files.exists(file)) {
      if (rowsInPart == ROWS_PER_PART) {
        return;
      }
      // The last part was named, and then the lines were torn.
      Files.move(file, PartFile.path(file), StandardCopyOption.REPLACE_EXISTING);
    }
    part = NpyWriter.resume(file, NpyType.FLOAT32, List.of((long) values.size()), rowsInPart);
    finishFullPart();
  }

  static Path partFile(Path folder, long number) {
    return folder.resolve("part-%05d.npy".formatted(number));
  }

  @Override
  public Resumed resumed() {
    return resumed;
  }

  @Override
  public void write(Row row) {
    try (JsonGenerator json = JsonLines.JSON.createGenerator(pending)) {
      json.writeStartObject();
      json.writeStringField("id", row.id());
      switch (row) {
        case Row.Vector vector -> {
          json.writeStringField(
              "part", String.valueOf(partFile(folder, vectors / ROWS_PER_PART).getFileName()));
          json.writeNumberField("row", vectors % ROWS_PER_PART);
          append(vector.values());
        }
        case Row.Failed failed -> json.writeStringField("error", failed.reason());
        case Row.Classified _ ->
            throw new IllegalArgumentException("labels do not go into .npy files");
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    pending.write('\n');
    rows++;
    finishFullPart();
  }

  private void append(float[] vector) {
    NpyWriter current = part;
    if (current == null) {
      Path file = partFile(folder, vectors / ROWS_PER_PART);
      current = NpyWriter.create(file, NpyType.FLOAT32, List.of((long) values.size()));
      part = current;
    }
    current.write(MemorySegment.ofArray(vector));
    vectors++;
  }

  /** The lines go first, so that a part that has its name has all its lines. */
  private void finishFullPart() {
    NpyWriter current = part;
    if (current != null && current.rows() == ROWS_PER_PART) {
      flush();
      current.finish();
      part = null;
    }
  }

  @Override
  public void flush() {
    ids.append(ByteBuffer.wrap(pending.toByteArray()));
    pending.reset();
  }

  @Override
  public void finish() {
    flush();
    if (part != null) {
      part.finish();
      part = null;
    }
    // Before the name: a run killed in between finds all rows and only has to rename.
    beginning.manifest().write(beginning.manifestFile(), OptionalLong.of(rows));
    ids.commit();
  }

  @Override
  public void close() {
    try (PartFile _ = ids) {
      if (part != null) {
        part.close();
      }
    }
  }
}
