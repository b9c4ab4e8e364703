package dev.shortcut.engine;

import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/** What somebody may have meant, for messages. */
public final class NearestNames {
  private NearestNames() {}

  /**
   * The names that come nearest to a wrong one; of equally near ones, the first.
   *
   * @param wrong the name that is not among {@code known}
   * @param known the names that exist
   * @param limit how many to give at most
   */
  public static List<String> to(String wrong, Collection<String> known, int limit) {
    record Candidate(String name, int distance) {}
    return known.stream()
        .map(name -> new Candidate(name, distance(wrong, name)))
        .sorted(Comparator.comparingInt(Candidate::distance))
        .limit(limit)
        .map(Candidate::name)
        .toList();
  }

  /**
   * The fewest characters to insert, delete or replace to make one name of the other: Levenshtein's
   * distance, computed as in Wagner and Fischer 1974.
   */
  public static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    Arrays.setAll(row, j -> j);
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int above = row[j];
        int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        row[j] = Math.min(replaced, 1 + Math.min(above, row[j - 1]));
        diagonal = above;
      }
    }
    return row[b.length()];
  }
}
