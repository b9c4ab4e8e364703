package dev.shortcut.engine.backend.jcudnn;

import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.backend.jcudnn.Constants.Pair;
import dev.shortcut.engine.backend.jcudnn.Descriptors.Window;
import dev.shortcut.engine.backend.jcudnn.Program.Launch;
import dev.shortcut.engine.backend.jcudnn.Program.Place;
import dev.shortcut.engine.backend.jcudnn.Program.Step;
import dev.shortcut.engine.backend.jcudnn.Program.Work;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.memory.Buffer;
import dev.shortcut.engine.memory.Liveness;
import dev.shortcut.engine.memory.MemoryPlan;
import dev.shortcut.engine.memory.MemoryPlanner;
import java.util.ArrayList;
import java.util.List;

/**
 * Turns a graph into the steps for one batch size. Activations lie as image, row, column, channel,
 * with just the channels that they have, but for images that only convolutions read: those are
 * filled up with channels of zeros to what tensor cores load at once.
 *
 * <p>Used once, by one thread.
 */
final class Lowering {
  /** What cuBLAS may use beside the result, in bytes. */
  static final long CUBLAS_WORKSPACE = 4 << 20;

  /** Threads that work on one pixel where its channels are compared. */
  private static final int WARP = 32;

  private final Graph graph;
  private final int batch;
  private final InputFormat format;
  private final Arithmetic arithmetic;
  private final JCudnnDevice device;
  private final Descriptors descriptors;
  private final Constants constants;
  private final Liveness liveness;
  private final boolean fillsUp;
  private final Place handedBack;

  private final List<Step> steps = new ArrayList<>();
  private final List<Kernel> kernels = new ArrayList<>();

  /** What is no node's output; these come behind the nodes among the buffers. */
  private final List<Buffer> temporaries = new ArrayList<>();

  private record Kernel(Node node, String implementation, long scratchBytes) {}

  Lowering(Graph graph, int batch, InputFormat format, Arithmetic arithmetic, JCudnnDevice device) {
    this.graph = graph;
    this.batch = batch;
    this.format = format;
    this.arithmetic = arithmetic;
    this.device = device;
    this.descriptors = device.descriptors();
    this.constants = device.constants();
    this.liveness = Liveness.of(graph);
    this.fillsUp = onlyConvolutionsRead(graph);
    int last = graph.nodes().size() - 1;
    long results = batch * graph.output().shape().elements() * Float.BYTES;
    this.handedBack = new Place.InArena(temporary("results as floats", results, last, last));
  }

  private static boolean onlyConvolutionsRead(Graph graph) {
    Node images = graph.input();
    return graph.output() != images
        && graph.nodes().stream()
            .filter(node -> node.inputs().contains(images))
            .allMatch(node ->
                convolution(node) instanceof Layer.Convolution c
                    && c.groups() == 1
                    && node.inputs().getFirst() == images
                    && node.inputs().stream().filter(input -> input == images).count() == 1);
  }

  private static Layer convolution(Node node) {
    return node.layer() instanceof Layer.Fused fused ? fused.main() : node.layer();
  }

  /**
   * The program.
   *
   * @throws ModelException if cuDNN does not do a layer, which it names
   */
  Program lower() {
    Node input = graph.input();
    var images = new Program.Images(input.shape(), stored(input), value(input));
    int handedOver = images(images);
    for (Node node : graph.nodes()) {
      try {
        lower(node);
      } catch (JCudaException e) {
        if (e.notSupported()) {
          throw refusal(attempt(node), e);
        }
        throw device.health().failed("preparing " + attempt(node), e, null);
      }
    }
    results();
    MemoryPlan plan = MemoryPlanner.plan(buffers(), Constants.ALIGNMENT);
    return new Program(
        batch,
        steps,
        plan,
        images,
        handedOver,
        handedBack,
        graph.output().shape().elements(),
        reports(plan));
  }

  /** What to throw where cuDNN has nothing that does a layer. */
  static ModelException refusal(String attempted, JCudaException reason) {
    return new ModelException(
        "cuDNN's calls from before its graph API do not do %s: %s; the backend cuda may"
            .formatted(attempted, reason.getMessage()),
        reason);
  }

