package dev.shortcut.resnet.batch;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.dataformat.csv.CsvFactory;
import com.fasterxml.jackson.dataformat.csv.CsvGenerator;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * RFC 4180 with a line of names and lines that end with a line feed: {@code
 * id,label_1,probability_1,...,error}, or {@code id,value_0,value_1,...,error}.
 */
record Csv(RowKind kind) implements RowFormat {
  private static final CsvFactory CSV =
      CsvFactory.builder().enable(CsvGenerator.Feature.STRICT_CHECK_FOR_QUOTING).build();

  @Override
  public String name() {
    return "csv";
  }

  private CsvSchema schema() {
    CsvSchema.Builder columns = CsvSchema.builder().addColumn("id");
    switch (kind) {
      case RowKind.Top top -> {
        for (int i = 1; i <= top.count(); i++) {
          columns.addColumn("label_" + i).addColumn("probability_" + i);
        }
      }
      case RowKind.Values values -> {
        for (int i = 0; i < values.size(); i++) {
          columns.addColumn("value_" + i);
        }
      }
    }
    return columns.addColumn("error").build();
  }

  @Override
  public byte[] header() {
    return (String.join(",", schema().getColumnNames()) + "\n").getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public void append(Row row, ByteArrayOutputStream out) throws IOException {
    try (CsvGenerator csv = CSV.createGenerator(out)) {
      csv.setSchema(schema());
      csv.writeStartObject();
      csv.writeStringField("id", row.id());
      switch (row) {
        case Row.Classified classified -> writeTop(csv, classified);
        case Row.Vector vector -> writeValues(csv, vector);
        case Row.Failed failed -> csv.writeStringField("error", failed.reason());
      }
      csv.writeEndObject();
    }
  }

  private static void writeTop(JsonGenerator csv, Row.Classified row) throws IOException {
    int rank = 0;
    for (Prediction prediction : row.top()) {
      rank++;
      csv.writeStringField("label_" + rank, prediction.label());
      csv.writeNumberField("probability_" + rank, prediction.probability());
    }
  }

  private static void writeValues(JsonGenerator csv, Row.Vector row) throws IOException {
    for (int i = 0; i < row.values().length; i++) {
      csv.writeNumberField("value_" + i, row.values()[i]);
    }
  }

  @Override
  public Scanner scan(InputStream in) {
    return new QuotedScanner(in, header().length);
  }

  /**
   * A line feed ends a row only outside of quotes, so they are counted from the start of the file.
   */
  private static final class QuotedScanner implements Scanner {
    private final InputStream in;
    private final long headerBytes;
    private long position;
    private long bytes;

    QuotedScanner(InputStream in, long headerBytes) {
      this.in = new BufferedInputStream(in, 1 << 16);
      this.headerBytes = headerBytes;
    }

    @Override
    public Optional<String> next() throws IOException {
      if (position == 0 && nextRow().isEmpty()) {
        return Optional.empty();
      }
      return nextRow();
    }

    /** The first field of a row that ends. */
    private Optional<String> nextRow() throws IOException {
      var first = new ByteArrayOutputStream();
      boolean inFirst = true;
      boolean quoted = false;
      int before = -1;
      for (int b = in.read(); b >= 0; b = in.read()) {
        position++;
        if (b == '\n' && !quoted) {
          bytes = position;
          return Optional.of(first.toString(StandardCharsets.UTF_8));
        }
        if (b == '"') {
          quoted = !quoted;
          if (quoted && before == '"' && inFirst) {
            first.write('"'); // two quotes within quotes stand for one
          }
        } else if (b == ',' && !quoted) {
          inFirst = false;
        } else if (inFirst) {
          first.write(b);
        }
        before = b;
      }
      return Optional.empty();
    }

    @Override
    public long bytes() {
      return Math.max(bytes, Math.min(position, headerBytes));
    }
  }
}
