package dev.shortcut.benchmarks;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.OperatorSetIdProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import ai.onnx.proto.OnnxMl.TensorShapeProto;
import ai.onnx.proto.OnnxMl.TypeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.graph.Weights;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Makes ONNX models of graphs, so that other engines can run the very same network: operator for
 * layer as the graph is defined, nothing folded or fused, with a batch size left open.
 *
 * <p>Operators are those of operator set 13 (github.com/onnx/onnx, docs/Operators.md). A layer
 * whose output has one value per channel may be a matrix (batch, channels) in ONNX where it is an
 * image (batch, channels, 1, 1) elsewhere; what reads it puts that right.
 */
final class OnnxExport {
  /** The name of the model's one input: floats (batch, channels, rows, columns). */
  static final String INPUT = "input";

  /** The dimension that is left open. */
  static final String BATCH = "batch";

  private static final int IR_VERSION = 8;
  private static final int OPERATOR_SET = 13;

  private final GraphProto.Builder model = GraphProto.newBuilder();
  private final Weights weights;

  /** The ONNX value that holds each node's output. */
  private final Map<Node, Value> values = new HashMap<>();

  /** A value by its name, as an image (rank 4) or as a matrix (rank 2). */
  private record Value(String name, boolean isImage) {}

  private OnnxExport(Weights weights) {
    this.weights = weights;
  }

  /**
   * The model that computes {@code graph}; its one output is called as the graph's output node.
   *
   * @param graph as defined, before any pass
   * @param weights read here and not kept
   * @throws IllegalArgumentException if the graph holds fused layers
   */
  static ModelProto export(Graph graph, Weights weights) {
    var export = new OnnxExport(weights);
    export.model.setName(graph.name());
    for (Node node : graph.nodes()) {
      export.values.put(node, export.node(node));
    }
    Value output = export.value(graph.output());
    Shape shape = graph.output().shape();
    export.model.addOutput(
        output.isImage
            ? floats(output.name, shape.channels(), shape.height(), shape.width())
            : floats(output.name, shape.channels()));
    return ModelProto.newBuilder()
        .setIrVersion(IR_VERSION)
        .setProducerName("Shortcut")
        .addOpsetImport(OperatorSetIdProto.newBuilder().setVersion(OPERATOR_SET))
        .setGraph(export.model)
        .build();
  }

  private Value node(Node node) {
    String name = node.name();
    return switch (node.layer()) {
      case Layer.Input input -> {
        Shape shape = input.shape();
        model.addInput(floats(INPUT, shape.channels(), shape.height(), shape.width()));
        yield new Value(INPUT, true);
      }
      case Layer.Convolution c ->
          image(
              operator("Conv", name, withTensors(image(node.input()), node))
                  .addAttribute(ints("kernel_shape", c.kernel(), c.kernel()))
                  .addAttribute(ints("strides", c.stride(), c.stride()))
                  .addAttribute(pads(c.padding()))
                  .addAttribute(ints("dilations", c.dilation(), c.dilation()))
                  .addAttribute(integer("group", c.groups())));
      case Layer.BatchNorm norm ->
          add(
              operator("BatchNormalization", name, withTensors(value(node.input()).name, node))
                  .addAttribute(
                      AttributeProto.newBuilder()
                          .setName("epsilon")
                          .setType(AttributeProto.AttributeType.FLOAT)
                          .setF((float) norm.epsilon())),
              value(node.input()).isImage);
      case Layer.Relu _ -> add(operator("Relu", name, value(node.input()).name), isImage(node));
      case Layer.Dropout _ ->
          add(operator("Identity", name, value(node.input()).name), isImage(node));
      case Layer.Softmax _ ->
          add(
              operator("Softmax", name, value(node.input()).name).addAttribute(integer("axis", 1)),
              isImage(node));
      case Layer.Add _ -> {
        Node other = node.inputs().getLast();
        boolean images = isImage(node) && value(other).isImage;
        yield images
            ? image(operator("Add", name, image(node.input()), image(other)))
            : add(operator("Add", name, matrix(node.input()), matrix(other)), false);
      }
      case Layer.MaxPool p -> image(pool("MaxPool", node, p.kernel(), p.stride(), p.padding()));
      case Layer.AveragePool p ->
          image(
              pool("AveragePool", node, p.kernel(), p.stride(), p.padding())
                  .addAttribute(integer("count_include_pad", 1)));
      case Layer.GlobalAveragePool _ ->
          image(operator("GlobalAveragePool", name, image(node.input())));
      case Layer.AdaptiveAveragePool p -> adaptivePool(node, p);
      case Layer.Linear _ ->
          add(
              operator("Gemm", name, withTensors(matrix(node.input()), node))
                  .addAttribute(integer("transB", 1)),
              false);
      case Layer.Subsample s -> subsample(node, s);
      case Layer.Flatten _ -> add(operator("Flatten", name, value(node.input()).name), false);
      case Layer.TopK _ ->
          throw new IllegalArgumentException(
              "cannot export %s to ONNX: ask for logits or probabilities instead of %s"
                  .formatted(model.getName(), node.layer().description()));
      case Layer.Fused _ ->
          throw new IllegalArgumentException(
              "cannot export %s to ONNX: %s is %s, which passes make; export the graph as defined"
                  .formatted(model.getName(), name, node.layer().kind()));
    };
  }