  private int images(Program.Images images) {
    Node node = graph.input();
    int handedOver =
        temporary(
            "images as handed over",
            batch * node.shape().elements() * format.bytesPerValue(),
            0,
            0);
    Place mean = new Place.Nowhere();
    Place std = mean;
    if (format instanceof InputFormat.Uint8Nhwc bytes) {
      Pair pair = constants.pair(node, new Constants.Normalisation(bytes.mean(), bytes.std()));
      mean = new Place.Constant(pair.first());
      std = new Place.Constant(pair.second());
    }
    Launch launch =
        Edges.input(images, batch, batch, format, new Place.InArena(handedOver), mean, std);
    steps.add(new Step(node.name(), "converting the images", launch));
    return handedOver;
  }

  private void results() {
    if (!isFloats(graph.output())) {
      steps.add(new Step("output", "converting the results", unpack(graph.output(), handedBack)));
    }
  }

  /** Converts a node's output to floats in channel, row, column order. */
  private Launch unpack(Node node, Place target) {
    Shape shape = node.shape();
    long count = batch * shape.elements();
    return new Launch(
        "unpack",
        count,
        List.of(
            value(node),
            target,
            count,
            (long) shape.height() * shape.width(),
            shape.channels(),
            stored(node)));
  }

  private void lower(Node node) {
    switch (node.layer()) {
      case Layer.Input _ -> {}
      case Layer.Convolution c -> convolution(node, c, false, false);
      case Layer.Linear l -> linear(node, l, false, false);
      case Layer.Fused f -> {
        switch (f.main()) {
          case Layer.Convolution c -> convolution(node, c, f.residual(), f.relu());
          case Layer.Linear l -> linear(node, l, f.residual(), f.relu());
        }
      }
      case Layer.BatchNorm _ -> {
        Pair pair = constants.pair(node, new Constants.Scales(node.shape().channels()));
        affine(
            node,
            new Place.Constant(pair.first()),
            new Place.Constant(pair.second()),
            new Place.Nowhere(),
            false);
      }
      case Layer.Relu _ -> affine(node, new Place.Nowhere(), true);
      case Layer.Add _ -> affine(node, value(node.inputs().getLast()), false);
      case Layer.Dropout _ -> affine(node, new Place.Nowhere(), false);
      case Layer.MaxPool p ->
          pooling(node, Window.square(false, p.kernel(), p.stride(), p.padding()));
      case Layer.AveragePool p ->
          pooling(node, Window.square(true, p.kernel(), p.stride(), p.padding()));
      case Layer.GlobalAveragePool _ -> {
        Shape x = node.input().shape();
        pooling(node, Window.tiles(x.height(), x.width()));
      }
      case Layer.AdaptiveAveragePool p -> adaptivePooling(node, p.size());
      case Layer.Subsample s -> subsample(node, s);
      case Layer.Softmax _ -> softmax(node);
      case Layer.TopK top -> topK(node, top);
      case Layer.Flatten _ -> flatten(node);
    }
  }

  private void convolution(Node node, Layer.Convolution layer, boolean residual, boolean relu) {
    if (layer.groups() == 1) {
      convolution(node, layer, residual, relu, 1, stored(node.input()), "");
      return;
    }
    int inputs = node.input().shape().channels();
    try {
      convolution(node, layer, residual, relu, layer.groups(), inputs / layer.groups(), "");
    } catch (JCudaException e) {
      if (!e.notSupported()) {
        throw e;
      }
      // The same sum with zeros between the groups, which any convolution does.
      convolution(
          node,
          layer,
          residual,
          relu,
          1,
          inputs,
          " of all groups at once, since " + e.getMessage());
    }
  }

