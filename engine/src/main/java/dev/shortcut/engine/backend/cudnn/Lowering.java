package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.CublasException;
import dev.shortcut.bindings.cuda.CudaException;
import dev.shortcut.bindings.cudnn.CudnnException;
import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.Options;
import dev.shortcut.engine.backend.cudnn.CudnnKernel.Stage;
import dev.shortcut.engine.backend.cudnn.Program.Argument;
import dev.shortcut.engine.backend.cudnn.Program.Launch;
import dev.shortcut.engine.backend.cudnn.Program.Legacy;
import dev.shortcut.engine.backend.cudnn.Program.Operand;
import dev.shortcut.engine.backend.cudnn.Program.Planned;
import dev.shortcut.engine.backend.cudnn.Program.Product;
import dev.shortcut.engine.backend.cudnn.Program.Results;
import dev.shortcut.engine.backend.cudnn.Program.Step;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.memory.Buffer;
import dev.shortcut.engine.memory.Liveness;
import dev.shortcut.engine.memory.MemoryPlan;
import dev.shortcut.engine.memory.MemoryPlanner;
import dev.shortcut.engine.pass.Folding;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Turns a graph into the steps for one batch size. Every activation lies as image, row, column,
 * channel, its channels filled up with zeros, so that each layer takes its input as it lies and
 * there is nothing to be reordered between two of them.
 *
 * <p>Used once, by one thread.
 */
final class Lowering {
  private static final String ALLOWS =
      "Options.withLegacyConvolutions(true) allows (in the shell --legacy-convolutions)";

  private final Graph graph;
  private final int batch;
  private final InputFormat format;
  private final boolean legacyAllowed;
  private final Arithmetic arithmetic;
  private final Choices choices;
  private final Constants constants;
  private final Liveness liveness;

  private final List<Step> steps = new ArrayList<>();

  /** Scratch space and the two staging places, which come behind the nodes among the buffers. */
  private final List<Buffer> temporaries = new ArrayList<>();

  /**
   * Whether a node's kernel reads more of its inputs than the element that it is about to write.
   */
  private final boolean[] ownPlace;

  private final List<Kernel> kernels = new ArrayList<>();

  /** What a top-k reads, as floats, the channels of a pixel beside one another. */
  private Operand ranked = new Operand.None();

  /** What a node became. */
  private record Kernel(Node node, String implementation, long scratchBytes) {}

  Lowering(Graph graph, int batch, Options options, Arithmetic arithmetic, Choices choices) {
    this.graph = graph;
    this.batch = batch;
    this.format = options.input();
    this.legacyAllowed = options.legacyConvolutions();
    this.arithmetic = arithmetic;
    this.choices = choices;
    this.constants = choices.constants();
    this.liveness = Liveness.of(graph);
    this.ownPlace = new boolean[graph.nodes().size()];
  }

  /**
   * The program.
   *
   * @throws ModelException if there is no implementation of a layer, naming it and the reasons
   */
  Program lower() {
    Launch input = input();
    for (Node node : graph.nodes()) {
      try {
        lower(node);
      } catch (CudaException | CudnnException | CublasException e) {
        throw choices.failed("choosing an implementation of " + attempt(node), e);
      }
    }
    int handedOver =
        temporary(
            "images as handed over",
            batch * graph.input().shape().elements() * format.bytesPerValue(),
            0);
    int handedBack =
        temporary(
            "results as floats",
            batch * graph.output().shape().elements() * Float.BYTES,
            graph.nodes().size() - 1);
    MemoryPlan plan = MemoryPlanner.plan(buffers(), Constants.ALIGNMENT);
    return new Program(
        batch,
        value(graph.input()),
        input,
        steps,
        results(),
        plan,
        handedOver,
        handedBack,
        reports(plan));
  }

