package dev.shortcut.engine.backend;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.engine.DeviceBuffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** What somebody's CUDA program has: a context that is current on its thread, and what it made. */
public final class CudaProgram implements AutoCloseable {
  final Closer owner = new Closer();
  final Context context;

  CudaProgram(Context context) {
    this.context = owner.own(context);
    context.push();
  }

  static CudaProgram onDevice(int ordinal) {
    return new CudaProgram(Cuda.open().devices().get(ordinal).retainPrimary());
  }

  Stream stream() {
    return owner.own(context.newStream());
  }

  DeviceMemory room(long bytes) {
    return owner.own(context.allocate(bytes));
  }

  /** Copies to the device, and waits. */
  public static void write(Stream stream, DeviceMemory to, float[] values) {
    write(stream, to, MemorySegment.ofArray(values));
  }

  static void write(Stream stream, DeviceMemory to, MemorySegment values) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment host = frame.allocate(values.byteSize());
      host.copyFrom(values);
      stream.copyToDevice(to.address(), host, host.byteSize());
      stream.synchronize();
    }
  }

  DeviceMemory floats(Stream stream, float[] values) {
    DeviceMemory memory = room((long) values.length * Float.BYTES);
    write(stream, memory, values);
    return memory;
  }

  /** Waits, and copies from the device. */
  public static float[] read(Stream stream, DeviceMemory from) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment host = frame.allocate(from.bytes());
      stream.copyToHost(host, from.address(), from.bytes());
      stream.synchronize();
      return host.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
    }
  }

  static DeviceBuffer buffer(DeviceMemory memory) {
    return new DeviceBuffer(memory.address(), memory.bytes());
  }

  @Override
  public void close() {
    context.pop();
    owner.close();
  }
}
