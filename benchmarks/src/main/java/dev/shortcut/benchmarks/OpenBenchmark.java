package dev.shortcut.benchmarks;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.pass.Passes;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.resnet.weights.RandomWeights;
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
import org.openjdk.jmh.annotations.Warmup;

/**
 * What comes before the first batch: building a network, its passes, and opening an engine with it,
 * folding and reordering of all weights and all batch sizes up to 32 included.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class OpenBenchmark {
  /** The network: a wide one with many weights, and a deep one with many kernels. */
  @Param({"resnet50", "resnet1202"})
  public String model = "";

  private Graph graph;
  private Weights weights;

  /** Makes the weights, which are not measured. */
  @Setup
  public void build() {
    graph = Architecture.parse(model).graph();
    weights = new RandomWeights(graph, Fixture.SEED);
  }

  /** The network as a graph. */
  @Benchmark
  public Graph graph() {
    return Architecture.parse(model).graph();
  }

  /** All passes over it. */
  @Benchmark
  public Graph passes() {
    return Passes.apply(graph, Passes.all(Layout.BACKEND));
  }

  /** The weights by themselves, which {@link #open} also reads. */
  @Benchmark
  public int weights() {
    int values = 0;
    for (String name : weights.names()) {
      values += weights.read(name).length;
    }
    return values;
  }

  /** An engine, opened and closed. */
  @Benchmark
  public String open() {
    try (var engine = Engine.open(Model.of(graph, weights), Fixture.options())) {
      return engine.choice();
    }
  }
}
