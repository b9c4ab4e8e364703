package dev.shortcut.engine.backend.onednn;

import dev.shortcut.engine.InputFormat;
import dev.shortcut.engine.KernelReport;
import dev.shortcut.engine.ModelException;
import dev.shortcut.engine.backend.TopChannels;
import dev.shortcut.engine.backend.onednn.Program.Argument;
import dev.shortcut.engine.backend.onednn.Program.Call;
import dev.shortcut.engine.backend.onednn.Program.Operand;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.memory.Buffer;
import dev.shortcut.engine.memory.Liveness;
import dev.shortcut.engine.memory.MemoryPlan;
import dev.shortcut.engine.memory.MemoryPlanner;
import dev.shortcut.engine.pass.Folding;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Turns a graph into the calls for one batch size. Layouts flow from the input on: a kernel takes
 * its input as it lies and chooses the layout of its output and weights; only where oneDNN has
 * nothing fast for that is the input copied into another layout first.
 *
 * <p>Used once, by one thread.
 */
final class Lowering {
  /** One of the numbers for which {@code 1 - EPSILON + EPSILON} is exactly 1 in float. */
  private static final float EPSILON = 0.25f;

  private final Graph graph;
  private final int batch;
  private final InputFormat input;
  private final Descriptors descriptors;
  private final Primitives primitives;
  private final Constants constants;
  private final Liveness liveness;

  private final List<Call> calls = new ArrayList<>();
  private final Map<Node, Value> values = new IdentityHashMap<>();

  /** Scratch space and temporary copies, which come behind the nodes in the list of buffers. */
  private final List<Buffer> temporaries = new ArrayList<>();

  private final long[] bytes;
  private final boolean[] ownPlace;
  private final List<Kernel> kernels = new ArrayList<>();
  private OptionalInt converted = OptionalInt.empty();
  private Optional<Program.Ranking> ranking = Optional.empty();

  /** A node's output: its layout, with four extents, and where it lies. */
  private record Value(Descriptor layout, Operand operand) {}

  /** What a node became. */
  private record Kernel(Node node, String implementation, long bytes, long scratchBytes) {}

  Lowering(
      Graph graph,
      int batch,
      InputFormat input,
      Descriptors descriptors,
      Primitives primitives,
      Constants constants) {
    this.graph = graph;
    this.batch = batch;
    this.input = input;
    this.descriptors = descriptors;
    this.primitives = primitives;
    this.constants = constants;
    this.liveness = Liveness.of(graph);
    this.bytes = new long[graph.nodes().size()];
    this.ownPlace = new boolean[graph.nodes().size()];
  }

  /**
   * The program.
   *
   * @throws OneDnnException if oneDNN refuses a kernel, naming the node
   */
  Program lower() {
    for (Node node : graph.nodes()) {
      try {
        values.put(node, lower(node));
      } catch (OneDnnException e) {
        throw new OneDnnException(attempt(node), e);
      }
    }
    Value output = value(graph.output());
    if (!(output.operand() instanceof Operand.Output)) {
      Descriptor plain = descriptors.plain(batch, graph.output().shape());
      reorder(graph.output(), output, new Value(plain, new Operand.Output()));
    }
    MemoryPlan plan = MemoryPlanner.plan(buffers(), Constants.ALIGNMENT);
    return new Program(batch, calls, plan, converted, ranking, reports(plan));
  }

