package dev.shortcut.resnet.cli;

import dev.shortcut.resnet.batch.Rows;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Where rows go and what becomes of an unfinished output. */
final class OutputOptions {
  @Spec(Spec.Target.MIXEE)
  @SuppressWarnings("NullAway.Init")
  private CommandSpec command;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description = {
        "Where the rows go instead of standard output. They are written to FILE.part, which becomes FILE when all are there;"
            + " FILE.manifest.json beside it says what they were made from."
      })
  private @Nullable Path output;

  @ArgGroup private @Nullable Unfinished unfinished;

  /** What becomes of an unfinished output; ways that exclude each other. */
  static final class Unfinished {
    @Option(
        names = "--resume",
        description = {
          "Go on behind the last whole row of an interrupted or killed run; no row is lost and none comes twice. Refused where"
              + " pictures, weights or options have changed since."
        })
    private boolean resume;

    @Option(names = "--overwrite", description = "Begin an unfinished output anew.")
    private boolean overwrite;

    Rows apply(Rows rows) {
      return resume ? rows.resume() : overwrite ? rows.overwrite() : rows;
    }
  }

  @Option(
      names = "--format",
      paramLabel = "text|json|csv",
      description = {
        "How rows are written; json means JSON Lines, and text is for people: classify has it, on standard output. Default: what"
            + " the output's name ends with, else json; on classify's standard output text."
      })
  private @Nullable Format format;

  /**
   * Where rows go; null for standard output.
   *
   * @throws ParameterException if something is to become of an unfinished output that is not named
   */
  @Nullable Path output() {
    if (output == null && unfinished != null) {
      throw usage("--resume and --overwrite need --output: they are about an unfinished file");
    }
    return output;
  }

  /** The same rows with what was asked for about an unfinished output. */
  Rows existing(Rows rows) {
    return unfinished == null ? rows : unfinished.apply(rows);
  }

  /** What is wrong with asking for text where rows are read by programs. */
  ParameterException noText() {
    return usage("--format text is for people and for standard output; choose json or csv");
  }

  private ParameterException usage(String message) {
    return new ParameterException(command.commandLine(), message);
  }

  /** The format that was asked for; null where none was. */
  @Nullable Format format() {
    return format;
  }

  /**
   * The format that was asked for, else the one that the file's name asks for, else {@code
   * otherwise}.
   */
  Format format(Format otherwise) {
    if (format != null) {
      return format;
    }
    String name = output == null ? "" : output.toString().toLowerCase(Locale.ROOT);
    return name.endsWith(".csv") ? Format.CSV : output != null ? Format.JSON : otherwise;
  }
}
