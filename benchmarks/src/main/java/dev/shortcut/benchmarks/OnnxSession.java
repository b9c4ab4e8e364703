package dev.shortcut.benchmarks;

import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.OrtSession.SessionOptions;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.graph.Weights;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A network in ONNX Runtime on the CPU: all graph optimisations, spinning threads (its default),
 * buffers of the caller bound once, so that a run copies nothing.
 */
final class OnnxSession implements AutoCloseable {
  private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
  private final Shape input;
  private final Shape output;
  private final String outputName;
  private final boolean outputIsImage;
  private final OrtSession session;

  /**
   * Exports the network to ONNX and loads it.
   *
   * @param graph as defined, before any pass
   * @param weights read here and not kept
   * @param threads threads of a run, the calling one included
   * @param profile beginning of the name of a file for {@link #endProfiling}, or null for no
   *     profiling
   */
  OnnxSession(Graph graph, Weights weights, int threads, @Nullable Path profile)
      throws IOException, OrtException {
    input = graph.input().shape();
    output = graph.output().shape();
    ModelProto model = OnnxExport.export(graph, weights);
    outputName = model.getGraph().getOutput(0).getName();
    outputIsImage =
        model.getGraph().getOutput(0).getType().getTensorType().getShape().getDimCount() == 4;
    Path file = Files.createTempFile("shortcut-", ".onnx");
    try (var options = new SessionOptions()) {
      try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
        model.writeTo(out);
      }
      options.setOptimizationLevel(SessionOptions.OptLevel.ALL_OPT);
      options.setExecutionMode(SessionOptions.ExecutionMode.SEQUENTIAL);
      options.setIntraOpNumThreads(threads);
      options.setInterOpNumThreads(1);
      if (profile != null) {
        options.enableProfiling(profile.toString());
      }
      session = environment.createSession(file.toString(), options);
    } finally {
      Files.delete(file);
    }
  }

  /** Binds buffers for batches of one size; both are native, as floats in NCHW order. */
  Batch bind(MemorySegment images, MemorySegment results, int size) throws OrtException {
    return new Batch(images, results, size);
  }

  /** The results of a number of images, one image's behind another's. */
  float[] run(float[] images) throws OrtException {
    int size = Math.toIntExact(images.length / input.elements());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment results =
          arena.allocate(ValueLayout.JAVA_FLOAT, Math.multiplyExact(size, output.elements()));
      try (Batch batch = bind(arena.allocateFrom(ValueLayout.JAVA_FLOAT, images), results, size)) {
        batch.run();
      }
      return results.toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  /** Stops profiling and returns the file with the profile, in Chrome's trace format. */
  Path endProfiling() throws OrtException {
    return Path.of(session.endProfiling());
  }

  /** Name and version, for people. */
  String description() {
    return "ONNX Runtime " + environment.getVersion();
  }

  @Override
  public void close() throws OrtException {
    session.close();
  }

  /** One batch size with its buffers; used by one thread at a time. */
  final class Batch implements AutoCloseable {
    private final OnnxTensor images;
    private final OnnxTensor results;
    private final Map<String, OnnxTensor> inputs;
    private final Map<String, OnnxTensor> outputs;

    private Batch(MemorySegment images, MemorySegment results, int size) throws OrtException {
      this.images = tensor(images, size, input.channels(), input.height(), input.width());
      this.results =
          outputIsImage
              ? tensor(results, size, output.channels(), output.height(), output.width())
              : tensor(results, size, output.channels());
      this.inputs = Map.of(OnnxExport.INPUT, this.images);
      this.outputs = Map.of(outputName, this.results);
    }

    private OnnxTensor tensor(MemorySegment segment, long... dims) throws OrtException {
      long elements = 1;
      for (long dim : dims) {
        elements *= dim;
      }
      return OnnxTensor.createTensor(
          environment,
          segment.asSlice(0, elements * Float.BYTES).asByteBuffer().order(ByteOrder.nativeOrder()),
          dims,
          OnnxJavaType.FLOAT);
    }

    /** Runs the batch that lies in the input buffer; returns when its results are there. */
    void run() throws OrtException {
      session.run(inputs, outputs).close();
    }

    @Override
    public void close() {
      images.close();
      results.close();
    }
  }
}