  private Value lower(Node node) {
    return switch (node.layer()) {
      case Layer.Input _ -> input(node);
      case Layer.Convolution c -> convolution(node, c, c.bias(), false, false);
      case Layer.Linear l -> linear(node, l, l.bias(), false, false);
      case Layer.Fused f ->
          switch (f.main()) {
            case Layer.Convolution c -> convolution(node, c, f.bias(), f.residual(), f.relu());
            case Layer.Linear l -> linear(node, l, f.bias(), f.residual(), f.relu());
          };
      case Layer.BatchNorm _ -> batchNorm(node);
      case Layer.Relu _ -> relu(node);
      case Layer.Add _ -> add(node);
      case Layer.MaxPool p ->
          pooling(
              node,
              new Window(
                  OneDnnConstants.POOLING_MAX,
                  p.kernel(),
                  p.kernel(),
                  p.stride(),
                  p.stride(),
                  p.padding()));
      case Layer.AveragePool p ->
          pooling(node, Window.mean(p.kernel(), p.kernel(), p.stride(), p.stride(), p.padding()));
      case Layer.GlobalAveragePool _ -> {
        Shape x = node.input().shape();
        yield pooling(node, Window.mean(x.height(), x.width(), 1, 1, 0));
      }
      case Layer.AdaptiveAveragePool p -> adaptivePooling(node, p);
      case Layer.Subsample s -> subsample(node, s);
      case Layer.Softmax _ -> softmax(node);
      case Layer.TopK layer -> topK(node, layer);
      case Layer.Flatten _ -> flatten(node);
      case Layer.Dropout _ -> copy(node, value(node.input()).layout());
    };
  }

  private Value input(Node node) {
    return switch (input) {
      case InputFormat.Float32Nchw _ ->
          new Value(descriptors.plain(batch, node.shape()), new Operand.Input());
      case InputFormat.Float32Nhwc _ ->
          new Value(descriptors.nhwc(batch, node.shape()), new Operand.Input());
      case InputFormat.Uint8Nhwc _ -> {
        Descriptor layout = descriptors.nhwc(batch, node.shape());
        int step = liveness.step(node);
        converted = OptionalInt.of(step);
        bytes[step] = layout.bytes();
        yield new Value(layout, new Operand.Activation(step));
      }
    };
  }

  private Value convolution(
      Node node, Layer.Convolution layer, boolean bias, boolean residual, boolean relu) {
    long outputs = layer.outChannels();
    long inputs = node.input().shape().channels() / layer.groups();
    long[] filter =
        layer.groups() == 1
            ? new long[] {outputs, inputs, layer.kernel(), layer.kernel()}
            : new long[] {
              layer.groups(), outputs / layer.groups(), inputs, layer.kernel(), layer.kernel()
            };
    Constants.Entry entry = folded(node, descriptors.plain(filter), outputs);
    return weighted(
        node,
        entry,
        residual,
        relu,
        (source, weights, postOps) ->
            primitives.make(
                new Primitives.Convolution(
                    source,
                    weights,
                    biasLayout(entry, bias),
                    descriptors.any(Descriptors.dims(batch, node.shape())),
                    layer.stride(),
                    layer.dilation(),
                    layer.padding(),
                    postOps)),
        descriptors.any(filter),
        bias);
  }

  private Value linear(
      Node node, Layer.Linear layer, boolean bias, boolean residual, boolean relu) {
    Shape x = node.input().shape();
    long outputs = layer.outFeatures();
    long[] matrix =
        x.isFlat()
            ? new long[] {outputs, x.channels()}
            : new long[] {outputs, x.channels(), x.height(), x.width()};
    Constants.Entry entry = folded(node, descriptors.plain(matrix), outputs);
    return weighted(
        node,
        entry,
        residual,
        relu,
        (source, weights, postOps) ->
            primitives.make(
                new Primitives.InnerProduct(
                    source,
                    weights,
                    biasLayout(entry, bias),
                    descriptors.plain(batch, outputs),
                    postOps)),
        descriptors.any(matrix),
        bias);
  }

  private Constants.Entry folded(Node node, Descriptor plain, long outputs) {
    return constants.entry(
        node,
        plain,
        Optional.of(descriptors.plain(outputs)),
        (weights, matrix, vector) -> Folding.fold(node, weights, matrix, vector));
  }

  private static Optional<Descriptor> biasLayout(Constants.Entry entry, boolean bias) {
    return bias ? entry.vector().map(Constants.Place::layout) : Optional.empty();
  }

  /** Makes a primitive with weights for given layouts. */
  private interface Maker {
    Optional<Primitive> make(Descriptor source, Descriptor weights, List<PostOp> postOps);
  }

