package dev.shortcut.engine.backend.onednn;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.graph.Shape;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Makes and keeps the descriptors of one compiled model; equal ones are the same object, so that
 * they can be compared by identity and be part of keys. Not thread-safe.
 */
final class Descriptors {
  private final OneDnn oneDnn;
  private final Closer owner;
  private final Map<Long, List<Descriptor>> byBytes = new HashMap<>();
  private final Map<List<Long>, Descriptor> byExtents = new HashMap<>();

  Descriptors(OneDnn oneDnn, Closer owner) {
    this.oneDnn = oneDnn;
    this.owner = owner;
  }

  /** Floats in row-major order. */
  Descriptor plain(long... dims) {
    return tagged(
        switch (dims.length) {
          case 1 -> OneDnnConstants.FORMAT_A;
          case 2 -> OneDnnConstants.FORMAT_AB;
          case 4 -> OneDnnConstants.FORMAT_ABCD;
          case 5 -> OneDnnConstants.FORMAT_ABCDE;
          default -> throw new IllegalArgumentException("no tag for rank " + dims.length);
        },
        dims);
  }

  /** Floats in whatever order a primitive chooses. */
  Descriptor any(long... dims) {
    return tagged(OneDnnConstants.FORMAT_ANY, dims);
  }

  /** A batch of activations in channel, row, column order. */
  Descriptor plain(int batch, Shape shape) {
    return plain(dims(batch, shape));
  }

  /** A batch of activations in row, column, channel order. */
  Descriptor nhwc(int batch, Shape shape) {
    return tagged(OneDnnConstants.FORMAT_NHWC, dims(batch, shape));
  }

  /** A batch of activations with 16 channels side by side, which 512-bit vectors want. */
  Descriptor blocked16(int batch, Shape shape) {
    return tagged(OneDnnConstants.FORMAT_NCHW16C, dims(batch, shape));
  }

  /** A batch of activations with 8 channels side by side, which 256-bit vectors want. */
  Descriptor blocked8(int batch, Shape shape) {
    return tagged(OneDnnConstants.FORMAT_NCHW8C, dims(batch, shape));
  }

  /** Extents of a batch of activations; they are the same whatever the layout. */
  static long[] dims(int batch, Shape shape) {
    return new long[] {batch, shape.channels(), shape.height(), shape.width()};
  }

  /**
   * The plain descriptor where {@code descriptor} means the same bytes, which is so for one value
   * per channel if no channels are padded; else {@code descriptor} itself.
   */
  Descriptor canonical(Descriptor descriptor, int batch, Shape shape) {
    if (!shape.isFlat()) {
      return descriptor;
    }
    Descriptor plain = plain(batch, shape);
    boolean same =
        descriptor.bytes() == plain.bytes()
            && List.of(nhwc(batch, shape), blocked16(batch, shape), blocked8(batch, shape))
                .contains(descriptor);
    return same ? plain : descriptor;
  }

  /** A descriptor that belongs to somebody else, copied. */
  Descriptor copyOf(MemorySegment borrowed) {
    return intern(oneDnn.memoryDescClone(borrowed));
  }

  private Descriptor tagged(int tag, long[] dims) {
    List<Long> key = new ArrayList<>(Arrays.stream(dims).boxed().toList());
    key.add((long) tag);
    Descriptor known = byExtents.get(key);
    if (known == null) {
      known = intern(oneDnn.memoryDescCreateWithTag(dims, OneDnnConstants.F32, tag));
      byExtents.put(key, known);
    }
    return known;
  }

  private Descriptor intern(MemorySegment handle) {
    long bytes = oneDnn.memoryDescGetSize(handle);
    List<Descriptor> candidates = byBytes.computeIfAbsent(bytes, _ -> new ArrayList<>());
    for (Descriptor candidate : candidates) {
      if (oneDnn.memoryDescEqual(candidate.handle(), handle)) {
        oneDnn.memoryDescDestroy(handle);
        return candidate;
      }
    }
    owner.own(() -> oneDnn.memoryDescDestroy(handle));
    var descriptor = new Descriptor(handle, bytes);
    candidates.add(descriptor);
    return descriptor;
  }
}
