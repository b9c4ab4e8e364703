package dev.shortcut.bindings.nvidia;

import dev.shortcut.bindings.library.Attempt;
import java.util.List;

/**
 * What was found of one library.
 *
 * @param name what people call it
 * @param verdict whether it can be used
 * @param version its version as people write it; empty where it is not known
 * @param file the file that was opened; empty where none was
 * @param detail what is wrong, in a sentence; empty where nothing is
 * @param remedy what to install, upgrade or replace, in a sentence; empty where nothing is wrong
 * @param attempts the places that were tried, in order
 */
public record Finding(
    String name,
    Verdict verdict,
    String version,
    String file,
    String detail,
    String remedy,
    List<Attempt> attempts) {

  /** Whether a library can be used. */
  public enum Verdict {
    /** Yes. */
    USABLE,
    /** There is none. */
    MISSING,
    /** There is one, and it fails or does not fit the others. */
    UNSUITABLE
  }

  /** Copies the list. */
  public Finding {
    attempts = List.copyOf(attempts);
  }

  /** Whether the library can be used. */
  public boolean usable() {
    return verdict == Verdict.USABLE;
  }

  /** All but the attempts, on one line. */
  @Override
  public String toString() {
    var text = new StringBuilder(name);
    if (!version.isEmpty()) {
      text.append(' ').append(version);
    }
    if (!file.isEmpty()) {
      text.append(" (").append(file).append(')');
    }
    if (!usable()) {
      text.append(": ").append(detail).append(' ').append(remedy);
    }
    return text.toString().strip();
  }
}