  private Value weighted(
      Node node,
      Constants.Entry entry,
      boolean residual,
      boolean relu,
      Maker maker,
      Descriptor anyWeights,
      boolean bias) {
    Value source = value(node.input());
    if (isLinear(node) && node.input().shape().isFlat()) {
      source = asMatrix(node, source);
    }
    List<PostOp> postOps = new ArrayList<>();
    Optional<Value> shortcut =
        residual ? Optional.of(value(node.inputs().getLast())) : Optional.empty();
    shortcut.ifPresent(s -> postOps.add(combination(node, s)));
    if (relu) {
      postOps.add(new PostOp.Relu());
    }
    Primitive primitive = choose(node, source.layout(), entry, anyWeights, postOps, maker);
    Descriptor layout = fourExtents(node, primitive.destination());
    boolean copyShortcut = shortcut.isPresent() && shortcut.get().layout() != layout;
    boolean besides = shortcut.isPresent() && postOps.getFirst() instanceof PostOp.Binary;
    if (besides && (copyShortcut || primitive.isSlow())) {
      postOps.set(0, new PostOp.Sum());
      primitive = choose(node, source.layout(), entry, anyWeights, postOps, maker);
      layout = fourExtents(node, primitive.destination());
      copyShortcut = true;
    }
    boolean sums = !postOps.isEmpty() && postOps.getFirst() instanceof PostOp.Sum;
    // Only a sum over a shortcut that lies as the output will may use the shortcut's place.
    ownPlace[liveness.step(node)] = !sums || copyShortcut;

    if (primitive.source() != source.layout()) {
      source = temporary(node, source, primitive.source());
    }
    Value output = place(node, layout);
    if (copyShortcut) {
      reorder(node, shortcut.orElseThrow(), output);
    }
    List<Argument> arguments = new ArrayList<>();
    arguments.add(new Argument(OneDnnConstants.ARG_SRC, primitive.source(), source.operand()));
    Descriptor weights = primitive.weights().orElseThrow();
    arguments.add(
        new Argument(
            OneDnnConstants.ARG_WEIGHTS,
            weights,
            new Operand.Constant(entry.matrix(weights).offset())));
    if (bias) {
      Constants.Place vector = entry.vector().orElseThrow();
      arguments.add(
          new Argument(
              OneDnnConstants.ARG_BIAS, vector.layout(), new Operand.Constant(vector.offset())));
    }
    if (!postOps.isEmpty() && postOps.getFirst() instanceof PostOp.Binary binary) {
      arguments.add(
          new Argument(
              OneDnnConstants.argBinaryPostOp(0),
              binary.operand(),
              shortcut.orElseThrow().operand()));
    }
    arguments.add(new Argument(OneDnnConstants.ARG_DST, primitive.destination(), output.operand()));
    kernel(node, primitive, arguments, layout.bytes());
    return output;
  }

  private static boolean isLinear(Node node) {
    return node.layer() instanceof Layer.Linear
        || (node.layer() instanceof Layer.Fused fused && fused.main() instanceof Layer.Linear);
  }

  /** How the shortcut is added: over its own place where nothing needs it any more. */
  private PostOp combination(Node node, Value shortcut) {
    Node from = node.inputs().getLast();
    boolean dead =
        shortcut.operand() instanceof Operand.Activation
            && liveness.lastRead(from) == liveness.step(node)
            && from != node.input()
            && node != graph.output();
    if (dead) {
      return new PostOp.Sum();
    }
    Descriptor operand =
        isLinear(node) ? descriptors.plain(batch, node.shape().channels()) : shortcut.layout();
    return new PostOp.Binary(OneDnnConstants.BINARY_ADD, operand);
  }

  /** A fully connected layer has two extents where the graph has four. */
  private Descriptor fourExtents(Node node, Descriptor layout) {
    return isLinear(node)
        ? descriptors.plain(batch, node.shape())
        : descriptors.canonical(layout, batch, node.shape());
  }

  private Value asMatrix(Node node, Value value) {
    Shape shape = node.input().shape();
    Descriptor plain = descriptors.plain(batch, shape);
    Value source = value.layout() == plain ? value : temporary(node, value, plain);
    return new Value(descriptors.plain(batch, shape.channels()), source.operand());
  }

