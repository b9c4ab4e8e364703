package dev.shortcut.resnet;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/** What somebody may have meant, for messages. */
public final class NearestNames {
  private NearestNames() {}

  /**
   * The names that come nearest to a wrong one, by Levenshtein's distance; of equally near ones,
   * the first.
   *
   * @param wrong the name that is not among {@code known}
   * @param known the names that exist
   * @param limit how many to give at most
   */
  public static List<String> to(String wrong, Collection<String> known, int limit) {
    return known.stream()
        .sorted(Comparator.comparingInt(name -> distance(wrong, name)))
        .limit(limit)
        .toList();
  }

  /** The fewest characters to insert, delete or replace. */
  private static int distance(String a, String b) {
    int[] previous = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      previous[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int[] current = new int[b.length() + 1];
      current[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = previous[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        current[j] = Math.min(replaced, 1 + Math.min(previous[j], current[j - 1]));
      }
      previous = current;
    }
    return previous[b.length()];
  }
}
