package dev.shortcut.bindings.library;

import java.util.List;

/**
 * A native library cannot be found, opened or used as expected; the message says what was tried,
 * why it failed and what to do. Unchecked.
 */
public final class LibraryException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final transient List<Attempt> attempts;

  /** A failure that is not one of finding. */
  public LibraryException(String message) {
    this(message, List.of());
  }

  LibraryException(String message, Throwable cause) {
    super(message, cause);
    this.attempts = List.of();
  }

  /** A failure to find a library, with the places that were tried. */
  public LibraryException(String message, List<Attempt> attempts) {
    super(message);
    this.attempts = List.copyOf(attempts);
  }

  /** The places that were tried, in order; empty where the failure was not one of finding. */
  public List<Attempt> attempts() {
    return attempts == null ? List.of() : attempts;
  }
}