  /**
   * The best implementation: one that takes the input as it lies and the weights as another batch
   * size has them, if that is a fast one.
   */
  private Primitive choose(
      Node node,
      Descriptor source,
      Constants.Entry entry,
      Descriptor anyWeights,
      List<PostOp> postOps,
      Maker maker) {
    List<PostOp> operations = List.copyOf(postOps);
    Optional<Primitive> fallBack = Optional.empty();
    List<Descriptor> weightLayouts = new ArrayList<>(entry.layouts());
    weightLayouts.add(anyWeights);
    // A matrix has one layout; everything else may be copied into another one.
    List<Descriptor> sourceLayouts =
        isLinear(node) && node.input().shape().isFlat()
            ? List.of(source)
            : List.of(source, descriptors.any(Descriptors.dims(batch, node.input().shape())));
    for (Descriptor sourceLayout : sourceLayouts) {
      for (Descriptor weights : weightLayouts) {
        Optional<Primitive> primitive = maker.make(sourceLayout, weights, operations);
        if (primitive.isPresent() && !primitive.get().isSlow()) {
          return primitive.get();
        }
        fallBack = fallBack.or(() -> primitive);
      }
    }
    return fallBack.orElseThrow(() -> unsupported(node));
  }

  /**
   * oneDNN's batch norm is given a mean of 0 and a standard deviation of 1, since the scale and the
   * shift have absorbed the node's. Some of the 1 is its epsilon's: padding channels have a
   * variance of 0, and with an epsilon of 0 they would become NaN and spoil what reads them. (A
   * multiplication with a fused addition gives wrong sums for one value per channel: oneDNN 3.13,
   * {@code jit:uni} binary with a per-channel binary post-op.)
   */
  private Value batchNorm(Node node) {
    int channels = node.shape().channels();
    Descriptor perChannel = descriptors.plain(channels);
    Descriptor rows = descriptors.plain(4, channels);
    Constants.Entry entry =
        constants.entry(
            node,
            rows,
            Optional.empty(),
            (weights, matrix, _) -> {
              long row = perChannel.bytes();
              Folding.affine(node, weights, matrix.asSlice(0, row), matrix.asSlice(row, row));
              for (int c = 0; c < channels; c++) {
                matrix.setAtIndex(ValueLayout.JAVA_FLOAT, 2L * channels + c, 0);
                matrix.setAtIndex(ValueLayout.JAVA_FLOAT, 3L * channels + c, 1 - EPSILON);
              }
            });
    Value source = value(node.input());
    Primitive primitive =
        primitives
            .make(new Primitives.BatchNormalization(source.layout(), EPSILON))
            .orElseThrow(() -> unsupported(node));
    Value output = place(node, source.layout());
    List<Argument> arguments = new ArrayList<>(unary(primitive, source, output));
    long offset = entry.matrix(rows).offset();
    for (int argument :
        List.of(
            OneDnnConstants.ARG_SCALE,
            OneDnnConstants.ARG_SHIFT,
            OneDnnConstants.ARG_MEAN,
            OneDnnConstants.ARG_VARIANCE)) {
      arguments.add(new Argument(argument, perChannel, new Operand.Constant(offset)));
      offset += perChannel.bytes();
    }
    kernel(node, primitive, arguments, output.layout().bytes());
    return output;
  }

  private Value relu(Node node) {
    Value source = value(node.input());
    Primitive primitive =
        primitives.make(new Primitives.Relu(source.layout())).orElseThrow(() -> unsupported(node));
    Value output = place(node, source.layout());
    kernel(node, primitive, unary(primitive, source, output), output.layout().bytes());
    return output;
  }

