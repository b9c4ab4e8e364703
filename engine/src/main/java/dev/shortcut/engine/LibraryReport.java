package dev.shortcut.engine;

import dev.shortcut.engine.backend.Backends;
import java.nio.file.Path;
import java.util.List;

/**
 * A native library that a backend needs, and what a search for it found.
 *
 * @param name what people call the library
 * @param usable whether it was found and can be used
 * @param detail its version and file; where it is not usable, the reason and what to do
 * @param tried the places that were tried, in order and in words, each with the reason why the
 *     library was not taken from there, the last one being where it was found; empty where the
 *     search itself was impossible
 */
public record LibraryReport(String name, boolean usable, String detail, List<String> tried) {
  /** Copies the list. */
  public LibraryReport {
    tried = List.copyOf(tried);
  }

  /**
   * Looks for the native libraries of every backend, as opening an engine does; what is usable
   * stays open for the life of the process.
   *
   * @return one report for each library, those of the preferred backend first
   */
  public static List<LibraryReport> all() {
    return Backends.libraries();
  }

  /**
   * Lets libraries that keep a log of their own (cuDNN) write their errors and warnings to a file.
   * They look at that when they are first opened, so that it has no effect afterwards.
   */
  public static void logTo(Path file) {
    Backends.logTo(file);
  }
}