  private void convolution(
      Node node,
      Layer.Convolution layer,
      boolean residual,
      boolean relu,
      int groups,
      int depth,
      String remark) {
    Node input = node.input();
    Shape x = input.shape();
    int outputs = layer.outChannels();
    var xLayout = descriptors.tensor(batch, new Shape(stored(input), x.height(), x.width()));
    var filterLayout = descriptors.filter(outputs, depth, layer.kernel());
    var convolution =
        descriptors.convolution(layer.padding(), layer.stride(), layer.dilation(), groups);
    var yLayout = descriptors.tensor(batch, node.shape());
    long workspaceBytes = device.workspace(xLayout, filterLayout, convolution, yLayout);
    Pair pair =
        constants.pair(
            node,
            new Constants.Filters(
                arithmetic,
                outputs,
                x.channels(),
                layer.kernel() * layer.kernel(),
                layer.groups(),
                depth));
    kernel(
        node,
        new Program.Convolution(
            xLayout,
            value(input),
            filterLayout,
            new Place.Constant(pair.first()),
            convolution,
            scratch(node, workspaceBytes),
            workspaceBytes,
            residual ? value(node.inputs().getLast()) : new Place.Nowhere(),
            descriptors.tensor(1, Shape.features(outputs)),
            new Place.Constant(pair.second()),
            descriptors.activation(relu),
            yLayout,
            value(node)),
        "cudnnConvolutionBiasActivationForward, IMPLICIT_PRECOMP_GEMM" + remark,
        workspaceBytes);
  }

  private void linear(Node node, Layer.Linear layer, boolean residual, boolean relu) {
    Shape x = node.input().shape();
    int outputs = layer.outFeatures();
    int depth = Math.toIntExact(x.elements());
    Pair pair =
        constants.pair(
            node, new Constants.Rows(arithmetic, outputs, x.height() * x.width(), x.channels()));
    long count = (long) batch * outputs;
    Place sums = scratch(node, count * Float.BYTES);
    kernel(
        node,
        new Program.Product(
            outputs,
            depth,
            value(node.input()),
            new Place.Constant(pair.first()),
            sums,
            scratch(node, CUBLAS_WORKSPACE)),
        "cublasGemmEx, then finish",
        count * Float.BYTES + CUBLAS_WORKSPACE);
    steps.add(
        new Step(
            node.name(),
            attempt(node),
            new Launch(
                "finish",
                count,
                List.of(
                    sums,
                    new Place.Constant(pair.second()),
                    residual ? value(node.inputs().getLast()) : new Place.Nowhere(),
                    value(node),
                    count,
                    outputs,
                    flag(relu)))));
  }

  private void affine(Node node, Place added, boolean relu) {
    affine(node, new Place.Nowhere(), new Place.Nowhere(), added, relu);
  }

  private void affine(Node node, Place scale, Place shift, Place added, boolean relu) {
    long count = batch * node.shape().elements();
    kernel(
        node,
        new Launch(
            "affine",
            count,
            List.of(
                value(node.input()),
                scale,
                shift,
                added,
                value(node),
                count,
                node.shape().channels(),
                flag(relu))),
        "affine",
        0);
  }

  private static int flag(boolean set) {
    return set ? 1 : 0;
  }

  private void pooling(Node node, Window window) {
    kernel(
        node,
        new Program.Pooling(
            descriptors.pooling(window),
            descriptors.tensor(batch, node.input().shape()),
            value(node.input()),
            descriptors.tensor(batch, node.shape()),
            value(node)),
        "cudnnPoolingForward",
        0);
  }

  private void adaptivePooling(Node node, int size) {
    Shape x = node.input().shape();
    if (x.height() % size == 0 && x.width() % size == 0) {
      pooling(node, Window.tiles(x.height() / size, x.width() / size));
      return;
    }
    long count = batch * node.shape().elements();
    kernel(
        node,
        new Launch(
            "window_means",
            count,
            List.of(
                value(node.input()),
                value(node),
                count,
                x.height(),
                x.width(),
                x.channels(),
                size)),
        "window_means",
        0);
  }

  private void subsample(Node node, Layer.Subsample layer) {
    Shape x = node.input().shape();
    Shape y = node.shape();
    long count = batch * y.elements();
    kernel(
        node,
        new Launch(
            "thin_out",
            count,
            List.of(
                value(node.input()),
                value(node),
                count,
                x.height(),
                x.width(),
                x.channels(),
                layer.stride(),
                layer.channelsBefore(),
                y.height(),
                y.width(),
                y.channels())),
        "thin_out",
        0);
  }

  /** A copy, and none of the graph's kernels: the layout of this backend makes it one. */
  private void flatten(Node node) {
    Shape x = node.input().shape();
    long count = batch * x.elements();
    kernel(
        node,
        new Launch(
            "line_up",
            count,
            List.of(
                value(node.input()),
                value(node),
                count,
                (long) x.height() * x.width(),
                x.channels())),
        "line_up",
        0);
  }

