package dev.shortcut.engine.graph;

import java.util.List;

/**
 * A tensor that a node needs from {@link Weights}: its name, its meaning and its extent. It holds
 * no bytes.
 *
 * @param name the full name, torchvision's, such as {@code layer1.0.conv1.weight}
 * @param role what the node uses it for
 * @param dims extents, outermost first: convolution weights are K,C/groups,R,S; linear weights
 *     out,in
 */
public record Parameter(String name, Role role, List<Integer> dims) {
  /** What a node uses a tensor for. */
  public enum Role {
    /** The filter of a convolution or the matrix of a linear layer. */
    WEIGHT("weight"),
    /** The bias of a convolution or of a linear layer. */
    BIAS("bias"),
    /** The factor (gamma) of a batch norm. */
    SCALE("weight"),
    /** The summand (beta) of a batch norm. */
    SHIFT("bias"),
    /** The running mean of a batch norm. */
    RUNNING_MEAN("running_mean"),
    /** The running variance of a batch norm. */
    RUNNING_VARIANCE("running_var");

    private final String suffix;

    Role(String suffix) {
      this.suffix = suffix;
    }

    /** The last component of the tensor's name, as torchvision spells it. */
    public String suffix() {
      return suffix;
    }
  }

  /** Copies the extents. */
  public Parameter {
    dims = List.copyOf(dims);
  }

  /** Number of elements. */
  public long elements() {
    return dims.stream().mapToLong(Integer::longValue).reduce(1, Math::multiplyExact);
  }
}
