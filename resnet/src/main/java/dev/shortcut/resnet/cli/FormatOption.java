package dev.shortcut.resnet.cli;

import picocli.CommandLine.Option;

/** How a command that prints a table writes it. */
final class FormatOption {
  @Option(
      names = "--format",
      paramLabel = "text|json|csv",
      description = "How the result is written. Default: ${DEFAULT-VALUE}.",
      defaultValue = "text")
  private Format format = Format.TEXT;

  Format chosen() {
    return format;
  }
}
