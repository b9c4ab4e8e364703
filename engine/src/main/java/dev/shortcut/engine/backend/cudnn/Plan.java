package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cudnn.BehaviorNote;
import dev.shortcut.bindings.cudnn.KnobChoice;
import dev.shortcut.bindings.cudnn.NumericalNote;
import dev.shortcut.engine.EnginePlan;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/**
 * An implementation that cuDNN offered for a kernel on one kind of device and that was taken.
 *
 * @param json cuDNN's own text, of which the plan can be made again for a handle
 * @param engine cuDNN's number of the engine
 * @param knobs the engine's settings, of which with the engine the plan can be made again for other
 *     devices
 * @param numericalNotes what it does to the numbers
 * @param behaviorNotes what using it entails
 * @param workspaceBytes scratch space that it needs
 * @param alternatives how many other candidates there were
 * @param source where it comes from
 * @param nanos how long it took to come by
 * @param description what was taken and what was passed over, for people
 */
record Plan(
    String json,
    long engine,
    List<KnobChoice> knobs,
    Set<NumericalNote> numericalNotes,
    Set<BehaviorNote> behaviorNotes,
    long workspaceBytes,
    int alternatives,
    EnginePlan.Source source,
    long nanos,
    String description) {
  /** Copies the collections. */
  Plan {
    knobs = List.copyOf(knobs);
    numericalNotes = Set.copyOf(numericalNotes);
    behaviorNotes = Set.copyOf(behaviorNotes);
  }

  /** What stands for a plan while it is not known yet. */
  static Plan assumed() {
    return new Plan(
        "", 0, List.of(), Set.of(), Set.of(), 0, 0, EnginePlan.Source.HEURISTICS, 0, "assumed");
  }

  /** The same with something else said of it. */
  Plan describedAs(String text) {
    return new Plan(
        json,
        engine,
        knobs,
        numericalNotes,
        behaviorNotes,
        workspaceBytes,
        alternatives,
        source,
        nanos,
        text);
  }

  /** The same for users. */
  EnginePlan report() {
    return new EnginePlan(
        engine,
        behaviorNotes.contains(BehaviorNote.RUNTIME_COMPILATION),
        knobs.stream().map(KnobChoice::toString).toList(),
        workspaceBytes,
        sorted(numericalNotes),
        sorted(behaviorNotes),
        json.length(),
        alternatives,
        source,
        Duration.ofNanos(nanos));
  }

  private static List<String> sorted(Set<?> notes) {
    return notes.stream().map(Object::toString).sorted().toList();
  }
}
