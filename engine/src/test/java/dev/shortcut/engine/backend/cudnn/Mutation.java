package dev.shortcut.engine.backend.cudnn;

import static java.util.stream.Collectors.joining;

import dev.shortcut.engine.backend.cudnn.CudnnCheck.Noticed;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A mistake that somebody might make, as a change of a source file.
 *
 * @param name what is wrong then
 * @param file the source file, from the repository's root; a class's or a resource
 * @param find the text that is replaced, wherever it occurs; blanks and ends of lines may be others
 * @param times how often it occurs; if that is no longer so, the sources have moved on and the
 *     mutation is to be written anew
 * @param replacement what comes instead
 * @param noticed by what {@link CudnnCheck} may notice it; anything else is an accident
 */
record Mutation(
    String name, String file, String find, int times, String replacement, Set<Noticed> noticed) {
  private static final String ENGINE = "engine/src/main/java/";
  private static final String BINDINGS = "cudnn-bindings/src/main/java/dev/shortcut/bindings/";

  /** One in a class of the engine, whose text occurs once. */
  static Mutation of(
      String name,
      Class<?> type,
      String find,
      String replacement,
      Noticed first,
      Noticed... others) {
    return new Mutation(
        name,
        ENGINE + type.getName().replace('.', '/') + ".java",
        find,
        1,
        replacement,
        EnumSet.of(first, others));
  }

  /** One in the text of our own kernels, which occurs once. */
  static Mutation ofKernels(
      String name, String find, String replacement, Noticed first, Noticed... others) {
    return new Mutation(
        name,
        "engine/src/main/resources/dev/shortcut/engine/backend/cudnn/kernels.cu",
        find,
        1,
        replacement,
        EnumSet.of(first, others));
  }

  /** One in the bindings, whose text occurs once. */
  static Mutation ofBindings(
      String name, String file, String find, String replacement, Noticed first, Noticed... others) {
    return new Mutation(name, BINDINGS + file, find, 1, replacement, EnumSet.of(first, others));
  }

  /** The same where the text occurs several times. */
  Mutation times(int number) {
    return new Mutation(name, file, find, number, replacement, noticed);
  }

  /** Finds the text, however the formatter broke it. */
  Pattern pattern() {
    return Pattern.compile(
        Arrays.stream(find.strip().split("\\s+")).map(Pattern::quote).collect(joining("\\s+")));
  }

  @Override
  public String toString() {
    return name;
  }
}