  private void lower(Node node) {
    switch (node.layer()) {
      case Layer.Input _ -> {}
      case Layer.Convolution c -> convolution(node, c, c.bias(), false, false);
      case Layer.Linear l -> linear(node, l, false, false);
      case Layer.Fused f -> {
        switch (f.main()) {
          case Layer.Convolution c -> convolution(node, c, f.bias(), f.residual(), f.relu());
          case Layer.Linear l -> linear(node, l, f.residual(), f.relu());
        }
      }
      case Layer.BatchNorm _ -> batchNorm(node);
      case Layer.Relu _ -> elementwise(node, Elementwise.of(value(node.input())).withRelu());
      case Layer.Add _ ->
          elementwise(
              node,
              Elementwise.of(value(node.inputs().getFirst()))
                  .withSummand(value(node.inputs().getLast())));
      case Layer.Dropout _ -> elementwise(node, Elementwise.of(value(node.input())));
      case Layer.MaxPool p ->
          pooling(
              node, new Window(false, p.kernel(), p.kernel(), p.stride(), p.stride(), p.padding()));
      case Layer.AveragePool p ->
          pooling(
              node, new Window(true, p.kernel(), p.kernel(), p.stride(), p.stride(), p.padding()));
      case Layer.GlobalAveragePool _ -> {
        Shape x = node.input().shape();
        pooling(node, new Window(true, x.height(), x.width(), 1, 1, 0));
      }
      case Layer.AdaptiveAveragePool p -> adaptivePooling(node, p);
      case Layer.Subsample s -> subsample(node, s);
      case Layer.Softmax _ -> softmax(node);
      case Layer.TopK top -> topK(node, top);
      case Layer.Flatten _ -> flatten(node);
    }
  }

  private Launch input() {
    Node node = graph.input();
    int channels = node.shape().channels();
    Operand mean = new Operand.None();
    Operand std = new Operand.None();
    if (format instanceof InputFormat.Uint8Nhwc pixels) {
      Constants.Entry entry =
          constants.entry(
              node,
              channels,
              channels,
              (_, means, stds) -> Edges.normalisation(pixels, means, stds));
      mean = floats(entry, node.shape(), true);
      std = floats(entry, node.shape(), false);
    }
    return Edges.input(node.shape(), batch, format, value(node), mean, std);
  }

  /** A way to compute a convolution, and the filter that it reads. */
  private record Variant(CudnnKernel.Convolution kernel, Constants.Filter filter) {}

  private void convolution(
      Node node, Layer.Convolution layer, boolean bias, boolean residual, boolean relu) {
    List<String> refusals = new ArrayList<>();
    List<Variant> variants = variants(node, layer, bias || residual || relu, residual, relu);
    for (Variant variant : variants) {
      switch (choices.plan(variant.kernel())) {
        case Planner.Refused refused -> refusals.add(refused.toString());
        case Planner.Found found -> {
          boolean alone = variant.kernel().stages().isEmpty() && (bias || residual || relu);
          String implementation =
              found.plan().description()
                  + (alone ? ", then elementwise" : "")
                  + (refusals.isEmpty() ? "" : ", since " + String.join("; ", refusals));
          convolution(node, layer, variant, found.plan(), implementation);
          if (alone) {
            var rest = Elementwise.of(value(node));
            Constants.Entry entry = folded(node, layer.outChannels());
            rest = bias ? rest.withShift(floats(entry, node.shape(), false)) : rest;
            rest = residual ? rest.withSummand(value(node.inputs().getLast())) : rest;
            steps.add(launch(node, relu ? rest.withRelu() : rest));
          }
          return;
        }
      }
    }
    String remedy = "the backend jcuda, which makes cuDNN's other calls, may";
    for (Variant variant : variants) {
      // That call always does all that follows the sums.
      if (!variant.kernel().stages().equals(variants.getFirst().kernel().stages())) {
        continue;
      }
      switch (choices.legacy(variant.kernel())) {
        case LegacyConvolutions.Offered offered when legacyAllowed -> {
          legacy(node, layer, variant, offered, String.join("; ", refusals));
          return;
        }
        case LegacyConvolutions.Offered _ ->
            remedy = "its call from before that API has one, which %s".formatted(ALLOWS);
        case LegacyConvolutions.Unknown _ ->
            remedy =
                "on the device its call from before that API may have one, which %s, and so may the backend jcuda"
                    .formatted(ALLOWS);
        case LegacyConvolutions.Refused refused -> refusals.add(refused.toString());
      }
    }
    choices.refused(
        node,
        batch,
        new ModelException(
            "cuDNN's graph API has no implementation of %s; %s:\n  %s"
                .formatted(attempt(node), remedy, String.join("\n  ", refusals))));
    kernels.add(new Kernel(node, "none", 0));
  }

