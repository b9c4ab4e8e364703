package dev.shortcut.engine;

import java.time.Duration;
import java.util.List;
import java.util.Locale;

/**
 * What cuDNN is to run for a kernel on one kind of GPU.
 *
 * @param engine cuDNN's number of the engine among those for graphs of this kind
 * @param compiled whether the engine's code was compiled for this plan; else it is precompiled
 * @param knobs the engine's settings, such as {@code TILE_SIZE=5}
 * @param workspaceBytes device memory that each run scribbles on
 * @param numericalNotes what cuDNN says of its numbers, such as {@code TENSOR_CORE}
 * @param behaviorNotes what cuDNN says of its use, such as {@code RUNTIME_COMPILATION}
 * @param bytes the size of cuDNN's text form of the plan
 * @param alternatives how many other candidates cuDNN had in the list that this was taken of; 0
 *     where it was not asked
 * @param source where the plan comes from
 * @param time what it took to come by it
 */
public record EnginePlan(
    long engine,
    boolean compiled,
    List<String> knobs,
    long workspaceBytes,
    List<String> numericalNotes,
    List<String> behaviorNotes,
    int bytes,
    int alternatives,
    Source source,
    Duration time) {
  /** Where a plan comes from. */
  public enum Source {
    /** The plan itself lay in the cache. */
    CACHED_PLAN,
    /** Engine and settings lay in the cache, of another driver or another size of GPU. */
    ENGINE_AND_KNOBS,
    /** cuDNN's own ranking of its engines. */
    HEURISTICS;

    /** Such as {@code cached-plan}. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /** Copies the lists. */
  public EnginePlan {
    knobs = List.copyOf(knobs);
    numericalNotes = List.copyOf(numericalNotes);
    behaviorNotes = List.copyOf(behaviorNotes);
  }
}
