package dev.shortcut.bindings.cudnn;

import static dev.shortcut.bindings.library.CTypes.CHAR;
import static dev.shortcut.bindings.library.CTypes.DOUBLE;
import static dev.shortcut.bindings.library.CTypes.FLOAT;
import static dev.shortcut.bindings.library.CTypes.INT;
import static dev.shortcut.bindings.library.CTypes.LONG;
import static dev.shortcut.bindings.library.CTypes.POINTER;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.library.NativeHandle;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * One backend descriptor: attributes are set, it is made final, then results are read. Elements are
 * always passed as arrays: descriptors as the address of an array of handles, never as a handle.
 *
 * <p>Not thread-safe. After its owner was closed every use throws {@link IllegalStateException}.
 */
final class Descriptor implements AutoCloseable {
  private final CudnnFunctions functions;
  private final NativeHandle handle;

  private Descriptor(CudnnFunctions functions, int type) {
    this.functions = functions;
    handle =
        NativeHandle.create(
            "cuDNN descriptor",
            out -> functions.backendCreateDescriptor(type, out),
            functions::backendDestroyDescriptor);
  }

  /**
   * An empty descriptor.
   *
   * @param type one of {@link CudnnConstants}' descriptor types
   */
  static Descriptor create(Cudnn cudnn, Closer owner, int type) {
    return owner.own(new Descriptor(cudnn.functions(), type));
  }

  /** Made final; nothing can be set from now on. */
  Descriptor complete() {
    functions.backendFinalize(handle());
    return this;
  }

  MemorySegment handle() {
    return handle.get();
  }

  /** Enumerations of any kind, 4 bytes each. */
  Descriptor setInts(int name, int type, int... values) {
    try (Arena frame = Arena.ofConfined()) {
      return set(name, type, values.length, frame.allocateFrom(INT, values));
    }
  }

  Descriptor setType(int name, DataType value) {
    return setInts(name, CudnnConstants.TYPE_DATA_TYPE, value.code());
  }

  Descriptor setLongs(int name, long... values) {
    try (Arena frame = Arena.ofConfined()) {
      return set(name, CudnnConstants.TYPE_INT64, values.length, frame.allocateFrom(LONG, values));
    }
  }

  Descriptor setBoolean(int name, boolean value) {
    try (Arena frame = Arena.ofConfined()) {
      return set(
          name,
          CudnnConstants.TYPE_BOOLEAN,
          1,
          frame.allocateFrom(CHAR, value ? (byte) 1 : (byte) 0));
    }
  }

  Descriptor setFloat(int name, float value) {
    try (Arena frame = Arena.ofConfined()) {
      return set(name, CudnnConstants.TYPE_FLOAT, 1, frame.allocateFrom(FLOAT, value));
    }
  }

  Descriptor setDouble(int name, double value) {
    try (Arena frame = Arena.ofConfined()) {
      return set(name, CudnnConstants.TYPE_DOUBLE, 1, frame.allocateFrom(DOUBLE, value));
    }
  }

  Descriptor setDescriptors(int name, Descriptor... values) {
    try (Arena frame = Arena.ofConfined()) {
      return set(
          name, CudnnConstants.TYPE_BACKEND_DESCRIPTOR, values.length, handles(frame, values));
    }
  }

  Descriptor setHandle(int name, CudnnHandle value) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment array = frame.allocate(POINTER);
      array.set(POINTER, 0, value.live());
      return set(name, CudnnConstants.TYPE_HANDLE, 1, array);
    }
  }

  /** Addresses in device memory. */
  Descriptor setAddresses(int name, long... values) {
    try (Arena frame = Arena.ofConfined()) {
      return set(
          name, CudnnConstants.TYPE_VOID_PTR, values.length, frame.allocateFrom(LONG, values));
    }
  }

  Descriptor setText(int name, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    try (Arena frame = Arena.ofConfined()) {
      return set(name, CudnnConstants.TYPE_CHAR, bytes.length, frame.allocateFrom(CHAR, bytes));
    }
  }

  /** As C has it. */
  Descriptor set(int name, int type, long count, MemorySegment elements) {
    functions.backendSetAttribute(handle(), name, type, count, elements);
    return this;
  }

  /** How many elements the attribute has. */
  long count(int name, int type) {
    return get(name, type, 0, MemorySegment.NULL);
  }

  long getLong(int name) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment value = frame.allocate(LONG);
      return get(name, CudnnConstants.TYPE_INT64, 1, value) < 1 ? 0 : value.get(LONG, 0);
    }
  }

  /** One enumeration's number. */
  int getInt(int name, int type) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment value = frame.allocate(INT);
      return get(name, type, 1, value) < 1 ? 0 : value.get(INT, 0);
    }
  }

  /** Enumerations' numbers. */
  int[] getInts(int name, int type) {
    long count = count(name, type);
    if (count == 0) {
      return new int[0];
    }
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment values = frame.allocate(INT, count);
      long written = Math.min(count, get(name, type, count, values));
      return values.asSlice(0, written * INT.byteSize()).toArray(INT);
    }
  }

  String getText(int name) {
    long count = count(name, CudnnConstants.TYPE_CHAR);
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment text = frame.allocate(count + 1);
      long written = Math.min(count, get(name, CudnnConstants.TYPE_CHAR, count, text));
      // Some versions count the terminating zero and some do not.
      while (written > 0 && text.get(CHAR, written - 1) == 0) {
        written--;
      }
      return new String(
          text.asSlice(0, written).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }
  }

  /** How many descriptors an attribute has; {@code ENGINECFG_KNOB_CHOICES} always answers 0. */
  long countDescriptors(int name) {
    return count(name, CudnnConstants.TYPE_BACKEND_DESCRIPTOR);
  }

  /**
   * Descriptors that cuDNN fills in: they are made first, empty, and are the owner's to destroy.
   *
   * @param most how many there are at most
   */
  List<Descriptor> getDescriptors(Cudnn cudnn, Closer owner, int name, int childType, long most) {
    if (most == 0) {
      return List.of();
    }
    List<Descriptor> children = new ArrayList<>();
    for (long i = 0; i < most; i++) {
      children.add(create(cudnn, owner, childType));
    }
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment array = handles(frame, children.toArray(new Descriptor[0]));
      long written = get(name, CudnnConstants.TYPE_BACKEND_DESCRIPTOR, most, array);
      return List.copyOf(children.subList(0, (int) Math.min(most, written)));
    }
  }

  /** As C has it; returns how many elements there are. */
  long get(int name, int type, long requested, MemorySegment elements) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment count = frame.allocate(LONG);
      functions.backendGetAttribute(handle(), name, type, requested, count, elements);
      return count.get(LONG, 0);
    }
  }

  /** Destroys it; what cuDNN says to that is logged, since nobody can do anything about it. */
  @Override
  public void close() {
    handle.close();
  }

  private static MemorySegment handles(Arena frame, Descriptor... values) {
    MemorySegment array = frame.allocate(POINTER, values.length);
    for (int i = 0; i < values.length; i++) {
      array.setAtIndex(POINTER, i, values[i].handle());
    }
    return array;
  }
}