  private void legacy(
      Node node,
      Layer.Convolution layer,
      Variant variant,
      LegacyConvolutions.Offered offered,
      String refusals) {
    Constants.Entry entry = folded(node, layer.outChannels());
    boolean residual = variant.kernel().stages().contains(Stage.SHORTCUT);
    ownPlace[liveness.step(node)] = true;
    kernel(
        node,
        new Legacy(
            node.name(),
            attempt(node),
            variant.kernel(),
            value(node.input()),
            entry.at(variant.filter()),
            entry.at(new Constants.PerChannel(arithmetic, layer.outChannels(), false)),
            residual ? value(node.inputs().getLast()) : new Operand.None(),
            value(node),
            scratch(node, offered.workspaceBytes()),
            offered.workspaceBytes()),
        offered.description() + ", since " + refusals,
        offered.workspaceBytes());
  }

  private void convolution(
      Node node, Layer.Convolution layer, Variant variant, Plan plan, String implementation) {
    List<Stage> stages = variant.kernel().stages();
    Constants.Entry entry = folded(node, layer.outChannels());
    Map<Long, Operand> tensors = new HashMap<>();
    tensors.put(CudnnGraphs.X, value(node.input()));
    tensors.put(CudnnGraphs.W, entry.at(variant.filter()));
    tensors.put(CudnnGraphs.Y, value(node));
    if (stages.contains(Stage.BIAS)) {
      tensors.put(
          CudnnGraphs.BIAS,
          entry.at(new Constants.PerChannel(arithmetic, layer.outChannels(), false)));
    }
    if (stages.contains(Stage.SHORTCUT)) {
      tensors.put(CudnnGraphs.SHORTCUT, value(node.inputs().getLast()));
    }
    // No plan promises that it may write over what it adds.
    ownPlace[liveness.step(node)] = true;
    kernel(
        node,
        planned(node, variant.kernel(), plan, tensors),
        implementation,
        plan.workspaceBytes());
  }

  /** The ways to compute a convolution, best first. */
  private List<Variant> variants(
      Node node, Layer.Convolution layer, boolean fused, boolean residual, boolean relu) {
    int inputs = node.input().shape().channels();
    int outputs = layer.outChannels();
    List<List<Stage>> epilogues = new ArrayList<>();
    if (fused) {
      // A bias comes with every shortcut and every ReLU: those are the patterns that cuDNN knows
      // best, and a bias of zeros costs nothing.
      epilogues.add(stages(residual, relu, true));
      if (residual) {
        epilogues.add(stages(true, relu, false));
      }
    }
    epilogues.add(List.of());
    // Groups that do not fill whole 16 bytes would lie apart from where cuDNN looks for them.
    boolean grouped =
        layer.groups() > 1
            && inputs % Arithmetic.CHANNELS == 0
            && outputs % Arithmetic.CHANNELS == 0;
    List<Variant> variants = new ArrayList<>();
    for (boolean dense : grouped ? List.of(false, true) : List.of(true)) {
      var filter =
          new Constants.Filter(arithmetic, outputs, inputs, layer.kernel(), layer.groups(), dense);
      for (List<Stage> stages : epilogues) {
        variants.add(
            new Variant(
                new CudnnKernel.Convolution(
                    arithmetic,
                    batch,
                    padded(node.input().shape()),
                    padded(node.shape()),
                    layer.kernel(),
                    layer.stride(),
                    layer.padding(),
                    layer.dilation(),
                    dense ? 1 : layer.groups(),
                    stages),
                filter));
      }
    }
    return variants;
  }