  private Value add(Node node) {
    // The shortcut comes first, since the output may take the place of a binary's first input only.
    Value first = value(node.inputs().getLast());
    Value second = value(node.inputs().getFirst());
    if (first.layout() != second.layout()) {
      second = temporary(node, second, first.layout());
    }
    ownPlace[liveness.step(node)] =
        liveness.lastRead(node.inputs().getLast()) != liveness.step(node);
    Primitive primitive =
        primitives
            .make(new Primitives.Binary(OneDnnConstants.BINARY_ADD, first.layout(), first.layout()))
            .orElseThrow(() -> unsupported(node));
    Value output = place(node, first.layout());
    kernel(
        node,
        primitive,
        List.of(
            new Argument(OneDnnConstants.ARG_SRC, first.layout(), first.operand()),
            new Argument(OneDnnConstants.ARG_SRC_1, first.layout(), second.operand()),
            new Argument(OneDnnConstants.ARG_DST, output.layout(), output.operand())),
        output.layout().bytes());
    return output;
  }

  /** A pooling's numbers. */
  private record Window(
      int algorithm,
      int kernelHeight,
      int kernelWidth,
      int strideHeight,
      int strideWidth,
      int padding) {
    static Window mean(
        int kernelHeight, int kernelWidth, int strideHeight, int strideWidth, int padding) {
      return new Window(
          OneDnnConstants.POOLING_AVG_INCLUDE_PADDING,
          kernelHeight,
          kernelWidth,
          strideHeight,
          strideWidth,
          padding);
    }
  }

  private Value pooling(Node node, Window window) {
    Value source = value(node.input());
    Shape x = node.input().shape();
    List<Descriptor> layouts =
        List.of(
            source.layout(),
            descriptors.blocked16(batch, x),
            descriptors.blocked8(batch, x),
            descriptors.nhwc(batch, x));
    Optional<Primitive> chosen = Optional.empty();
    for (Descriptor layout : layouts) {
      Optional<Primitive> primitive =
          primitives.make(
              new Primitives.Pooling(
                  window.algorithm(),
                  layout,
                  descriptors.any(Descriptors.dims(batch, node.shape())),
                  window.kernelHeight(),
                  window.kernelWidth(),
                  window.strideHeight(),
                  window.strideWidth(),
                  window.padding()));
      if (primitive.isPresent() && (chosen.isEmpty() || !primitive.get().isSlow())) {
        chosen = primitive;
        if (!primitive.get().isSlow()) {
          break;
        }
      }
    }
    Primitive primitive = chosen.orElseThrow(() -> unsupported(node));
    if (primitive.source() != source.layout()) {
      source = temporary(node, source, primitive.source());
    }
    Descriptor layout = descriptors.canonical(primitive.destination(), batch, node.shape());
    Value output = place(node, layout);
    kernel(
        node,
        primitive,
        List.of(
            new Argument(OneDnnConstants.ARG_SRC, primitive.source(), source.operand()),
            new Argument(OneDnnConstants.ARG_DST, primitive.destination(), output.operand())),
        layout.bytes());
    return output;
  }

  /**
   * Even windows are a pooling. Uneven ones are a product with a matrix of zeros and ones, which
   * sums exactly what a loop over the window would, and a division by the windows' sizes.
   */
  private Value adaptivePooling(Node node, Layer.AdaptiveAveragePool layer) {
    Shape x = node.input().shape();
    int size = layer.size();
    if (x.height() % size == 0 && x.width() % size == 0) {
      int height = x.height() / size;
      int width = x.width() / size;
      return pooling(node, Window.mean(height, width, height, width, 0));
    }
    long pixels = (long) x.height() * x.width();
    long windows = (long) size * size;
    Descriptor membership = descriptors.plain(pixels, windows);
    Descriptor counts = descriptors.plain(1, windows);
    Constants.Entry entry =
        constants.entry(
            node,
            membership,
            Optional.of(counts),
            (_, matrix, vector) -> windows(layer, x, matrix, vector));
    Descriptor plain = descriptors.plain(batch, x);
    Value source = value(node.input());
    if (source.layout() != plain) {
      source = temporary(node, source, plain);
    }
    long rows = (long) batch * x.channels();
    Primitive primitive =
        primitives
            .make(
                new Primitives.Matmul(
                    descriptors.plain(rows, pixels),
                    membership,
                    descriptors.plain(rows, windows),
                    List.of(new PostOp.Binary(OneDnnConstants.BINARY_DIV, counts))))
            .orElseThrow(() -> unsupported(node));
    Value output = place(node, descriptors.plain(batch, node.shape()));
    kernel(
        node,
        primitive,
        List.of(
            new Argument(OneDnnConstants.ARG_SRC, primitive.source(), source.operand()),
            new Argument(
                OneDnnConstants.ARG_WEIGHTS,
                membership,
                new Operand.Constant(entry.matrix(membership).offset())),
            new Argument(
                OneDnnConstants.argBinaryPostOp(0),
                counts,
                new Operand.Constant(entry.vector().orElseThrow().offset())),
            new Argument(OneDnnConstants.ARG_DST, primitive.destination(), output.operand())),
        output.layout().bytes());
    return output;
  }

