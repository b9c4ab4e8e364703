package dev.shortcut.resnet.batch;

import java.util.List;

/** What became of one input. */
public sealed interface Row {
  /** The input's id. */
  String id();

  /**
   * A picture and its most likely classes.
   *
   * @param id the input's id
   * @param top the most likely classes, likeliest first
   */
  record Classified(String id, List<Prediction> top) implements Row {
    /** Copies the list. */
    public Classified {
      top = List.copyOf(top);
    }
  }

  /**
   * A picture and what the network makes of it: its features, or its logits.
   *
   * @param id the input's id
   * @param values the network's output; owned by whoever gets the row
   */
  @SuppressWarnings("ArrayRecordComponent") // two thousand floats of each picture are not boxed
  record Vector(String id, float[] values) implements Row {}

  /**
   * An input that could not be read or decoded.
   *
   * @param id the input's id
   * @param reason why, for a person
   */
  record Failed(String id, String reason) implements Row {}
}