  private void softmax(Node node) {
    if (isFloats(node)) {
      kernel(
          node,
          new Program.Softmax(
              descriptors.floats(batch, node.shape()), floats(node.input(), node), value(node)),
          "cudnnSoftmaxForward, of floats",
          0);
    } else {
      kernel(
          node,
          new Program.Softmax(
              descriptors.tensor(batch, node.shape()), value(node.input()), value(node)),
          "cudnnSoftmaxForward",
          0);
    }
  }

  private void topK(Node node, Layer.TopK layer) {
    if (node != graph.output()) {
      throw new ModelException(
          "%s (%s) can only be the last layer of a graph"
              .formatted(node.name(), layer.description()));
    }
    Shape x = node.input().shape();
    long pixels = (long) x.height() * x.width();
    Place source = isFloats(node.input()) ? value(node.input()) : floats(node.input(), node);
    kernel(
        node,
        new Launch(
            "rank",
            batch * pixels * WARP,
            List.of(source, value(node), batch * pixels, pixels, x.channels(), layer.k())),
        "rank",
        0);
  }

  /** A copy of an activation as floats, a picture's channels one after another. */
  private Place floats(Node node, Node reader) {
    Place copy = scratch(reader, batch * node.shape().elements() * Float.BYTES);
    steps.add(new Step(reader.name(), "converting " + node.name(), unpack(node, copy)));
    return copy;
  }

  /**
   * Whether a node's output is floats in channel, row, column order: what comes last as results
   * anyway, and probabilities that are ranked, since rounding them would make equal what is not.
   */
  private boolean isFloats(Node node) {
    boolean last = node == graph.output();
    return switch (node.layer()) {
      case Layer.TopK _ -> last;
      case Layer.Softmax _ ->
          last
              || (graph.output().layer() instanceof Layer.TopK
                  && graph.output().input() == node
                  && graph.readers(node) == 1);
      default -> false;
    };
  }

  private void kernel(Node node, Work work, String implementation, long scratchBytes) {
    steps.add(new Step(node.name(), attempt(node), work));
    if (node.layer().isKernel()) {
      kernels.add(new Kernel(node, implementation, scratchBytes));
    }
  }

  private Place scratch(Node node, long size) {
    int step = liveness.step(node);
    return size == 0
        ? new Place.Nowhere()
        : new Place.InArena(temporary(node.name() + " scratch", size, step, step));
  }

  private int temporary(String name, long size, int first, int last) {
    temporaries.add(new Buffer(name, size, first, last, Buffer.NOWHERE));
    return graph.nodes().size() + temporaries.size() - 1;
  }

  private Place value(Node node) {
    return isFloats(node) && node == graph.output()
        ? handedBack
        : new Place.InArena(liveness.step(node));
  }

  /** Channels that lie in memory. */
  private int stored(Node node) {
    int channels = node.shape().channels();
    return fillsUp && node == graph.input() ? arithmetic.filledChannels(channels) : channels;
  }

  private long bytes(Node node) {
    Shape shape = node.shape();
    if (isFloats(node)) {
      // The last one lies where results are handed back from.
      return node == graph.output() ? 0 : batch * shape.elements() * Float.BYTES;
    }
    return (long) batch * shape.height() * shape.width() * stored(node) * arithmetic.bytes();
  }

  private List<Buffer> buffers() {
    List<Buffer> buffers = new ArrayList<>(liveness.buffers(this::bytes));
    buffers.addAll(temporaries);
    return buffers;
  }

  private List<KernelReport> reports(MemoryPlan plan) {
    return kernels.stream()
        .map(kernel ->
            new KernelReport(
                kernel.node(),
                batch,
                kernel.implementation(),
                bytes(kernel.node()) == 0 ? -1 : plan.offset(liveness.step(kernel.node())),
                bytes(kernel.node()),
                kernel.scratchBytes()))
        .toList();
  }

  private String attempt(Node node) {
    return "%s (%s) on %s, batch %d, %s"
        .formatted(
            node.name(),
            node.layer().description(),
            node.inputs().isEmpty() ? node.shape() : node.input().shape(),
            batch,
            arithmetic);
  }
}
