package dev.shortcut.engine.backend.onednn;

import dev.shortcut.engine.graph.Node;
import dev.shortcut.engine.graph.Weights;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * What does not change from batch to batch: folded weights, in the layouts that primitives chose,
 * and biases. While the graph is lowered each tensor is given a place; once the size is known and
 * allowed, all are written into one block of memory. Batch sizes share a tensor wherever they agree
 * on its layout.
 *
 * <p>Not thread-safe.
 */
final class Constants {
  /** A cache line and the widest vector. */
  static final long ALIGNMENT = 64;

  private final List<Entry> entries = new ArrayList<>();
  private final Map<Node, Entry> byNode = new IdentityHashMap<>();
  private long bytes;

  /** Writes a node's matrix and vector, as floats in row-major order. */
  interface Source {
    void write(Weights weights, MemorySegment matrix, MemorySegment vector);
  }

  /**
   * A tensor in one layout.
   *
   * @param offset where it begins, in bytes from the start of the block
   */
  record Place(Descriptor layout, long offset) {}

  /** A node's tensors: one matrix, in one layout or several, and one vector. */
  final class Entry {
    private final Descriptor plain;
    private final Source source;
    private final List<Place> matrices = new ArrayList<>();
    private final Optional<Place> vector;

    private Entry(Descriptor plain, Optional<Descriptor> vector, Source source) {
      this.plain = plain;
      this.source = source;
      this.vector = vector.map(layout -> place(layout));
    }

    /** The layouts that the matrix is already kept in; the largest batch's comes first. */
    List<Descriptor> layouts() {
      return matrices.stream().map(Place::layout).toList();
    }

    /** Where the matrix lies in that layout. */
    Place matrix(Descriptor layout) {
      for (Place place : matrices) {
        if (place.layout() == layout) {
          return place;
        }
      }
      Place place = place(layout);
      matrices.add(place);
      return place;
    }

    /** Where the vector lies, if there is one. */
    Optional<Place> vector() {
      return vector;
    }
  }

  /**
   * The tensors of a node, the same for every batch size.
   *
   * @param plain the matrix in row-major order
   * @param vector the vector's layout, or empty
   */
  Entry entry(Node node, Descriptor plain, Optional<Descriptor> vector, Source source) {
    Entry entry = byNode.get(node);
    if (entry == null) {
      entry = new Entry(plain, vector, source);
      byNode.put(node, entry);
      entries.add(entry);
    }
    return entry;
  }

  /** Bytes of all tensors, alignment included. */
  long bytes() {
    return bytes;
  }

  /**
   * Reads, folds and writes all tensors.
   *
   * @param block that many {@link #bytes}
   * @param reorder copies a matrix from one place and layout to another
   */
  void write(Weights weights, MemorySegment block, BiConsumer<Tensor, Tensor> reorder) {
    for (Entry entry : entries) {
      try (Arena frame = Arena.ofConfined()) {
        MemorySegment vector =
            entry.vector.map(place -> at(block, place)).orElse(MemorySegment.NULL);
        Optional<Place> plain =
            entry.matrices.stream().filter(place -> place.layout() == entry.plain).findFirst();
        MemorySegment matrix =
            plain.isPresent()
                ? at(block, plain.get())
                : frame.allocate(entry.plain.bytes(), ALIGNMENT);
        entry.source.write(weights, matrix, vector);
        for (Place place : entry.matrices) {
          if (place.layout() != entry.plain) {
            reorder.accept(
                new Tensor(entry.plain, matrix), new Tensor(place.layout(), at(block, place)));
          }
        }
      }
    }
  }

  /** Memory and what lies in it. */
  record Tensor(Descriptor layout, MemorySegment data) {}

  private Place place(Descriptor layout) {
    var place = new Place(layout, bytes);
    bytes += Math.ceilDiv(layout.bytes(), ALIGNMENT) * ALIGNMENT;
    return place;
  }

  private static MemorySegment at(MemorySegment block, Place place) {
    return block.asSlice(place.offset(), place.layout().bytes());
  }
}
