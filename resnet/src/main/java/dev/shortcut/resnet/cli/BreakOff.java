package dev.shortcut.resnet.cli;

/**
 * What Ctrl-C, or being told to end, waits for: the process ends with it, but what is being written
 * or is inside of a native library comes to its end first.
 */
final class BreakOff {
  private BreakOff() {}

  /** Something that waits, perhaps long. */
  interface Work<T> {
    T run() throws InterruptedException;
  }

  /**
   * Runs something to its end.
   *
   * @param brokenOff is called, on a thread of its own, where the process is to end before that; it
   *     ends once this has returned
   */
  static <T> T around(Work<T> work, Runnable brokenOff) throws InterruptedException {
    Thread hook = new Thread(brokenOff, "shortcut-break-off");
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      return work.run();
    } finally {
      try {
        Runtime.getRuntime().removeShutdownHook(hook);
      } catch (IllegalStateException _) {
        // The hook is running and says what there is to say: the process ends with it.
        Thread.sleep(Long.MAX_VALUE);
      }
    }
  }
}
