package dev.shortcut.resnet.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a self-test has found so far. Where it has a file, the file is whole at every moment and
 * holds everything up to the last check that ended: a GPU that goes wrong may take the process
 * along, or the machine.
 */
final class SelftestReport {
  private final @Nullable Path file;
  private final Console console;
  private final Instant started = Instant.now();
  private final List<Stage> stages = new ArrayList<>();
  private String backend = "";
  private boolean finished;

  /** A report on a stage; {@code state} is {@code running} while it runs. */
  private static final class Stage {
    final String name;
    final long start = System.nanoTime();
    final List<Map<String, Object>> checks = new ArrayList<>();
    String state = "running";
    double seconds;
    boolean well = true;

    Stage(String name) {
      this.name = name;
    }

    Map<String, Object> object() {
      Map<String, Object> object = new LinkedHashMap<>();
      object.put("stage", name);
      object.put("state", state);
      object.put("seconds", seconds);
      object.put("checks", checks);
      return object;
    }
  }

  /**
   * An empty report.
   *
   * @param file where it is kept as well, or null
   */
  SelftestReport(@Nullable Path file, Console console) {
    this.file = file;
    this.console = console;
  }

  /** What is being checked, in words. */
  void setBackend(String words) {
    backend = words;
  }

  /** Begins a stage; the file says that it runs. */
  void begin(String stage) {
    stages.add(new Stage(stage));
    write();
  }

  /** Something found, which is neither right nor wrong. */
  void note(String what, String state, String detail) {
    Map<String, Object> check = new LinkedHashMap<>();
    check.put("check", what);
    check.put("state", state);
    check.put("detail", detail);
    stages.getLast().checks.add(check);
    console.message("%s: %s: %s, %s".formatted(stages.getLast().name, what, state, detail));
    write();
  }

  /** The result of a check. */
  void check(String what, boolean well, String detail) {
    stages.getLast().well &= well;
    note(what, well ? "ok" : "WRONG", detail);
  }

  /** The result of a comparison. */
  void check(String what, Comparison result) {
    check(what, result.well(), result.toString());
  }

  /** What a stage ended with instead of results; the stack goes to the messages. */
  void failed(Exception failure) {
    check("no exception", false, failure.toString());
    failure.printStackTrace(console.err());
  }

  /** Ends the stage and says whether all of it was well. */
  boolean end() {
    Stage stage = stages.getLast();
    stage.seconds = Duration.ofNanos(System.nanoTime() - stage.start).toMillis() / 1e3;
    stage.state = stage.well ? "ok" : "WRONG";
    write();
    if (!stage.well) {
      console.message(
          "to run this stage alone: the same command with --only '%s'".formatted(stage.name));
    }
    return stage.well;
  }

  /** All stages have ended. */
  void finish() {
    finished = true;
    write();
  }

  boolean allWell() {
    return stages.stream().allMatch(stage -> stage.well);
  }

  /** As a table of checks, or as JSON as it is in the file. */
  String in(Format format) {
    if (format == Format.JSON) {
      return Table.json(object());
    }
    Table table =
        new Table()
            .column("stage", "stage")
            .column("check", "check")
            .column("state", "state")
            .column("detail", "detail");
    for (Stage stage : stages) {
      for (Map<String, Object> check : stage.checks) {
        table.row(
            stage.name,
            String.valueOf(check.get("check")),
            String.valueOf(check.get("state")),
            // What was tried comes on lines of its own, which the file and the messages have.
            String.valueOf(check.get("detail")).lines().findFirst().orElse(""));
      }
    }
    return table.in(format);
  }

  private Map<String, Object> object() {
    Map<String, Object> object = new LinkedHashMap<>();
    object.put("shortcut", Version.number());
    object.put("started", started.toString());
    object.put("java", Runtime.version().toString());
    object.put(
        "system",
        "%s %s, %s"
            .formatted(
                System.getProperty("os.name"),
                System.getProperty("os.version"),
                System.getProperty("os.arch")));
    object.put("backend", backend);
    object.put("finished", finished);
    object.put("well", allWell());
    object.put("stages", stages.stream().map(Stage::object).toList());
    return object;
  }

  private void write() {
    if (file == null) {
      return;
    }
    try {
      WholeFile.write(file, Table.json(object()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