  private static List<Stage> stages(boolean residual, boolean relu, boolean residualFirst) {
    List<Stage> stages = new ArrayList<>();
    stages.add(Stage.BIAS);
    if (residual) {
      stages.add(residualFirst ? 0 : 1, Stage.SHORTCUT);
    }
    if (relu) {
      stages.add(Stage.RELU);
    }
    return stages;
  }

  private void linear(Node node, Layer.Linear layer, boolean residual, boolean relu) {
    Shape x = node.input().shape();
    int outputs = layer.outFeatures();
    Constants.Entry entry = folded(node, outputs);
    var matrix = new Constants.Matrix(arithmetic, outputs, x.channels(), x.height() * x.width());
    var product =
        new MatrixProduct(
            arithmetic, batch, Arithmetic.padded(outputs), matrix.depth(), relu && !residual);
    Products.Choice choice = choices.choose(product);
    ownPlace[liveness.step(node)] = true;
    kernel(
        node,
        new Product(
            node.name(),
            attempt(node),
            product,
            value(node.input()),
            entry.at(matrix),
            entry.at(new Constants.PerChannel(arithmetic, outputs, false)),
            value(node),
            scratch(node, choice.workspaceBytes())),
        choice.description(),
        choice.workspaceBytes());
    if (residual) {
      var sum = Elementwise.of(value(node)).withSummand(value(node.inputs().getLast()));
      steps.add(launch(node, relu ? sum.withRelu() : sum));
    }
  }

  private Constants.Entry folded(Node node, int outputs) {
    long elements = node.parameters().getFirst().elements();
    return constants.entry(
        node,
        elements,
        outputs,
        (weights, matrix, vector) -> Folding.fold(node, weights, matrix, vector));
  }

  private void batchNorm(Node node) {
    int channels = node.shape().channels();
    Constants.Entry entry =
        constants.entry(
            node,
            channels,
            channels,
            (weights, scale, shift) -> Folding.affine(node, weights, scale, shift));
    elementwise(
        node,
        Elementwise.of(value(node.input()))
            .withScale(floats(entry, node.shape(), true))
            .withShift(floats(entry, node.shape(), false)));
  }

  private static Operand floats(Constants.Entry entry, Shape shape, boolean ofMatrix) {
    return entry.at(new Constants.PerChannel(Arithmetic.FP32, shape.channels(), ofMatrix));
  }

  /**
   * What one kernel does to each value of a tensor, in this order; {@code None} leaves a step out.
   */
  private record Elementwise(
      Operand x, Operand scale, Operand shift, Operand summand, boolean relu) {
    static Elementwise of(Operand x) {
      var none = new Operand.None();
      return new Elementwise(x, none, none, none, false);
    }

    Elementwise withScale(Operand value) {
      return new Elementwise(x, value, shift, summand, relu);
    }

    Elementwise withShift(Operand value) {
      return new Elementwise(x, scale, value, summand, relu);
    }

    Elementwise withSummand(Operand value) {
      return new Elementwise(x, scale, shift, value, relu);
    }

    Elementwise withRelu() {
      return new Elementwise(x, scale, shift, summand, true);
    }
  }

  private void elementwise(Node node, Elementwise operation) {
    kernel(node, launch(node, operation), "elementwise", 0);
  }

  private Launch launch(Node node, Elementwise operation) {
    long total = (long) batch * elements(node.shape());
    return launch(
        node,
        "elementwise",
        total,
        List.of(
            at(operation.x()),
            at(operation.scale()),
            at(operation.shift()),
            at(operation.summand()),
            at(value(node)),
            new Argument.Long(total),
            new Argument.Int(Arithmetic.padded(node.shape().channels())),
            new Argument.Int(operation.relu() ? 1 : 0)));
  }

  private static Argument at(Operand operand) {
    return operand instanceof Operand.None ? new Argument.Nothing() : new Argument.At(operand);
  }

  /** A pooling's numbers. */
  private record Window(
      boolean mean,
      int kernelHeight,
      int kernelWidth,
      int strideHeight,
      int strideWidth,
      int padding) {}

