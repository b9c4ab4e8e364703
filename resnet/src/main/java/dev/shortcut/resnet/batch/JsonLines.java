package dev.shortcut.resnet.batch;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;

/**
 * One JSON object in each line: {@code
 * {"id":"a.jpg","top":[{"label":"cat","index":3,"probability":0.98}]}}, or {@code
 * {"id":"a.jpg","features":[...]}}, or {@code {"id":"a.jpg","error":"..."}}.
 */
record JsonLines(RowKind kind) implements RowFormat {
  static final JsonFactory JSON =
      JsonFactory.builder()
          // The lines of an unfinished file are our own, and an id may be as long as its maker
          // likes.
          .streamReadConstraints(
              StreamReadConstraints.builder().maxStringLength(Integer.MAX_VALUE).build())
          .build();

  @Override
  public String name() {
    return "json";
  }

  @Override
  public byte[] header() {
    return new byte[0];
  }

  @Override
  public void append(Row row, ByteArrayOutputStream out) throws IOException {
    try (JsonGenerator json = JSON.createGenerator(out)) {
      json.writeStartObject();
      json.writeStringField("id", row.id());
      switch (row) {
        case Row.Classified classified -> writeTop(json, classified);
        case Row.Vector vector -> writeValues(json, vector);
        case Row.Failed failed -> json.writeStringField("error", failed.reason());
      }
      json.writeEndObject();
    }
    out.write('\n');
  }

  private static void writeTop(JsonGenerator json, Row.Classified row) throws IOException {
    json.writeArrayFieldStart("top");
    for (Prediction prediction : row.top()) {
      json.writeStartObject();
      json.writeStringField("label", prediction.label());
      json.writeNumberField("index", prediction.index());
      json.writeNumberField("probability", prediction.probability());
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private void writeValues(JsonGenerator json, Row.Vector row) throws IOException {
    json.writeArrayFieldStart(kind instanceof RowKind.Values values ? values.name() : "values");
    for (float value : row.values()) {
      json.writeNumber(value);
    }
    json.writeEndArray();
  }

  @Override
  public Scanner scan(InputStream in) {
    return new LineScanner(in);
  }

  /** Reads whole lines that are whole objects. */
  static final class LineScanner implements Scanner {
    private final InputStream in;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private long bytes;
    private Set<String> fields = Set.of();

    LineScanner(InputStream in) {
      this.in = new BufferedInputStream(in, 1 << 16);
    }

    @Override
    public Optional<String> next() throws IOException {
      Optional<String> id = nextLine().flatMap(this::id);
      if (id.isPresent()) {
        bytes += line.size() + 1;
      }
      return id;
    }

    private Optional<byte[]> nextLine() throws IOException {
      line.reset();
      for (int b = in.read(); b >= 0; b = in.read()) {
        if (b == '\n') {
          return Optional.of(line.toByteArray());
        }
        line.write(b);
      }
      return Optional.empty();
    }

    /** The id of a whole object; a line that is none was torn by more than the end of a process. */
    private Optional<String> id(byte[] object) {
      Optional<String> id = Optional.empty();
      Set<String> names = new HashSet<>();
      try (JsonParser json = JSON.createParser(object)) {
        if (json.nextToken() != JsonToken.START_OBJECT) {
          return Optional.empty();
        }
        while (json.nextToken() == JsonToken.FIELD_NAME) {
          names.add(json.currentName());
          boolean isId = json.currentName().equals("id");
          json.nextToken();
          if (isId) {
            id = Optional.of(json.getText());
          }
          json.skipChildren();
        }
        fields = names;
        return json.currentToken() == JsonToken.END_OBJECT ? id : Optional.empty();
      } catch (JsonProcessingException e) {
        return Optional.empty();
      } catch (IOException e) {
        throw new AssertionError("an array in memory can always be read", e);
      }
    }

    /** Whether the last row has this field. */
    boolean has(String field) {
      return fields.contains(field);
    }

    @Override
    public long bytes() {
      return bytes;
    }
  }
}
