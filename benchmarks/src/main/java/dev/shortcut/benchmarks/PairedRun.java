package dev.shortcut.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import org.openjdk.jmh.util.ListStatistics;
import org.openjdk.jmh.util.Statistics;

/**
 * Times two engines by turns in one process, so that whatever else the machine does meets both
 * alike: each round is one turn of each, in changing order. What is compared is the two turns of a
 * round, never one engine's morning with the other's afternoon.
 *
 * @param first of the first engine
 * @param second of the second engine
 * @param ratio of each round: how many times the second's time per batch was the first's
 */
record PairedRun(Times first, Times second, Statistics ratio) {
  /**
   * Batches at the start of a turn that are not timed: threads of the other engine may still spin.
   */
  private static final int UNTIMED = 2;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  private static final OperatingSystemMXBean PROCESS =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  /** Runs one batch; returns when its results are there. */
  interface Batch {
    void run() throws Exception;
  }

  /**
   * What was measured of one engine.
   *
   * @param nanos of each batch
   * @param cpuNanos processor time that all batches took, on all threads together, spinning ones
   *     included
   * @param allocated bytes that all batches took of the Java heap, on all threads together
   */
  record Times(Statistics nanos, long cpuNanos, long allocated) {
    /** Processor time of one batch, which says less about other programs' load than time does. */
    double cpuNanosPerBatch() {
      return (double) cpuNanos / nanos.getN();
    }

    /** Bytes that one batch takes of the Java heap. */
    double allocatedPerBatch() {
      return (double) allocated / nanos.getN();
    }
  }

  /**
   * Warms both up, then measures.
   *
   * @param warmUp time for each of the two
   * @param rounds number of pairs of turns, at least 1
   * @param turn time that a turn of the slower one takes, about
   */
  static PairedRun measure(Batch a, Batch b, Duration warmUp, int rounds, Duration turn)
      throws Exception {
    warmUp(a, warmUp);
    warmUp(b, warmUp);
    double slower = Math.max(new Side(a).turn(1), new Side(b).turn(1));
    int batches = (int) Math.max(1, Math.round(turn.toNanos() / slower));
    var first = new Side(a);
    var second = new Side(b);
    var ratio = new ListStatistics();
    for (int round = 0; round < rounds; round++) {
      if (round % 2 == 0) {
        double firstTime = first.turn(batches);
        ratio.addValue(second.turn(batches) / firstTime);
      } else {
        double secondTime = second.turn(batches);
        ratio.addValue(secondTime / first.turn(batches));
      }
    }
    return new PairedRun(first.times(), second.times(), ratio);
  }

  private static void warmUp(Batch batch, Duration duration) throws Exception {
    long end = System.nanoTime() + duration.toNanos();
    do {
      batch.run();
    } while (System.nanoTime() < end);
  }

  private static final class Side {
    private final Batch batch;
    private final ListStatistics nanos = new ListStatistics();
    private long cpuNanos;
    private long allocated;

    Side(Batch batch) {
      this.batch = batch;
    }

    /** Nanoseconds of one batch, the mean of this turn. */
    double turn(int batches) throws Exception {
      for (int i = 0; i < UNTIMED; i++) {
        batch.run();
      }
      long[] ends = new long[batches];
      long bytes = THREADS.getTotalThreadAllocatedBytes();
      long cpu = PROCESS.getProcessCpuTime();
      long start = System.nanoTime();
      for (int i = 0; i < batches; i++) {
        batch.run();
        ends[i] = System.nanoTime();
      }
      cpuNanos += PROCESS.getProcessCpuTime() - cpu;
      allocated += THREADS.getTotalThreadAllocatedBytes() - bytes;
      long from = start;
      for (long end : ends) {
        nanos.addValue(end - from);
        from = end;
      }
      return (double) (from - start) / batches;
    }

    Times times() {
      return new Times(nanos, cpuNanos, allocated);
    }
  }
}
