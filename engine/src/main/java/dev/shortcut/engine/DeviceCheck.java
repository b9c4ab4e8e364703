package dev.shortcut.engine;

import dev.shortcut.engine.backend.Backend;
import dev.shortcut.engine.backend.Backends;
import java.util.List;

/**
 * Something that must work on a GPU before networks can, or beside them; looked at apart, so that
 * what fails first tells what is wrong. The backend {@code cuda} does so; the others do not.
 */
public enum DeviceCheck {
  /** Memory of many sizes goes to the device and comes back the same. */
  COPY("copy"),
  /** The engine's own kernels compile for the device and compute what they should. */
  KERNELS("own kernels"),
  /**
   * cuDNN takes a plan back that it described as text, and builds one for the device at once, which
   * is what the engine falls back to where the text is refused.
   */
  PLANS("plans"),
  /** A CUDA program's own stream captures an execution and replays it on its own buffers. */
  FOREIGN_CAPTURE("foreign capture");

  private final String words;

  DeviceCheck(String words) {
    this.words = words;
  }

  /**
   * Tries it on each of the options' devices.
   *
   * @return what was found, a line for each device; empty where the backend has no devices
   * @throws DeviceUnavailableException if the backend cannot run here
   * @throws ShortcutException if it is wrong; the message says what was expected and what came
   */
  public List<String> run(Options options) {
    try (Backend backend = Backends.open(options).backend()) {
      return backend.check(this, options);
    }
  }

  /** In words, such as {@code foreign capture}. */
  @Override
  public String toString() {
    return words;
  }
}
