package dev.shortcut.resnet.cli;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

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
    try {
      Runtime.getRuntime().addShutdownHook(hook);
    } catch (IllegalStateException _) {
      // The process is ending already: nothing may begin that would be cut short.
      Thread.sleep(Long.MAX_VALUE);
    }
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

  /**
   * Runs something that calls a GPU's libraries: a process that ends while a thread is inside of
   * them may crash, so that it ends once this has.
   *
   * @param brokenOff is called at once where the process is to end before that
   * @param ended is called then with what came of it; with nothing if it failed
   */
  static <T> T atItsEnd(Work<T> work, Runnable brokenOff, Consumer<Optional<T>> ended)
      throws InterruptedException {
    var result = new CompletableFuture<Optional<T>>();
    return around(
        () -> {
          try {
            T value = work.run();
            result.complete(Optional.of(value));
            return value;
          } finally {
            // Who waits beside a process that ends has no use for what was thrown.
            result.complete(Optional.empty());
          }
        },
        () -> {
          brokenOff.run();
          ended.accept(result.join());
        });
  }
}
