package dev.shortcut.bindings.jcuda;

import static jcuda.driver.CUstream_flags.CU_STREAM_NON_BLOCKING;
import static jcuda.driver.JCudaDriver.cuCtxCreate;
import static jcuda.driver.JCudaDriver.cuCtxDestroy;
import static jcuda.driver.JCudaDriver.cuCtxGetCurrent;
import static jcuda.driver.JCudaDriver.cuDeviceGet;
import static jcuda.driver.JCudaDriver.cuEventCreate;
import static jcuda.driver.JCudaDriver.cuEventDestroy;
import static jcuda.driver.JCudaDriver.cuEventQuery;
import static jcuda.driver.JCudaDriver.cuEventRecord;
import static jcuda.driver.JCudaDriver.cuEventSynchronize;
import static jcuda.driver.JCudaDriver.cuInit;
import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuMemFree;
import static jcuda.driver.JCudaDriver.cuMemFreeHost;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoH;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoDAsync;
import static jcuda.driver.JCudaDriver.cuMemsetD8Async;
import static jcuda.driver.JCudaDriver.cuStreamCreate;
import static jcuda.driver.JCudaDriver.cuStreamDestroy;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Event;
import dev.shortcut.bindings.cuda.PinnedMemory;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.cudnn.Cudnn;
import dev.shortcut.bindings.cudnn.CudnnHandle;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUstream;
import jcuda.jcudnn.JCudnn;
import jcuda.jcudnn.cudnnHandle;
import jcuda.jcudnn.cudnnTensorDescriptor;
import jcuda.runtime.cudaStream_t;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** One side makes, the other uses: JCuda's own native libraries on the software device. */
@Tag("native")
class JCudaTest {
  private static final int BYTES = 4096;

  private final byte[] random = new byte[BYTES];
  private final CUcontext made = new CUcontext();
  private Cuda cuda;
  private Context context;

