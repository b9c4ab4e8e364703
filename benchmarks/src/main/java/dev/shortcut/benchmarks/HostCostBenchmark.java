package dev.shortcut.benchmarks;

import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.Options.BackendChoice;
import dev.shortcut.engine.Precision;
import dev.shortcut.resnet.Architecture;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.MemorySegment;
import java.util.List;
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
 * What a batch on a GPU costs the host: hand-over to the slot's thread, the copy to pinned memory,
 * and all calls into the driver, cuDNN and cuBLASLt, which are the software device's with its work
 * switched off. That device checks and logs each call under one lock; what the real libraries take
 * instead is not known from this. Sampled, since the median of many batches can be told on a busy
 * machine, too. With {@code -prof gc}, the garbage.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class HostCostBenchmark {
  /** The network. */
  @Param({"resnet18", "resnet50"})
  public String model = "";

  /** Images of a batch. */
  @Param({"1", "32"})
  public int batch;

  /** Our bindings (FFM) of cuDNN's graph interface, or JCuda's (JNI) of the one before it. */
  @Param({"CUDA", "JCUDA"})
  public BackendChoice backend = BackendChoice.CUDA;

  /** One CUDA graph a batch, or kernel by kernel. */
  @Param({"GRAPH", "EAGER"})
  public Options.Launch launch = Options.Launch.GRAPH;

  private Fixture fixture;

  /** Opens the engine on a software device that computes nothing. */
  @Setup
  public void open() {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().work(false));
    Options options =
        Options.defaults()
            .withBackend(backend)
            .withPrecision(Precision.FP16)
            .withLaunch(launch)
            .withInput(
                new InputFormat.Uint8Nhwc(
                    List.of(0.485, 0.456, 0.406), List.of(0.229, 0.224, 0.225)));
    fixture = new Fixture(Architecture.parse(model).graph(), batch, options);
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
