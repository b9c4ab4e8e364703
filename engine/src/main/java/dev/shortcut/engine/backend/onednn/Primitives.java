package dev.shortcut.engine.backend.onednn;

import dev.shortcut.bindings.library.Closer;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * Makes and keeps the primitives of one compiled model; a kernel that occurs several times is made
 * once. Strict arithmetic, deterministic, scratch space from the caller. Not thread-safe.
 *
 * <p>Every method returns nothing where oneDNN has no implementation for these layouts.
 */
final class Primitives {
  private final OneDnn oneDnn;
  private final MemorySegment engine;
  private final Descriptors descriptors;
  private final Closer owner;
  private final Map<Object, Optional<Primitive>> made = new HashMap<>();

  Primitives(OneDnn oneDnn, MemorySegment engine, Descriptors descriptors, Closer owner) {
    this.oneDnn = oneDnn;
    this.engine = engine;
    this.descriptors = descriptors;
    this.owner = owner;
  }

  /**
   * A convolution.
   *
   * @param dilation distance between the taps of the filter, 1 for a dense one
   */
  record Convolution(
      Descriptor source,
      Descriptor weights,
      Optional<Descriptor> bias,
      Descriptor destination,
      int stride,
      int dilation,
      int padding,
      List<PostOp> postOps) {}

  Optional<Primitive> make(Convolution c) {
    return make(
        c,
        c.postOps(),
        attributes ->
            oneDnn.convolutionForwardPrimitiveDescCreate(
                engine,
                OneDnnConstants.FORWARD_INFERENCE,
                OneDnnConstants.CONVOLUTION_DIRECT,
                c.source().handle(),
                c.weights().handle(),
                c.bias().map(Descriptor::handle).orElse(MemorySegment.NULL),
                c.destination().handle(),
                square(c.stride()),
                square(c.dilation() - 1),
                square(c.padding()),
                square(c.padding()),
                attributes));
  }

  /** A fully connected layer. */
  record InnerProduct(
      Descriptor source,
      Descriptor weights,
      Optional<Descriptor> bias,
      Descriptor destination,
      List<PostOp> postOps) {}

  Optional<Primitive> make(InnerProduct p) {
    return make(
        p,
        p.postOps(),
        attributes ->
            oneDnn.innerProductForwardPrimitiveDescCreate(
                engine,
                OneDnnConstants.FORWARD_INFERENCE,
                p.source().handle(),
                p.weights().handle(),
                p.bias().map(Descriptor::handle).orElse(MemorySegment.NULL),
                p.destination().handle(),
                attributes));
  }

  /**
   * A pooling.
   *
   * @param algorithm one of oneDNN's
   */
  record Pooling(
      int algorithm,
      Descriptor source,
      Descriptor destination,
      int kernelHeight,
      int kernelWidth,
      int strideHeight,
      int strideWidth,
      int padding) {}

  Optional<Primitive> make(Pooling p) {
    return make(
        p,
        List.of(),
        attributes ->
            oneDnn.poolingForwardPrimitiveDescCreate(
                engine,
                OneDnnConstants.FORWARD_INFERENCE,
                p.algorithm(),
                p.source().handle(),
                p.destination().handle(),
                new long[] {p.strideHeight(), p.strideWidth()},
                new long[] {p.kernelHeight(), p.kernelWidth()},
                square(0),
                square(p.padding()),
                square(p.padding()),
                attributes));
  }

  /** The larger of each value and zero. */
  record Relu(Descriptor layout) {}

  Optional<Primitive> make(Relu r) {
    return make(
        r,
        List.of(),
        attributes ->
            oneDnn.eltwiseForwardPrimitiveDescCreate(
                engine,
                OneDnnConstants.FORWARD_INFERENCE,
                OneDnnConstants.ELTWISE_RELU,
                r.layout().handle(),
                r.layout().handle(),
                0,
                0,
                attributes));
  }

  /** A batch norm with given mean, variance, scale and shift, in place or not. */
  record BatchNormalization(Descriptor layout, float epsilon) {}

  Optional<Primitive> make(BatchNormalization b) {
    return make(
        b,
        List.of(),
        attributes ->
            oneDnn.batchNormalizationForwardPrimitiveDescCreate(
                engine,
                OneDnnConstants.FORWARD_INFERENCE,
                b.layout().handle(),
                b.layout().handle(),
                b.epsilon(),
                OneDnnConstants.USE_GLOBAL_STATS
                    | OneDnnConstants.USE_SCALE
                    | OneDnnConstants.USE_SHIFT,
                attributes));
  }

  /** Softmax over the second dimension. */
  record Softmax(Descriptor source, Descriptor destination) {}

