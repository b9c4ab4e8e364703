package dev.shortcut.resnet.cli;

import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where rows go and what becomes of an unfinished output. */
final class OutputOptions {
  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description = {
        "Where the rows go instead of standard output. They are written to FILE.part, which becomes FILE when all are there;"
            + " FILE.manifest.json beside it says what they were made from."
      })
  private @Nullable Path output;

  @Option(
      names = "--resume",
      description = {
        "Go on behind the last whole row of an interrupted or killed run; no row is lost and none comes twice. Refused where"
            + " pictures, weights or options have changed since."
      })
  private boolean resume;

  @Option(names = "--overwrite", description = "Begin an unfinished output anew.")
  private boolean overwrite;

  @Option(
      names = "--format",
      paramLabel = "text|json|csv",
      description = {
        "How rows are written; json means JSON Lines, and text is for people: classify has it, on standard output. Default: what"
            + " the output's name ends with, else json; on classify's standard output text."
      })
  private @Nullable Format format;

  @Nullable Path output() {
    return output;
  }

  boolean resume() {
    return resume;
  }

  boolean overwrite() {
    return overwrite;
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
