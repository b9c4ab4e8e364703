package dev.shortcut.testing.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.TestSeed;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The software driver finds what a GPU would not forgive: each test makes one mistake. */
@Tag("native")
class DriverTest {
  private static final int INVALID_VALUE = 1;
  private static final int OUT_OF_MEMORY = 2;
  private static final int INVALID_CONTEXT = 201;
  private static final int INVALID_HANDLE = 400;
  private static final int ILLEGAL_STATE = 401;
  private static final int NOT_READY = 600;
  private static final int CONTEXT_IS_DESTROYED = 709;
  private static final int GLOBAL = 0;
  private static final int THREAD_LOCAL = 1;
  private static final int RELAXED = 2;
  private static final int BLOCKING = 0;
  private static final int NON_BLOCKING = 1;

  private RawCalls driver;
  private long context;

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    open(late());
  }

  // --- Memory ---

  @Test
  void aCopyReachesTheDeviceAndComesBack() {
    long stream = stream();
    long device = allocate(8);
    MemorySegment host = pinned(8);
    host.set(ValueLayout.JAVA_LONG, 0, 42);
    driver.check("cuMemcpyHtoDAsync_v2", device, host, 8L, stream);
    MemorySegment back = pinned(8);
    driver.check("cuMemcpyDtoHAsync_v2", back, device, 8L, stream);
    driver.check("cuStreamSynchronize", stream);
    assertEquals(42, back.get(ValueLayout.JAVA_LONG, 0));
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @Test
  void freshMemoryIsNotANumber() {
    long device = allocate(16);
    MemorySegment host = driver.room(16);
    driver.check("cuMemcpyDtoH_v2", host, device, 16L);
    for (int i = 0; i < 4; i++) {
      assertTrue(Float.isNaN(host.getAtIndex(ValueLayout.JAVA_FLOAT, i)));
    }
  }

  @Test
  void hostAndDevicePointersAreToldApart() {
    MemorySegment host = driver.room(16);
    long device = allocate(16);
    assertEquals(
        INVALID_VALUE, driver.status("cuMemsetD8Async", host.address(), (byte) 0, 16L, 0L));
    assertComplaint("cuMemsetD8Async: not device memory.*host memory");
    assertEquals(INVALID_VALUE, driver.status("cuMemcpyHtoD_v2", device, device, 16L));
    assertComplaint("cuMemcpyHtoD_v2: source: not host memory");
    assertEquals(INVALID_VALUE, driver.status("cuMemFree_v2", host.address()));
  }

  @Test
  void notOneByteBehindTheEndMayBeReached() {
    long device = allocate(10);
    MemorySegment host = driver.room(64);
    driver.check("cuMemcpyHtoD_v2", device, host, 10L);
    assertEquals(INVALID_VALUE, driver.status("cuMemcpyHtoD_v2", device, host, 11L));
    assertEquals(INVALID_VALUE, driver.status("cuMemcpyHtoD_v2", device + 9, host, 2L));
    assertComplaint("2 bytes at .*byte 9 of 10 on device 0.* reach past its end");
  }

  @Test
  void memoryIsNotUsedAfterItIsFreedNorFreedTwice() {
    long device = allocate(16);
    driver.check("cuMemFree_v2", device);
    assertEquals(INVALID_VALUE, driver.status("cuMemcpyHtoD_v2", device, driver.room(16), 16L));
    assertComplaint("byte 0 of 16 that were freed");
    assertEquals(INVALID_VALUE, driver.status("cuMemFree_v2", device));
    assertEquals(INVALID_VALUE, driver.status("cuMemFree_v2", allocate(16) + 8));
  }

  @Test
  void addressesAreAlignedToWhatTheDriverPromisesAndNoMore() {
    for (int i = 1; i < 40; i++) {
      long address = allocate(i * 7L);
      assertEquals(0, address % 512);
      assertNotEquals(0, address % 1024, "nobody may count on more");
    }
  }

  @Test
  void widerFillsNeedAlignedAddresses() {
    long device = allocate(16);
    assertEquals(INVALID_VALUE, driver.status("cuMemsetD32Async", device + 2, 0, 1L, 0L));
    assertComplaint("not aligned to 4 bytes");
  }

  @Test
  void memoryEnds() {
    open(late().memory(1 << 20));
    allocate(1 << 19);
    assertEquals(OUT_OF_MEMORY, driver.status("cuMemAlloc_v2", driver.room(8), 1L << 20));
    MemorySegment free = driver.room(8);
    MemorySegment total = driver.room(8);
    driver.check("cuMemGetInfo_v2", free, total);
    assertEquals(1 << 20, total.get(ValueLayout.JAVA_LONG, 0));
    assertEquals(1 << 19, free.get(ValueLayout.JAVA_LONG, 0));
    assertEquals(1 << 19, SoftwareDevice.bytesInUse(0));
    assertEquals(List.of(), SoftwareDevice.complaints(), "running out of memory is no mistake");
  }

  @Test
  void pinnedMemoryIsReadWhenTheCopyRuns() {
    long stream = stream();
    long device = allocate(8);
    MemorySegment host = pinned(8);
    host.set(ValueLayout.JAVA_LONG, 0, 1);
    driver.check("cuMemcpyHtoDAsync_v2", device, host, 8L, stream);
    host.set(ValueLayout.JAVA_LONG, 0, 2); // too early: nobody waited
    assertEquals(2, read(device));
  }

  @Test
  void pageableMemoryIsReadBeforeTheCallReturns() {
    long stream = stream();
    long device = allocate(8);
    MemorySegment host = driver.room(8);
    host.set(ValueLayout.JAVA_LONG, 0, 1);
    driver.check("cuMemcpyHtoDAsync_v2", device, host, 8L, stream);
    host.set(ValueLayout.JAVA_LONG, 0, 2);
    driver.check("cuStreamSynchronize", stream);
    assertEquals(1, read(device));
  }

  @Test
  void pinnedMemoryReadTooEarlyHoldsTheOldBytes() {
    long stream = stream();
    long device = allocate(8);
    driver.check("cuMemsetD8Async", device, (byte) 1, 8L, stream);
    MemorySegment host = pinned(8);
    host.set(ValueLayout.JAVA_LONG, 0, 77);
    driver.check("cuMemcpyDtoHAsync_v2", host, device, 8L, stream);
    assertEquals(77, host.get(ValueLayout.JAVA_LONG, 0));
    driver.check("cuStreamSynchronize", stream);
    assertEquals(0x0101010101010101L, host.get(ValueLayout.JAVA_LONG, 0));
  }

  @Test
  void memoryOfTheProgramIsNotMistakenForPinnedMemoryThatWasFreed() {
    // So many that the allocator asks the system for them, which takes the first gap that is wide
    // enough.
    int bytes = 48 << 20;
    long device = allocate(bytes);
    driver.check("cuMemFreeHost", pinned(bytes + bytes / 4));
    driver.check("cuMemcpyHtoD_v2", device, driver.room(bytes), (long) bytes);
    MemorySegment freed = pinned(bytes);
    driver.check("cuMemFreeHost", freed);
    assertEquals(
        INVALID_VALUE, driver.status("cuMemcpyHtoD_v2", device, freed.address(), (long) bytes));
    assertComplaint("pinned host memory .* that was freed");
  }

  @Test
  void registeredMemoryIsPinnedUntilItIsNoLongerRegistered() {
    long stream = stream();
    long device = allocate(8);
    MemorySegment host = driver.room(8);
    driver.check("cuMemHostRegister_v2", host, 8L, 1);
    assertEquals(712, driver.status("cuMemHostRegister_v2", host, 8L, 1));
    assertComplaint("registered already");
    assertEquals(INVALID_VALUE, driver.status("cuMemFreeHost", host));
    host.set(ValueLayout.JAVA_LONG, 0, 1);
    driver.check("cuMemcpyHtoDAsync_v2", device, host, 8L, stream);
    host.set(ValueLayout.JAVA_LONG, 0, 2);
    assertEquals(2, read(device), "read when the copy runs");
    driver.check("cuMemHostUnregister", host);
    assertEquals(Map.of("device memory", 1L), liveMemory());
    assertEquals(713, driver.status("cuMemHostUnregister", host));
    host.set(ValueLayout.JAVA_LONG, 0, 3);
    driver.check("cuMemcpyHtoDAsync_v2", device, host, 8L, stream);
    host.set(ValueLayout.JAVA_LONG, 0, 4);
    assertEquals(3, read(device), "read before the call returns");
  }

  @Test
  void memoryThatIsNoLongerRegisteredBeforeItsCopyRunsIsFound() {
    long stream = stream();
    MemorySegment host = driver.room(8);
    driver.check("cuMemHostRegister_v2", host, 8L, 1);
    driver.check("cuMemcpyHtoDAsync_v2", allocate(8), host, 8L, stream);
    driver.check("cuMemHostUnregister", host);
    assertEquals(700, driver.status("cuStreamSynchronize", stream));
    assertComplaint("copy to device: pinned host memory was freed before the copy had its turn");
  }

  @Test
  void pinnedMemoryFreedBeforeItsCopyRunsIsFound() {
    long stream = stream();
    long device = allocate(8);
    MemorySegment host = pinned(8);
    driver.check("cuMemcpyHtoDAsync_v2", device, host, 8L, stream);
    driver.check("cuMemFreeHost", host);
    assertEquals(700, driver.status("cuStreamSynchronize", stream));
    assertComplaint("copy to device: pinned host memory was freed before the copy had its turn");
    assertEquals(700, driver.status("cuMemFree_v2", device), "an illegal address is for ever");
  }

  @Test
  void memoryOfAnotherDeviceIsNotReachedByAKernel() {
    open(late().devices(2));
    long device = allocate(8);
    long other = driver.made("cuDevicePrimaryCtxRetain", 1);
    driver.check("cuCtxPushCurrent_v2", other);
    driver.check("cuMemsetD8Async", device, (byte) 0, 8L, 0L);
    assertEquals(700, driver.status("cuStreamSynchronize", 0L));
    assertComplaint("belongs to another device");
  }

  @Test
  void memoryOfAnotherContextIsReachedByCopiesOnly() {
    long device = allocate(8);
    driver.made("cuCtxCreate_v2", 0, 0);
    MemorySegment host = driver.room(8);
    driver.check("cuMemcpyDtoH_v2", host, device, 8L);
    driver.check("cuMemsetD8Async", device, (byte) 0, 8L, 0L);
    assertEquals(700, driver.status("cuStreamSynchronize", 0L));
    assertComplaint("belongs to another context");
  }

  // --- Contexts ---

  @Test
  void callsWithoutAContextAreRefused() {
    long stream = stream();
    long event = event();
    driver.check("cuCtxPopCurrent_v2", driver.room(8));
    assertEquals(INVALID_CONTEXT, driver.status("cuMemAlloc_v2", driver.room(8), 8L));
    assertEquals(INVALID_CONTEXT, driver.status("cuStreamCreate", driver.room(8), 1));
    assertEquals(INVALID_CONTEXT, driver.status("cuEventRecord", event, stream));
    assertEquals(INVALID_CONTEXT, driver.status("cuStreamSynchronize", stream));
    assertEquals(INVALID_CONTEXT, driver.status("cuCtxSynchronize"));
    assertComplaint("cuMemAlloc_v2: no current context");
  }

  @Test
  void anotherThreadHasAStackOfItsOwn() throws Exception {
    assertEquals(
        INVALID_CONTEXT,
        onAnotherThread(() -> driver.status("cuCtxPopCurrent_v2", driver.room(8))));
    assertComplaint("this thread has no context to pop");
    assertEquals(0L, onAnotherThread(() -> driver.made("cuCtxGetCurrent")));
    assertEquals(context, driver.made("cuCtxGetCurrent"));
  }

  @Test
  void aStreamOfAnotherContextIsRefused() {
    long stream = stream();
    long foreign = driver.made("cuCtxCreate_v2", 0, 0);
    assertEquals(foreign, driver.made("cuCtxGetCurrent"));
    long device = allocate(8);
    assertEquals(INVALID_HANDLE, driver.status("cuMemsetD8Async", device, (byte) 0, 8L, stream));
    assertComplaint("the stream belongs to another context");
  }

  @Test
  void thePrimaryContextLivesAsLongAsSomebodyHoldsIt() {
    assertEquals(context, driver.made("cuDevicePrimaryCtxRetain", 0));
    driver.check("cuDevicePrimaryCtxRelease_v2", 0);
    allocate(8);
    driver.check("cuDevicePrimaryCtxRelease_v2", 0);
    assertComplaint("the context still owned 1 of kind \"device memory\"");
    assertEquals(CONTEXT_IS_DESTROYED, driver.status("cuMemAlloc_v2", driver.room(8), 8L));
    assertEquals(INVALID_CONTEXT, driver.status("cuDevicePrimaryCtxRelease_v2", 0));
    assertEquals(Map.of(), SoftwareDevice.live());
    assertEquals(context, driver.made("cuDevicePrimaryCtxRetain", 0), "its handle stays");
  }

  @Test
  void nothingWorksBeforeItIsInitialised() {
    open(late().devices(0));
    assertEquals(100, driver.status("cuInit", 0));
    assertEquals(INVALID_VALUE, driver.status("cuInit", 1));
  }

  // --- Order ---

  @Test
  void workRunsNotBeforeSomebodyWaits() {
    long stream = stream();
    long device = allocate(8);
    driver.check("cuMemsetD8Async", device, (byte) 1, 8L, stream);
    assertEquals(1, SoftwareDevice.pending());
    assertEquals(List.of(), SoftwareDevice.work());
    driver.check("cuStreamSynchronize", stream);
    assertEquals(List.of("fill"), SoftwareDevice.work());
  }

  @Test
  void aMissingEventWaitGivesWrongNumbersAndAGivenOneRightOnes() {
    for (boolean waits : List.of(true, false)) {
      long writer = stream();
      long reader = stream();
      long device = allocate(8);
      long event = event();
      driver.check("cuMemsetD8Async", device, (byte) 1, 8L, writer);
      driver.check("cuEventRecord", event, writer);
      if (waits) {
        driver.check("cuStreamWaitEvent", reader, event, 0);
      }
      MemorySegment host = pinned(8);
      driver.check("cuMemcpyDtoHAsync_v2", host, device, 8L, reader);
      driver.check("cuStreamSynchronize", reader);
      assertEquals(waits ? 0x0101010101010101L : -1L, host.get(ValueLayout.JAVA_LONG, 0));
    }
  }

  @Test
  void aWaitIsForTheRecordBeforeIt() {
    long writer = stream();
    long reader = stream();
    long device = allocate(1);
    long event = event();
    driver.check("cuMemsetD8Async", device, (byte) 1, 1L, writer);
    driver.check("cuEventRecord", event, writer);
    driver.check("cuStreamWaitEvent", reader, event, 0);
    driver.check("cuMemsetD8Async", device, (byte) 2, 1L, writer);
    driver.check("cuEventRecord", event, writer);
    MemorySegment host = pinned(1);
    driver.check("cuMemcpyDtoHAsync_v2", host, device, 1L, reader);
    driver.check("cuStreamSynchronize", reader);
    assertEquals(1, host.get(ValueLayout.JAVA_BYTE, 0));
    driver.check("cuEventSynchronize", event);
    assertEquals(0, SoftwareDevice.pending());
  }

  @Test
  void queriesSayWhatIsNotReadyAndLetItBecomeSo() {
    long stream = stream();
    long event = event();
    assertEquals(0, driver.status("cuEventQuery", event), "never recorded counts as done");
    driver.check("cuMemsetD8Async", allocate(8), (byte) 1, 8L, stream);
    driver.check("cuEventRecord", event, stream);
    assertEquals(NOT_READY, driver.status("cuStreamQuery", stream));
    int asked = 0;
    while (driver.status("cuEventQuery", event) == NOT_READY) {
      assertTrue(asked++ < 100);
    }
    assertEquals(0, driver.status("cuStreamQuery", stream));
  }

  @Test
  void aHostFunctionHasItsTurnAsOtherWorkDoes() throws Exception {
    long stream = stream();
    long device = allocate(8);
    MemorySegment host = pinned(8);
    driver.check("cuMemsetD8Async", device, (byte) 1, 8L, stream);
    driver.check("cuMemcpyDtoHAsync_v2", host, device, 8L, stream);
    try (Arena arena = Arena.ofShared()) {
      MemorySegment seen = arena.allocate(8);
      Consumer<MemorySegment> increment =
          argument -> {
            long value = host.get(ValueLayout.JAVA_LONG, 0);
            argument.set(ValueLayout.JAVA_LONG, 0, value);
            host.set(ValueLayout.JAVA_LONG, 0, value + 1);
          };
      driver.check("cuLaunchHostFunc", stream, pointer(increment, arena), seen);
      driver.check("cuMemcpyHtoDAsync_v2", device, host, 8L, stream);
      assertEquals(0, seen.get(ValueLayout.JAVA_LONG, 0));
      assertEquals(4, SoftwareDevice.pending());
      driver.check("cuStreamSynchronize", stream);
      assertEquals(0x0101010101010101L, seen.get(ValueLayout.JAVA_LONG, 0));
    }
    assertEquals(0x0101010101010102L, read(device));
    assertEquals(
        List.of("fill", "copy to host", "host function", "copy to device"),
        SoftwareDevice.work().subList(0, 4));
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  /** A C function whose argument points to 64 bits. */
  @SuppressWarnings("restricted")
  private static MemorySegment pointer(Consumer<MemorySegment> function, Arena arena)
      throws ReflectiveOperationException {
    MethodHandle handle =
        MethodHandles.lookup()
            .findVirtual(Consumer.class, "accept", MethodType.methodType(void.class, Object.class))
            .bindTo(function);
    return Linker.nativeLinker()
        .upcallStub(
            handle.asType(MethodType.methodType(void.class, MemorySegment.class)),
            FunctionDescriptor.ofVoid(ValueLayout.ADDRESS.withTargetLayout(ValueLayout.JAVA_LONG)),
            arena);
  }

  @Test
  void theLegacyStreamWaitsForBlockingStreamsOnly() {
    long blocking = driver.made("cuStreamCreate", BLOCKING);
    long other = stream();
    long device = allocate(2);
    driver.check("cuMemsetD8Async", device, (byte) 1, 1L, blocking);
    driver.check("cuMemsetD8Async", device + 1, (byte) 1, 1L, other);
    MemorySegment host = driver.room(2);
    driver.check("cuMemcpyDtoH_v2", host, device, 2L);
    assertEquals(1, host.get(ValueLayout.JAVA_BYTE, 0));
    assertEquals(-1, host.get(ValueLayout.JAVA_BYTE, 1));
  }

  @Test
  void blockingStreamsWaitForTheLegacyStream() {
    long blocking = driver.made("cuStreamCreate", BLOCKING);
    long device = allocate(1);
    driver.check("cuMemsetD8_v2", device, (byte) 1, 1L);
    MemorySegment host = pinned(1);
    driver.check("cuMemcpyDtoHAsync_v2", host, device, 1L, blocking);
    driver.check("cuStreamSynchronize", blocking);
    assertEquals(1, host.get(ValueLayout.JAVA_BYTE, 0));
  }

  @Test
  void timesAreForTimedEventsThatAreDone() {
    long stream = stream();
    long start = driver.made("cuEventCreate", 0);
    long end = driver.made("cuEventCreate", 0);
    MemorySegment time = driver.room(4);
    driver.check("cuEventRecord", start, stream);
    driver.check("cuMemsetD8Async", allocate(1 << 20), (byte) 1, 1L << 20, stream);
    driver.check("cuEventRecord", end, stream);
    assertEquals(NOT_READY, driver.status("cuEventElapsedTime", time, start, end));
    driver.check("cuEventSynchronize", end);
    driver.check("cuEventElapsedTime", time, start, end);
    assertTrue(time.get(ValueLayout.JAVA_FLOAT, 0) >= 0);
    assertEquals(INVALID_HANDLE, driver.status("cuEventElapsedTime", time, start, event()));
  }

  /**
   * Random work on random streams with the events that order it right, against the same in turn.
   */
  @ParameterizedTest
  @ValueSource(doubles = {0, 0.1, 0.7})
  void rightlyOrderedWorkGivesTheSameResultInEveryOrder(double eagerness) {
    for (int round = 0; round < 30; round++) {
      Random random = TestSeed.random();
      open(late().seed(random.nextLong()).eagerness(eagerness));
      int cells = 6;
      long device = allocate(8L * cells);
      long[] expected = new long[cells];
      long[] streams = new long[4];
      for (int i = 0; i < streams.length; i++) {
        streams[i] = driver.made("cuStreamCreate", i == 0 ? BLOCKING : NON_BLOCKING);
      }
      driver.check("cuMemsetD8_v2", device, (byte) 0, 8L * cells);
      driver.check("cuCtxSynchronize");
      // Who touched a cell last: its event must be waited for before the next one touches it.
      Map<Integer, Long> last = new HashMap<>();
      for (int step = 0; step < 60; step++) {
        int from = random.nextInt(cells);
        int to = random.nextInt(cells);
        long stream = streams[random.nextInt(streams.length)];
        for (int cell : new int[] {from, to}) {
          if (last.containsKey(cell)) {
            driver.check("cuStreamWaitEvent", stream, last.get(cell), 0);
          }
        }
        if (from == to) {
          byte value = (byte) random.nextInt();
          driver.check("cuMemsetD8Async", device + 8L * to, value, 8L, stream);
          expected[to] = (value & 0xffL) * 0x0101010101010101L;
        } else {
          driver.check("cuMemcpyDtoDAsync_v2", device + 8L * to, device + 8L * from, 8L, stream);
          expected[to] = expected[from];
        }
        long event = event();
        driver.check("cuEventRecord", event, stream);
        last.put(from, event);
        last.put(to, event);
        if (random.nextInt(10) == 0) {
          driver.check("cuStreamSynchronize", stream);
        }
      }
      driver.check("cuCtxSynchronize");
      for (int cell = 0; cell < cells; cell++) {
        assertEquals(expected[cell], read(device + 8L * cell));
      }
      assertEquals(List.of(), SoftwareDevice.complaints());
    }
  }

  @Test
  void theSameSeedGivesTheSameOrder() {
    var orders = new ArrayList<List<String>>();
    for (long seed : new long[] {1, 1, 2, 3, 4, 5}) {
      open(late().seed(seed));
      long device = allocate(64);
      MemorySegment host = pinned(64);
      for (int i = 0; i < 8; i++) {
        long stream = stream();
        driver.check("cuMemsetD8Async", device + 8L * i, (byte) 0, 8L, stream);
        driver.check("cuMemcpyDtoDAsync_v2", device + 8L * i, device, 8L, stream);
        driver.check("cuMemcpyDtoHAsync_v2", host, device, 8L, stream);
      }
      driver.check("cuCtxSynchronize");
      orders.add(SoftwareDevice.work());
    }
    assertEquals(orders.get(0), orders.get(1));
    assertTrue(orders.stream().distinct().count() > 2, "different seeds give different orders");
  }

  @Test
  void manyThreadsUseTheDeviceAtOnce() throws Exception {
    List<Callable<Integer>> users = new ArrayList<>();
    for (int thread = 0; thread < 16; thread++) {
      byte value = (byte) thread;
      users.add(() -> {
        driver.check("cuCtxPushCurrent_v2", context);
        long stream = stream();
        int wrong = 0;
        for (int i = 0; i < 50; i++) {
          long device = allocate(256);
          MemorySegment host = pinned(256);
          driver.check("cuMemsetD8Async", device, value, 256L, stream);
          driver.check("cuMemcpyDtoHAsync_v2", host, device, 256L, stream);
          driver.check("cuStreamSynchronize", stream);
          wrong += host.get(ValueLayout.JAVA_BYTE, 255) == value ? 0 : 1;
          driver.check("cuMemFree_v2", device);
          driver.check("cuMemFreeHost", host);
        }
        driver.check("cuStreamDestroy_v2", stream);
        driver.check("cuCtxPopCurrent_v2", driver.room(8));
        return wrong;
      });
    }
    try (ExecutorService threads = Executors.newFixedThreadPool(16)) {
      for (Future<Integer> wrong : threads.invokeAll(users)) {
        assertEquals(0, wrong.get());
      }
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of("context", 1L, "primary context retained", 1L), SoftwareDevice.live());
  }

  // --- Capture ---

  @Test
  void aCapturedGraphRunsWhenItIsLaunchedWithThePointersOfTheCapture() {
    long stream = stream();
    long device = allocate(8);
    driver.check("cuStreamBeginCapture_v2", stream, THREAD_LOCAL);
    driver.check("cuMemsetD8Async", device, (byte) 3, 8L, stream);
    driver.check("cuMemsetD8Async", device + 1, (byte) 4, 1L, stream);
    assertEquals(1, capturing(stream));
    long graph = end(stream);
    assertEquals(0, capturing(stream));
    assertEquals(2L, nodes(graph));
    assertEquals(0, SoftwareDevice.pending(), "capturing runs nothing");
    long exec = driver.made("cuGraphInstantiateWithFlags", graph, 0L);
    driver.check("cuGraphDestroy", graph);
    for (int i = 0; i < 3; i++) {
      driver.check("cuMemsetD8Async", device, (byte) 0, 8L, stream);
      driver.check("cuGraphLaunch", exec, stream);
      driver.check("cuStreamSynchronize", stream);
      assertEquals(0x0303030303030403L, read(device));
    }
    driver.check("cuGraphExecDestroy", exec);
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @Test
  void aCaptureFollowsEventsToOtherStreamsAndBack() {
    long stream = stream();
    long other = stream();
    long device = allocate(8);
    begin(stream);
    driver.check("cuMemsetD8Async", device, (byte) 1, 8L, stream);
    long fork = event();
    driver.check("cuEventRecord", fork, stream);
    driver.check("cuStreamWaitEvent", other, fork, 0);
    driver.check("cuMemsetD8Async", device, (byte) 2, 4L, other);
    driver.check("cuMemsetD8Async", device + 4, (byte) 5, 4L, stream);
    long join = event();
    driver.check("cuEventRecord", join, other);
    driver.check("cuStreamWaitEvent", stream, join, 0);
    driver.check("cuMemcpyDtoDAsync_v2", device, device + 4, 1L, stream);
    long exec = driver.made("cuGraphInstantiateWithFlags", end(stream), 0L);
    assertEquals(0, capturing(other));
    for (int i = 0; i < 20; i++) {
      driver.check("cuGraphLaunch", exec, stream);
      driver.check("cuStreamSynchronize", stream);
      assertEquals(0x0505050502020205L, read(device));
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @Test
  void whatWaitsOrAllocatesIsNotPermittedInACapture() {
    List<Runnable> forbidden =
        List.of(
            () -> assertEquals(900, driver.status("cuMemAlloc_v2", driver.room(8), 8L)),
            () -> assertEquals(900, driver.status("cuMemHostAlloc", driver.room(8), 8L, 1)),
            () -> assertEquals(900, driver.status("cuStreamSynchronize", stream())),
            () -> assertEquals(900, driver.status("cuStreamQuery", stream())),
            () -> assertEquals(900, driver.status("cuEventQuery", event())),
            () -> assertEquals(900, driver.status("cuEventSynchronize", event())),
            () -> assertEquals(900, driver.status("cuCtxSynchronize")));
    for (Runnable call : forbidden) {
      long stream = stream();
      begin(stream);
      call.run();
      assertEquals(2, capturing(stream), "the capture is invalid");
      assertEquals(901, driver.status("cuStreamEndCapture", stream, driver.room(8)));
      assertEquals(0, capturing(stream));
    }
    assertComplaint("cuMemAlloc_v2 while a stream is capturing");
  }

  @Test
  void theCapturingStreamItselfIsNotWaitedFor() {
    for (String call : List.of("cuStreamSynchronize", "cuStreamQuery")) {
      long stream = stream();
      begin(stream);
      assertEquals(900, driver.status(call, stream));
      assertEquals(901, driver.status("cuMemsetD8Async", 0L, (byte) 0, 8L, stream));
      assertEquals(901, driver.status("cuStreamEndCapture", stream, driver.room(8)));
    }
  }

  @Test
  void theModeSaysWhoseCallsAreForbidden() throws Exception {
    for (int mode : new int[] {GLOBAL, THREAD_LOCAL, RELAXED}) {
      long stream = stream();
      driver.check("cuStreamBeginCapture_v2", stream, mode);
      int elsewhere =
          onAnotherThread(() -> {
            driver.check("cuCtxPushCurrent_v2", context);
            return driver.status("cuMemAlloc_v2", driver.room(8), 8L);
          });
      assertEquals(mode == GLOBAL ? 900 : 0, elsewhere);
      if (mode == RELAXED) {
        driver.check("cuMemAlloc_v2", driver.room(8), 8L);
      }
      assertEquals(
          mode == GLOBAL ? 901 : 0, driver.status("cuStreamEndCapture", stream, driver.room(8)));
    }
  }

  @Test
  void aThreadMayRelaxItsOwnMode() {
    long stream = stream();
    begin(stream);
    MemorySegment mode = driver.room(4);
    mode.set(ValueLayout.JAVA_INT, 0, RELAXED);
    driver.check("cuThreadExchangeStreamCaptureMode", mode);
    assertEquals(GLOBAL, mode.get(ValueLayout.JAVA_INT, 0));
    allocate(8);
    driver.check("cuThreadExchangeStreamCaptureMode", mode);
    assertNotEquals(0, end(stream));
  }

  @Test
  void aGraphIsNotLaunchedIntoACapture() {
    long stream = stream();
    begin(stream);
    driver.check("cuMemsetD8Async", allocated(8), (byte) 0, 8L, stream);
    long exec = driver.made("cuGraphInstantiateWithFlags", end(stream), 0L);
    begin(stream);
    assertEquals(900, driver.status("cuGraphLaunch", exec, stream));
    assertComplaint("cuGraphLaunch is not permitted on a capturing stream");
    assertEquals(901, driver.status("cuStreamEndCapture", stream, driver.room(8)));
  }

  @Test
  void pageableMemoryIsNotCopiedInACapture() {
    long stream = stream();
    long device = allocate(8);
    begin(stream);
    assertEquals(900, driver.status("cuMemcpyHtoDAsync_v2", device, driver.room(8), 8L, stream));
    assertEquals(901, driver.status("cuStreamEndCapture", stream, driver.room(8)));
  }

  @Test
  void twoCapturesDoNotMerge() {
    long first = stream();
    long second = stream();
    long event = event();
    begin(first);
    begin(second);
    driver.check("cuEventRecord", event, first);
    assertEquals(902, driver.status("cuStreamWaitEvent", second, event, 0));
    assertEquals(901, driver.status("cuStreamEndCapture", first, driver.room(8)));
    assertEquals(901, driver.status("cuStreamEndCapture", second, driver.room(8)));
  }

  @Test
  void aCaptureEndsInTheStreamThatItBeganIn() {
    long first = stream();
    long joined = stream();
    long event = event();
    begin(first);
    driver.check("cuEventRecord", event, first);
    driver.check("cuStreamWaitEvent", joined, event, 0);
    assertEquals(903, driver.status("cuStreamEndCapture", joined, driver.room(8)));
    assertEquals(ILLEGAL_STATE, driver.status("cuStreamEndCapture", stream(), driver.room(8)));
  }

  @Test
  void forkedWorkMustBeJoined() {
    long first = stream();
    long forked = stream();
    long device = allocate(8);
    long event = event();
    begin(first);
    driver.check("cuEventRecord", event, first);
    driver.check("cuStreamWaitEvent", forked, event, 0);
    driver.check("cuMemsetD8Async", device, (byte) 0, 8L, forked);
    assertEquals(904, driver.status("cuStreamEndCapture", first, driver.room(8)));
    assertEquals(0, capturing(forked));
  }

  @Test
  void aCaptureDoesNotDependOnWorkOutsideOfIt() {
    long outside = stream();
    long event = event();
    long stream = stream();
    driver.check("cuEventRecord", event, outside);
    begin(stream);
    assertEquals(905, driver.status("cuStreamWaitEvent", stream, event, 0));
    assertEquals(901, driver.status("cuStreamEndCapture", stream, driver.room(8)));
  }

  @Test
  void theLegacyStreamIsUnusableWhileABlockingStreamCaptures() {
    long blocking = driver.made("cuStreamCreate", BLOCKING);
    long device = allocate(8);
    begin(blocking);
    assertEquals(906, driver.status("cuMemsetD8_v2", device, (byte) 0, 8L));
    assertEquals(901, driver.status("cuStreamEndCapture", blocking, driver.room(8)));
    long other = stream();
    begin(other);
    driver.check("cuMemsetD8_v2", device, (byte) 0, 8L);
    assertNotEquals(0, end(other));
    assertEquals(900, driver.status("cuStreamBeginCapture_v2", 0L, THREAD_LOCAL));
  }

  @Test
  void anEventOfACaptureIsNotAskedForItsState() {
    long stream = stream();
    long event = event();
    begin(stream);
    driver.check("cuEventRecord", event, stream);
    assertNotEquals(0, end(stream));
    assertEquals(907, driver.status("cuEventQuery", event));
    assertEquals(907, driver.status("cuEventSynchronize", event));
    driver.check("cuEventRecord", event, stream);
    driver.check("cuEventSynchronize", event);
  }

  @Test
  void aCaptureEndsOnTheThreadThatBeganIt() throws Exception {
    long stream = stream();
    begin(stream);
    int elsewhere =
        onAnotherThread(() -> {
          driver.check("cuCtxPushCurrent_v2", context);
          return driver.status("cuStreamEndCapture", stream, driver.room(8));
        });
    assertEquals(908, elsewhere);
    assertNotEquals(0, end(stream));
    assertEquals(0, SoftwareDevice.complaints().size() - 1);
  }

  @Test
  void anExecutableGraphTakesOverAGraphOfTheSameShape() {
    long stream = stream();
    long device = allocate(8);
    long exec = driver.made("cuGraphInstantiateWithFlags", fills(stream, device, 1), 0L);
    MemorySegment result = driver.room(24);
    driver.check("cuGraphExecUpdate_v2", exec, fills(stream, device + 4, 1), result);
    driver.check("cuGraphLaunch", exec, stream);
    driver.check("cuStreamSynchronize", stream);
    assertEquals(0x07070707ffffffffL, read(device));
    assertEquals(
        910, driver.status("cuGraphExecUpdate_v2", exec, fills(stream, device, 2), result));
    assertEquals(2, result.get(ValueLayout.JAVA_INT, 0), "the topology changed");
  }

  @Test
  void aClonedGraphIsAGraphOfItsOwn() {
    long stream = stream();
    long device = allocate(8);
    long original = fills(stream, device, 1);
    long clone = driver.made("cuGraphClone", original);
    driver.check("cuGraphDestroy", original);
    assertEquals(1, nodes(clone));
    driver.check("cuGraphLaunch", driver.made("cuGraphInstantiateWithFlags", clone, 0L), stream);
    assertEquals(0xffffffff07070707L, read(device));
    assertEquals(INVALID_HANDLE, driver.status("cuGraphDestroy", original));
  }

  @Test
  void aChildGraphRunsWhereItWasPut() {
    long stream = stream();
    long device = allocate(8);
    for (int round = 0; round < 8; round++) { // the scheduler may choose another order each time
      long first = fills(stream, device, 2);
      begin(stream);
      driver.check("cuMemsetD8Async", device, (byte) 9, 2L, stream);
      long second = end(stream);
      for (boolean swapped : List.of(false, true)) {
        long graph = driver.made("cuGraphCreate", 0);
        long before =
            driver.made("cuGraphAddChildGraphNode", graph, 0L, 0L, swapped ? second : first);
        MemorySegment after = driver.room(8);
        after.set(ValueLayout.JAVA_LONG, 0, before);
        driver.made("cuGraphAddChildGraphNode", graph, after, 1L, swapped ? first : second);
        // The three of the children, and one that stands for each child.
        assertEquals(5, nodes(graph));
        driver.check(
            "cuGraphLaunch", driver.made("cuGraphInstantiateWithFlags", graph, 0L), stream);
        assertEquals(swapped ? 0xffffffff07070707L : 0xffffffff07070909L, read(device));
        driver.check("cuGraphDestroy", graph);
      }
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  // --- Failures ---

  @Test
  void anInjectedFaultIsReturnedOnceByTheCallThatWasChosen() {
    SoftwareDevice.failCall(2);
    driver.check("cuCtxGetCurrent", driver.room(8));
    assertEquals(OUT_OF_MEMORY, driver.status("cuMemAlloc_v2", driver.room(8), 8L));
    driver.check("cuMemAlloc_v2", driver.room(8), 8L);
    SoftwareDevice.failFunction("cuMemAlloc_v2", 2, 999);
    driver.check("cuMemAlloc_v2", driver.room(8), 8L);
    driver.check("cuCtxGetCurrent", driver.room(8));
    assertEquals(999, driver.status("cuMemAlloc_v2", driver.room(8), 8L));
    assertEquals(List.of("cuda cuMemAlloc_v2 2", "cuda cuMemAlloc_v2 999"), SoftwareDevice.fired());
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @Test
  void aDelayedErrorShowsWhenSomebodyWaitsAndSticks() {
    long stream = stream();
    long device = allocate(8);
    SoftwareDevice.failWork(2, 719);
    driver.check("cuMemsetD8Async", device, (byte) 1, 8L, stream);
    driver.check("cuMemsetD8Async", device, (byte) 2, 8L, stream);
    assertEquals(719, driver.status("cuStreamSynchronize", stream));
    assertEquals(719, driver.status("cuStreamSynchronize", stream));
    assertEquals(719, driver.status("cuMemFree_v2", device));
    assertEquals(719, driver.status("cuDevicePrimaryCtxRelease_v2", 0));
    assertEquals(0, driver.status("cuDriverGetVersion", driver.room(4)));
  }

  @Test
  void callsAreCountedAndLogged() {
    long before = SoftwareDevice.calls();
    allocate(8);
    stream();
    assertEquals(before + 2, SoftwareDevice.calls());
    List<String> log = SoftwareDevice.log();
    assertEquals(
        List.of("cuda cuMemAlloc_v2", "cuda cuStreamCreate"),
        log.subList(log.size() - 2, log.size()));
  }

  @Test
  void whatIsNotFreedIsCounted() {
    allocate(8);
    long event = event();
    assertEquals(1, SoftwareDevice.live().get("device memory"));
    assertEquals(1, SoftwareDevice.live().get("event"));
    driver.check("cuEventDestroy_v2", event);
    assertFalse(SoftwareDevice.live().containsKey("event"));
    assertEquals(INVALID_HANDLE, driver.status("cuEventDestroy_v2", event));
    assertComplaint("is no event, or one that was destroyed");
  }

  @Test
  void workCanBeSwitchedOff() {
    open(late().work(false));
    long stream = stream();
    MemorySegment host = pinned(8);
    driver.check("cuMemcpyDtoHAsync_v2", host, allocate(8), 8L, stream);
    host.set(ValueLayout.JAVA_LONG, 0, 5);
    driver.check("cuStreamSynchronize", stream);
    assertEquals(5, host.get(ValueLayout.JAVA_LONG, 0));
  }

  @Test
  void aFunctionThatIsNotThereSaysSoInsteadOfCrashing() {
    assertEquals(801, driver.status("cuTexRefCreate", driver.room(8)));
    assertComplaint("cuTexRefCreate of cuda was called, which the software device does not have");
  }

  @Test
  void functionsAreFoundByNameInTheirNewestForm() {
    MemorySegment function = driver.room(8);
    MemorySegment answer = driver.room(4);
    driver.check("cuGetProcAddress_v2", driver.text("cuMemAlloc"), function, 12000, 0L, answer);
    assertNotEquals(0, function.get(ValueLayout.JAVA_LONG, 0));
    assertEquals(
        500,
        driver.status("cuGetProcAddress_v2", driver.text("cuNoSuch"), function, 12000, 0L, answer));
    assertEquals(1, answer.get(ValueLayout.JAVA_INT, 0));
  }

  @Test
  void workOfADestroyedStreamStillRuns() {
    long stream = stream();
    long device = allocate(8);
    driver.check("cuMemsetD8Async", device, (byte) 1, 8L, stream);
    driver.check("cuStreamDestroy_v2", stream);
    driver.check("cuCtxSynchronize");
    assertEquals(0x0101010101010101L, read(device));
    assertEquals(INVALID_HANDLE, driver.status("cuStreamSynchronize", stream));
  }

  @Test
  void handlesAreNotMistakenForOthers() {
    assertEquals(INVALID_HANDLE, driver.status("cuStreamSynchronize", event()));
    assertComplaint("is of kind \"event\", not \"stream\"");
    assertEquals(INVALID_HANDLE, driver.status("cuEventQuery", 12345L));
  }

  @Test
  void fourPosedDevicesDiffer() {
    open(late().devices(4).computeCapability(90, 80, 75, 100));
    MemorySegment count = driver.room(4);
    driver.check("cuDeviceGetCount", count);
    assertEquals(4, count.get(ValueLayout.JAVA_INT, 0));
    var majors = new ArrayList<Integer>();
    var uuids = new ArrayList<Long>();
    for (int device = 0; device < 4; device++) {
      MemorySegment value = driver.room(16);
      driver.check("cuDeviceGetAttribute", value, 75, device);
      majors.add(value.get(ValueLayout.JAVA_INT, 0));
      driver.check("cuDeviceGetUuid_v2", value, device);
      uuids.add(value.get(ValueLayout.JAVA_LONG, 0));
    }
    assertEquals(List.of(9, 8, 7, 10), majors);
    assertEquals(4, uuids.stream().distinct().count());
    assertEquals(101, driver.status("cuDeviceGet", count, 4));
  }

  // --- What the tests are made of ---

  /** Nothing runs before somebody waits for it. */
  private static SoftwareDevice.Settings late() {
    return SoftwareDevice.settings().eagerness(0);
  }

  private void open(SoftwareDevice.Settings settings) {
    SoftwareDevice.reset(settings);
    driver = new RawCalls(SoftwareDevice.library("cuda"), "cuInit");
    if (!settings.values().getOrDefault("devices", "1").equals("0")) {
      driver.check("cuInit", 0);
      context = driver.made("cuDevicePrimaryCtxRetain", 0);
      driver.check("cuCtxPushCurrent_v2", context);
    }
  }

  private long stream() {
    return driver.made("cuStreamCreate", NON_BLOCKING);
  }

  private long event() {
    return driver.made("cuEventCreate", 2);
  }

  private long allocate(long bytes) {
    return driver.made("cuMemAlloc_v2", bytes);
  }

  /** Memory that is allocated while a stream captures, which a thread may do in relaxed mode. */
  private long allocated(long bytes) {
    MemorySegment mode = driver.room(4);
    mode.set(ValueLayout.JAVA_INT, 0, RELAXED);
    driver.check("cuThreadExchangeStreamCaptureMode", mode);
    long address = allocate(bytes);
    driver.check("cuThreadExchangeStreamCaptureMode", mode);
    return address;
  }

  private static Map<String, Long> liveMemory() {
    var live = new HashMap<>(SoftwareDevice.live());
    live.keySet().removeIf(kind -> !kind.endsWith("memory"));
    return live;
  }

  private MemorySegment pinned(long bytes) {
    return NativeLibrary.view(
        MemorySegment.ofAddress(driver.made("cuMemHostAlloc", bytes, 1)), bytes);
  }

  private long read(long address) {
    MemorySegment host = driver.room(8);
    driver.check("cuCtxSynchronize");
    driver.check("cuMemcpyDtoH_v2", host, address, 8L);
    return host.get(ValueLayout.JAVA_LONG, 0);
  }

  private void begin(long stream) {
    driver.check("cuStreamBeginCapture_v2", stream, THREAD_LOCAL);
  }

  private long end(long stream) {
    MemorySegment graph = driver.room(8);
    driver.check("cuStreamEndCapture", stream, graph);
    return graph.get(ValueLayout.JAVA_LONG, 0);
  }

  private int capturing(long stream) {
    MemorySegment status = driver.room(4);
    driver.check("cuStreamIsCapturing", stream, status);
    return status.get(ValueLayout.JAVA_INT, 0);
  }

  private long nodes(long graph) {
    MemorySegment number = driver.room(8);
    driver.check("cuGraphGetNodes", graph, 0L, number);
    return number.get(ValueLayout.JAVA_LONG, 0);
  }

  private long fills(long stream, long address, int number) {
    begin(stream);
    for (int i = 0; i < number; i++) {
      driver.check("cuMemsetD8Async", address, (byte) 7, 4L, stream);
    }
    return end(stream);
  }

  private static <T> T onAnotherThread(Callable<T> task) throws Exception {
    try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
      return thread.submit(task).get();
    }
  }

  private static void assertComplaint(String pattern) {
    assertTrue(
        SoftwareDevice.complaints().stream()
            .anyMatch(line -> line.matches(".*(" + pattern + ").*")),
        () -> "no complaint like " + pattern + " in " + SoftwareDevice.complaints());
  }
}
