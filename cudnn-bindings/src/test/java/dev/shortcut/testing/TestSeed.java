package dev.shortcut.testing;

import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The seed behind all random test data of one run: {@code -Dtest.seed=N} if given, else a fresh
 * one. It is printed at its first use, so that a failing run can be replayed.
 */
public final class TestSeed {
  private static final long VALUE = announced(chosen());
  private static final Map<String, Integer> CALLS = new ConcurrentHashMap<>();

  private TestSeed() {}

  /** The seed of this run. */
  public static long value() {
    return VALUE;
  }

  /**
   * A generator for the calling test method. It depends on the seed, on the method's name and on
   * how often that method asked before, and on nothing else: repetitions differ, and a method that
   * is run alone sees the same numbers as in the whole run.
   */
  public static Random random() {
    String caller =
        StackWalker.getInstance()
            .walk(frames -> frames.skip(1).findFirst().orElseThrow())
            .toStackTraceElement()
            .toString();
    String method = caller.substring(caller.lastIndexOf('/') + 1, caller.indexOf('('));
    return random(method + "#" + CALLS.merge(method, 1, Integer::sum));
  }

  /** A generator that depends on the seed of this run and on {@code purpose} only. */
  public static Random random(String purpose) {
    return new Random(VALUE * 31 + purpose.hashCode());
  }

  private static long chosen() {
    String given = System.getProperty("test.seed", "");
    return given.isBlank() ? System.nanoTime() : Long.parseLong(given.strip());
  }

  private static long announced(long seed) {
    System.err.println("Random test data: replay this run with -Dtest.seed=" + seed);
    return seed;
  }
}