  private static void windows(
      Layer.AdaptiveAveragePool layer, Shape x, MemorySegment membership, MemorySegment counts) {
    int size = layer.size();
    long windows = (long) size * size;
    for (int i = 0; i < size; i++) {
      for (int j = 0; j < size; j++) {
        long window = (long) i * size + j;
        int count = 0;
        for (int row = layer.start(i, x.height()); row < layer.end(i, x.height()); row++) {
          for (int column = layer.start(j, x.width()); column < layer.end(j, x.width()); column++) {
            long pixel = (long) row * x.width() + column;
            membership.setAtIndex(ValueLayout.JAVA_FLOAT, pixel * windows + window, 1);
            count++;
          }
        }
        counts.setAtIndex(ValueLayout.JAVA_FLOAT, window, count);
      }
    }
  }

  /**
   * A 1x1 convolution whose filter has a one where a channel is kept: exact, since a sum of one
   * value and zeros is that value, and as fast as copying.
   */
  private Value subsample(Node node, Layer.Subsample layer) {
    int inputs = node.input().shape().channels();
    int outputs = node.shape().channels();
    long[] filter = {outputs, inputs, 1, 1};
    Constants.Entry entry =
        constants.entry(
            node,
            descriptors.plain(filter),
            Optional.empty(),
            (_, matrix, _) -> {
              for (int c = 0; c < inputs; c++) {
                long index = (long) (layer.channelsBefore() + c) * inputs + c;
                matrix.setAtIndex(ValueLayout.JAVA_FLOAT, index, 1);
              }
            });
    return weighted(
        node,
        entry,
        false,
        false,
        (source, weights, postOps) ->
            primitives.make(
                new Primitives.Convolution(
                    source,
                    weights,
                    Optional.empty(),
                    descriptors.any(Descriptors.dims(batch, node.shape())),
                    layer.stride(),
                    1,
                    0,
                    postOps)),
        descriptors.any(filter),
        false);
  }

  private Value softmax(Node node) {
    Value source = value(node.input());
    Primitive primitive =
        primitives
            .make(new Primitives.Softmax(source.layout(), source.layout()))
            .orElseThrow(() -> unsupported(node));
    Value output = place(node, source.layout());
    kernel(node, primitive, unary(primitive, source, output), output.layout().bytes());
    return output;
  }

  /** Our own code, on the slot's thread: oneDNN has no primitive for it. */
  private Value topK(Node node, Layer.TopK layer) {
    if (node != graph.output()) {
      throw new ModelException(
          "%s (%s) can only be the last layer of a graph"
              .formatted(node.name(), layer.description()));
    }
    Value source = value(node.input());
    Descriptor plain = descriptors.plain(batch, node.input().shape());
    if (source.layout() != plain || !(source.operand() instanceof Operand.Activation)) {
      source = temporary(node, source, plain);
    }
    ranking =
        Optional.of(
            new Program.Ranking(
                node.name(),
                (Operand.Activation) source.operand(),
                new TopChannels(layer, node.input().shape())));
    Descriptor results = descriptors.plain(batch, node.shape());
    kernels.add(new Kernel(node, "java", results.bytes(), 0));
    return new Value(results, new Operand.Output());
  }

  private Value flatten(Node node) {
    Value copied = copy(node, descriptors.plain(batch, node.input().shape()));
    return new Value(descriptors.plain(batch, node.shape()), copied.operand());
  }

