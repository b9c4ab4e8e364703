package dev.shortcut.resnet.batch;

import java.util.ArrayList;
import java.util.List;

/** The likeliest classes of one picture. */
final class TopClasses {
  private TopClasses() {}

  /**
   * The {@code count} largest scores, largest first; of equal ones the class that comes first.
   *
   * @param scores logits or probabilities, one for each class
   * @param logits whether softmax is still to be computed
   */
  static List<Prediction> of(float[] scores, boolean logits, List<String> labels, int count) {
    double largest = Double.NEGATIVE_INFINITY;
    for (float score : scores) {
      largest = Math.max(largest, score);
    }
    double sum = 0;
    for (float score : scores) {
      sum += Math.exp(score - largest);
    }
    List<Prediction> top = new ArrayList<>();
    boolean[] taken = new boolean[scores.length];
    for (int rank = 0; rank < Math.min(count, scores.length); rank++) {
      int best = -1;
      for (int i = 0; i < scores.length; i++) {
        // Float.compare puts a NaN above all: a broken network shows at the top instead of nowhere.
        if (!taken[i] && (best < 0 || Float.compare(scores[i], scores[best]) > 0)) {
          best = i;
        }
      }
      taken[best] = true;
      double probability = logits ? Math.exp(scores[best] - largest) / sum : scores[best];
      top.add(new Prediction(best, labels.get(best), (float) probability));
    }
    return top;
  }

  /**
   * The first {@code count} of what was ranked already.
   *
   * @param ranked probabilities, largest first, then as many numbers of their classes
   */
  static List<Prediction> ofRanked(float[] ranked, List<String> labels, int count) {
    int all = ranked.length / 2;
    List<Prediction> top = new ArrayList<>();
    for (int rank = 0; rank < Math.min(count, all); rank++) {
      int best = (int) ranked[all + rank];
      top.add(new Prediction(best, labels.get(best), ranked[rank]));
    }
    return top;
  }
}