  private void pooling(Node node, Window window) {
    Shape x = node.input().shape();
    Shape y = node.shape();
    var kernel =
        new CudnnKernel.Pooling(
            arithmetic,
            batch,
            padded(x),
            padded(y),
            window.mean(),
            window.kernelHeight(),
            window.kernelWidth(),
            window.strideHeight(),
            window.strideWidth(),
            window.padding());
    switch (choices.plan(kernel)) {
      case Planner.Found found ->
          kernel(
              node,
              planned(
                  node,
                  kernel,
                  found.plan(),
                  Map.of(CudnnGraphs.X, value(node.input()), CudnnGraphs.Y, value(node))),
              found.plan().description(),
              found.plan().workspaceBytes());
      case Planner.Refused refused ->
          kernel(
              node,
              map(
                  node,
                  "pool",
                  x.height(),
                  x.width(),
                  Arithmetic.padded(x.channels()),
                  window.kernelHeight(),
                  window.kernelWidth(),
                  window.strideHeight(),
                  window.strideWidth(),
                  window.padding(),
                  y.height(),
                  y.width(),
                  window.mean() ? 1 : 0),
              "pool, since " + refused,
              0);
    }
  }

  private void adaptivePooling(Node node, Layer.AdaptiveAveragePool layer) {
    Shape x = node.input().shape();
    int size = layer.size();
    if (x.height() % size == 0 && x.width() % size == 0) {
      int height = x.height() / size;
      int width = x.width() / size;
      pooling(node, new Window(true, height, width, height, width, 0));
      return;
    }
    kernel(
        node,
        map(node, "adaptive_pool", x.height(), x.width(), Arithmetic.padded(x.channels()), size),
        "adaptive_pool",
        0);
  }

  private void subsample(Node node, Layer.Subsample layer) {
    Shape x = node.input().shape();
    Shape y = node.shape();
    kernel(
        node,
        map(
            node,
            "subsample",
            x.height(),
            x.width(),
            x.channels(),
            Arithmetic.padded(x.channels()),
            layer.stride(),
            layer.channelsBefore(),
            y.height(),
            y.width(),
            Arithmetic.padded(y.channels())),
        "subsample",
        0);
  }

  /**
   * At the end of a graph, and before its end's top-k, the results are floats: rounding them to the
   * type in memory would make probabilities equal that are not.
   */
  private void softmax(Node node) {
    if (node == graph.output()) {
      reported(node, "softmax");
      return;
    }
    Shape shape = node.shape();
    int rows = Math.multiplyExact(batch, shape.height() * shape.width());
    List<Argument> arguments = new ArrayList<>();
    arguments.add(at(value(node.input())));
    arguments.add(at(value(node)));
    arguments.add(new Argument.Int(shape.channels()));
    arguments.add(new Argument.Int(Arithmetic.padded(shape.channels())));
    String function = "softmax";
    if (isRanked(node)) {
      function = "softmax_floats";
      // Each pixel's channels beside one another.
      arguments.add(new Argument.Int(1));
    }
    kernel(node, Edges.rows(node.name(), attempt(node), function, rows, arguments), function, 0);
  }

  private void topK(Node node, Layer.TopK layer) {
    if (node != graph.output()) {
      throw new ModelException(
          "%s (%s) can only be the last layer of a graph"
              .formatted(node.name(), layer.description()));
    }
    Shape x = node.input().shape();
    if (isRanked(node.input())) {
      ranked = value(node.input());
    } else {
      long values = batch * x.elements();
      ranked =
          new Operand.Activation(
              temporary(node.name() + " floats", values * Float.BYTES, liveness.step(node)));
      steps.add(
          launch(
              node,
              "output_floats",
              values,
              List.of(
                  at(value(node.input())),
                  at(ranked),
                  new Argument.Long(values),
                  // Each pixel's channels beside one another.
                  new Argument.Int(1),
                  new Argument.Int(x.channels()),
                  new Argument.Int(Arithmetic.padded(x.channels())))));
    }
    reported(node, "top_k");
  }

  /** Whether nobody but a top-k reads it, so that it may lie as that wants it. */
  private boolean isRanked(Node node) {
    return node.layer() instanceof Layer.Softmax
        && graph.output().layer() instanceof Layer.TopK
        && graph.output().input() == node
        && graph.readers(node) == 1;
  }

