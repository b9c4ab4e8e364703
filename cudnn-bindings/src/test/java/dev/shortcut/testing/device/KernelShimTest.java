package dev.shortcut.testing.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.shortcut.bindings.cuda.ComputeCapability;
import dev.shortcut.bindings.library.NativeLibrary;
import dev.shortcut.bindings.nvrtc.Nvrtc;
import dev.shortcut.bindings.nvrtc.NvrtcException;
import dev.shortcut.testing.VendorLibraries;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What the shim gives a kernel's text is what NVIDIA's NVRTC gives it: a text that uses every name
 * of the shim compiles with both, and what one refuses the other refuses.
 */
class KernelShimTest {
  private static final ComputeCapability HOPPER = new ComputeCapability(9, 0);

  private static final String EVERYTHING =
      """
      __constant__ float table[2] = {1.0f, 2.0f};
      struct __align__(8) Pair { float a, b; };
      __device__ __noinline__ float apart(const float* __restrict__ x) { return __ldg(x); }
      extern "C" __global__ void __launch_bounds__(256) everything(
          const float* x, float* y, int* n, unsigned* u, unsigned long long* w) {
        __shared__ float shared[32];
        __shared__ __align__(16) float aligned[4];
        extern __shared__ float dynamic[];
        unsigned i = threadIdx.x + blockIdx.x * blockDim.x + gridDim.x;
        Pair pair = {x[0], x[1]};
        float a = pair.a, b = pair.b;
        size_t bytes = sizeof(Pair);
        shared[i % warpSize] = aligned[0] = dynamic[0] = apart(x) + table[i & 1];
        __syncthreads();
        __syncwarp();
        __threadfence();
        __threadfence_block();
        a = __shfl_sync(0xffffffffu, a, 0) + __shfl_xor_sync(0xffffffffu, a, 1);
        a += __shfl_down_sync(0xffffffffu, a, 1u) + __shfl_up_sync(0xffffffffu, a, 1u);
        n[0] = atomicAdd(n, 1) + atomicMax(n, 2) + atomicMin(n, 3) + atomicExch(n, 4) + atomicCAS(n, 4, 5);
        w[0] = (unsigned long long)bytes;
        a += expf(a) + exp2f(a) + logf(a) + log2f(a) + sqrtf(a) + tanhf(a) + erff(a) + fabsf(a);
        a += floorf(a) + ceilf(a) + rintf(a) + roundf(a) + truncf(a) + sinf(a) + cosf(a);
        a += fmaxf(a, b) + fminf(a, b) + powf(a, b) + fmaf(a, b, a) + rsqrtf(a);
        a += __expf(a) + __logf(a) + __fdividef(a, b) + __fdiv_rn(a, b) + __fadd_rn(a, b) + __fsub_rn(a, b);
        a += __fmul_rn(a, b) + __fmaf_rn(a, b, a) + __fsqrt_rn(a) + __frcp_rn(a) + __frsqrt_rn(a);
        n[1] = isnan(a) + isinf(a);
        n[2] = __float2int_rz(a) + __float2int_rn(a) + __float2int_rd(a) + __float2int_ru(a);
        u[0] = __float2uint_rz(a) + __float2uint_rn(a);
        a += __int2float_rn(n[0]) + __uint2float_rn(u[0]);
        a += __int_as_float(__float_as_int(a)) + __uint_as_float(__float_as_uint(b));
        n[3] = min(n[0], n[1]) + max(n[0], n[1]) + abs(n[2]) + __clz(n[0]) + __ffs(n[0]);
        u[1] = min(u[0], 3u) + max(u[0], 3u) + __popc(u[0]) + __umulhi(u[0], 7u);
        w[1] = max(min(w[0], 7ull), 1ull) + (unsigned long long)max(min((long long)n[0], 7ll), 1ll);
        a += min(a, b) + max(a, b) + abs(a);
        float4 four = make_float4(a, b, a, b);
        float2 two = make_float2(four.x, four.w);
        uchar4 small = make_uchar4(1, 2, 3, 4);
        int3 three = make_int3(1, 2, 3);
        ushort2 halves = make_ushort2(1, 2);
        dim3 size(1, 2);
        unsigned short h;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(a));
        float back;
        asm volatile("cvt.f32.f16 %0, %1;" : "=f"(back) : "h"(h));
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(b));
        if (small.x == 9) __trap();
        y[i] = two.x + back + (float)(three.y + halves.x + size.y + h);
      }
      """;

  /** What a text may not use: NVRTC has no headers where there is no toolkit. */
  private static final List<String> REFUSED =
      List.of(
          "#include <cuda_fp16.h>\n",
          "#include <stdint.h>\n",
          "__device__ uint32_t u;",
          "__device__ int f() { return printed; }",
          "__global__ void k(float* y) { y[0] = std::sqrt(2.0f); }");

  @Test
  @Tag("native")
  void theSoftwareDeviceCompilesEverythingThatTheShimGives() {
    SoftwareDevice.install();
    SoftwareDevice.reset();
    compilesAllAndRefusesTheRest(Nvrtc.open(12));
  }

  @Test
  @Tag("vendor")
  void nvidiasCompilerCompilesEverythingThatTheShimGives() {
    compilesAllAndRefusesTheRest(
        Nvrtc.of(
            NativeLibrary.find("NVRTC", "nvrtcVersion")
                .file("fetched", VendorLibraries.library("libnvrtc.so.12"))
                .load()));
  }

  @Test
  void theTextUsesEveryFunctionOfTheShim() throws IOException {
    String shim;
    try (InputStream in = KernelShimTest.class.getResourceAsStream("kernel_shim.h")) {
      shim = new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
    Matcher functions =
        Pattern.compile(
                "(?m)^(?:SWD_UNCHECKED )?static (?:inline )?\\w+(?: \\w+)* (\\w+)\\([^;]*\\{$|^static (?:inline )?[\\w ]+ (\\w+)\\(")
            .matcher(shim);
    var missing = new TreeSet<String>();
    int found = 0;
    while (functions.find()) {
      String name = functions.group(1) == null ? functions.group(2) : functions.group(1);
      found++;
      if (!name.startsWith("swd_")
          && !name.equals("__attribute__")
          && !EVERYTHING.contains(name + "(")) {
        missing.add(name);
      }
    }
    assertTrue(found > 40, "found " + found);
    assertEquals(new TreeSet<String>(), missing);
  }

  private static void compilesAllAndRefusesTheRest(Nvrtc nvrtc) {
    assertTrue(nvrtc.compile("everything.cu", EVERYTHING, HOPPER, List.of()).imageBytes() > 0);
    for (String text : REFUSED) {
      assertThrows(
          NvrtcException.class, () -> nvrtc.compile("refused.cu", text, HOPPER, List.of()), text);
    }
  }
}
