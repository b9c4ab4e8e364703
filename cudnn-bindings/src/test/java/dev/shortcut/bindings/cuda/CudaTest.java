package dev.shortcut.bindings.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.Closer;
import dev.shortcut.bindings.nvrtc.CompiledProgram;
import dev.shortcut.bindings.nvrtc.Nvrtc;
import dev.shortcut.testing.HeapAllocation;
import dev.shortcut.testing.device.SoftwareDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The driver's bindings on the software device. */
@Tag("native")
class CudaTest {
  /** Arguments of three types. */
  private static final String AXPB =
      """
      extern "C" __global__ void axpb(float* y, const float* x, int n, float a, float b) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n) y[i] = a * x[i] + b;
      }
      """;

  private static final int COUNT = 1000;
  private static final long BYTES = 4L * COUNT;

  /** What the device must complain of in the test. */
  private final List<String> complaints = new ArrayList<>();

  private Closer owner;
  private final Arena arena = Arena.ofAuto();
  private Cuda cuda;
  private Context context;

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    // As late as possible: whatever is not waited for has not happened.
    SoftwareDevice.reset(SoftwareDevice.settings().eagerness(0));
    owner = new Closer();
    cuda = Cuda.open();
    context = owner.own(cuda.devices().getFirst().retainPrimary());
    context.push();
  }

  @AfterEach
  void nothingIsLeft() {
    context.pop();
    owner.close();
    assertEquals(complaints, SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  @Test
  void aDeviceTellsOfItself() {
    CudaDevice device = cuda.devices().getFirst();
    assertEquals(1, cuda.devices().size());
    assertEquals(0, device.ordinal());
    assertTrue(device.name().contains("H100"), device.name());
    assertTrue(
        device.uuid().matches("GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), device.uuid());
    assertEquals(new ComputeCapability(9, 0), device.computeCapability());
    assertEquals("sm_90", device.computeCapability().architecture());
    assertEquals(132, device.attribute(DeviceAttribute.MULTIPROCESSOR_COUNT));
    assertEquals(context.memory().total(), device.totalMemory());
    assertEquals(12_090, cuda.driverVersion());
    assertEquals(12_090, Cuda.driverVersion(cuda.library()));
    for (DeviceAttribute attribute : DeviceAttribute.values()) {
      assertTrue(device.attribute(attribute) >= 0, attribute::toString);
    }
  }

  @Test
  void everyDeviceHasItsOwnNumberAndUuid() {
    context.pop();
    owner.close();
    SoftwareDevice.reset(SoftwareDevice.settings().devices(4).computeCapability(90, 80, 75, 120));
    List<CudaDevice> devices = cuda.devices();
    assertEquals(List.of(0, 1, 2, 3), devices.stream().map(CudaDevice::ordinal).toList());
    assertEquals(4, devices.stream().map(CudaDevice::uuid).distinct().count());
    assertEquals(
        List.of("9.0", "8.0", "7.5", "12.0"),
        devices.stream().map(device -> device.computeCapability().toString()).toList());
    context = owner.own(devices.get(2).retainPrimary());
    context.push();
    assertEquals(2, cuda.currentDevice().ordinal());
  }

  /** What another library made, by its address: closing it here does nothing, or all. */
  @Test
  void whatIsBorrowedStaysAndWhatIsAdoptedIsFreed() {
    Map<String, Long> before = SoftwareDevice.live();
    Stream stream = owner.own(context.newStream());
    Event event = owner.own(context.newEvent());
    DeviceMemory memory = owner.own(context.allocate(BYTES));
    Map<String, Long> made = SoftwareDevice.live();
    Stream borrowedStream = cuda.borrowStream(context, stream.handle());
    Event borrowedEvent = cuda.borrowEvent(context, event.handle());
    DeviceMemory borrowedMemory = cuda.borrowMemory(context, memory.address(), BYTES);
    borrowedStream.fill(borrowedMemory.address(), (byte) 7, borrowedMemory.bytes());
    borrowedStream.record(borrowedEvent);
    assertFalse(event.done());
    borrowedEvent.synchronize();
    assertThrows(IllegalStateException.class, borrowedStream::detach);
    assertThrows(IllegalStateException.class, borrowedEvent::detach);
    assertThrows(IllegalStateException.class, borrowedMemory::detach);
    borrowedStream.close();
    borrowedEvent.close();
    borrowedMemory.close();
    assertThrows(IllegalStateException.class, borrowedStream::handle);
    assertThrows(IllegalStateException.class, borrowedEvent::handle);
    assertThrows(IllegalStateException.class, borrowedMemory::address);
    assertEquals(made, SoftwareDevice.live());

    Stream adoptedStream = cuda.adoptStream(context, stream.detach());
    Event adoptedEvent = cuda.adoptEvent(context, event.detach());
    DeviceMemory adoptedMemory = cuda.adoptMemory(context, memory.detach(), BYTES);
    assertThrows(IllegalStateException.class, stream::handle);
    stream.close();
    event.close();
    memory.close();
    assertEquals(made, SoftwareDevice.live());
    adoptedStream.close();
    adoptedEvent.close();
    adoptedMemory.close();
    assertEquals(before, SoftwareDevice.live());
  }

  @Test
  void aNullPointerIsNothing() {
    assertThrows(IllegalArgumentException.class, () -> cuda.adoptStream(context, 0));
    assertThrows(IllegalArgumentException.class, () -> cuda.borrowEvent(context, 0));
    assertThrows(IllegalArgumentException.class, () -> cuda.adoptEvent(context, 0));
    assertThrows(IllegalArgumentException.class, () -> cuda.borrowMemory(context, 0, 1));
    assertThrows(IllegalArgumentException.class, () -> cuda.adoptMemory(context, 256, 0));
  }

  @Test
  void aContextIsCurrentBetweenPushAndPop() {
    assertEquals(context.handle(), cuda.currentContext());
    Context borrowed = cuda.borrow(context.handle());
    borrowed.push();
    borrowed.close();
    assertThrows(IllegalStateException.class, borrowed::handle);
    context.pop();
    assertEquals(context.handle(), cuda.currentContext());
    context.pop();
    assertEquals(0, cuda.currentContext());
    var e = assertThrows(CudaException.class, () -> context.allocate(16));
    assertEquals(CudaStatus.INVALID_CONTEXT, e.status());
    assertEquals("cuMemAlloc_v2", e.function());
    complaints.add("cuMemAlloc_v2: no current context");
    context.push();
    assertThrows(IllegalArgumentException.class, () -> cuda.borrow(0));
  }

  @Test
  void memoryIsTakenAndGivenBack() {
    long free = context.memory().free();
    DeviceMemory memory = owner.own(context.allocate(BYTES));
    assertTrue(context.memory().free() <= free - BYTES);
    assertEquals(4096, SoftwareDevice.bytesInUse(0), "whole pages of 512 bytes");
    assertEquals(BYTES, memory.bytes());
    assertEquals(0, memory.address() % 256);
    memory.close();
    memory.close();
    assertEquals(0, SoftwareDevice.bytesInUse(0));
    assertThrows(IllegalStateException.class, memory::address);
    assertThrows(IllegalArgumentException.class, () -> context.allocate(0));
    var e = assertThrows(CudaException.class, () -> context.allocate(1L << 50));
    assertEquals(CudaStatus.OUT_OF_MEMORY, e.status());
  }

  @Test
  void pinnedMemoryCannotBeTouchedAfterItsClose() {
    PinnedMemory pinned = owner.own(context.allocatePinned(BYTES));
    MemorySegment segment = pinned.segment();
    assertEquals(BYTES, segment.byteSize());
    segment.fill((byte) 1);
    pinned.close();
    pinned.close();
    assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_BYTE, 0));
    assertThrows(IllegalArgumentException.class, () -> context.allocatePinned(-1));
  }

  @Test
  void copiesAndFillsRunInOrder() {
    Stream stream = owner.own(context.newStream());
    DeviceMemory a = owner.own(context.allocate(BYTES));
    DeviceMemory b = owner.own(context.allocate(BYTES));
    PinnedMemory in = owner.own(context.allocatePinned(BYTES));
    PinnedMemory out = owner.own(context.allocatePinned(BYTES));
    fillWithCounting(in.segment());
    out.segment().fill((byte) 0);
    stream.copyToDevice(a.address(), in.segment(), BYTES);
    stream.copyOnDevice(b.address(), a.address(), BYTES);
    stream.fill(b.address(), (byte) 7, 4);
    stream.copyToHost(out.segment(), b.address(), BYTES);
    assertFalse(stream.done());
    assertEquals(0, out.segment().get(ValueLayout.JAVA_INT, 4));
    stream.synchronize();
    assertTrue(stream.done());
    assertEquals(0x07070707, out.segment().get(ValueLayout.JAVA_INT, 0));
    assertEquals(
        -1,
        out.segment().asSlice(4).mismatch(in.segment().asSlice(4)),
        "all but the first four bytes");
  }

  @Test
  void copiesLookAtTheHostsBounds() {
    Stream stream = owner.own(context.newStream());
    MemorySegment small = arena.allocate(8);
    assertThrows(IndexOutOfBoundsException.class, () -> stream.copyToDevice(1, small, 9));
    assertThrows(IndexOutOfBoundsException.class, () -> stream.copyToHost(small, 1, -1));
    assertThrows(IllegalArgumentException.class, () -> stream.copyToHost(small.asReadOnly(), 1, 8));
    assertThrows(
        IllegalArgumentException.class,
        () -> stream.copyToDevice(1, MemorySegment.ofArray(new byte[8]), 8));
    assertEquals(0, SoftwareDevice.pending());
  }

  @Test
  void anEventOrdersTwoStreams() {
    Stream first = owner.own(context.newStream());
    Stream second = owner.own(context.newStream());
    Event event = owner.own(context.newEvent());
    DeviceMemory memory = owner.own(context.allocate(BYTES));
    PinnedMemory out = owner.own(context.allocatePinned(BYTES));
    assertTrue(event.done(), "an event that was never recorded counts as reached");
    first.fill(memory.address(), (byte) 3, BYTES);
    first.record(event);
    second.waitFor(event);
    second.copyToHost(out.segment(), memory.address(), BYTES);
    assertFalse(event.done());
    second.synchronize();
    assertTrue(event.done());
    assertEquals(3, out.segment().get(ValueLayout.JAVA_BYTE, BYTES - 1));
  }

  @Test
  void timedEventsTellTheTimeBetweenThem() {
    Stream stream = owner.own(context.newStream());
    Event start = owner.own(context.newTimedEvent());
    Event end = owner.own(context.newTimedEvent());
    DeviceMemory memory = owner.own(context.allocate(BYTES));
    stream.record(start);
    stream.fill(memory.address(), (byte) 0, BYTES);
    stream.record(end);
    end.synchronize();
    assertTrue(end.millisSince(start) >= 0);
    Event untimed = owner.own(context.newBlockingEvent());
    stream.record(untimed);
    untimed.synchronize();
    var e = assertThrows(CudaException.class, () -> untimed.millisSince(start));
    assertEquals(CudaStatus.INVALID_HANDLE, e.status());
    complaints.add("cuEventElapsedTime: an event that was created without timing");
  }

  @Test
  void aKernelGetsItsArguments() {
    Stream stream = owner.own(context.newStream());
    Kernel kernel = kernel();
    assertEquals("axpb", kernel.name());
    assertTrue(kernel.attribute(KernelAttribute.MAX_THREADS_PER_BLOCK) >= 128);
    Buffers buffers = new Buffers();
    KernelArguments arguments = buffers.arguments(2, 1);
    stream.copyToDevice(buffers.x.address(), buffers.in.segment(), BYTES);
    launch(stream, kernel, arguments);
    // Read by the launch: a change is for the next one.
    arguments.setFloat(3, 100);
    stream.copyToHost(buffers.out.segment(), buffers.y.address(), BYTES);
    stream.synchronize();
    assertArrayEquals(expected(2, 1), buffers.result());
    assertThrows(IndexOutOfBoundsException.class, () -> arguments.setInt(5, 0));
    assertEquals(5, arguments.count());
    assertThrows(IllegalArgumentException.class, () -> KernelArguments.of(-1, arena));
  }

  @Test
  void aModuleWithoutTheKernelSaysSo() {
    CudaModule module = module();
    var e = assertThrows(CudaException.class, () -> module.function("nothing"));
    assertEquals(CudaStatus.NOT_FOUND, e.status());
    Kernel kernel = module.function("axpb");
    module.close();
    assertThrows(
        IllegalStateException.class, () -> kernel.attribute(KernelAttribute.MAX_THREADS_PER_BLOCK));
    assertThrows(IllegalStateException.class, () -> module.function("axpb"));
  }

  @Test
  void aDamagedImageIsRefused() {
    MemorySegment image = arena.allocateFrom("this is neither a cubin nor PTX");
    var e = assertThrows(CudaException.class, () -> context.load(image));
    assertTrue(
        Set.of(CudaStatus.INVALID_IMAGE, CudaStatus.INVALID_PTX, CudaStatus.NO_BINARY_FOR_GPU)
            .contains(e.status()),
        e::getMessage);
    assertEquals("cuModuleLoadDataEx", e.function());
    complaints.add("cuModuleLoadDataEx: the image was not made by the software device's NVRTC");
  }

  @Test
  void capturedWorkRunsWhenItIsLaunchedAndEachTimeAnew() {
    Stream stream = owner.own(context.newStream());
    Kernel kernel = kernel();
    Buffers buffers = new Buffers();
    launch(stream, kernel, buffers.arguments(1, 0));
    stream.synchronize();

    assertEquals(CaptureStatus.NONE, stream.captureStatus());
    GraphExec exec = owner.own(record(stream, kernel, buffers, 2));
    assertEquals(CaptureStatus.NONE, stream.captureStatus());
    for (int round = 0; round < 3; round++) {
      fillWithCounting(buffers.in.segment());
      buffers.in.segment().setAtIndex(ValueLayout.JAVA_FLOAT, 0, round);
      stream.launch(exec);
      stream.synchronize();
      float[] wanted = expected(2, 1);
      wanted[0] = 2 * round + 1;
      assertArrayEquals(wanted, buffers.result());
    }

    try (Graph graph = capture(stream, kernel, buffers, 5)) {
      assertEquals(3, graph.nodes());
      exec.update(graph);
    }
    fillWithCounting(buffers.in.segment());
    stream.launch(exec);
    stream.synchronize();
    assertArrayEquals(expected(5, 1), buffers.result());
  }

  @Test
  void aGraphOfAnotherShapeCannotBeTakenOver() {
    Stream stream = owner.own(context.newStream());
    Kernel kernel = kernel();
    Buffers buffers = new Buffers();
    launch(stream, kernel, buffers.arguments(1, 0));
    stream.synchronize();
    GraphExec exec = owner.own(record(stream, kernel, buffers, 2));
    stream.beginCapture();
    stream.fill(buffers.y.address(), (byte) 0, BYTES);
    try (Graph other = stream.endCapture()) {
      var e = assertThrows(CudaException.class, () -> exec.update(other));
      assertEquals(CudaStatus.GRAPH_EXEC_UPDATE_FAILURE, e.status());
    }
    stream.launch(exec);
    stream.synchronize();
    assertArrayEquals(expected(2, 1), buffers.result());
  }

  @Test
  void aSpoiledCaptureEndsWithAnErrorAndLeavesTheStreamUsable() {
    Stream stream = owner.own(context.newStream());
    DeviceMemory memory = owner.own(context.allocate(BYTES));
    stream.beginCapture();
    assertEquals(CaptureStatus.ACTIVE, stream.captureStatus());
    SoftwareDevice.failFunction("cuMemsetD8Async", 1, CudaStatus.STREAM_CAPTURE_IMPLICIT.code());
    assertThrows(CudaException.class, () -> stream.fill(memory.address(), (byte) 0, BYTES));
    SoftwareDevice.failFunction(
        "cuStreamEndCapture", 1, CudaStatus.STREAM_CAPTURE_INVALIDATED.code());
    var e = assertThrows(CudaException.class, stream::endCapture);
    assertEquals(CudaStatus.STREAM_CAPTURE_INVALIDATED, e.status());
    if (stream.captureStatus() != CaptureStatus.NONE) {
      // The injected failure came before the driver's own work.
      stream.endCapture().close();
    }
    stream.fill(memory.address(), (byte) 0, BYTES);
    stream.synchronize();
  }

  @Test
  void graphsAreCountedUntilTheLastCopyIsDestroyed() {
    CaptureCount count = owner.own(new CaptureCount(context));
    Stream stream = owner.own(context.newStream());
    DeviceMemory memory = owner.own(context.allocate(BYTES));
    stream.beginCapture();
    stream.fill(memory.address(), (byte) 0, BYTES);
    count.add(stream);
    Graph graph = stream.endCapture();
    assertEquals(1, count.alive());
    GraphExec exec = graph.instantiate();
    graph.close();
    assertEquals(1, count.alive());
    exec.close();
    assertEquals(0, count.alive());
    count.close();
    count.close();
    assertEquals(0, count.alive());
  }

  @Test
  void aGraphThatCannotBeCountedLeavesNothing() {
    CaptureCount count = owner.own(new CaptureCount(context));
    Stream stream = owner.own(context.newStream());
    DeviceMemory memory = owner.own(context.allocate(BYTES));
    stream.beginCapture();
    stream.fill(memory.address(), (byte) 0, BYTES);
    SoftwareDevice.failFunction("cuGraphRetainUserObject", 1, 1);
    assertThrows(CudaException.class, () -> count.add(stream));
    stream.endCapture().close();
    assertEquals(0, count.alive());
  }

  @Test
  void aStatusThatNobodyKnowsKeepsItsNumber() {
    SoftwareDevice.failFunction("cuMemAlloc_v2", 1, 12_345);
    var e = assertThrows(CudaException.class, () -> context.allocate(16));
    assertEquals(CudaStatus.UNKNOWN, e.status());
    assertEquals(12_345, e.code());
    assertFalse(e.sticky());
    assertTrue(
        e.getMessage().startsWith("cuMemAlloc_v2 returned an unknown status (12345)"),
        e::getMessage);
  }

  @Test
  void aFailureNamesTheCallAndTheDriversWords() {
    SoftwareDevice.failFunction("cuStreamCreate", 1, 2);
    var e = assertThrows(CudaException.class, context::newStream);
    assertTrue(
        e.getMessage().startsWith("cuStreamCreate returned CUDA_ERROR_OUT_OF_MEMORY (2): "),
        e::getMessage);
  }

  @Test
  void whatTheDriverRefusesToFreeIsLoggedAndNotThrown() {
    DeviceMemory memory = context.allocate(16);
    SoftwareDevice.failFunction("cuMemFree_v2", 1, 1);
    memory.close();
    assertEquals(512, SoftwareDevice.bytesInUse(0), "nobody can free it any more");
    complaints.add(
        "cuDevicePrimaryCtxRelease_v2: the context still owned 1 of kind \"device memory\"");
  }

  @Test
  void anyThreadMayClose() throws InterruptedException {
    DeviceMemory memory = context.allocate(16);
    Event event = context.newEvent();
    Stream stream = context.newStream();
    var failure = new AtomicReference<Throwable>();
    Thread other =
        Thread.ofPlatform()
            .start(() -> {
              try {
                stream.close();
                event.close();
                memory.close();
                assertEquals(0, cuda.currentContext());
              } catch (Throwable t) {
                failure.set(t);
              }
            });
    other.join();
    assertEquals(null, failure.get());
    assertEquals(0, SoftwareDevice.bytesInUse(0));
  }

  @Test
  void whatIsClosedAfterItsContextIsLeftAlone() {
    DeviceMemory memory = context.allocate(16);
    context.pop();
    context.close();
    memory.close();
    assertThrows(IllegalStateException.class, context::push);
    assertEquals(0, SoftwareDevice.bytesInUse(0), "a context takes its memory along");
    complaints.add(
        "cuDevicePrimaryCtxRelease_v2: the context still owned 1 of kind \"device memory\"");
    context = owner.own(cuda.devices().getFirst().retainPrimary());
    context.push();
  }

  @Test
  void usingWhatIsClosedThrowsAndReachesNoDriver() {
    Stream stream = context.newStream();
    Event event = context.newEvent();
    Event open = owner.own(context.newEvent());
    stream.close();
    stream.close();
    event.close();
    long calls = SoftwareDevice.calls();
    assertThrows(IllegalStateException.class, stream::synchronize);
    assertThrows(IllegalStateException.class, stream::handle);
    assertThrows(IllegalStateException.class, () -> stream.record(open));
    assertThrows(IllegalStateException.class, event::synchronize);
    assertEquals(calls, SoftwareDevice.calls());
  }

  @Test
  void aBorrowedStreamIsNotFreed() {
    Stream stream = owner.own(context.newStream());
    Stream borrowed = cuda.borrowStream(context, stream.handle());
    DeviceMemory memory = owner.own(context.allocate(BYTES));
    borrowed.fill(memory.address(), (byte) 0, BYTES);
    borrowed.close();
    stream.synchronize();
  }

  @Test
  void anErrorOnTheDeviceIsStickyAndSeenByWhoWaits() {
    Stream stream = context.newStream();
    DeviceMemory memory = context.allocate(BYTES);
    SoftwareDevice.failWork(1, CudaStatus.ILLEGAL_ADDRESS.code());
    stream.fill(memory.address(), (byte) 0, BYTES);
    var e = assertThrows(CudaException.class, stream::synchronize);
    assertEquals(CudaStatus.ILLEGAL_ADDRESS, e.status());
    assertTrue(e.sticky());
    assertThrows(CudaException.class, () -> context.allocate(16));
    // Nothing can be freed any more; a new process is what a program needs, and here a new device.
    SoftwareDevice.reset();
    owner = new Closer();
    context = owner.own(cuda.devices().getFirst().retainPrimary());
    context.push();
  }

  @Test
  void theHotPathAllocatesNothing() throws InterruptedException {
    Stream stream = owner.own(context.newStream());
    Stream other = owner.own(context.newStream());
    Event event = owner.own(context.newEvent());
    Kernel kernel = kernel();
    Buffers buffers = new Buffers();
    KernelArguments arguments = buffers.arguments(1, 0);
    launch(stream, kernel, arguments);
    stream.synchronize();
    GraphExec exec = owner.own(record(stream, kernel, buffers, 2));
    long bytes =
        HeapAllocation.fewestBytes(
            new long[0],
            () -> {
              for (int round = 0; round < 100; round++) {
                context.push();
                stream.copyToDevice(buffers.x.address(), buffers.in.segment(), BYTES);
                arguments.setFloat(3, round);
                arguments.setLong(0, buffers.y.address());
                arguments.setInt(2, COUNT);
                launch(stream, kernel, arguments);
                stream.record(event);
                other.waitFor(event);
                other.launch(exec);
                other.copyOnDevice(buffers.y.address(), buffers.x.address(), BYTES);
                other.fill(buffers.y.address(), (byte) 0, BYTES);
                other.copyToHost(buffers.out.segment(), buffers.y.address(), BYTES);
                event.synchronize();
                other.captureStatus();
                other.done();
                other.synchronize();
                context.pop();
              }
            });
    assertEquals(0, bytes);
  }

  @Test
  void afterAFailureOfAnyCallEverythingCanStillBeClosed() {
    context.pop();
    owner.close();
    SoftwareDevice.reset();
    makeOneOfEach();
    long calls = SoftwareDevice.calls();
    assertTrue(calls > 20, () -> "only " + SoftwareDevice.log());
    for (long n = 1; n <= calls; n++) {
      SoftwareDevice.reset();
      SoftwareDevice.failCall(n);
      try {
        makeOneOfEach();
      } catch (CudaException e) {
        String failed = SoftwareDevice.fired().getFirst();
        assertTrue(failed.contains(e.function()), () -> failed + ", but " + e.getMessage());
      }
      String failed = SoftwareDevice.fired().getFirst();
      // What is left otherwise is what the driver refused to free, or to be freed in a capture that
      // it refused to end.
      if (!failed.matches(".*(Destroy|Free|Release|PushCurrent|PopCurrent|EndCapture).*")) {
        assertEquals(Map.of(), SoftwareDevice.live(), failed);
        assertEquals(List.of(), SoftwareDevice.complaints(), failed);
      }
    }
    SoftwareDevice.reset();
    context = owner.own(cuda.devices().getFirst().retainPrimary());
    context.push();
  }

  private void makeOneOfEach() {
    try (Closer closer = new Closer()) {
      Context one = closer.own(cuda.devices().getFirst().retainPrimary());
      one.push();
      closer.own(one::pop);
      Stream stream = closer.own(one.newStream());
      Event event = closer.own(one.newEvent());
      DeviceMemory memory = closer.own(one.allocate(BYTES));
      PinnedMemory pinned = closer.own(one.allocatePinned(BYTES));
      // Before anything is freed: work may be under way when another call fails.
      closer.own(stream::synchronize);
      stream.copyToDevice(memory.address(), pinned.segment(), BYTES);
      stream.record(event);
      stream.synchronize();
      stream.beginCapture();
      try {
        stream.fill(memory.address(), (byte) 0, BYTES);
      } catch (CudaException e) {
        stream.endCapture().close();
        throw e;
      }
      Graph graph = closer.own(stream.endCapture());
      GraphExec exec = closer.own(graph.instantiate());
      stream.launch(exec);
      stream.synchronize();
    }
  }

  @Test
  void everyFunctionThatIsBoundIsCalledByTheseTests() {
    aKernelGetsItsArguments();
    capturedWorkRunsWhenItIsLaunchedAndEachTimeAnew();
    copiesAndFillsRunInOrder();
    anEventOrdersTwoStreams();
    timedEventsTellTheTimeBetweenThem();
    aGraphThatCannotBeCountedLeavesNothing();
    context.synchronize();
    context.memory();
    cuda.currentDevice();
    cuda.currentContext();
    Cuda.of(cuda.library());
    Cuda.driverVersion(cuda.library());
    context.pop();
    owner.close();
    Set<String> called = new HashSet<>();
    SoftwareDevice.log().forEach(line -> called.add(line.split(" ")[1]));
    context = owner.own(cuda.devices().getFirst().retainPrimary());
    context.push();
    Set<String> bound = new HashSet<>(cuda.library().bound().keySet());
    bound.removeAll(called);
    assertEquals(Set.of(), bound);
  }

  /** An input, an output and the arguments of {@code y = a x + b}. */
  private final class Buffers {
    final DeviceMemory x = owner.own(context.allocate(BYTES));
    final DeviceMemory y = owner.own(context.allocate(BYTES));
    final PinnedMemory in = owner.own(context.allocatePinned(BYTES));
    final PinnedMemory out = owner.own(context.allocatePinned(BYTES));

    Buffers() {
      fillWithCounting(in.segment());
    }

    KernelArguments arguments(float a, float b) {
      KernelArguments arguments = KernelArguments.of(5, arena);
      arguments.setLong(0, y.address());
      arguments.setLong(1, x.address());
      arguments.setInt(2, COUNT);
      arguments.setFloat(3, a);
      arguments.setFloat(4, b);
      return arguments;
    }

    float[] result() {
      return out.segment().toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  private CudaModule module() {
    CompiledProgram program =
        Nvrtc.open(12).compile("axpb.cu", AXPB, new ComputeCapability(9, 0), List.of());
    return owner.own(context.load(program.image(arena)));
  }

  private Kernel kernel() {
    return module().function("axpb");
  }

  private static void launch(Stream stream, Kernel kernel, KernelArguments arguments) {
    stream.launch(kernel, (COUNT + 127) / 128, 1, 1, 128, 1, 1, 0, arguments);
  }

  private Graph capture(Stream stream, Kernel kernel, Buffers buffers, float a) {
    stream.beginCapture();
    stream.copyToDevice(buffers.x.address(), buffers.in.segment(), BYTES);
    launch(stream, kernel, buffers.arguments(a, 1));
    stream.copyToHost(buffers.out.segment(), buffers.y.address(), BYTES);
    return stream.endCapture();
  }

  private GraphExec record(Stream stream, Kernel kernel, Buffers buffers, float a) {
    try (Graph graph = capture(stream, kernel, buffers, a)) {
      return graph.instantiate();
    }
  }

  private static void fillWithCounting(MemorySegment segment) {
    for (int i = 0; i < COUNT; i++) {
      segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, i);
    }
  }

  private static float[] expected(float a, float b) {
    float[] values = new float[COUNT];
    for (int i = 0; i < COUNT; i++) {
      values[i] = a * i + b;
    }
    return values;
  }
}
