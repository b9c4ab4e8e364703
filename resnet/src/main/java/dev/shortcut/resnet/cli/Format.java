package dev.shortcut.resnet.cli;

import java.util.Locale;

/** How results are written. */
enum Format {
  TEXT,
  JSON,
  CSV;

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
