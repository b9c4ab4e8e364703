package dev.shortcut.resnet.weights;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The names of PyTorch that a state dict needs: what rebuilds a tensor or a parameter, storages,
 * sizes, devices and types. The meaning is that of {@code torch/_utils.py} and {@code
 * torch/serialization.py}.
 *
 * <p>Collects the storages that a pickle mentions; the reader of the format says afterwards which
 * bytes they are.
 */
final class TorchVocabulary implements Pickle.Vocabulary {
  private static final int MAX_RANK = 16;

  private final Map<String, Storage> storages = new LinkedHashMap<>();

  /** Every storage mentioned so far, by key, in the order of mention. */
  Map<String, Storage> storages() {
    return storages;
  }

  /** A run of elements of one type, which tensors are views of. */
  static final class Storage {
    private final String key;
    private final Pickle.Global kind;
    private final ElementType type;
    private final long elements;
    private @Nullable MemorySegment bytes;
    private ByteOrder order = ByteOrder.LITTLE_ENDIAN;

    private Storage(String key, Pickle.Global kind, ElementType type, long elements) {
      this.key = key;
      this.kind = kind;
      this.type = type;
      this.elements = elements;
    }

    /** Bytes that its elements take. */
    long byteSize() {
      return elements * type.bytes();
    }

    /** Number of elements. */
    long elements() {
      return elements;
    }

    /** Says which bytes of the file hold the elements. */
    void fill(MemorySegment content, ByteOrder byteOrder) throws FormatException {
      if (content.byteSize() != byteSize()) {
        throw new FormatException(
            "its storage %s should have %d bytes, but has %d; the file is damaged"
                .formatted(Printable.of(key), byteSize(), content.byteSize()));
      }
      bytes = content;
      order = byteOrder;
    }
  }

  /** Part of a storage: what a pickle's identifier stands for. */
  private record Slice(Storage storage, long offset, long elements) {}

  /** A tensor that a pickle describes; its offset counts from the storage's start. */
  record View(Storage storage, long offset, List<Integer> dims, List<Long> strides) {
    /** The tensor, once its storage has been filled. */
    StoredTensor tensor() throws FormatException {
      if (storage.bytes == null) {
        throw new FormatException("its storage %s is missing".formatted(Printable.of(storage.key)));
      }
      return new StoredTensor(
          storage.kind.name(), storage.type, storage.bytes, storage.order, offset, dims, strides);
    }
  }

  @Override
  public boolean knows(Pickle.Global global) {
    return isCallable(global) || elementType(global) != null || isDataType(global);
  }

  private static boolean isCallable(Pickle.Global global) {
    return switch (global.toString()) {
      case "torch._utils._rebuild_tensor",
          "torch._utils._rebuild_tensor_v2",
          "torch._utils._rebuild_parameter",
          "torch._utils._rebuild_parameter_with_state",
          "torch.Size",
          "torch.device" ->
          true;
      default -> false;
    };
  }

  private static @Nullable ElementType elementType(Pickle.Global global) {
    return switch (global.toString()) {
      case "torch.DoubleStorage", "torch.cuda.DoubleStorage" -> ElementType.F64;
      case "torch.FloatStorage", "torch.cuda.FloatStorage" -> ElementType.F32;
      case "torch.HalfStorage", "torch.cuda.HalfStorage" -> ElementType.F16;
      case "torch.BFloat16Storage", "torch.cuda.BFloat16Storage" -> ElementType.BF16;
      case "torch.LongStorage", "torch.cuda.LongStorage" -> ElementType.I64;
      case "torch.IntStorage", "torch.cuda.IntStorage" -> ElementType.I32;
      case "torch.ShortStorage", "torch.cuda.ShortStorage" -> ElementType.I16;
      case "torch.CharStorage", "torch.cuda.CharStorage" -> ElementType.I8;
      case "torch.ByteStorage", "torch.cuda.ByteStorage" -> ElementType.U8;
      case "torch.BoolStorage", "torch.cuda.BoolStorage" -> ElementType.BOOL;
      default -> null;
    };
  }

  private static boolean isDataType(Pickle.Global global) {
    return switch (global.toString()) {
      case "torch.float64",
          "torch.float32",
          "torch.float16",
          "torch.bfloat16",
          "torch.int64",
          "torch.int32",
          "torch.int16",
          "torch.int8",
          "torch.uint8",
          "torch.bool" ->
          true;
      default -> false;
    };
  }

  @Override
  public Object call(Pickle.Global global, List<Object> arguments) throws FormatException {
    return switch (global.toString()) {
      case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2" -> view(arguments);
      // The data; whether it wants a gradient and its hooks are of no use here.
      case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state" ->
          argument(arguments, 0, View.class, global);
      case "torch.Size" -> argument(arguments, 0, Pickle.Tuple.class, global);
      case "torch.device" -> argument(arguments, 0, String.class, global);
      default -> throw new FormatException("its pickle calls " + Printable.of(global.toString()));
    };
  }

