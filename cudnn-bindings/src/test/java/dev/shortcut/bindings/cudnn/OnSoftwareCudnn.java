package dev.shortcut.bindings.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.library.Closer;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** What tests of cuDNN on the software device begin with, and what each of them ends with. */
abstract class OnSoftwareCudnn {
  final Random random = TestSeed.random();
  Closer owner;
  Context context;
  Stream stream;
  Cudnn cudnn;
  CudnnHandle handle;

  /** What the library itself refused to destroy. */
  final Map<String, Long> notDestroyed = new TreeMap<>();

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    owner = new Closer();
    context = owner.own(Cuda.open().devices().getFirst().retainPrimary());
    context.push();
    owner.own(context::pop);
    stream = owner.own(context.newStream());
    cudnn = Cudnn.open();
    handle = owner.own(cudnn.newHandle());
    handle.setStream(stream);
  }

  @AfterEach
  void nothingIsLeft() {
    owner.close();
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(notDestroyed, SoftwareDevice.live());
  }

  /** From -4 to 4. */
  float[] integers(int count) {
    var values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextInt(9) - 4;
    }
    return values;
  }

  long allocate(long bytes) {
    return owner.own(context.allocate(bytes)).address();
  }

  long upload(float[] values) {
    long address = allocate(4L * values.length);
    try (Arena frame = Arena.ofConfined()) {
      stream.copyToDevice(
          address, frame.allocateFrom(ValueLayout.JAVA_FLOAT, values), 4L * values.length);
      stream.synchronize();
    }
    return address;
  }

  float[] download(long address, int count) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment host = frame.allocate(ValueLayout.JAVA_FLOAT, count);
      stream.copyToHost(host, address, host.byteSize());
      stream.synchronize();
      return host.toArray(ValueLayout.JAVA_FLOAT);
    }
  }
}
