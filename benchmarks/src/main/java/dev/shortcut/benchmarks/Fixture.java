package dev.shortcut.benchmarks;

import dev.shortcut.engine.Engine;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.Model;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.resnet.weights.RandomWeights;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/**
 * An engine with reproducible weights, and one batch with room for its results in native memory.
 * Used by one thread.
 */
final class Fixture implements AutoCloseable {
  static final long SEED = 7;

  private final Arena arena = Arena.ofShared();
  private final Engine engine;
  private final MemorySegment images;
  private final MemorySegment results;
  private final int batch;

  /**
   * Opens an engine on the CPU.
   *
   * @param batch images of the batch, and the largest that the engine is prepared for
   * @param threads threads of the engine; 0 for the machine's processors
   */
  Fixture(Graph graph, int batch, int threads) {
    this(graph, batch, options().withThreadsPerSlot(threads));
  }

  /**
   * Opens an engine.
   *
   * @param batch images of the batch, and the largest that the engine is prepared for
   */
  Fixture(Graph graph, int batch, Options options) {
    this.batch = batch;
    try (var weights = new RandomWeights(graph, SEED)) {
      engine = Engine.open(Model.of(graph, weights), options.withMaxBatch(batch));
    }
    images =
        switch (options.input()) {
          case InputFormat.Uint8Nhwc _ ->
              arena.allocateFrom(ValueLayout.JAVA_BYTE, pixels(graph.input().shape(), batch));
          case InputFormat.Float32Nchw _, InputFormat.Float32Nhwc _ ->
              arena.allocateFrom(ValueLayout.JAVA_FLOAT, images(graph.input().shape(), batch));
        };
    results = arena.allocate(ValueLayout.JAVA_FLOAT, (long) batch * engine.outputElements());
  }

  /** The CPU backend, else the defaults. */
  static Options options() {
    return Options.defaults().withBackend(Options.BackendChoice.CPU);
  }

  /** Normally distributed images in NCHW order. */
  static float[] images(Shape shape, int count) {
    var random = new Random(SEED);
    float[] images = new float[Math.toIntExact(shape.elements() * count)];
    for (int i = 0; i < images.length; i++) {
      images[i] = (float) random.nextGaussian();
    }
    return images;
  }

  private static byte[] pixels(Shape shape, int count) {
    byte[] pixels = new byte[Math.toIntExact(shape.elements() * count)];
    new Random(SEED).nextBytes(pixels);
    return pixels;
  }

  /** Runs the batch and returns its results. */
  MemorySegment run() throws InterruptedException {
    engine.run(images, results, batch);
    return results;
  }

  @Override
  public void close() {
    engine.close();
    arena.close();
  }
}
