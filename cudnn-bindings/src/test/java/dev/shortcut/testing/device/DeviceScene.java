package dev.shortcut.testing.device;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.library.Closer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A context that is current on this thread, a stream, and tensors on the device: what the tests of
 * the stand-ins begin with. Used by the thread that made it.
 */
final class DeviceScene implements AutoCloseable {
  /** What elements are stored as. */
  enum Element {
    FLOAT(4),
    HALF(2),
    BFLOAT16(2),
    INT8(1);

    final int bytes;

    Element(int bytes) {
      this.bytes = bytes;
    }

    /** The value after it was stored and read again. */
    float rounded(float value) {
      return switch (this) {
        case FLOAT -> value;
        case HALF -> Float.float16ToFloat(Float.floatToFloat16(value));
        case BFLOAT16 -> fromBfloat16(toBfloat16(value));
        case INT8 -> (float) Math.clamp(Math.rint(value), -128, 127);
      };
    }
  }

  final Closer owner = new Closer();
  final Context context;
  final Stream stream;

  DeviceScene() {
    context = owner.own(Cuda.open().devices().getFirst().retainPrimary());
    context.push();
    owner.own(context::pop);
    stream = owner.own(context.newStream());
  }

  long allocate(long bytes) {
    return owner.own(context.allocate(bytes)).address();
  }

  /** Copies the values to new device memory, converted. */
  long upload(float[] values, Element element) {
    DeviceMemory memory = owner.own(context.allocate((long) values.length * element.bytes));
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment host = frame.allocate((long) values.length * element.bytes);
      for (int i = 0; i < values.length; i++) {
        switch (element) {
          case FLOAT -> host.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
          case HALF -> host.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(values[i]));
          case BFLOAT16 -> host.setAtIndex(ValueLayout.JAVA_SHORT, i, toBfloat16(values[i]));
          case INT8 -> host.set(ValueLayout.JAVA_BYTE, i, (byte) values[i]);
        }
      }
      stream.copyToDevice(memory.address(), host, host.byteSize());
      stream.synchronize();
    }
    return memory.address();
  }

  /** Waits for the stream and copies values from the device. */
  float[] download(long address, int count, Element element) {
    var values = new float[count];
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment host = frame.allocate((long) count * element.bytes);
      stream.copyToHost(host, address, host.byteSize());
      stream.synchronize();
      for (int i = 0; i < count; i++) {
        values[i] =
            switch (element) {
              case FLOAT -> host.getAtIndex(ValueLayout.JAVA_FLOAT, i);
              case HALF -> Float.float16ToFloat(host.getAtIndex(ValueLayout.JAVA_SHORT, i));
              case BFLOAT16 -> fromBfloat16(host.getAtIndex(ValueLayout.JAVA_SHORT, i));
              case INT8 -> host.get(ValueLayout.JAVA_BYTE, i);
            };
      }
    }
    return values;
  }

  @Override
  public void close() {
    owner.close();
  }

  private static short toBfloat16(float value) {
    int bits = Float.floatToRawIntBits(value);
    return (short) ((bits + 0x7FFF + (bits >>> 16 & 1)) >>> 16);
  }

  private static float fromBfloat16(short value) {
    return Float.intBitsToFloat(value << 16);
  }
}