  /** Whether the launch that hands back the results computes it, so that it lies nowhere else. */
  private boolean isHandedBack(Node node) {
    return node == graph.output()
        && (node.layer() instanceof Layer.Softmax || node.layer() instanceof Layer.TopK);
  }

  private Results results() {
    Node last = graph.output();
    return switch (last.layer()) {
      case Layer.Softmax _ -> {
        Operand source = value(last.input());
        yield images -> Edges.softmax(last.shape(), images, source);
      }
      case Layer.TopK top -> {
        Operand source = ranked;
        yield images -> Edges.topK(last.input().shape(), top.k(), images, source);
      }
      default -> {
        Operand source = value(last);
        yield images -> Edges.values(last.shape(), images, source);
      }
    };
  }

  /** A copy, and none of the graph's kernels: the layout of this backend makes it one. */
  private void flatten(Node node) {
    Shape x = node.input().shape();
    steps.add(
        map(
            node,
            "flatten",
            x.height() * x.width(),
            x.channels(),
            Arithmetic.padded(x.channels()),
            Arithmetic.padded(node.shape().channels())));
  }

  private Planned planned(Node node, CudnnKernel kernel, Plan plan, Map<Long, Operand> tensors) {
    return new Planned(
        node.name(), attempt(node), kernel, plan, tensors, scratch(node, plan.workspaceBytes()));
  }

  /** A kernel of our own that makes each value of a node of those of its input. */
  private Launch map(Node node, String function, int... numbers) {
    long total = (long) batch * elements(node.shape());
    List<Argument> arguments = new ArrayList<>();
    arguments.add(at(value(node.input())));
    arguments.add(at(value(node)));
    arguments.add(new Argument.Long(total));
    for (int number : numbers) {
      arguments.add(new Argument.Int(number));
    }
    return launch(node, function, total, arguments);
  }

  private Launch launch(Node node, String function, long threads, List<Argument> arguments) {
    return Edges.launch(node.name(), attempt(node), function, threads, arguments);
  }

  /** The node's main step: what is reported of it. */
  private void kernel(Node node, Step step, String implementation, long scratchBytes) {
    steps.add(step);
    if (node.layer().isKernel()) {
      kernels.add(new Kernel(node, implementation, scratchBytes));
    }
  }

  /** A node without a step of its own. */
  private void reported(Node node, String function) {
    kernels.add(new Kernel(node, function + ", handing back the results", 0));
  }

  private Operand scratch(Node node, long size) {
    return size == 0
        ? new Operand.None()
        : new Operand.Activation(temporary(node.name() + " scratch", size, liveness.step(node)));
  }

  private int temporary(String name, long size, int step) {
    temporaries.add(Buffer.scratch(name, size, step));
    return graph.nodes().size() + temporaries.size() - 1;
  }

  private Operand value(Node node) {
    return new Operand.Activation(liveness.step(node));
  }

  private List<Buffer> buffers() {
    List<Buffer> buffers = new ArrayList<>();
    for (Buffer buffer : liveness.buffers(this::bytes)) {
      buffers.add(
          ownPlace[buffers.size()]
              ? new Buffer(
                  buffer.name(), buffer.bytes(), buffer.first(), buffer.last(), Buffer.NOWHERE)
              : buffer);
    }
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
                isHandedBack(kernel.node()) ? -1 : plan.offset(liveness.step(kernel.node())),
                bytes(kernel.node()),
                kernel.scratchBytes()))
        .toList();
  }

  private long bytes(Node node) {
    if (isHandedBack(node)) {
      return 0;
    }
    return isRanked(node)
        ? batch * node.shape().elements() * Float.BYTES
        : batch * elements(node.shape()) * arithmetic.bytes();
  }

  private static Shape padded(Shape shape) {
    return new Shape(Arithmetic.padded(shape.channels()), shape.height(), shape.width());
  }

  /** Values of one image in memory. */
  private static long elements(Shape shape) {
    return padded(shape).elements();
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