  /** JCuda makes the context. */
  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().eagerness(0));
    // First the stand-ins, by their paths: JCuda's libraries then get them by their names.
    cuda = Cuda.open();
    TestSeed.random().nextBytes(random);
    assertEquals(0, cuInit(0));
    var device = new CUdevice();
    assertEquals(0, cuDeviceGet(device, 0));
    assertEquals(0, cuCtxCreate(made, 0, device));
    context = FromJCuda.context(cuda, made);
  }

  @AfterEach
  void nothingIsLeft() {
    context.close();
    assertEquals(0, cuCtxDestroy(made));
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  private static byte[] read(CUdeviceptr from) {
    var bytes = new byte[BYTES];
    assertEquals(0, cuMemcpyDtoH(Pointer.to(bytes), from, BYTES));
    return bytes;
  }

  private byte[] read(Stream stream, long from) {
    try (Arena frame = Arena.ofConfined()) {
      MemorySegment host = frame.allocate(BYTES);
      stream.copyToHost(host, from, BYTES);
      stream.synchronize();
      return host.toArray(ValueLayout.JAVA_BYTE);
    }
  }

  @Test
  void theContextIsTheSameOnBothSides() {
    assertEquals(cuda.currentContext(), context.handle());
    assertEquals(cuda.currentContext(), FromJCuda.handle(made));
    assertEquals(made, ToJCuda.context(context));
    var current = new CUcontext();
    assertEquals(0, cuCtxGetCurrent(current));
    assertEquals(current, ToJCuda.context(context));
  }

  @Test
  void ourWorkRunsOnStreamsAndMemoryOfJCudas() {
    var jStream = new CUstream();
    var jEvent = new CUevent();
    var jMemory = new CUdeviceptr();
    assertEquals(0, cuStreamCreate(jStream, CU_STREAM_NON_BLOCKING));
    assertEquals(0, cuEventCreate(jEvent, 0));
    assertEquals(0, cuMemAlloc(jMemory, BYTES));
    Stream stream = FromJCuda.stream(cuda, context, jStream);
    Event event = FromJCuda.event(cuda, context, jEvent);
    DeviceMemory memory = FromJCuda.memory(cuda, context, jMemory, BYTES);
    stream.fill(memory.address(), (byte) 3, BYTES);
    stream.fill(FromJCuda.address(jMemory.withByteOffset(16)), (byte) 5, 1);
    stream.record(event);
    assertNotEquals(0, cuEventQuery(jEvent));
    assertEquals(0, cuEventSynchronize(jEvent));
    byte[] expected = new byte[BYTES];
    Arrays.fill(expected, (byte) 3);
    expected[16] = 5;
    assertArrayEquals(expected, read(jMemory));
    // Borrowed: nothing of this reaches the driver.
    stream.close();
    event.close();
    memory.close();
    assertEquals(0, cuStreamSynchronize(jStream));
    assertEquals(0, cuMemFree(jMemory));
    assertEquals(0, cuEventDestroy(jEvent));
    assertEquals(0, cuStreamDestroy(jStream));
  }

  @Test
  void jcudasWorkRunsOnStreamsAndMemoryOfOurs() {
    try (Stream stream = context.newStream();
        Event event = context.newEvent();
        PinnedMemory host = context.allocatePinned(BYTES);
        DeviceMemory memory = context.allocate(BYTES)) {
      host.segment().copyFrom(MemorySegment.ofArray(random));
      CUdeviceptr jMemory = ToJCuda.pointer(memory);
      CUstream jStream = ToJCuda.stream(stream);
      assertEquals(0, cuMemsetD8Async(jMemory, (byte) 1, BYTES, jStream));
      assertEquals(
          0,
          cuMemcpyHtoDAsync(
              jMemory.withByteOffset(1024),
              ToJCuda.pointer(host).withByteOffset(1024),
              BYTES - 1024,
              jStream));
      assertEquals(0, cuEventRecord(ToJCuda.event(event), jStream));
      event.synchronize();
      byte[] expected = random.clone();
      Arrays.fill(expected, 0, 1024, (byte) 1);
      assertArrayEquals(expected, read(stream, memory.address()));
      assertEquals(memory.address(), FromJCuda.address(jMemory));
      assertEquals(stream.handle(), FromJCuda.handle(jStream));
    }
  }

  @Test
  void whatIsTakenIsFreedByUsAndEmptyThere() {
    var jStream = new CUstream();
    var jEvent = new CUevent();
    var jMemory = new CUdeviceptr();
    assertEquals(0, cuStreamCreate(jStream, CU_STREAM_NON_BLOCKING));
    assertEquals(0, cuEventCreate(jEvent, 0));
    assertEquals(0, cuMemAlloc(jMemory, BYTES));
    assertThrows(
        IllegalArgumentException.class,
        () -> FromJCuda.takeMemory(cuda, context, jMemory.withByteOffset(16), 16));
    FromJCuda.takeStream(cuda, context, jStream).close();
    FromJCuda.takeEvent(cuda, context, jEvent).close();
    FromJCuda.takeMemory(cuda, context, jMemory, BYTES).close();
    assertEquals(new CUstream(), jStream);
    assertEquals(new CUevent(), jEvent);
    assertEquals(new CUdeviceptr(), jMemory);
    assertThrows(
        IllegalArgumentException.class, () -> FromJCuda.takeStream(cuda, context, jStream));
  }

  @Test
  void whatIsGivenIsFreedByJCudaAndClosedHere() {
    Stream stream = context.newStream();
    Event event = context.newEvent();
    DeviceMemory memory = context.allocate(BYTES);
    PinnedMemory host = context.allocatePinned(BYTES);
    assertEquals(0, cuStreamDestroy(ToJCuda.give(stream)));
    assertEquals(0, cuEventDestroy(ToJCuda.give(event)));
    assertEquals(0, cuMemFree(ToJCuda.give(memory)));
    assertEquals(0, cuMemFreeHost(ToJCuda.give(host)));
    assertThrows(IllegalStateException.class, stream::handle);
    assertThrows(IllegalStateException.class, event::handle);
    assertThrows(IllegalStateException.class, memory::address);
    assertThrows(IllegalStateException.class, () -> host.segment().get(ValueLayout.JAVA_BYTE, 0));
    stream.close();
    event.close();
    memory.close();
    host.close();
    assertThrows(IllegalStateException.class, () -> ToJCuda.give(host));
  }

  @Test
  void cudnnsHandlesGoBothWays() throws Exception {
    Cudnn cudnn = Cudnn.open();
    try (Stream stream = context.newStream();
        CudnnHandle handle = cudnn.newHandle()) {
      cudnnHandle lent = ToJCudnn.handle(handle);
      assertEquals(handle.handle(), FromJCudnn.handle(lent));
      assertEquals(handle.handle(), FromJCuda.nativePointer(lent));
      assertEquals(0, JCudnn.cudnnSetStream(lent, new cudaStream_t(ToJCuda.stream(stream))));
    }
    var theirs = new cudnnHandle();
    assertEquals(0, JCudnn.cudnnCreate(theirs));
    try (Stream stream = context.newStream()) {
      CudnnHandle borrowed = FromJCudnn.handle(cudnn, theirs);
      borrowed.setStream(stream);
      assertThrows(IllegalStateException.class, borrowed::detach);
      borrowed.close();
    }
    FromJCudnn.takeHandle(cudnn, theirs).close();
    assertThrows(IllegalArgumentException.class, () -> FromJCudnn.handle(theirs));
    assertEquals(0, JCudnn.cudnnDestroy(ToJCudnn.give(cudnn.newHandle())));
    var descriptor = new cudnnTensorDescriptor();
    assertEquals(0, JCudnn.cudnnCreateTensorDescriptor(descriptor));
    assertEquals(0, JCudnn.cudnnDestroyTensorDescriptor(descriptor));
  }

  @Test
  void whatHoldsNoAddressIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> FromJCuda.handle(new CUcontext()));
    assertThrows(IllegalArgumentException.class, () -> FromJCuda.handle(new CUevent()));
    assertThrows(IllegalArgumentException.class, () -> FromJCuda.address(new CUdeviceptr()));
    assertThrows(IllegalArgumentException.class, () -> FromJCuda.address(Pointer.to(new int[4])));
    assertThrows(
        IllegalArgumentException.class, () -> ToJCuda.pointer(MemorySegment.ofArray(new float[4])));
    assertEquals(0, FromJCuda.handle((CUstream) null));
    assertEquals(0, FromJCuda.handle(new CUstream()));
    var heap = ByteBuffer.allocate(16);
    assertThrows(IllegalArgumentException.class, () -> FromJCuda.address(Pointer.to(heap)));
  }

  /** Who may not look into JCuda is told which option of Java's helps. */
  @Test
  void aClosedModuleIsNamedWithTheOptionThatOpensIt() {
    var refused =
        assertThrows(
            IllegalStateException.class,
            () -> NativePointers.field(MethodHandles.publicLookup().in(JCudaTest.class)));
    assertTrue(
        refused.getMessage().contains("--add-opens jcuda/jcuda=dev.shortcut.bindings"),
        refused::getMessage);
  }
}