  /**
   * ONNX has no adaptive pool. A mean over a window is a mean over its rows of the means over its
   * columns, and so the whole layer is {@code rows * x * columns}, with one constant matrix of
   * weights on each side.
   */
  private Value adaptivePool(Node node, Layer.AdaptiveAveragePool pool) {
    String name = node.name();
    Shape x = node.input().shape();
    if (x.height() == pool.size() && x.width() == pool.size()) {
      return image(operator("Identity", name, image(node.input())));
    }
    String rows = name + ".rows";
    float[] rowWeights = new float[pool.size() * x.height()];
    String columns = name + ".columns";
    float[] columnWeights = new float[x.width() * pool.size()];
    for (int i = 0; i < pool.size(); i++) {
      for (int y = pool.start(i, x.height()), end = pool.end(i, x.height()), n = end - y;
          y < end;
          y++) {
        rowWeights[i * x.height() + y] = 1f / n;
      }
      for (int y = pool.start(i, x.width()), end = pool.end(i, x.width()), n = end - y;
          y < end;
          y++) {
        columnWeights[y * pool.size() + i] = 1f / n;
      }
    }
    tensor(rows, List.of(pool.size(), x.height()), rowWeights);
    tensor(columns, List.of(x.width(), pool.size()), columnWeights);
    Value half = image(operator("MatMul", name + ".half", image(node.input()), columns));
    return image(operator("MatMul", name, rows, half.name));
  }

  private Value subsample(Node node, Layer.Subsample subsample) {
    String name = node.name();
    Shape x = node.input().shape();
    String starts = integers(name + ".starts", 0, 0);
    String ends = integers(name + ".ends", x.height(), x.width());
    String axes = integers(name + ".axes", 2, 3);
    String steps = integers(name + ".steps", subsample.stride(), subsample.stride());
    Value sliced =
        image(operator("Slice", name + ".slice", image(node.input()), starts, ends, axes, steps));
    String pads =
        integers(
            name + ".pads",
            0,
            subsample.channelsBefore(),
            0,
            0,
            0,
            subsample.channelsAfter(),
            0,
            0);
    return image(operator("Pad", name, sliced.name, pads));
  }

  private NodeProto.Builder pool(String type, Node node, int kernel, int stride, int padding) {
    return operator(type, node.name(), image(node.input()))
        .addAttribute(ints("kernel_shape", kernel, kernel))
        .addAttribute(ints("strides", stride, stride))
        .addAttribute(pads(padding));
  }

