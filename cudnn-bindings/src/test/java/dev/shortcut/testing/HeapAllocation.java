package dev.shortcut.testing;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.stream.LongStream;

/** What work costs in bytes of Java heap. */
public final class HeapAllocation {
  /** Work that is measured. */
  public interface Work {
    /** Does it. */
    void run() throws InterruptedException;
  }

  private HeapAllocation() {}

  /**
   * The fewest bytes that the calling thread and those of the given numbers together allocated
   * during one of ten runs of {@code work}. The first runs load and compile classes, on the threads
   * that use them; what work itself allocates, it allocates every time.
   */
  public static long fewestBytes(long[] threadIds, Work work) throws InterruptedException {
    var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long least = Long.MAX_VALUE;
    for (int attempt = 0; attempt < 10 && least > 0; attempt++) {
      long others = LongStream.of(threads.getThreadAllocatedBytes(threadIds)).sum();
      long own = threads.getCurrentThreadAllocatedBytes();
      work.run();
      long after = threads.getCurrentThreadAllocatedBytes();
      long grown = LongStream.of(threads.getThreadAllocatedBytes(threadIds)).sum() - others;
      least = Math.min(least, after - own + grown);
    }
    return least;
  }
}
