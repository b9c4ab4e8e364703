package dev.shortcut.bindings.dlpack;

import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeLibrary;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A tensor that was handed over together with the duty to free it: {@code DLManagedTensor}, as
 * Python's capsules of the name {@code dltensor} hold it, and {@code DLManagedTensorVersioned}
 * ({@code dltensor_versioned}).
 *
 * <p>{@link #take} takes one; whoever made it frees it when this is closed. {@link #give} makes
 * one; whoever takes it calls its deleter, once and from any thread, which runs what was handed to
 * {@code give}. What is never taken is never freed. Safe for use by any thread.
 */
public final class DlManagedTensor implements AutoCloseable {
  private static final Logger LOG = System.getLogger(DlManagedTensor.class.getName());

  /** The version of {@code DLManagedTensorVersioned} that is written, and whose major is read. */
  static final int MAJOR = 1;

  static final int MINOR = 3;

  static final long READ_ONLY = 1;

  // DLTensor: data, device type and id, dimensions, type, shape, strides, offset.
  static final long TENSOR_BYTES = 48;
  static final long DEVICE_TYPE = 8;
  static final long DEVICE_ID = 12;
  static final long DIMENSIONS = 16;
  static final long TYPE_CODE = 20;
  static final long TYPE_BITS = 21;
  static final long TYPE_LANES = 22;
  static final long SHAPE = 24;
  static final long STRIDES = 32;
  static final long BYTE_OFFSET = 40;

  /** A struct around the tensor, by the offsets of its parts. */
  enum Layout {
    /** {@code DLManagedTensor}. */
    UNVERSIONED(0, 48, 56, 64),
    /** {@code DLManagedTensorVersioned}. */
    VERSIONED(32, 8, 16, 80);

    final long tensor;
    final long context;
    final long deleter;
    final long bytes;

    Layout(long tensor, long context, long deleter, long bytes) {
      this.tensor = tensor;
      this.context = context;
      this.deleter = deleter;
      this.bytes = bytes;
    }
  }

  static final long VERSION_MAJOR = 0;
  static final long VERSION_MINOR = 4;
  static final long FLAGS = 24;

  /** What was given away and not freed yet, by what its {@code manager_ctx} says. */
  private static final Map<Long, Given> GIVEN = new ConcurrentHashMap<>();

  private static final AtomicLong NEXT = new AtomicLong(1);

  /** The deleters of what we give away, for the two layouts; they live as long as the process. */
  private static final MemorySegment DELETE = deleter("delete");

  private static final MemorySegment DELETE_VERSIONED = deleter("deleteVersioned");

  private final MemorySegment struct;
  private final MemorySegment deleter;
  private final DlTensor tensor;
  private final boolean readOnly;
  private boolean closed;

  private DlManagedTensor(
      MemorySegment struct, MemorySegment deleter, DlTensor tensor, boolean readOnly) {
    this.struct = struct;
    this.deleter = deleter;
    this.tensor = tensor;
    this.readOnly = readOnly;
  }

  /** A struct of ours and what its end sets off. */
  private record Given(Arena memory, Runnable free) {}

  /**
   * Takes a {@code DLManagedTensor}. It is ours from then on, also if this throws: then it is freed
   * already.
   *
   * @param managedTensor its address, which nobody can check
   * @throws IllegalArgumentException if it describes no tensor
   */
  public static DlManagedTensor take(long managedTensor) {
    return take(managedTensor, Layout.UNVERSIONED);
  }

  /**
   * Takes a {@code DLManagedTensorVersioned}. It is ours from then on, also if this throws: then it
   * is freed already.
   *
   * @param managedTensor its address, which nobody can check
   * @throws IllegalArgumentException if it is of another major version than 1, or describes no
   *     tensor
   */
  public static DlManagedTensor takeVersioned(long managedTensor) {
    return take(managedTensor, Layout.VERSIONED);
  }

  private static DlManagedTensor take(long address, Layout layout) {
    if (address == 0) {
      throw new IllegalArgumentException("a null pointer is no tensor of DLPack's");
    }
    MemorySegment struct = NativeLibrary.view(MemorySegment.ofAddress(address), layout.bytes);
    MemorySegment deleter = struct.get(CTypes.POINTER, layout.deleter);
    try {
      boolean readOnly = false;
      if (layout == Layout.VERSIONED) {
        int major = struct.get(CTypes.INT, VERSION_MAJOR);
        if (major != MAJOR) {
          throw new IllegalArgumentException(
              "a tensor of DLPack %d.%d, but only %d.x is known: have the other library export that"
                  .formatted(major, struct.get(CTypes.INT, VERSION_MINOR), MAJOR));
        }
        readOnly = (struct.get(CTypes.LONG, FLAGS) & READ_ONLY) != 0;
      }
      DlTensor tensor = read(struct.asSlice(layout.tensor, TENSOR_BYTES));
      return new DlManagedTensor(struct, deleter, tensor, readOnly);
    } catch (RuntimeException e) {
      free(struct, deleter);
      throw e;
    }
  }

  /**
   * Makes a {@code DLManagedTensor} to give away.
   *
   * @param free is run when whoever took it needs it no longer, on whatever thread; must not throw
   * @return its address
   */
  public static long give(DlTensor tensor, Runnable free) {
    return give(tensor, free, Layout.UNVERSIONED, 0);
  }

  /**
   * Makes a {@code DLManagedTensorVersioned} to give away.
   *
   * @param readOnly whether whoever takes it must not write to it
   * @param free is run when whoever took it needs it no longer, on whatever thread; must not throw
   * @return its address
   */
  public static long giveVersioned(DlTensor tensor, boolean readOnly, Runnable free) {
    return give(tensor, free, Layout.VERSIONED, readOnly ? READ_ONLY : 0);
  }

  @SuppressWarnings("MustBeClosedChecker") // the deleter closes it
  private static long give(DlTensor tensor, Runnable free, Layout layout, long flags) {
    Arena memory = Arena.ofShared();
    long number = NEXT.getAndIncrement();
    MemorySegment struct = memory.allocate(layout.bytes, Long.BYTES);
    if (layout == Layout.VERSIONED) {
      struct.set(CTypes.INT, VERSION_MAJOR, MAJOR);
      struct.set(CTypes.INT, VERSION_MINOR, MINOR);
      struct.set(CTypes.LONG, FLAGS, flags);
    }
    write(tensor, struct.asSlice(layout.tensor, TENSOR_BYTES), memory);
    struct.set(CTypes.LONG, layout.context, number);
    struct.set(
        CTypes.POINTER, layout.deleter, layout == Layout.VERSIONED ? DELETE_VERSIONED : DELETE);
    GIVEN.put(number, new Given(memory, free));
    return struct.address();
  }

  /** What and where it is. */
  public synchronized DlTensor tensor() {
    if (closed) {
      throw new IllegalStateException("this tensor of DLPack's is closed");
    }
    return tensor;
  }

  /** Whether it must not be written to. */
  public boolean readOnly() {
    return readOnly;
  }

  /** Lets whoever made it free it; a second time does nothing. */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      free(struct, deleter);
    }
  }

  private static DlTensor read(MemorySegment struct) {
    int dimensions = struct.get(CTypes.INT, DIMENSIONS);
    if (dimensions < 0 || dimensions > DlTensor.MOST_DIMENSIONS) {
      throw new IllegalArgumentException("a tensor with %d dimensions".formatted(dimensions));
    }
    List<Long> shape = longs(struct.get(CTypes.POINTER, SHAPE), dimensions);
    if (shape.size() != dimensions) {
      throw new IllegalArgumentException("a tensor without a shape");
    }
    List<Long> strides = longs(struct.get(CTypes.POINTER, STRIDES), dimensions);
    return new DlTensor(
        struct.get(CTypes.LONG, 0),
        new DlDevice(struct.get(CTypes.INT, DEVICE_TYPE), struct.get(CTypes.INT, DEVICE_ID)),
        new DlType(
            Byte.toUnsignedInt(struct.get(CTypes.CHAR, TYPE_CODE)),
            Byte.toUnsignedInt(struct.get(CTypes.CHAR, TYPE_BITS)),
            Short.toUnsignedInt(struct.get(ValueLayout.JAVA_SHORT, TYPE_LANES))),
        shape,
        // Before DLPack 1.2 those of a compact tensor may be left out.
        strides.size() == dimensions ? strides : DlTensor.compactStrides(shape),
        struct.get(CTypes.LONG, BYTE_OFFSET));
  }

  private static void write(DlTensor tensor, MemorySegment struct, Arena memory) {
    struct.set(CTypes.LONG, 0, tensor.data());
    struct.set(CTypes.INT, DEVICE_TYPE, tensor.device().type());
    struct.set(CTypes.INT, DEVICE_ID, tensor.device().id());
    struct.set(CTypes.INT, DIMENSIONS, tensor.shape().size());
    struct.set(CTypes.CHAR, TYPE_CODE, (byte) tensor.type().code());
    struct.set(CTypes.CHAR, TYPE_BITS, (byte) tensor.type().bits());
    struct.set(ValueLayout.JAVA_SHORT, TYPE_LANES, (short) tensor.type().lanes());
    struct.set(CTypes.POINTER, SHAPE, longs(tensor.shape(), memory));
    struct.set(CTypes.POINTER, STRIDES, longs(tensor.strides(), memory));
    struct.set(CTypes.LONG, BYTE_OFFSET, tensor.byteOffset());
  }

  private static List<Long> longs(MemorySegment pointer, int count) {
    List<Long> values = new ArrayList<>();
    if (pointer.address() != 0) {
      MemorySegment array = NativeLibrary.view(pointer, (long) count * Long.BYTES);
      for (int i = 0; i < count; i++) {
        values.add(array.getAtIndex(CTypes.LONG, i));
      }
    }
    return values;
  }

  private static MemorySegment longs(List<Long> values, Arena memory) {
    MemorySegment array = memory.allocate(CTypes.LONG, Math.max(1, values.size()));
    for (int i = 0; i < values.size(); i++) {
      array.setAtIndex(CTypes.LONG, i, values.get(i));
    }
    return array;
  }

  /** Calls a deleter; there need not be one. */
  private static void free(MemorySegment struct, MemorySegment deleter) {
    if (deleter.address() == 0) {
      return;
    }
    MethodHandle call = NativeLibrary.procedureAt(deleter, CTypes.POINTER);
    try {
      call.invokeExact(struct);
    } catch (Throwable t) {
      throw NativeLibrary.unreachable(t);
    }
  }

  private static MemorySegment deleter(String name) {
    try {
      return NativeLibrary.callback(
          MethodHandles.lookup()
              .findStatic(
                  DlManagedTensor.class,
                  name,
                  MethodType.methodType(void.class, MemorySegment.class)),
          CTypes.POINTER);
    } catch (NoSuchMethodException | IllegalAccessException e) {
      throw new IllegalStateException(e);
    }
  }

  @SuppressWarnings("UnusedMethod") // native code calls it
  private static void delete(MemorySegment managedTensor) {
    delete(managedTensor, Layout.UNVERSIONED);
  }

  @SuppressWarnings("UnusedMethod") // native code calls it
  private static void deleteVersioned(MemorySegment managedTensor) {
    delete(managedTensor, Layout.VERSIONED);
  }

  /** Nothing may be thrown into the native code that called. */
  private static void delete(MemorySegment managedTensor, Layout layout) {
    try {
      MemorySegment struct = NativeLibrary.view(managedTensor, layout.bytes);
      Given given = GIVEN.remove(struct.get(CTypes.LONG, layout.context));
      if (given == null) {
        LOG.log(Level.WARNING, "a tensor of DLPack''s was freed that nobody gave away");
        return;
      }
      given.memory().close();
      given.free().run();
    } catch (Throwable t) {
      LOG.log(Level.ERROR, "freeing a tensor of DLPack's failed", t);
    }
  }
}
