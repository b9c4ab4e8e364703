package dev.shortcut.bindings.library;

import org.jspecify.annotations.Nullable;

/**
 * One place where a library was looked for.
 *
 * @param how where the idea came from, such as {@code environment variable CUDNN_LIBRARY} or {@code
 *     system loader}
 * @param what the file or the soname that was tried, or what was absent
 * @param failure why it was not taken, in the loader's own words where it said something; null
 *     where it was opened
 */
public record Attempt(String how, String what, @Nullable String failure) {
  /** Whether this place had the library. */
  public boolean succeeded() {
    return failure == null;
  }

  /** Where, what and why on one line. */
  @Override
  public String toString() {
    return how + ": " + what + (failure == null ? ": opened" : ": " + failure);
  }
}
