package dev.shortcut.engine.backend;

import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * Native work on a thread of its own. Libraries keep things by thread (OpenMP its thread count,
 * CUDA its context), and whoever calls us keeps his; a virtual thread may even change its carrier
 * between two native calls.
 */
public final class PlatformThread {
  private PlatformThread() {}

  /**
   * Does the work on a new platform thread and returns at its end, interrupted or not: native
   * memory is being filled or freed, and leaving would leave it without an owner. An interrupt is
   * kept for later; what the work throws is thrown here.
   *
   * @param name the thread's
   */
  public static <T> T call(String name, Callable<T> work) {
    var task = new FutureTask<>(work);
    Thread thread = Thread.ofPlatform().name(name).daemon().start(task);
    boolean interrupted = false;
    try {
      while (true) {
        try {
          thread.join();
          return task.get();
        } catch (InterruptedException _) {
          interrupted = true;
        }
      }
    } catch (ExecutionException e) {
      throw rethrown(name, e);
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static RuntimeException rethrown(String name, ExecutionException e) {
    // The trace of the cause is the other thread's; this one's shows who wanted it.
    Throwable cause = e.getCause() == null ? e : e.getCause();
    cause.addSuppressed(new Throwable("the work of " + name + " was asked for here"));
    if (cause instanceof Error error) {
      throw error;
    }
    return cause instanceof RuntimeException unchecked
        ? unchecked
        : new IllegalStateException(cause);
  }
}