  private Value copy(Node node, Descriptor layout) {
    Value source = value(node.input());
    ownPlace[liveness.step(node)] = true;
    Value output = place(node, layout);
    reorder(node, source, output);
    return output;
  }

  private static List<Argument> unary(Primitive primitive, Value source, Value output) {
    return List.of(
        new Argument(OneDnnConstants.ARG_SRC, primitive.source(), source.operand()),
        new Argument(OneDnnConstants.ARG_DST, primitive.destination(), output.operand()));
  }

  /** The node's main call: what is reported of it. */
  private void kernel(Node node, Primitive primitive, List<Argument> arguments, long outputBytes) {
    call(node, primitive, arguments);
    kernels.add(
        new Kernel(node, primitive.implementation(), outputBytes, primitive.scratchBytes()));
  }

  private void call(Node node, Primitive primitive, List<Argument> arguments) {
    List<Argument> all = new ArrayList<>(arguments);
    primitive
        .scratch()
        .ifPresent(scratch ->
            all.add(
                new Argument(
                    OneDnnConstants.ARG_SCRATCHPAD,
                    scratch,
                    temporary(node.name() + " scratch", scratch.bytes(), node))));
    calls.add(new Call(node.name(), attempt(node), primitive, List.copyOf(all)));
  }

  private Value temporary(Node node, Value source, Descriptor layout) {
    var copy = new Value(layout, temporary(node.name() + " copy", layout.bytes(), node));
    reorder(node, source, copy);
    return copy;
  }

  private Operand temporary(String name, long size, Node node) {
    temporaries.add(Buffer.scratch(name, size, liveness.step(node)));
    return new Operand.Activation(bytes.length + temporaries.size() - 1);
  }

  private void reorder(Node node, Value source, Value target) {
    Primitive primitive =
        primitives
            .make(new Primitives.Reorder(source.layout(), target.layout()))
            .orElseThrow(() -> unsupported(node));
    call(node, primitive, unary(primitive, source, target));
  }

  /** Where a node's output goes: straight to the caller if it is the last and plain. */
  private Value place(Node node, Descriptor layout) {
    if (node == graph.output() && layout == descriptors.plain(batch, node.shape())) {
      return new Value(layout, new Operand.Output());
    }
    int step = liveness.step(node);
    bytes[step] = layout.bytes();
    return new Value(layout, new Operand.Activation(step));
  }

  private List<Buffer> buffers() {
    List<Buffer> buffers = new ArrayList<>();
    for (Buffer buffer : liveness.buffers(node -> bytes[liveness.step(node)])) {
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
    List<KernelReport> reports = new ArrayList<>();
    for (Kernel kernel : kernels) {
      int step = liveness.step(kernel.node());
      checkInPlace(kernel.node(), plan, step);
      reports.add(
          new KernelReport(
              kernel.node(),
              batch,
              kernel.implementation(),
              value(kernel.node()).operand() instanceof Operand.Activation ? plan.offset(step) : -1,
              kernel.bytes(),
              kernel.scratchBytes()));
    }
    return reports;
  }

  /** A kernel that sums into its output's place needs the shortcut to lie there. */
  private void checkInPlace(Node node, MemoryPlan plan, int step) {
    boolean needed =
        node.layer() instanceof Layer.Fused fused && fused.residual() && !ownPlace[step];
    if (needed && !plan.inPlace(step)) {
      throw new IllegalStateException(
          "the plan keeps %s from being written over its shortcut".formatted(node.name()));
    }
  }

  private Value value(Node node) {
    Value value = values.get(node);
    if (value == null) {
      throw new IllegalStateException(node.name() + " is read before it is computed");
    }
    return value;
  }

  private static OneDnnException unsupported(Node node) {
    return OneDnnException.unimplemented(node.layer().description());
  }

  private String attempt(Node node) {
    return "%s (%s) on %s, batch %d"
        .formatted(
            node.name(),
            node.layer().description(),
            node.inputs().isEmpty() ? node.shape() : node.input().shape(),
            batch);
  }
}