  Optional<Primitive> make(Softmax s) {
    return make(
        s,
        List.of(),
        attributes ->
            oneDnn.softmaxForwardPrimitiveDescCreate(
                engine,
                OneDnnConstants.FORWARD_INFERENCE,
                OneDnnConstants.SOFTMAX_ACCURATE,
                s.source().handle(),
                s.destination().handle(),
                1,
                attributes));
  }

  /** A combination of two tensors element by element. */
  record Binary(int algorithm, Descriptor source, Descriptor operand) {}

  Optional<Primitive> make(Binary b) {
    return make(
        b,
        List.of(),
        attributes ->
            oneDnn.binaryPrimitiveDescCreate(
                engine,
                b.algorithm(),
                b.source().handle(),
                b.operand().handle(),
                b.source().handle(),
                attributes));
  }

  /** A product of two matrices. */
  record Matmul(
      Descriptor source, Descriptor weights, Descriptor destination, List<PostOp> postOps) {}

  Optional<Primitive> make(Matmul m) {
    return make(
        m,
        m.postOps(),
        attributes ->
            oneDnn.matmulPrimitiveDescCreate(
                engine,
                m.source().handle(),
                m.weights().handle(),
                MemorySegment.NULL,
                m.destination().handle(),
                attributes));
  }

  /** A copy into another layout. */
  record Reorder(Descriptor source, Descriptor destination) {}

  Optional<Primitive> make(Reorder r) {
    return make(
        r,
        List.of(),
        attributes ->
            oneDnn.reorderPrimitiveDescCreate(
                r.source().handle(), engine, r.destination().handle(), engine, attributes));
  }

  private Optional<Primitive> make(
      Object key, List<PostOp> postOps, Function<MemorySegment, MemorySegment> describe) {
    Optional<Primitive> known = made.get(key);
    if (known == null) {
      known = create(postOps, describe);
      made.put(key, known);
    }
    return known;
  }

  private Optional<Primitive> create(
      List<PostOp> postOps, Function<MemorySegment, MemorySegment> describe) {
    try (var local = new Closer()) {
      MemorySegment attributes = attributes(postOps, local);
      MemorySegment description;
      try {
        description = describe.apply(attributes);
      } catch (OneDnnException e) {
        if (e.status() == OneDnnStatus.UNIMPLEMENTED) {
          return Optional.empty();
        }
        throw e;
      }
      local.own(() -> oneDnn.primitiveDescDestroy(description));
      MemorySegment handle = oneDnn.primitiveCreate(description);
      owner.own(() -> oneDnn.primitiveDestroy(handle));
      return Optional.of(
          new Primitive(
              handle,
              oneDnn.primitiveDescQueryString(description, OneDnnConstants.QUERY_IMPL_INFO_STR),
              query(description, OneDnnConstants.QUERY_SRC_MD).orElseThrow(),
              query(description, OneDnnConstants.QUERY_WEIGHTS_MD),
              query(description, OneDnnConstants.QUERY_DST_MD).orElseThrow(),
              query(description, OneDnnConstants.QUERY_SCRATCHPAD_MD)));
    }
  }

  /** The layout that was chosen; empty for a tensor that the primitive does not have. */
  private Optional<Descriptor> query(MemorySegment description, int what) {
    MemorySegment borrowed = oneDnn.primitiveDescQueryMd(description, what, 0);
    if (borrowed.equals(MemorySegment.NULL) || oneDnn.memoryDescGetSize(borrowed) == 0) {
      return Optional.empty();
    }
    return Optional.of(descriptors.copyOf(borrowed));
  }

  private MemorySegment attributes(List<PostOp> operations, Closer local) {
    MemorySegment attributes = oneDnn.primitiveAttrCreate();
    local.own(() -> oneDnn.primitiveAttrDestroy(attributes));
    oneDnn.primitiveAttrSetScratchpadMode(attributes, OneDnnConstants.SCRATCHPAD_USER);
    // Set although it is the default: an environment variable can change the default.
    oneDnn.primitiveAttrSetFpmathMode(attributes, OneDnnConstants.FPMATH_STRICT);
    oneDnn.primitiveAttrSetDeterministic(attributes, 1);
    if (!operations.isEmpty()) {
      MemorySegment postOps = oneDnn.postOpsCreate();
      local.own(() -> oneDnn.postOpsDestroy(postOps));
      for (PostOp operation : operations) {
        switch (operation) {
          case PostOp.Sum _ -> oneDnn.postOpsAppendSum(postOps, 1, 0, OneDnnConstants.F32);
          case PostOp.Relu _ ->
              oneDnn.postOpsAppendEltwise(postOps, OneDnnConstants.ELTWISE_RELU, 0, 0);
          case PostOp.Binary b ->
              oneDnn.postOpsAppendBinary(postOps, b.algorithm(), b.operand().handle());
        }
      }
      oneDnn.primitiveAttrSetPostOps(attributes, postOps);
    }
    return attributes;
  }

  private static long[] square(long extent) {
    return new long[] {extent, extent};
  }
}
