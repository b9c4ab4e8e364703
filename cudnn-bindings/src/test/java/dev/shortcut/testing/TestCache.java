package dev.shortcut.testing;

import java.nio.file.Path;

/** Where tests, and the scripts that fetch for them, keep what is slow to have anew. */
public final class TestCache {
  private TestCache() {}

  /**
   * A folder, which need not exist: {@code ${XDG_CACHE_HOME:-~/.cache}/shortcut/NAME}.
   *
   * @param name of what lies there
   */
  public static Path folder(String name) {
    String chosen = System.getenv("XDG_CACHE_HOME");
    Path base =
        chosen != null && chosen.startsWith("/")
            ? Path.of(chosen)
            : Path.of(System.getProperty("user.home"), ".cache");
    return base.resolve("shortcut").resolve(name);
  }
}
