package dev.shortcut.benchmarks;

import dev.shortcut.engine.graph.GraphBuilder;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a batch costs beside its arithmetic: a chain of convolutions of one value each on one
 * thread, which is all hand-over to the slot's thread, calls into oneDNN and oneDNN's own dispatch.
 * The difference between two lengths is the cost of a kernel; what a chain of none would take is
 * the cost of a batch. Times the kernels of a real network that bounds Java's part in its batches
 * from above, since oneDNN's dispatch and a multiplication are in it.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class OverheadBenchmark {
  /** Number of convolutions; a ResNet-50 has 56 kernels. */
  @Param({"1", "56", "560"})
  public int kernels;

  private Fixture fixture;

  /** Opens the engine. */
  @Setup
  public void open() {
    var g = new GraphBuilder("chain", new Shape(1, 1, 1));
    Node x = g.input();
    for (int i = 0; i < kernels; i++) {
      x = g.add("conv" + i, new Layer.Convolution(1, 1, 1, 0), x);
    }
    fixture = new Fixture(g.build(x), 1, 1);
  }

  /** Runs a batch of one. */
  @Benchmark
  public MemorySegment run() throws InterruptedException {
    return fixture.run();
  }

  /** Closes the engine. */
  @TearDown
  public void close() {
    fixture.close();
  }
}
