package dev.shortcut.engine.cost;

import dev.shortcut.engine.Precision;
import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Layout;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Shape;
import dev.shortcut.engine.pass.Passes;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Function;

/**
 * What a network costs for one image, by layer, block, stage and in all. Immutable.
 *
 * @param graph the network as defined
 * @param precision the type of weights and activations in memory
 * @param layers one for each node, in the order of the schedule
 */
public record CostReport(Graph graph, Precision precision, List<LayerCost> layers) {
  /** Copies the list. */
  public CostReport {
    layers = List.copyOf(layers);
  }

  /**
   * Counts.
   *
   * @param graph the network as defined, before any pass
   * @param precision the type of weights and activations in memory
   */
  public static CostReport of(Graph graph, Precision precision) {
    Graph fused = Passes.apply(graph, Passes.all(Layout.NCHW));
    Map<String, Node> kernels = new HashMap<>();
    fused.kernels().forEach(kernel -> kernels.put(kernel.name(), kernel));
    Map<String, Long> blockElements = blockElements(fused);
    List<LayerCost> layers = new ArrayList<>();
    for (Node node : graph.nodes()) {
      Node kernel = kernels.get(node.name());
      boolean computes = node.layer().isKernel();
      long foldedParameters = kernel == null ? 0 : foldedParameters(kernel);
      var cost =
          new Cost(
              macs(node),
              elementwiseOps(node),
              parameters(node),
              foldedParameters,
              foldedParameters * precision.bytes(),
              computes ? elements(node) * precision.bytes() : 0,
              kernel == null ? 0 : elements(kernel) * precision.bytes(),
              blockElements.getOrDefault(node.name(), 0L) * precision.bytes(),
              node.layer() instanceof Layer.Convolution ? node.shape().elements() : 0,
              computes ? 1 : 0,
              kernel == null ? 0 : 1);
      layers.add(new LayerCost(node, cost));
    }
    return new CostReport(graph, precision, layers);
  }

  /** The whole network. */
  public Cost total() {
    return layers.stream().map(LayerCost::cost).reduce(Cost.NOTHING, Cost::plus);
  }

  /** By stage, in the order of the network; layers outside of stages under an empty name. */
  public SequencedMap<String, Cost> byStage() {
    return by(Node::stage);
  }

  /** By residual unit, in the order of the network; layers outside of units are left out. */
  public SequencedMap<String, Cost> byBlock() {
    SequencedMap<String, Cost> blocks = new LinkedHashMap<>(by(Node::block));
    blocks.remove("");
    return Collections.unmodifiableSequencedMap(blocks);
  }

  private SequencedMap<String, Cost> by(Function<Node, String> part) {
    SequencedMap<String, Cost> sums = new LinkedHashMap<>();
    for (LayerCost layer : layers) {
      sums.merge(part.apply(layer.node()), layer.cost(), Cost::plus);
    }
    return Collections.unmodifiableSequencedMap(sums);
  }

  private static long macs(Node node) {
    long out = node.shape().elements();
    return switch (node.layer()) {
      case Layer.Convolution c ->
          out * (node.input().shape().channels() / c.groups()) * c.kernel() * c.kernel();
      case Layer.Linear _ -> out * node.input().shape().elements();
      case Layer.Fused _ -> throw asDefined(node);
      case Layer.BatchNorm _, Layer.Relu _, Layer.Add _, Layer.MaxPool _, Layer.AveragePool _ -> 0;
      case Layer.GlobalAveragePool _, Layer.AdaptiveAveragePool _, Layer.Subsample _ -> 0;
      case Layer.Flatten _, Layer.Dropout _, Layer.Softmax _, Layer.TopK _, Layer.Input _ -> 0;
    };
  }

  private static long elementwiseOps(Node node) {
    long out = node.shape().elements();
    return switch (node.layer()) {
      case Layer.Weighted main -> main.bias() ? out : 0;
      case Layer.BatchNorm _ -> 2 * out;
      case Layer.Relu _, Layer.Add _ -> out;
      case Layer.MaxPool pool -> out * pool.kernel() * pool.kernel();
      case Layer.AveragePool pool -> out * pool.kernel() * pool.kernel();
      case Layer.GlobalAveragePool _ -> node.input().shape().elements();
      case Layer.AdaptiveAveragePool pool -> windowElements(pool, node.input().shape());
      case Layer.Softmax _ -> 5 * out;
      case Layer.TopK top -> top.k() * node.input().shape().elements();
      case Layer.Fused _ -> throw asDefined(node);
      case Layer.Subsample _, Layer.Flatten _, Layer.Dropout _, Layer.Input _ -> 0;
    };
  }

  private static IllegalArgumentException asDefined(Node node) {
    return new IllegalArgumentException(
        "costs are counted on the graph as defined, but %s is %s, which only passes make"
            .formatted(node.name(), node.layer().kind()));
  }

  /** The windows may overlap, so that a value counts as often as it is read. */
  private static long windowElements(Layer.AdaptiveAveragePool pool, Shape x) {
    long rows = 0;
    long columns = 0;
    for (int i = 0; i < pool.size(); i++) {
      rows += pool.end(i, x.height()) - pool.start(i, x.height());
      columns += pool.end(i, x.width()) - pool.start(i, x.width());
    }
    return x.channels() * rows * columns;
  }