  private Value value(Node node) {
    Value value = values.get(node);
    if (value == null) {
      throw new IllegalStateException(node.name() + " is read before it is made");
    }
    return value;
  }

  private boolean isImage(Node node) {
    return value(node.input()).isImage;
  }

  /** The name of a node's output as an image. */
  private String image(Node node) {
    Value value = value(node);
    if (!value.isImage) {
      String name = value.name + ".image";
      String axes = integers(name + ".axes", 2, 3);
      value = image(operator("Unsqueeze", name, value.name, axes));
      values.put(node, value);
    }
    return value.name;
  }

  /** The name of a node's output as a matrix. */
  private String matrix(Node node) {
    Value value = value(node);
    if (value.isImage) {
      value = add(operator("Flatten", value.name + ".matrix", value.name), false);
      values.put(node, value);
    }
    return value.name;
  }

  private Value image(NodeProto.Builder operator) {
    return add(operator, true);
  }

  private Value add(NodeProto.Builder operator, boolean isImage) {
    model.addNode(operator);
    return new Value(operator.getName(), isImage);
  }

  private static NodeProto.Builder operator(String type, String name, String... inputs) {
    return NodeProto.newBuilder()
        .setOpType(type)
        .setName(name)
        .addAllInput(Arrays.asList(inputs))
        .addOutput(name);
  }

  /** An input and the node's tensors behind it, whose order is ONNX's too. */
  private String[] withTensors(String input, Node node) {
    List<Parameter> parameters = node.parameters();
    for (Parameter parameter : parameters) {
      tensor(parameter.name(), parameter.dims(), weights.read(parameter.name()));
    }
    return Stream.concat(Stream.of(input), parameters.stream().map(Parameter::name))
        .toArray(String[]::new);
  }

  private void tensor(String name, List<Integer> dims, float[] floats) {
    ByteBuffer bytes =
        ByteBuffer.allocate(floats.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(floats);
    // Nobody else has these bytes, and a copy of VGG's would be half a gigabyte.
    ByteString raw = UnsafeByteOperations.unsafeWrap(bytes);
    model.addInitializer(
        TensorProto.newBuilder()
            .setName(name)
            .setDataType(TensorProto.DataType.FLOAT_VALUE)
            .addAllDims(dims.stream().map(Integer::longValue).toList())
            .setRawData(raw));
  }

  /** Adds a constant vector and returns its name. */
  private String integers(String name, long... longs) {
    model.addInitializer(
        TensorProto.newBuilder()
            .setName(name)
            .setDataType(TensorProto.DataType.INT64_VALUE)
            .addDims(longs.length)
            .addAllInt64Data(Arrays.stream(longs).boxed().toList()));
    return name;
  }

  private static AttributeProto integer(String name, long i) {
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeProto.AttributeType.INT)
        .setI(i)
        .build();
  }

  private static AttributeProto ints(String name, long... ints) {
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeProto.AttributeType.INTS)
        .addAllInts(Arrays.stream(ints).boxed().toList())
        .build();
  }

  private static AttributeProto pads(int padding) {
    return ints("pads", padding, padding, padding, padding);
  }

  private static ValueInfoProto floats(String name, int... dims) {
    var shape =
        TensorShapeProto.newBuilder()
            .addDim(TensorShapeProto.Dimension.newBuilder().setDimParam(BATCH));
    for (int dim : dims) {
      shape.addDim(TensorShapeProto.Dimension.newBuilder().setDimValue(dim));
    }
    return ValueInfoProto.newBuilder()
        .setName(name)
        .setType(
            TypeProto.newBuilder()
                .setTensorType(
                    TypeProto.Tensor.newBuilder()
                        .setElemType(TensorProto.DataType.FLOAT_VALUE)
                        .setShape(shape)))
        .build();
  }
}
