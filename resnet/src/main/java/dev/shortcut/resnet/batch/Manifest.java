package dev.shortcut.resnet.batch;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.SequencedMap;

/**
 * What an output was made from and how, kept beside it: an unfinished output is gone on with only
 * where this is the same.
 *
 * @param facts by name; two runs with equal facts write equal rows
 * @param finishedRows rows of the finished output; empty while it is unfinished
 */
record Manifest(SequencedMap<String, String> facts, OptionalLong finishedRows) {
  private static final String FINISHED = "finished rows";

  /** No manifest of ours is longer; anything longer is not read. */
  private static final long LONGEST = 1 << 20;

  Manifest {
    facts = new LinkedHashMap<>(facts);
  }

  Manifest(SequencedMap<String, String> facts) {
    this(facts, OptionalLong.empty());
  }

  /** The same run with one more fact. */
  Manifest with(String name, String value) {
    SequencedMap<String, String> extended = new LinkedHashMap<>(facts);
    extended.put(name, value);
    return new Manifest(extended, finishedRows);
  }

  void write(Path file, OptionalLong rows) {
    var out = new ByteArrayOutputStream();
    try (JsonGenerator json = JsonLines.JSON.createGenerator(out).useDefaultPrettyPrinter()) {
      json.writeStartObject();
      for (Map.Entry<String, String> fact : facts.entrySet()) {
        json.writeStringField(fact.getKey(), fact.getValue());
      }
      if (rows.isPresent()) {
        json.writeStringField(FINISHED, Long.toString(rows.getAsLong()));
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    out.write('\n');
    PartFile.replace(file, out.toByteArray());
  }

  /**
   * What {@link #write} has written.
   *
   * @throws ResumeException if the file is not a manifest
   */
  static Manifest read(Path file) {
    SequencedMap<String, String> facts = new LinkedHashMap<>();
    try {
      if (Files.size(file) > LONGEST) {
        throw new ResumeException(file + " is no manifest: it is too long");
      }
      try (JsonParser json = JsonLines.JSON.createParser(Files.readAllBytes(file))) {
        json.nextToken();
        while (json.nextToken() == JsonToken.FIELD_NAME) {
          facts.put(json.currentName(), json.nextTextValue());
        }
      }
      String finished = facts.remove(FINISHED);
      return new Manifest(
          facts,
          finished == null ? OptionalLong.empty() : OptionalLong.of(Long.parseLong(finished)));
    } catch (IOException | NumberFormatException e) {
      throw new ResumeException(
          "%s is no manifest of an earlier run: %s".formatted(file, e.getMessage()));
    }
  }

  /**
   * Checks that this run may go on with what another has begun.
   *
   * @throws ResumeException naming everything that has changed
   */
  void requireSameAs(Manifest earlier, Path output) {
    List<String> changes = new ArrayList<>();
    var names = new LinkedHashMap<>(facts);
    names.putAll(earlier.facts);
    for (String name : names.keySet()) {
      String then = earlier.facts.get(name);
      String now = facts.get(name);
      if (!Objects.equals(then, now)) {
        changes.add("%s: then %s, now %s".formatted(name, then, now));
      }
    }
    if (!changes.isEmpty()) {
      throw new ResumeException(
          "%s cannot be gone on with, because its rows would not fit together:%n  %s%nRun it as it was begun, or begin anew with --overwrite."
              .formatted(output, String.join("%n  ".formatted(), changes)));
    }
  }
}