  private static long parameters(Node node) {
    return node.parameters().stream()
        .filter(parameter ->
            switch (parameter.role()) {
              case WEIGHT, BIAS, SCALE, SHIFT -> true;
              case RUNNING_MEAN, RUNNING_VARIANCE -> false; // statistics, not trained
            })
        .mapToLong(Parameter::elements)
        .sum();
  }

  private static long foldedParameters(Node kernel) {
    if (kernel.layer() instanceof Layer.Fused fused && fused.batchNorm() != null) {
      Parameter weight = kernel.parameter(Parameter.Role.WEIGHT).orElseThrow();
      return weight.elements() + weight.dims().getFirst();
    }
    return parameters(kernel);
  }

  /** What one kernel reads and writes. */
  private static long elements(Node kernel) {
    long elements = kernel.shape().elements();
    for (int i = 0; i < kernel.inputs().size(); i++) {
      elements += read(kernel, i);
    }
    return elements;
  }

  /**
   * The values of its input that a kernel needs: a 1x1 convolution of stride 2 needs a quarter of
   * them.
   */
  private static long read(Node kernel, int index) {
    Shape x = kernel.inputs().get(index).shape();
    Layer main = kernel.layer() instanceof Layer.Fused fused ? fused.main() : kernel.layer();
    return switch (main) {
      case Layer.Convolution c when index == 0 ->
          touched(x, c.kernel(), c.stride(), c.padding(), c.dilation());
      case Layer.Subsample s -> touched(x, 1, s.stride(), 0, 1);
      case Layer.MaxPool p -> touched(x, p.kernel(), p.stride(), p.padding(), 1);
      case Layer.AveragePool p -> touched(x, p.kernel(), p.stride(), p.padding(), 1);
      case Layer.Convolution _, Layer.Linear _, Layer.BatchNorm _, Layer.Relu _, Layer.Add _ ->
          x.elements();
      case Layer.GlobalAveragePool _, Layer.AdaptiveAveragePool _, Layer.Flatten _ -> x.elements();
      case Layer.Dropout _, Layer.Softmax _, Layer.TopK _, Layer.Input _, Layer.Fused _ ->
          x.elements();
    };
  }

  /** How many values some window reads. */
  private static long touched(Shape x, int kernel, int stride, int padding, int dilation) {
    return x.channels()
        * touched(x.height(), kernel, stride, padding, dilation)
        * touched(x.width(), kernel, stride, padding, dilation);
  }

  private static long touched(int size, int kernel, int stride, int padding, int dilation) {
    var touched = new BitSet(size);
    long lastFirst = size + (long) padding - ((long) dilation * (kernel - 1) + 1);
    for (long first = -padding; first <= lastFirst; first += stride) {
      for (long tap = 0; tap < kernel; tap++) {
        long row = first + tap * dilation;
        if (row >= 0 && row < size) {
          touched.set((int) row);
        }
      }
    }
    return touched.cardinality();
  }

  /**
   * What each kernel reads and writes under {@link Traffic#BLOCK}: of what comes from outside of
   * its group the most that one of the group needs, counted where the group reads it first, and
   * what something outside of the group reads.
   */
  private static Map<String, Long> blockElements(Graph fused) {
    Map<Node, Object> groups = groups(fused);
    Set<Node> leaving = new HashSet<>(List.of(fused.output()));
    Map<Object, Map<Node, Long>> needs = new HashMap<>();
    for (Node kernel : fused.kernels()) {
      Object group = groups.get(kernel);
      for (int i = 0; i < kernel.inputs().size(); i++) {
        Node input = kernel.inputs().get(i);
        if (!Objects.equals(group, groups.get(input))) {
          leaving.add(input);
          needs
              .computeIfAbsent(group, _ -> new HashMap<>())
              .merge(input, read(kernel, i), Math::max);
        }
      }
    }
    Map<String, Long> elements = new HashMap<>();
    for (Node kernel : fused.kernels()) {
      Map<Node, Long> unread = needs.getOrDefault(groups.get(kernel), new HashMap<>());
      long sum = leaving.contains(kernel) ? kernel.shape().elements() : 0;
      for (Node input : kernel.inputs()) {
        Long read = unread.remove(input);
        sum += read == null ? 0 : read;
      }
      elements.put(kernel.name(), sum);
    }
    return elements;
  }

  /** What runs as one kernel under {@link Traffic#BLOCK}: nodes with the same value here. */
  private static Map<Node, Object> groups(Graph fused) {
    Map<Node, Object> groups = new IdentityHashMap<>();
    for (Node node : fused.nodes()) {
      boolean pools = node.layer() instanceof Layer.MaxPool && fused.readers(node.input()) == 1;
      if (!node.block().isEmpty()) {
        groups.put(node, node.block());
      } else if (pools && node.input().block().isEmpty() && node.input() != fused.input()) {
        groups.put(node, groups.get(node.input()));
      } else {
        groups.put(node, node);
      }
    }
    return groups;
  }
}
