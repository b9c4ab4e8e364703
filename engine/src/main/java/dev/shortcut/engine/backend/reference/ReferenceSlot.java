package dev.shortcut.engine.backend.reference;

import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.Slot;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.memory.Liveness;
import dev.shortcut.engine.memory.MemoryPlan;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** An arena, a kernel for each node of the graph, and threads that share the kernels' parts. */
final class ReferenceSlot implements Slot, AutoCloseable {
  private final Parameters parameters;
  private final InputKernel input;
  private final Activation output;
  private final List<Activation> activations = new ArrayList<>();
  private final Kernel[] kernels;
  private final List<String> names;
  private final MemorySegment inputStaging;
  private final MemorySegment outputStaging;
  private final Scratch[] scratch;
  private final WorkerTeam team;
  private final WorkerTeam.Work work = this::compute;

  // The kernel whose parts the team computes; written before each round, which the team's lock
  // publishes.
  private Kernel current;

  /** Takes its memory from {@code owner} and starts its threads, which {@link #close} ends. */
  ReferenceSlot(
      String name,
      Graph graph,
      Parameters parameters,
      MemoryPlan plan,
      int maxBatch,
      Options options,
      Arena owner) {
    this.parameters = parameters;
    MemorySegment arena = owner.allocate(plan.bytes(), ReferenceModel.ALIGNMENT);
    for (int step = 0; step < graph.nodes().size(); step++) {
      Node node = graph.nodes().get(step);
      long bytes = plan.buffers().get(step).bytes();
      activations.add(new Activation(arena.asSlice(plan.offset(step), bytes), node.shape()));
    }
    Liveness order = Liveness.of(graph);
    input = new InputKernel(options.input(), activations.getFirst());
    output = activations.get(order.step(graph.output()));
    kernels = graph.nodes().stream().map(node -> kernel(node, order)).toArray(Kernel[]::new);
    names = graph.nodes().stream().map(Node::name).toList();
    current = input;
    inputStaging =
        owner.allocate(
            maxBatch * graph.input().shape().elements() * options.input().bytesPerValue(),
            ReferenceModel.ALIGNMENT);
    outputStaging =
        owner.allocate(
            maxBatch * graph.output().shape().elements() * Float.BYTES, ReferenceModel.ALIGNMENT);
    Scratch.Size size = Scratch.Size.of(graph);
    scratch = Stream.generate(size::allocate).limit(options.threads()).toArray(Scratch[]::new);
    team = new WorkerTeam(name, options.threads());
  }

  private Kernel kernel(Node node, Liveness order) {
    Activation out = activations.get(order.step(node));
    List<Activation> in =
        node.inputs().stream().map(source -> activations.get(order.step(source))).toList();
    return switch (node.layer()) {
      case Layer.Input _ -> input;
      case Layer.Fused fused -> weighted(node, fused.main(), in, out, epilogue(node, fused, in));
      case Layer.Weighted main ->
          weighted(node, main, in, out, new Epilogue(parameters.bias(node), null, null, false));
      case Layer.BatchNorm layer -> {
        ChannelAffine affine = parameters.batchNorm(node, layer);
        yield new ElementwiseKernel(in.getFirst(), out, (v, n, c, p) -> affine.apply(c, v));
      }
      case Layer.Relu _ ->
          new ElementwiseKernel(in.getFirst(), out, (v, n, c, p) -> Math.max(v, 0));
      case Layer.Add _ ->
          new ElementwiseKernel(in.getFirst(), out, (v, n, c, p) -> v + in.getLast().get(n, c, p));
      case Layer.Flatten _, Layer.Dropout _ ->
          new ElementwiseKernel(in.getFirst(), out, (v, n, c, p) -> v);
      case Layer.MaxPool layer -> WindowKernel.max(layer, in.getFirst(), out);
      case Layer.AveragePool layer -> WindowKernel.average(layer, in.getFirst(), out);
      case Layer.AdaptiveAveragePool layer -> WindowKernel.adaptive(layer, in.getFirst(), out);
      case Layer.GlobalAveragePool _ -> WindowKernel.global(in.getFirst(), out);
      case Layer.Subsample layer -> new SubsampleKernel(layer, in.getFirst(), out);
      case Layer.Softmax _ -> new SoftmaxKernel(in.getFirst(), out);
      case Layer.TopK layer -> new TopKKernel(layer, in.getFirst(), out);
    };
  }

  private Kernel weighted(
      Node node, Layer.Weighted main, List<Activation> in, Activation out, Epilogue epilogue) {
    MemorySegment weights = parameters.weight(node);
    return switch (main) {
      case Layer.Convolution layer ->
          new ConvolutionKernel(layer, weights, in.getFirst(), out, epilogue);
      case Layer.Linear _ -> new LinearKernel(weights, in.getFirst(), out, epilogue);
    };
  }

  private Epilogue epilogue(Node node, Layer.Fused fused, List<Activation> in) {
    return new Epilogue(
        parameters.bias(node),
        fused.batchNorm() == null ? null : parameters.batchNorm(node, fused.batchNorm().layer()),
        fused.residual() ? in.getLast() : null,
        fused.relu());
  }

  /** Nothing is kept by thread. */
  @Override
  public void attach() {}

  @Override
  public MemorySegment inputStaging() {
    return inputStaging;
  }

  @Override
  public MemorySegment outputStaging() {
    return outputStaging;
  }

  @Override
  public void run(int images, MemorySegment batch, MemorySegment results) {
    input.read(batch);
    for (Kernel kernel : kernels) {
      run(images, kernel);
    }
    copyResults(images, results);
  }

  @Override
  public void profile(int images, MemorySegment batch, MemorySegment results, Stopwatch stopwatch) {
    input.read(batch);
    for (int i = 0; i < kernels.length; i++) {
      long start = System.nanoTime();
      run(images, kernels[i]);
      stopwatch.step(names.get(i), System.nanoTime() - start);
    }
    copyResults(images, results);
  }

  private void run(int images, Kernel kernel) {
    current = kernel;
    team.run(images * kernel.parts(), work);
  }

  private void copyResults(int images, MemorySegment results) {
    MemorySegment.copy(
        output.memory(), 0, results, 0, images * output.shape().elements() * Float.BYTES);
  }

  private void compute(int part, int worker) {
    int parts = current.parts();
    current.compute(part / parts, part % parts, scratch[worker]);
  }

  /** Ends the threads; the memory is its owner's. */
  @Override
  public void close() {
    team.close();
  }
}
