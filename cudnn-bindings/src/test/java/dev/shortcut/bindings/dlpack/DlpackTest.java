package dev.shortcut.bindings.dlpack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.shortcut.bindings.cuda.Context;
import dev.shortcut.bindings.cuda.Cuda;
import dev.shortcut.bindings.cuda.DeviceMemory;
import dev.shortcut.bindings.cuda.Stream;
import dev.shortcut.bindings.library.CTypes;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.testing.CHeaders;
import dev.shortcut.testing.TestCache;
import dev.shortcut.testing.TestGroup;
import dev.shortcut.testing.TestSeed;
import dev.shortcut.testing.device.SoftwareDevice;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class DlpackTest {
  /** Another library: C++ that sees nothing of ours but DLPack's own header. */
  private static final String PEER =
      """
      #include <dlpack/dlpack.h>

      static int freed = 0;

      static double sum(const DLTensor& t, int dimension, int64_t at) {
        if (dimension == t.ndim) {
          return ((const float*)((const char*)t.data + t.byte_offset))[at];
        }
        double total = 0;
        for (int64_t i = 0; i < t.shape[dimension]; i++) {
          total += (i + 1) * sum(t, dimension + 1, at + i * t.strides[dimension]);
        }
        return total;
      }

      template <class T> double consume_any(T* t) {
        const DLTensor& x = t->dl_tensor;
        if (x.device.device_type != kDLCPU || x.dtype.code != kDLFloat || x.dtype.bits != 32) return -1;
        double total = sum(x, 0, 0);
        t->deleter(t);
        return total;
      }

      template <class T> void release(T* t) {
        freed += *(int*)t->manager_ctx;
        delete (int*)t->manager_ctx;
        delete[] t->dl_tensor.shape;
        delete[] t->dl_tensor.strides;
        delete t;
      }

      template <class T> T* produce_any(float* data, int64_t rows, int64_t columns, int strided) {
        auto* t = new T;
        t->dl_tensor.data = data;
        t->dl_tensor.device = {kDLCPU, 0};
        t->dl_tensor.ndim = 2;
        t->dl_tensor.dtype = {kDLFloat, 32, 1};
        t->dl_tensor.shape = new int64_t[2]{rows, columns};
        t->dl_tensor.strides = strided ? new int64_t[2]{1, rows} : nullptr;
        t->dl_tensor.byte_offset = 8;
        t->manager_ctx = new int(1);
        t->deleter = release<T>;
        return t;
      }

      extern "C" double consume(DLManagedTensor* t) { return consume_any(t); }

      extern "C" DLManagedTensor* produce(float* data, int64_t rows, int64_t columns, int strided) {
        return produce_any<DLManagedTensor>(data, rows, columns, strided);
      }

      #ifdef DLPACK_MAJOR_VERSION
      extern "C" double consume_versioned(DLManagedTensorVersioned* t) {
        if (t->version.major != DLPACK_MAJOR_VERSION || t->version.minor > DLPACK_MINOR_VERSION) return -2;
        return consume_any(t);
      }

      extern "C" uint64_t flags_of(DLManagedTensorVersioned* t) { return t->flags; }

      extern "C" DLManagedTensorVersioned* produce_versioned(
          float* data, int64_t rows, int64_t columns, int strided, uint64_t flags) {
        auto* t = produce_any<DLManagedTensorVersioned>(data, rows, columns, strided);
        // Before 1.2 the strides of a compact tensor may be left out.
        t->version = {DLPACK_MAJOR_VERSION, strided ? DLPACK_MINOR_VERSION : 1u};
        t->flags = flags;
        return t;
      }
      #endif

      extern "C" int freed_so_far() { return freed; }
      """;

  /** DLPack's own header, from where it may be. */
  private enum Header {
    /** As Debian and Ubuntu have it, of version 0.6 or later. */
    PACKAGED(Path.of("/usr/include")),
    /** The version that {@code DLManagedTensorVersioned} is written as. */
    FETCHED(TestCache.folder("dlpack-1.3").resolve("include"));

    private final Path folder;

    Header(Path folder) {
      this.folder = folder;
    }

    private Path file() {
      return folder.resolve("dlpack").resolve("dlpack.h");
    }

    /** Ends the calling test where it is not there. */
    private void require() {
      switch (this) {
        case PACKAGED ->
            assumeTrue(
                Files.exists(file()),
                "needs DLPack's own header (Debian, Ubuntu: apt install libdlpack-dev)");
        case FETCHED ->
            TestGroup.NATIVE.require(
                Files.exists(file()),
                () ->
                    "needs DLPack's own header in %s: cudnn-bindings/src/test/dlpack/fetch brings it"
                        .formatted(folder));
      }
    }
  }

  @TempDir private Path folder;

  /** The offsets, sizes and constants that we use, against the header. */
  @Tag("native")
  @ParameterizedTest
  @EnumSource
  void theStructsAreThoseOfDlpacksHeader(Header header) throws Exception {
    header.require();
    Map<String, Long> ours = new LinkedHashMap<>();
    ours.put("sizeof(DLTensor)", DlManagedTensor.TENSOR_BYTES);
    ours.put("sizeof(DLDataType)", 4L);
    ours.put("offsetof(DLTensor, data)", 0L);
    ours.put("offsetof(DLTensor, device)", DlManagedTensor.DEVICE_TYPE);
    ours.put(
        "offsetof(DLTensor, device) + offsetof(DLDevice, device_id)", DlManagedTensor.DEVICE_ID);
    ours.put("offsetof(DLTensor, ndim)", DlManagedTensor.DIMENSIONS);
    ours.put("offsetof(DLTensor, dtype)", DlManagedTensor.TYPE_CODE);
    ours.put("offsetof(DLTensor, dtype) + offsetof(DLDataType, bits)", DlManagedTensor.TYPE_BITS);
    ours.put("offsetof(DLTensor, dtype) + offsetof(DLDataType, lanes)", DlManagedTensor.TYPE_LANES);
    ours.put("offsetof(DLTensor, shape)", DlManagedTensor.SHAPE);
    ours.put("offsetof(DLTensor, strides)", DlManagedTensor.STRIDES);
    ours.put("offsetof(DLTensor, byte_offset)", DlManagedTensor.BYTE_OFFSET);
    managed(ours, "DLManagedTensor", DlManagedTensor.Layout.UNVERSIONED);
    ours.put("kDLCPU", (long) DlDevice.CPU);
    ours.put("kDLCUDA", (long) DlDevice.CUDA);
    ours.put("kDLCUDAHost", (long) DlDevice.CUDA_HOST);
    ours.put("kDLCUDAManaged", (long) DlDevice.CUDA_MANAGED);
    ours.put("kDLInt", (long) DlType.INT8.code());
    ours.put("kDLUInt", (long) DlType.UINT8.code());
    ours.put("kDLFloat", (long) DlType.FLOAT32.code());
    ours.put("kDLBfloat", (long) DlType.BFLOAT16.code());
    ours.put("kDLComplex", 5L);
    // Headers before 1.0 have one of the two structs only.
    if (Files.readString(header.file()).contains("DLManagedTensorVersioned")) {
      ours.put("DLPACK_MAJOR_VERSION", (long) DlManagedTensor.MAJOR);
      ours.put("kDLBool", 6L);
      managed(ours, "DLManagedTensorVersioned", DlManagedTensor.Layout.VERSIONED);
      ours.put("offsetof(DLManagedTensorVersioned, version)", DlManagedTensor.VERSION_MAJOR);
      ours.put(
          "offsetof(DLManagedTensorVersioned, version) + offsetof(DLPackVersion, minor)",
          DlManagedTensor.VERSION_MINOR);
      ours.put("offsetof(DLManagedTensorVersioned, flags)", DlManagedTensor.FLAGS);
      ours.put("DLPACK_FLAG_BITMASK_READ_ONLY", DlManagedTensor.READ_ONLY);
    }
    if (header == Header.FETCHED) {
      ours.put("DLPACK_MINOR_VERSION", (long) DlManagedTensor.MINOR);
    }
    var theirs = new CHeaders(folder, List.of(header.folder), List.of("dlpack/dlpack.h"));
    assertEquals(ours, theirs.values(List.copyOf(ours.keySet())));
  }

  private static void managed(
      Map<String, Long> ours, String struct, DlManagedTensor.Layout layout) {
    ours.put("sizeof(%s)".formatted(struct), layout.bytes);
    ours.put("offsetof(%s, dl_tensor)".formatted(struct), layout.tensor);
    ours.put("offsetof(%s, manager_ctx)".formatted(struct), layout.context);
    ours.put("offsetof(%s, deleter)".formatted(struct), layout.deleter);
  }

  private NativeLibrary peer(Header header) throws IOException, InterruptedException {
    header.require();
    Path source = Files.writeString(folder.resolve("peer.cc"), PEER);
    Path library = folder.resolve("libpeer.so");
    Process compiler;
    try {
      compiler =
          new ProcessBuilder(
                  "c++",
                  "-shared",
                  "-fPIC",
                  "-I" + header.folder,
                  "-o",
                  library.toString(),
                  source.toString())
              .redirectErrorStream(true)
              .start();
    } catch (IOException e) {
      return TestGroup.NATIVE.missing("needs a C++ compiler: " + e.getMessage());
    }
    String said = new String(compiler.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, compiler.waitFor(), said);
    return NativeLibrary.find("the peer", "consume").file("just built", library).load();
  }

  @Tag("native")
  @ParameterizedTest
  @CsvSource({"PACKAGED, false", "FETCHED, false", "FETCHED, true"})
  void anotherLibraryReadsWhatIsGivenAndFreesIt(Header header, boolean versioned) throws Throwable {
    NativeLibrary peer = peer(header);
    MethodHandle consume =
        peer.function(versioned ? "consume_versioned" : "consume", CTypes.DOUBLE, CTypes.POINTER);
    var freed = new AtomicInteger();
    try (Arena arena = Arena.ofConfined()) {
      float[] values = {1, 2, 3, 4, 5, 6};
      MemorySegment data = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
      DlTensor rows = DlTensor.compact(data.address(), DlDevice.cpu(), DlType.FLOAT32, 2, 3);
      for (DlTensor tensor : List.of(rows, rows.permute(1, 0))) {
        long given =
            versioned
                ? DlManagedTensor.giveVersioned(tensor, false, freed::incrementAndGet)
                : DlManagedTensor.give(tensor, freed::incrementAndGet);
        // Each element times (row + 1)(column + 1), the same either way round.
        double expected = 1 + 2 * 2 + 3 * 3 + 2 * (4 + 2 * 5 + 3 * 6);
        assertEquals(expected, (double) consume.invokeExact(MemorySegment.ofAddress(given)));
      }
    }
    assertEquals(2, freed.get());
  }

  @Tag("native")
  @ParameterizedTest
  @CsvSource({"PACKAGED, false", "FETCHED, false", "FETCHED, true"})
  void whatAnotherLibraryGivesIsTakenAndFreedByIt(Header header, boolean versioned)
      throws Throwable {
    NativeLibrary peer = peer(header);
    MethodHandle freed = peer.function("freed_so_far", CTypes.INT);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocate(ValueLayout.JAVA_FLOAT, 16);
      try (DlManagedTensor taken = taken(peer, versioned, data, 0, 0)) {
        DlTensor x = taken.tensor();
        assertEquals(
            new DlTensor(
                data.address(),
                DlDevice.cpu(),
                DlType.FLOAT32,
                List.of(3L, 4L),
                List.of(4L, 1L),
                8),
            x);
        assertEquals(data.address() + 8, x.address());
        assertEquals(48, x.bytes());
        assertEquals(x, x.require(DlDevice.cpu(), DlType.FLOAT32, 3, 4));
        assertEquals(0, (int) freed.invokeExact());
      }
      assertEquals(1, (int) freed.invokeExact());
      DlManagedTensor taken = taken(peer, versioned, data, 1, 0);
      assertFalse(taken.tensor().isCompact());
      assertTrue(taken.tensor().permute(1, 0).isCompact());
      taken.close();
      taken.close();
      assertEquals(2, (int) freed.invokeExact());
      assertThrows(IllegalStateException.class, taken::tensor);
    }
  }

  /** A 3x4 matrix that the other library made of {@code data}. */
  private static DlManagedTensor taken(
      NativeLibrary peer, boolean versioned, MemorySegment data, int strided, long flags)
      throws Throwable {
    if (versioned) {
      MethodHandle produce =
          peer.function(
              "produce_versioned",
              CTypes.POINTER,
              CTypes.POINTER,
              CTypes.LONG,
              CTypes.LONG,
              CTypes.INT,
              CTypes.LONG);
      var made = (MemorySegment) produce.invokeExact(data, 3L, 4L, strided, flags);
      return DlManagedTensor.takeVersioned(made.address());
    }
    MethodHandle produce =
        peer.function(
            "produce", CTypes.POINTER, CTypes.POINTER, CTypes.LONG, CTypes.LONG, CTypes.INT);
    var made = (MemorySegment) produce.invokeExact(data, 3L, 4L, strided);
    return DlManagedTensor.take(made.address());
  }

  /** The one flag that is known, among those that the header has. */
  @Tag("native")
  @Test
  void whatMustNotBeWrittenToSaysSoToEitherSide() throws Throwable {
    NativeLibrary peer = peer(Header.FETCHED);
    Map<String, Long> flags =
        new CHeaders(folder, List.of(Header.FETCHED.folder), List.of("dlpack/dlpack.h"))
            .values(
                List.of(
                    "DLPACK_FLAG_BITMASK_READ_ONLY",
                    "DLPACK_FLAG_BITMASK_IS_COPIED",
                    "DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED"));
    long readOnly = flags.get("DLPACK_FLAG_BITMASK_READ_ONLY");
    long others = flags.values().stream().mapToLong(flag -> flag).sum() - readOnly;
    MethodHandle flagsOf = peer.function("flags_of", CTypes.LONG, CTypes.POINTER);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocate(ValueLayout.JAVA_FLOAT, 16);
      for (boolean protectedFromWriting : List.of(false, true)) {
        long flag = protectedFromWriting ? readOnly : 0;
        try (DlManagedTensor taken = taken(peer, true, data, 1, others | flag)) {
          assertEquals(protectedFromWriting, taken.readOnly());
        }
        DlTensor tensor = DlTensor.compact(data.address(), DlDevice.cpu(), DlType.FLOAT32, 16);
        long given = DlManagedTensor.giveVersioned(tensor, protectedFromWriting, () -> {});
        assertEquals(flag, (long) flagsOf.invokeExact(MemorySegment.ofAddress(given)));
        DlManagedTensor.takeVersioned(given).close();
      }
    }
  }

  /** Memory of a GPU goes out and comes back, and is freed by the last who had it. */
  @Tag("native")
  @Test
  void memoryOfAGpuGoesFromHandToHand() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    try (Context context = Cuda.open().devices().getFirst().retainPrimary()) {
      context.push();
      Map<String, Long> before = SoftwareDevice.live();
      DeviceMemory memory = context.allocate(64);
      DlTensor given = DlTensor.compact(memory.address(), DlDevice.cuda(0), DlType.UINT8, 64);
      for (boolean versioned : List.of(false, true)) {
        DeviceMemory lent =
            versioned ? memory : Cuda.open().borrowMemory(context, memory.address(), 64);
        long pointer =
            versioned
                ? DlManagedTensor.giveVersioned(given, true, lent::close)
                : DlManagedTensor.give(given, lent::close);
        try (DlManagedTensor taken =
                versioned ? DlManagedTensor.takeVersioned(pointer) : DlManagedTensor.take(pointer);
            Stream stream = context.newStream();
            Arena arena = Arena.ofConfined()) {
          assertEquals(versioned, taken.readOnly());
          DlTensor x = taken.tensor().require(DlDevice.cuda(0), DlType.UINT8, 64);
          byte[] bytes = new byte[64];
          TestSeed.random().nextBytes(bytes);
          MemorySegment host = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
          stream.copyToDevice(x.address(), host, x.bytes());
          MemorySegment back = arena.allocate(64);
          stream.copyToHost(back, x.address(), x.bytes());
          stream.synchronize();
          assertArrayEquals(bytes, back.toArray(ValueLayout.JAVA_BYTE));
        }
      }
      assertEquals(before, SoftwareDevice.live());
      context.pop();
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
    assertEquals(Map.of(), SoftwareDevice.live());
  }

  @Test
  void aTensorOfALaterMajorVersionIsFreedAndRefused() {
    var freed = new AtomicInteger();
    DlTensor tensor = DlTensor.compact(4096, DlDevice.cuda(1), DlType.FLOAT16, 2);
    long pointer = DlManagedTensor.giveVersioned(tensor, false, freed::incrementAndGet);
    MemorySegment struct = NativeLibrary.view(MemorySegment.ofAddress(pointer), 80);
    struct.set(CTypes.INT, 0, 2);
    var refused =
        assertThrows(IllegalArgumentException.class, () -> DlManagedTensor.takeVersioned(pointer));
    assertTrue(refused.getMessage().contains("DLPack 2."), refused::getMessage);
    assertEquals(1, freed.get());
  }

  @Test
  void whatDescribesNoTensorIsFreedAndRefused() {
    var freed = new AtomicInteger();
    DlTensor tensor = DlTensor.compact(4096, DlDevice.cpu(), DlType.INT32, 2, 2);
    for (int dimensions : List.of(-1, 33, Integer.MAX_VALUE)) {
      long pointer = DlManagedTensor.give(tensor, freed::incrementAndGet);
      NativeLibrary.view(MemorySegment.ofAddress(pointer), 64).set(CTypes.INT, 16, dimensions);
      assertThrows(IllegalArgumentException.class, () -> DlManagedTensor.take(pointer));
    }
    for (long size : List.of(-1L, Long.MAX_VALUE)) {
      long pointer = DlManagedTensor.give(tensor, freed::incrementAndGet);
      MemorySegment struct = NativeLibrary.view(MemorySegment.ofAddress(pointer), 64);
      NativeLibrary.view(struct.get(CTypes.POINTER, 24), 16).set(CTypes.LONG, 0, size);
      assertThrows(IllegalArgumentException.class, () -> DlManagedTensor.take(pointer));
    }
    assertEquals(5, freed.get());
    assertThrows(IllegalArgumentException.class, () -> DlManagedTensor.take(0));
  }

  /** What a consumer's thread throws in ends there. */
  @Test
  void aFreeThatFailsStaysOnThisSide() {
    DlTensor tensor = DlTensor.compact(4096, DlDevice.cpu(), DlType.INT8);
    long pointer =
        DlManagedTensor.give(
            tensor,
            () -> {
              throw new IllegalStateException("on purpose");
            });
    DlManagedTensor.take(pointer).close();
  }

  @Test
  void allThatDiffersIsNamed() {
    DlTensor channelsLast =
        new DlTensor(
            4096,
            DlDevice.cuda(1),
            DlType.FLOAT16,
            List.of(2L, 3L, 4L, 5L),
            List.of(60L, 1L, 15L, 3L),
            0);
    var refused =
        assertThrows(
            IllegalArgumentException.class,
            () -> channelsLast.require(DlDevice.cuda(0), DlType.FLOAT32, 2, 3, 5, 4));
    for (String part :
        List.of(
            "on cuda:1 and is needed on cuda:0",
            "float16 and float32",
            "[2, 3, 5, 4]",
            "strides")) {
      assertTrue(refused.getMessage().contains(part), refused::getMessage);
    }
    DlTensor nhwc = channelsLast.permute(0, 2, 3, 1);
    assertEquals(nhwc, nhwc.require(DlDevice.cuda(1), DlType.FLOAT16, 2, 4, 5, 3));
    assertThrows(IllegalArgumentException.class, () -> nhwc.permute(0, 1, 2));
    assertThrows(IllegalArgumentException.class, () -> nhwc.permute(0, 1, 2, 2));
    assertThrows(
        IllegalArgumentException.class,
        () -> DlTensor.compact(0, DlDevice.cpu(), DlType.INT8, 1L << 32, 1L << 32));
  }

  /** A stride that nobody steps along may be anything. */
  @Test
  void sizesOfOneAndOfNoneAreCompact() {
    assertTrue(
        new DlTensor(4096, DlDevice.cpu(), DlType.INT8, List.of(1L, 4L), List.of(7L, 1L), 0)
            .isCompact());
    assertTrue(
        new DlTensor(4096, DlDevice.cpu(), DlType.INT8, List.of(0L, 4L), List.of(9L, 9L), 0)
            .isCompact());
    assertTrue(DlTensor.compact(4096, DlDevice.cpu(), DlType.INT8).isCompact());
  }
}
