package dev.shortcut.testing.device;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.ComputeCapability;
import dev.shortcut.bindings.nvrtc.Nvrtc;
import dev.shortcut.bindings.nvrtc.NvrtcException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Kernels compiled from CUDA C run on the software device, and their mistakes are found. */
@Tag("native")
class KernelTest {
  private static final ComputeCapability HOPPER = new ComputeCapability(9, 0);

  private RawCalls driver;
  private Arena arena;
  private long stream;
  private Map<String, Long> liveBefore;

  @BeforeEach
  void freshDevice() {
    SoftwareDevice.install();
    SoftwareDevice.reset(SoftwareDevice.settings().eagerness(0));
    arena = Arena.ofAuto();
    driver = new RawCalls(SoftwareDevice.library("cuda"), "cuInit");
    driver.check("cuInit", 0);
    long context = driver.made("cuDevicePrimaryCtxRetain", 0);
    driver.check("cuCtxPushCurrent_v2", context);
    stream = driver.made("cuStreamCreate", 1);
    liveBefore = SoftwareDevice.live();
  }

  @Test
  void aKernelComputesWithBlocksAndThreads() {
    long function =
        kernel(
            """
            extern "C" __global__ void twice(const float* x, float* y, int n) {
              int i = blockIdx.x * blockDim.x + threadIdx.x;
              if (i < n) y[i] = 2 * x[i];
            }
            """,
            "twice");
    long x = upload(1, 2, 3, 4, 5);
    long y = driver.made("cuMemAlloc_v2", 20L);
    launch(function, 2, 3, x, y, 5);
    assertArrayEquals(new float[] {2, 4, 6, 8, 10}, download(y, 5));
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @Test
  void sharedMemoryAndBarriersWork() {
    long function =
        kernel(
            """
            extern "C" __global__ void reversed(const float* x, float* y) {
              __shared__ float all[64];
              all[threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];
              __syncthreads();
              y[blockIdx.x * 64 + threadIdx.x] = all[63 - threadIdx.x];
            }
            """,
            "reversed");
    float[] values = new float[128];
    float[] expected = new float[128];
    for (int i = 0; i < 128; i++) {
      values[i] = i;
      expected[i / 64 * 64 + 63 - i % 64] = i;
    }
    long x = upload(values);
    long y = driver.made("cuMemAlloc_v2", 512L);
    launch(function, 2, 64, x, y);
    assertArrayEquals(expected, download(y, 128));
  }

  @Test
  void barriersAreFoundInWhatAKernelCalls() {
    long function =
        kernel(
            """
            #define WAIT() \\
              __syncthreads()
            struct Block {
              __device__ static void wait() { WAIT(); }
            };
            __device__ void reverse(float* all) {
              float mine = all[63 - threadIdx.x];
              Block::wait();
              all[threadIdx.x] = mine;
            }
            extern "C" __global__ void plain(float* y) { y[threadIdx.x] = threadIdx.x; }
            extern "C" {
            __global__ void __launch_bounds__(64) reversed(float* y) { reverse(y); }
            }
            """,
            "reversed");
    float[] values = new float[64];
    float[] expected = new float[64];
    for (int i = 0; i < 64; i++) {
      values[i] = i;
      expected[63 - i] = i;
    }
    long y = upload(values);
    for (int round = 0; round < 3; round++) {
      launch(function, 1, 64, y);
    }
    assertArrayEquals(expected, download(y, 64));
    assertEquals(List.of(), SoftwareDevice.complaints());
  }

  @Test
  void moreThreadsThanTheLaunchBoundsAreRefused() {
    long function =
        kernel(
            "extern \"C\" __global__ void __launch_bounds__(64) set(float* y) { y[0] = 1; }",
            "set");
    assertThrows(AssertionError.class, () -> launch(function, 1, 65, upload(1)));
    assertComplaint("65 threads, and __launch_bounds__ allows 64");
  }

  @Test
  void theFirstLaunchOfAKernelIsNotInACapture() {
    long function = kernel("extern \"C\" __global__ void set(float* y) { *y = 1; }", "set");
    long y = upload(0);
    driver.check("cuStreamBeginCapture_v2", stream, 1);
    assertThrows(AssertionError.class, () -> launch(function, 1, 1, y));
    assertComplaint("its first launch is inside a capture");
    assertEquals(901, driver.status("cuStreamEndCapture", stream, driver.room(8)));
    launch(function, 1, 1, y);
    driver.check("cuStreamBeginCapture_v2", stream, 1);
    launch(function, 1, 1, y);
    driver.check("cuStreamEndCapture", stream, driver.room(8));
  }

  @Test
  void aGraphKeepsTheArgumentsOfTheCapture() {
    long function =
        kernel("extern \"C\" __global__ void set(float* y, int n) { y[0] = n; }", "set");
    long y = upload(0);
    launch(function, 1, 1, y, 1);
    driver.check("cuStreamBeginCapture_v2", stream, 1);
    launch(function, 1, 1, y, 2);
    MemorySegment graph = driver.room(8);
    driver.check("cuStreamEndCapture", stream, graph);
    long exec = driver.made("cuGraphInstantiateWithFlags", graph.get(ValueLayout.JAVA_LONG, 0), 0L);
    launch(function, 1, 1, y, 3);
    assertArrayEquals(new float[] {3}, download(y, 1));
    driver.check("cuGraphLaunch", exec, stream);
    assertArrayEquals(new float[] {2}, download(y, 1));
  }

  @Test
  void aForgottenBarrierShows() {
    long function =
        kernel(
            """
            extern "C" __global__ void reversed(const float* x, float* y) {
              __shared__ float all[64];
              all[threadIdx.x] = x[threadIdx.x];
              y[threadIdx.x] = all[63 - threadIdx.x];
            }
            """,
            "reversed");
    long x = upload(new float[64]);
    long y = driver.made("cuMemAlloc_v2", 256L);
    launch(function, 1, 64, x, y);
    float[] result = download(y, 64);
    assertTrue(Float.isNaN(result[0]) || Float.isNaN(result[63]), "shared memory begins as NaN");
  }

  @Test
  void warpsShuffleAndSharedMemoryMayBeDynamic() {
    long function =
        kernel(
            """
            extern "C" __global__ void sums(const float* x, float* y) {
              extern __shared__ float each[];
              float sum = x[threadIdx.x];
              for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
              if (threadIdx.x % 32 == 0) each[threadIdx.x / 32] = sum;
              __syncthreads();
              if (threadIdx.x == 0) y[0] = each[0] + each[1];
            }
            """,
            "sums");
    float[] values = new float[64];
    for (int i = 0; i < 64; i++) {
      values[i] = i;
    }
    long x = upload(values);
    long y = driver.made("cuMemAlloc_v2", 4L);
    launchWith(function, 1, 64, 8, x, y);
    assertArrayEquals(new float[] {64 * 63 / 2}, download(y, 1));
  }

  @Test
  void halvesAreRoundedAsTheProcessorRoundsThem() {
    long function =
        kernel(
            """
            __device__ __forceinline__ unsigned short float_to_half(float f) {
              unsigned short h;
              asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
              return h;
            }
            __device__ __forceinline__ float half_to_float(unsigned short h) {
              float f;
              asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
              return f;
            }
            extern "C" __global__ void round(const float* x, float* y, int n) {
              int i = blockIdx.x * blockDim.x + threadIdx.x;
              if (i < n) y[i] = half_to_float(float_to_half(x[i]));
            }
            """,
            "round");
    int n = 1 << 16;
    float[] values = new float[n];
    float[] expected = new float[n];
    var random = dev.shortcut.testing.TestSeed.random();
    for (int i = 0; i < n; i++) {
      // All halves, and points at and beside the middle between two of them.
      float half = Float.float16ToFloat((short) i);
      float next = Float.float16ToFloat((short) (i + 1));
      values[i] =
          switch (random.nextInt(4)) {
            case 0 -> half;
            case 1 -> (half + next) / 2;
            case 2 -> Math.nextUp((half + next) / 2);
            default -> Float.intBitsToFloat(random.nextInt());
          };
      expected[i] = Float.float16ToFloat(Float.floatToFloat16(values[i]));
    }
    long x = upload(values);
    long y = driver.made("cuMemAlloc_v2", 4L * n);
    launch(function, n / 256, 256, x, y, n);
    float[] result = download(y, n);
    for (int i = 0; i < n; i++) {
      assertEquals(expected[i], result[i], "half of " + values[i]);
    }
  }

  @Test
  void anAccessBehindTheEndIsFoundAndSticks() {
    long function =
        kernel(
            """
            extern "C" __global__ void fill(float* y, int n) {
              int i = blockIdx.x * blockDim.x + threadIdx.x;
              if (i <= n) y[i] = 1;
            }
            """,
            "fill");
    long y = driver.made("cuMemAlloc_v2", 20L);
    launch(function, 1, 32, y, 5);
    assertEquals(700, driver.status("cuStreamSynchronize", stream));
    assertEquals(700, driver.status("cuMemAlloc_v2", driver.room(8), 16L), "it is sticky");
    assertComplaint("kernel fill: writes 4 bytes at .*0 bytes behind the end of 20 on device 0");
  }

  @Test
  void aHostPointerInAKernelIsFound() {
    long function = kernel("extern \"C\" __global__ void set(float* y) { *y = 1; }", "set");
    launch(function, 1, 1, arena.allocate(16).address());
    assertEquals(700, driver.status("cuStreamSynchronize", stream));
    assertComplaint("kernel set: writes 4 bytes at .*host memory");
  }

  @Test
  void memoryFreedBeforeTheKernelRunsIsFound() {
    long function = kernel("extern \"C\" __global__ void set(float* y) { *y = 1; }", "set");
    long y = driver.made("cuMemAlloc_v2", 20L);
    launch(function, 1, 1, y);
    driver.check("cuMemFree_v2", y);
    assertEquals(700, driver.status("cuStreamSynchronize", stream));
    assertComplaint("kernel set: writes 4 bytes at .*of 20 that were freed");
  }

  @Test
  void threadsThatMissABarrierAreFound() {
    long function =
        kernel(
            """
            extern "C" __global__ void early(float* y) {
              if (threadIdx.x == 3) return;
              __syncthreads();
              y[threadIdx.x] = 1;
            }
            """,
            "early");
    long y = driver.made("cuMemAlloc_v2", 128L);
    launch(function, 1, 32, y);
    assertEquals(700, driver.status("cuStreamSynchronize", stream));
    assertComplaint("kernel early: some threads ended while others wait");
  }

  @Test
  void aMistakeInTheTextIsInTheCompilersLog() {
    var failure =
        assertThrows(
            NvrtcException.class,
            () -> nvrtc().compile("wrong.cu", "__global__ void k() { x = 1; }", HOPPER, List.of()));
    assertTrue(failure.getMessage().contains("wrong.cu:1"), failure.getMessage());
    assertEquals(liveBefore, SoftwareDevice.live());
  }

  @Test
  void headersAreNotThere() {
    for (String header : List.of("cuda_fp16.h", "nosuchheader.h")) {
      assertThrows(
          NvrtcException.class,
          () -> nvrtc().compile("h.cu", "#include <" + header + ">\n", HOPPER, List.of()));
    }
  }

  @Test
  void machineCodeOfAnotherChipAndNewerPtxAreRefused() {
    String text = "extern \"C\" __global__ void set(float* y) { *y = 1; }";
    MemorySegment ampere =
        nvrtc().compile("set.cu", text, new ComputeCapability(8, 0), List.of()).image(arena);
    MemorySegment hopper = nvrtc().compile("set.cu", text, HOPPER, List.of()).image(arena);
    assertEquals(209, driver.status("cuModuleLoadData", driver.room(8), ampere));
    driver.check("cuModuleLoadData", driver.room(8), hopper);
    assertComplaint("machine code for sm_80 does not run on sm_90");
  }

  @Test
  void ptxThatIsNewerThanTheDriverIsRefused() {
    var unknown = new ComputeCapability(12, 2);
    MemorySegment ptx =
        nvrtc()
            .compile("k.cu", "extern \"C\" __global__ void k() {}", unknown, List.of())
            .image(arena);
    SoftwareDevice.reset(SoftwareDevice.settings().computeCapability(120).driverVersion(12020));
    driver.check("cuCtxPushCurrent_v2", driver.made("cuDevicePrimaryCtxRetain", 0));
    assertEquals(222, driver.status("cuModuleLoadData", driver.room(8), ptx));
    assertComplaint("PTX of CUDA 12090 is newer than the driver's 12020");
  }

  @Test
  void compilingForNoChipInParticularIsFound() {
    var nvrtc = new RawCalls(SoftwareDevice.library("nvrtc"), "nvrtcVersion");
    long program =
        nvrtc.made(
            "nvrtcCreateProgram", nvrtc.text("__global__ void k() {}"), nvrtc.text("k"), 0, 0L, 0L);
    nvrtc.check("nvrtcCompileProgram", program, 0, 0L);
    assertComplaint("nvrtcCompileProgram without --gpu-architecture");
    MemorySegment size = nvrtc.room(8);
    nvrtc.check("nvrtcGetCUBINSize", program, size);
    assertEquals(0, size.get(ValueLayout.JAVA_LONG, 0), "there is PTX only");
  }

  @Test
  void whatIsWrittenBehindTheCompilersBackIsSeenInTheRedZones() {
    long function =
        kernel(
            """
            extern "C" __attribute__((no_sanitize("kernel-address"))) __global__ void set(char* y, int at) {
              y[at] = 1;
            }
            """,
            "set");
    long y = driver.made("cuMemAlloc_v2", 20L);
    launch(function, 1, 1, y, 19);
    driver.check("cuStreamSynchronize", stream);
    assertEquals(List.of(), SoftwareDevice.complaints());
    launch(function, 1, 1, y, 22);
    driver.check("cuStreamSynchronize", stream);
    assertComplaint("2 bytes behind the end of device memory .*20 bytes.* somebody wrote");
    launch(function, 1, 1, y, -1);
    driver.check("cuStreamSynchronize", stream);
    driver.check("cuMemFree_v2", y);
    assertComplaint("1 bytes before device memory .*somebody wrote");
  }

  @Test
  void aLibraryGivesItsKernelsUntilItIsUnloaded() {
    String text = "extern \"C\" __global__ void set(float* y) { *y = 1; }";
    MemorySegment image = nvrtc().compile("set.cu", text, HOPPER, List.of()).image(arena);
    Map<String, Long> before = SoftwareDevice.live();
    long library = driver.made("cuLibraryLoadData", image, 0L, 0L, 0, 0L, 0L, 0);
    assertEquals(
        500, driver.status("cuLibraryGetKernel", driver.room(8), library, driver.text("get")));
    long kernel = driver.made("cuLibraryGetKernel", library, driver.text("set"));
    long function = driver.made("cuKernelGetFunction", kernel);
    assertEquals(
        function,
        driver.made(
            "cuModuleGetFunction", driver.made("cuLibraryGetModule", library), driver.text("set")));
    // A launch takes a kernel as well as a function.
    for (long launched : new long[] {kernel, function}) {
      long y = upload(0);
      launch(launched, 1, 1, y);
      assertArrayEquals(new float[] {1}, download(y, 1));
      driver.check("cuMemFree_v2", y);
    }
    assertEquals(List.of(), SoftwareDevice.complaints());
    driver.check("cuLibraryUnload", library);
    assertEquals(before, SoftwareDevice.live());
    assertEquals(400, driver.status("cuKernelGetFunction", driver.room(8), kernel));
    assertEquals(400, driver.status("cuLibraryUnload", library));
  }

  private static Nvrtc nvrtc() {
    return Nvrtc.open(12);
  }

  private long kernel(String text, String name) {
    MemorySegment image = nvrtc().compile(name + ".cu", text, HOPPER, List.of()).image(arena);
    long module = driver.made("cuModuleLoadData", image);
    return driver.made("cuModuleGetFunction", module, driver.text(name));
  }

  private void launch(long function, int blocks, int threads, Object... arguments) {
    launchWith(function, blocks, threads, 0, arguments);
  }

  private void launchWith(long function, int blocks, int threads, int shared, Object... arguments) {
    MemorySegment pointers = arena.allocate(8L * arguments.length, 8);
    for (int i = 0; i < arguments.length; i++) {
      MemorySegment value = arena.allocate(8, 8);
      switch (arguments[i]) {
        case Long l -> value.set(ValueLayout.JAVA_LONG, 0, l);
        case Integer n -> value.set(ValueLayout.JAVA_INT, 0, n);
        default -> throw new IllegalArgumentException(arguments[i].toString());
      }
      pointers.setAtIndex(ValueLayout.ADDRESS, i, value);
    }
    driver.check(
        "cuLaunchKernel", function, blocks, 1, 1, threads, 1, 1, shared, stream, pointers, 0L);
  }

  private long upload(float... values) {
    long address = driver.made("cuMemAlloc_v2", 4L * values.length);
    MemorySegment host = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
    driver.check("cuMemcpyHtoDAsync_v2", address, host, 4L * values.length, stream);
    return address;
  }

  private float[] download(long address, int number) {
    MemorySegment host = arena.allocate(4L * number, 4);
    driver.check("cuMemcpyDtoHAsync_v2", host, address, 4L * number, stream);
    driver.check("cuStreamSynchronize", stream);
    return host.toArray(ValueLayout.JAVA_FLOAT);
  }

  private static void assertComplaint(String pattern) {
    assertTrue(
        SoftwareDevice.complaints().stream().anyMatch(line -> line.matches(".*" + pattern + ".*")),
        () -> "no complaint like " + pattern + " in " + SoftwareDevice.complaints());
  }
}
