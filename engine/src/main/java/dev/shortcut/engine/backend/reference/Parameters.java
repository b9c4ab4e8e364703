package dev.shortcut.engine.backend.reference;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.shortcut.engine.graph.Graph;
import dev.shortcut.engine.graph.Layer;
import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Parameter;
import dev.shortcut.engine.graph.Parameter.Role;
import dev.shortcut.engine.graph.Weights;
import dev.shortcut.engine.pass.Folding;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A graph's tensors as floats, just as the weights have them; shared by all slots. */
final class Parameters {
  private final Map<String, MemorySegment> tensors = new HashMap<>();

  private Parameters() {}

  /** Bytes that {@link #read} takes from its arena. */
  static long bytes(Graph graph) {
    return Float.BYTES * graph.parameters().stream().mapToLong(Parameter::elements).sum();
  }

  static Parameters read(Graph graph, Weights weights, Arena owner) {
    var parameters = new Parameters();
    for (Node node : graph.nodes()) {
      for (Parameter parameter : node.parameters()) {
        MemorySegment tensor = owner.allocate(JAVA_FLOAT, parameter.elements());
        Folding.read(node, parameter, weights, tensor);
        parameters.tensors.put(parameter.name(), tensor);
      }
    }
    return parameters;
  }

  /** The filter of a convolution or the matrix of a linear layer. */
  MemorySegment weight(Node node) {
    return tensor(node, Role.WEIGHT);
  }

  /** The bias of a convolution or of a linear layer, if it has one. */
  double @Nullable [] bias(Node node) {
    return node.parameter(Role.BIAS).isPresent() ? doubles(node, Role.BIAS) : null;
  }

  /** The numbers of a node's batch norm, on its own or fused. */
  ChannelAffine batchNorm(Node node, Layer.BatchNorm layer) {
    return ChannelAffine.of(
        doubles(node, Role.SCALE),
        doubles(node, Role.SHIFT),
        doubles(node, Role.RUNNING_MEAN),
        doubles(node, Role.RUNNING_VARIANCE),
        layer.epsilon());
  }

  private double[] doubles(Node node, Role role) {
    MemorySegment tensor = tensor(node, role);
    double[] values = new double[Math.toIntExact(tensor.byteSize() / Float.BYTES)];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.getAtIndex(JAVA_FLOAT, i);
    }
    return values;
  }

  private MemorySegment tensor(Node node, Role role) {
    MemorySegment tensor = tensors.get(node.parameter(role).orElseThrow().name());
    if (tensor == null) {
      throw new IllegalArgumentException(node.name() + " is not in the graph that was read");
    }
    return tensor;
  }
}
