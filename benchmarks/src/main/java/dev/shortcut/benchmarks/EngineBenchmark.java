package dev.shortcut.benchmarks;

import dev.shortcut.resnet.Architecture;
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

/** One batch of a network through an engine on the CPU; with {@code -prof gc}, its garbage. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 10, time = 2)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class EngineBenchmark {
  /** The network. */
  @Param("resnet50")
  public String model = "";

  /** Images of a batch. */
  @Param({"1", "8", "32"})
  public int batch;

  /** Threads of the engine; 0 for the machine's processors. */
  @Param("0")
  public int threads;

  private Fixture fixture;

  /** Opens the engine. */
  @Setup
  public void open() {
    fixture = new Fixture(Architecture.parse(model).graph(), batch, threads);
  }

  /** Runs the batch. */
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