  private static <T> T argument(
      List<Object> arguments, int index, Class<T> type, Pickle.Global global)
      throws FormatException {
    if (index < arguments.size() && type.isInstance(arguments.get(index))) {
      return type.cast(arguments.get(index));
    }
    throw new FormatException(
        "argument %d of %s is %s"
            .formatted(
                index,
                global,
                index < arguments.size() ? Pickle.describe(arguments.get(index)) : "missing"));
  }

  private static View view(List<Object> arguments) throws FormatException {
    if (arguments.size() < 4
        || !(arguments.get(0) instanceof Slice slice)
        || !(arguments.get(1) instanceof Long offset)
        || !(arguments.get(2) instanceof Pickle.Tuple size)
        || !(arguments.get(3) instanceof Pickle.Tuple stride)
        || size.items().size() != stride.items().size()) {
      throw new FormatException("its pickle rebuilds a tensor from something else than a storage");
    }
    if (size.items().size() > MAX_RANK) {
      throw new FormatException("it has a tensor of %d dimensions".formatted(size.items().size()));
    }
    List<Integer> dims = new ArrayList<>();
    List<Long> strides = new ArrayList<>();
    for (Object extent : size.items()) {
      if (!(extent instanceof Long n) || n < 0 || n > Integer.MAX_VALUE) {
        throw new FormatException("it has a tensor with an extent that is none");
      }
      dims.add(n.intValue());
    }
    for (Object step : stride.items()) {
      if (!(step instanceof Long n) || n < 0) {
        throw new FormatException("it has a tensor with a stride that is none");
      }
      strides.add(n);
    }
    checkInside(slice, offset, dims, strides);
    return new View(slice.storage, slice.offset + offset, dims, strides);
  }

  /** Whatever index is asked for, it must lie in the storage. */
  private static void checkInside(Slice slice, long offset, List<Integer> dims, List<Long> strides)
      throws FormatException {
    try {
      long elements = StoredTensor.elements(dims);
      long last = offset;
      for (int d = 0; d < dims.size(); d++) {
        last = Math.addExact(last, Math.multiplyExact(dims.get(d) - 1L, strides.get(d)));
      }
      // No more elements than the storage has: a stride of zero could make terabytes out of a byte.
      if (offset < 0 || elements > slice.elements || (elements > 0 && last >= slice.elements)) {
        throw new FormatException(
            "it has a tensor of %s from element %d on in a storage of %d"
                .formatted(dims, offset, slice.elements));
      }
    } catch (ArithmeticException e) {
      throw new FormatException(
          "it has a tensor of %s, more than can be counted".formatted(dims), e);
    }
  }

  /**
   * {@code ('storage', type, key, location, elements)}, the location being a device that is of no
   * interest; older files add None or {@code (key of the view, offset, elements)}.
   */
  @Override
  public Object persistent(Object id) throws FormatException {
    if (!(id instanceof Pickle.Tuple tuple)
        || tuple.items().size() < 5
        || !"storage".equals(tuple.items().get(0))
        || !(tuple.items().get(1) instanceof Pickle.Global kind)
        || !(tuple.items().get(2) instanceof String key)
        || !(tuple.items().get(4) instanceof Long elements)) {
      throw new FormatException("its pickle refers to something other than a storage");
    }
    Storage storage = storage(key, kind, elements);
    if (tuple.items().size() == 5 || tuple.items().get(5) instanceof Pickle.None) {
      return new Slice(storage, 0, elements);
    }
    if (!(tuple.items().get(5) instanceof Pickle.Tuple view)
        || view.items().size() != 3
        || !(view.items().get(1) instanceof Long offset)
        || !(view.items().get(2) instanceof Long size)
        || offset < 0
        || size < 0
        || offset > elements - size) {
      throw new FormatException(
          "its pickle refers to a part of storage %s that is not in it"
              .formatted(Printable.of(key)));
    }
    return new Slice(storage, offset, size);
  }

  private Storage storage(String key, Pickle.Global kind, long elements) throws FormatException {
    ElementType type = elementType(kind);
    if (type == null || elements < 0 || elements > Long.MAX_VALUE / type.bytes()) {
      throw new FormatException(
          "its storage %s is %d elements of %s"
              .formatted(Printable.of(key), elements, Printable.of(kind.toString())));
    }
    Storage known = storages.get(key);
    if (known == null) {
      known = new Storage(key, kind, type, elements);
      storages.put(key, known);
    } else if (known.type != type || known.elements != elements) {
      throw new FormatException("its pickle contradicts itself about storage " + Printable.of(key));
    }
    return known;
  }
}
