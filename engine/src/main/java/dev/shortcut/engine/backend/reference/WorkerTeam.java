package dev.shortcut.engine.backend.reference;

import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The calling thread and a fixed number of others, which take the parts of one piece of work as
 * they come. Allocates nothing while it runs. One thread calls {@link #run}; any may close.
 */
final class WorkerTeam implements AutoCloseable {
  /** Work in independent parts. */
  interface Work {
    /** Computes one part; {@code worker} is below the team's size and differs among threads. */
    void compute(int part, int worker);
  }

  private final Thread[] workers;
  private final AtomicInteger next = new AtomicInteger();

  // Guarded by this; read without it by workers only after they were woken for the round.
  private @Nullable Work work;
  private int parts;
  private long round;
  private int busy;
  private boolean closed;
  private @Nullable Throwable failure;

  /** A team of {@code size} threads, the caller of {@link #run} among them. */
  WorkerTeam(String name, int size) {
    workers = new Thread[size - 1];
    for (int i = 0; i < workers.length; i++) {
      int worker = i + 1;
      workers[i] =
          Thread.ofPlatform().daemon().name(name + "-" + worker).unstarted(() -> serve(worker));
    }
    try {
      for (Thread worker : workers) {
        worker.start();
      }
    } catch (OutOfMemoryError e) {
      close(); // the system has no more threads; those that did start must not stay
      throw e;
    }
  }

  int size() {
    return workers.length + 1;
  }

  /** Returns when all parts are computed; if some failed, the first failure is thrown. */
  void run(int count, Work newWork) {
    synchronized (this) {
      work = newWork;
      parts = count;
      next.set(0);
      failure = null;
      busy = workers.length;
      round++;
      notifyAll();
    }
    drain(newWork, count, 0);
    @Nullable Throwable failed;
    boolean interrupted = false;
    synchronized (this) {
      while (busy > 0) {
        try {
          wait();
        } catch (InterruptedException _) {
          interrupted = true;
        }
      }
      work = null;
      failed = failure;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    switch (failed) {
      case null -> {}
      case Error error -> throw error;
      case RuntimeException exception -> throw exception;
      default -> throw new AssertionError(failed);
    }
  }

  private void serve(int worker) {
    long seen = 0;
    while (true) {
      Work current;
      int count;
      synchronized (this) {
        while (round == seen && !closed) {
          try {
            wait();
          } catch (InterruptedException _) {
            // Nobody has a reason to interrupt a worker; close is how it ends.
          }
        }
        if (closed || work == null) {
          return;
        }
        seen = round;
        current = work;
        count = parts;
      }
      drain(current, count, worker);
      synchronized (this) {
        busy--;
        notifyAll();
      }
    }
  }

  private void drain(Work current, int count, int worker) {
    try {
      for (int part = next.getAndIncrement(); part < count; part = next.getAndIncrement()) {
        current.compute(part, worker);
      }
    } catch (Throwable t) {
      synchronized (this) {
        if (failure == null) {
          failure = t;
        }
      }
    }
  }

  /** Ends the threads and waits for them. */
  @Override
  public void close() {
    synchronized (this) {
      closed = true;
      notifyAll();
    }
    boolean interrupted = false;
    for (Thread worker : workers) {
      while (worker.isAlive()) {
        try {
          worker.join();
        } catch (InterruptedException _) {
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
