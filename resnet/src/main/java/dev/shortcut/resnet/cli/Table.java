package dev.shortcut.resnet.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.csv.CsvGenerator;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;

/**
 * Rows of named values, for people or for programs. Whole numbers are grouped and right-aligned for
 * people only.
 */
final class Table {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final CsvMapper CSV =
      CsvMapper.builder().enable(CsvGenerator.Feature.STRICT_CHECK_FOR_QUOTING).build();

  private final List<Column> columns = new ArrayList<>();
  private final List<List<Object>> rows = new ArrayList<>();

  /**
   * One value of each row.
   *
   * @param title for people, with the unit
   * @param key for programs, with the unit
   * @param forPeople how a value is written for people
   */
  private record Column(String title, String key, Function<Object, String> forPeople) {}

  /** A column whose values are written as they are; whole numbers in groups of three. */
  Table column(String title, String key) {
    return column(
        title,
        key,
        value ->
            value instanceof Long || value instanceof Integer
                ? String.format(Locale.ROOT, "%,d", ((Number) value).longValue())
                : value.toString());
  }

  /** A column of numbers with this many digits behind the point. */
  Table column(String title, String key, int digits) {
    String pattern = "%%,.%df".formatted(digits);
    return column(
        title,
        key,
        value ->
            value instanceof Number n
                ? String.format(Locale.ROOT, pattern, n.doubleValue())
                : value.toString());
  }

  private Table column(String title, String key, Function<Object, String> forPeople) {
    columns.add(new Column(title, key, forPeople));
    return this;
  }

  /** The columns' names for programs. */
  List<String> keys() {
    return columns.stream().map(Column::key).toList();
  }

  /** Adds a row: one value for each column, a number or a text. */
  Table row(Object... values) {
    if (values.length != columns.size()) {
      throw new IllegalArgumentException(
          "%d values for %d columns".formatted(values.length, columns.size()));
    }
    rows.add(List.of(values));
    return this;
  }

  /** Each row as an object. */
  List<Map<String, Object>> objects() {
    return rows.stream()
        .map(row -> {
          Map<String, Object> object = new LinkedHashMap<>();
          for (int i = 0; i < columns.size(); i++) {
            object.put(columns.get(i).key(), row.get(i));
          }
          return object;
        })
        .toList();
  }

  /** Aligned columns under their titles. */
  String text() {
    List<List<String>> cells = new ArrayList<>();
    cells.add(columns.stream().map(Column::title).toList());
    for (List<Object> row : rows) {
      List<String> line = new ArrayList<>();
      for (int i = 0; i < row.size(); i++) {
        line.add(columns.get(i).forPeople().apply(row.get(i)));
      }
      cells.add(line);
    }
    int[] widths = new int[columns.size()];
    for (List<String> line : cells) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], line.get(i).length());
      }
    }
    var text = new StringBuilder();
    for (List<String> line : cells) {
      var one = new StringBuilder();
      for (int i = 0; i < line.size(); i++) {
        boolean number = !rows.isEmpty() && rows.getFirst().get(i) instanceof Number;
        String padding = " ".repeat(widths[i] - line.get(i).length());
        one.append(i == 0 ? "" : "  ")
            .append(number ? padding + line.get(i) : line.get(i) + padding);
      }
      text.append(one.toString().stripTrailing()).append('\n');
    }
    return text.toString();
  }

  /** A line of keys and a line for each row, RFC 4180 with line feeds. */
  String csv() {
    CsvSchema.Builder schema = CsvSchema.builder();
    columns.forEach(column -> schema.addColumn(column.key()));
    try {
      return CSV.writer(schema.build().withHeader()).writeValueAsString(objects());
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("numbers and texts can always be written", e);
    }
  }

  /** Indented JSON with a line feed at its end. */
  static String json(Object value) {
    try {
      return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(value) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("numbers and texts can always be written", e);
    }
  }

  /** The table alone in that format; as JSON a list of objects. */
  String in(Format format) {
    return switch (format) {
      case TEXT -> text();
      case JSON -> json(objects());
      case CSV -> csv();
    };
  }
}
