// What NVRTC gives a kernel's text without any header, for the system's C++ compiler. The text is compiled as it is,
// but for inline PTX and dynamic shared memory, which the stand-in of NVRTC rewrites; each access to memory is asked
// about (-fsanitize=kernel-address with calls).
#pragma once

#include "kernel_abi.h"

typedef __SIZE_TYPE__ size_t;

#define __CUDACC__ 1
#define __CUDACC_RTC__ 1
#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __shared__ static __attribute__((section("swd_shared")))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __grid_constant__

#define SWD_UNCHECKED __attribute__((no_sanitize("kernel-address")))

// --- The machine ---

static swd_index threadIdx, blockIdx, blockDim, gridDim;
static const int warpSize = 32;
static swd_runtime swd_now;

extern "C" {
extern char __start_swd_shared __attribute__((visibility("hidden")));
extern char __stop_swd_shared __attribute__((visibility("hidden")));
extern char __ehdr_start __attribute__((visibility("hidden")));
extern char _end __attribute__((visibility("hidden")));
}

// Ranges that were asked about already, more than a kernel has pointers.
enum { SWD_RANGES = 16 };
static struct swd_range {
  unsigned long from, to;
} swd_known[SWD_RANGES];
static unsigned swd_next;

SWD_UNCHECKED static void swd_forget() {
  for (int i = 0; i < SWD_RANGES; i++) swd_known[i].from = swd_known[i].to = 0;
  swd_next = 0;
}

SWD_UNCHECKED static inline void swd_reach(unsigned long address, unsigned long bytes, int write) {
  if (address >= (unsigned long)&__ehdr_start && address + bytes <= (unsigned long)&_end) return;
  for (int i = 0; i < SWD_RANGES; i++)
    if (address >= swd_known[i].from && address + bytes <= swd_known[i].to) return;
  swd_range& range = swd_known[swd_next++ % SWD_RANGES];
  swd_now.reach(address, bytes, write, &range.from, &range.to);
}

#define SWD_ACCESS(kind, bytes, write)                                                              \
  extern "C" SWD_UNCHECKED void __asan_##kind##bytes##_noabort(void* address) {                     \
    swd_reach((unsigned long)address, bytes, write);                                                \
  }
SWD_ACCESS(load, 1, 0)
SWD_ACCESS(load, 2, 0)
SWD_ACCESS(load, 4, 0)
SWD_ACCESS(load, 8, 0)
SWD_ACCESS(load, 16, 0)
SWD_ACCESS(store, 1, 1)
SWD_ACCESS(store, 2, 1)
SWD_ACCESS(store, 4, 1)
SWD_ACCESS(store, 8, 1)
SWD_ACCESS(store, 16, 1)
extern "C" SWD_UNCHECKED void __asan_loadN_noabort(void* address, long bytes) {
  swd_reach((unsigned long)address, (unsigned long)bytes, 0);
}
extern "C" SWD_UNCHECKED void __asan_storeN_noabort(void* address, long bytes) {
  swd_reach((unsigned long)address, (unsigned long)bytes, 1);
}
extern "C" SWD_UNCHECKED void __asan_handle_no_return() {}

// --- Synchronisation ---

static inline void __syncthreads() { swd_now.barrier(0); }
static inline void __syncwarp(unsigned = 0xffffffffu) { swd_now.barrier(1); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}

SWD_UNCHECKED static inline unsigned swd_thread() {
  return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}

template <class T>
SWD_UNCHECKED static T swd_shuffle(T value, unsigned lane) {
  static_assert(sizeof(T) <= 16, "a shuffle moves at most 16 bytes");
  unsigned self = swd_thread();
  unsigned other = (self & ~31u) + (lane & 31u);
  if (other >= blockDim.x * blockDim.y * blockDim.z) other = self;
  __builtin_memcpy(swd_now.exchange(self), &value, sizeof(T));
  swd_now.barrier(1);
  T result;
  __builtin_memcpy(&result, swd_now.exchange(other), sizeof(T));
  swd_now.barrier(1);
  return result;
}
template <class T>
static T __shfl_sync(unsigned, T value, int lane, int width = 32) {
  unsigned self = swd_thread() & 31u, base = self & ~(unsigned)(width - 1);
  return swd_shuffle(value, base + ((unsigned)lane & (unsigned)(width - 1)));
}
template <class T>
static T __shfl_xor_sync(unsigned, T value, int mask, int width = 32) {
  unsigned self = swd_thread() & 31u, other = self ^ (unsigned)mask;
  return swd_shuffle(value, (other & ~(unsigned)(width - 1)) > (self | (unsigned)(width - 1)) ? self : other);
}
template <class T>
static T __shfl_down_sync(unsigned, T value, unsigned delta, int width = 32) {
  unsigned self = swd_thread() & 31u;
  return swd_shuffle(value, (self & (unsigned)(width - 1)) + delta < (unsigned)width ? self + delta : self);
}
template <class T>
static T __shfl_up_sync(unsigned, T value, unsigned delta, int width = 32) {
  unsigned self = swd_thread() & 31u;
  return swd_shuffle(value, (self & (unsigned)(width - 1)) >= delta ? self - delta : self);
}

template <class T>
static T atomicAdd(T* at, T value) { T old = *at; *at = old + value; return old; }
template <class T>
static T atomicMax(T* at, T value) { T old = *at; *at = old > value ? old : value; return old; }
template <class T>
static T atomicMin(T* at, T value) { T old = *at; *at = old < value ? old : value; return old; }
template <class T>
static T atomicExch(T* at, T value) { T old = *at; *at = value; return old; }
template <class T>
static T atomicCAS(T* at, T compare, T value) { T old = *at; if (old == compare) *at = value; return old; }

// --- Vectors ---

#define SWD_VECTORS(type, name)                                                                      \
  struct name##1 { type x; };                                                                        \
  struct __attribute__((aligned(2 * sizeof(type)))) name##2 { type x, y; };                          \
  struct name##3 { type x, y, z; };                                                                  \
  struct __attribute__((aligned(4 * sizeof(type) > 16 ? 16 : 4 * sizeof(type)))) name##4 { type x, y, z, w; }; \
  static inline name##2 make_##name##2(type x, type y) { return {x, y}; }                            \
  static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                 \
  static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
SWD_VECTORS(signed char, char)
SWD_VECTORS(unsigned char, uchar)
SWD_VECTORS(short, short)
SWD_VECTORS(unsigned short, ushort)
SWD_VECTORS(int, int)
SWD_VECTORS(unsigned, uint)
SWD_VECTORS(long long, longlong)
SWD_VECTORS(unsigned long long, ulonglong)
SWD_VECTORS(float, float)
SWD_VECTORS(double, double)
#undef SWD_VECTORS
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

// --- Arithmetic ---

#define SWD_FLOAT1(name) \
  static inline float name##f(float a) { return __builtin_##name##f(a); }
SWD_FLOAT1(exp) SWD_FLOAT1(exp2) SWD_FLOAT1(log) SWD_FLOAT1(log2) SWD_FLOAT1(sqrt) SWD_FLOAT1(tanh) SWD_FLOAT1(erf)
SWD_FLOAT1(fabs) SWD_FLOAT1(floor) SWD_FLOAT1(ceil) SWD_FLOAT1(rint) SWD_FLOAT1(round) SWD_FLOAT1(trunc)
SWD_FLOAT1(sin) SWD_FLOAT1(cos)
#undef SWD_FLOAT1
static inline float fmaxf(float a, float b) { return __builtin_fmaxf(a, b); }
static inline float fminf(float a, float b) { return __builtin_fminf(a, b); }
static inline float powf(float a, float b) { return __builtin_powf(a, b); }
static inline float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline float rsqrtf(float a) { return (float)(1.0 / __builtin_sqrt((double)a)); }
static inline float __expf(float a) { return __builtin_expf(a); }
static inline float __logf(float a) { return __builtin_logf(a); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline float __fsqrt_rn(float a) { return __builtin_sqrtf(a); }
static inline float __frcp_rn(float a) { return 1.0f / a; }
static inline float __frsqrt_rn(float a) { return rsqrtf(a); }
static inline bool isnan(float a) { return a != a; }
static inline bool isinf(float a) { return __builtin_isinf(a); }

// Conversions to integers end at the ends of the range; not-a-number becomes 0.
template <class I>
static inline I swd_integer(float a, float low, float high, I lowest, I highest) {
  return a != a ? 0 : a <= low ? lowest : a >= high ? highest : (I)a;
}
static inline int __float2int_rz(float a) {
  return swd_integer<int>(a, -2147483648.0f, 2147483648.0f, -2147483647 - 1, 2147483647);
}
static inline int __float2int_rn(float a) { return __float2int_rz(__builtin_rintf(a)); }
static inline int __float2int_rd(float a) { return __float2int_rz(__builtin_floorf(a)); }
static inline int __float2int_ru(float a) { return __float2int_rz(__builtin_ceilf(a)); }
static inline unsigned __float2uint_rz(float a) {
  return swd_integer<unsigned>(a, 0.0f, 4294967296.0f, 0u, 4294967295u);
}
static inline unsigned __float2uint_rn(float a) { return __float2uint_rz(__builtin_rintf(a)); }
static inline float __int2float_rn(int a) { return (float)a; }
static inline float __uint2float_rn(unsigned a) { return (float)a; }

template <class To, class From>
static inline To swd_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}
static inline int __float_as_int(float a) { return swd_bits<int>(a); }
static inline unsigned __float_as_uint(float a) { return swd_bits<unsigned>(a); }
static inline float __int_as_float(int a) { return swd_bits<float>(a); }
static inline float __uint_as_float(unsigned a) { return swd_bits<float>(a); }

#define SWD_MIN_MAX(type)                                            \
  static inline type min(type a, type b) { return a < b ? a : b; }   \
  static inline type max(type a, type b) { return a > b ? a : b; }
SWD_MIN_MAX(int) SWD_MIN_MAX(unsigned) SWD_MIN_MAX(long) SWD_MIN_MAX(unsigned long)
SWD_MIN_MAX(long long) SWD_MIN_MAX(unsigned long long)
#undef SWD_MIN_MAX
static inline float min(float a, float b) { return __builtin_fminf(a, b); }
static inline float max(float a, float b) { return __builtin_fmaxf(a, b); }
static inline int abs(int a) { return a < 0 ? -a : a; }
static inline float abs(float a) { return __builtin_fabsf(a); }
static inline int __clz(int a) { return a ? __builtin_clz((unsigned)a) : 32; }
static inline int __ffs(int a) { return __builtin_ffs(a); }
static inline int __popc(unsigned a) { return __builtin_popcount(a); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
template <class T>
static inline T __ldg(const T* at) { return *at; }
#define __trap() (swd_now.fail("__trap()"), __builtin_unreachable())

// --- Inline PTX, by instruction ---

// Round to nearest, ties to even, as the processor converts.
static inline unsigned short swd_half(float value) {
  unsigned bits = swd_bits<unsigned>(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return (unsigned short)0x7fffu;  // the one NaN that the instruction gives
  if (magnitude >= 0x477ff000u) return (unsigned short)(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {  // subnormal: the unit is 2^-24
    float scaled = swd_bits<float>(magnitude) * 16777216.0f;
    return (unsigned short)(sign | (unsigned)__builtin_rintf(scaled));
  }
  unsigned rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
  return (unsigned short)(sign | ((rounded - 0x38000000u) >> 13));
}
static inline float swd_float(unsigned short half) {
  unsigned sign = (unsigned)(half & 0x8000u) << 16, exponent = half >> 10 & 31u, fraction = half & 0x3ffu;
  if (exponent == 31) return swd_bits<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent == 0) {
    float magnitude = (float)fraction * 5.9604644775390625e-8f;
    return sign ? -magnitude : magnitude;
  }
  return swd_bits<float>(sign | (exponent + 112u) << 23 | fraction << 13);
}
template <class H>
static inline void swd_ptx_cvt_rn_f16_f32(H& to, float from) { to = (H)swd_half(from); }
template <class H>
static inline void swd_ptx_cvt_f32_f16(float& to, H from) { to = swd_float((unsigned short)from); }
template <class H>
static inline void swd_ptx_cvt_rn_bf16_f32(H& to, float from) {
  unsigned bits = swd_bits<unsigned>(from);
  to = (H)((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// --- The table of the kernels, which the driver reads ---

template <class... A>
struct swd_signature {
  static constexpr unsigned count = sizeof...(A);
  unsigned sizes[sizeof...(A) + 1], offsets[sizeof...(A) + 1];
  constexpr swd_signature() : sizes{sizeof(A)..., 0}, offsets{} {
    const unsigned alignments[] = {alignof(A)..., 1};
    unsigned at = 0;
    for (unsigned i = 0; i < count; i++) {
      at = (at + alignments[i] - 1) / alignments[i] * alignments[i];
      offsets[i] = at;
      at += sizes[i];
    }
  }
};
template <unsigned... I>
struct swd_numbers {};
template <unsigned N, unsigned... I>
struct swd_upto : swd_upto<N - 1, N - 1, I...> {};
template <unsigned... I>
struct swd_upto<0, I...> {
  typedef swd_numbers<I...> type;
};

template <class F, F f>
struct swd_entry;
template <class... A, void (*f)(A...)>
struct swd_entry<void (*)(A...), f> {
  static constexpr swd_signature<A...> signature{};
  template <unsigned... I>
  SWD_UNCHECKED static void spread(void* const* arguments, swd_numbers<I...>) {
    f(*(A*)arguments[I]...);
  }
  SWD_UNCHECKED static void invoke(void* const* arguments) {
    (void)arguments;
    spread(arguments, typename swd_upto<sizeof...(A)>::type());
  }
};
template <class... A, void (*f)(A...)>
constexpr swd_signature<A...> swd_entry<void (*)(A...), f>::signature;

#define SWD_KERNEL(name, threads, barriers)                                                                     \
  {#name, swd_entry<decltype(&name), &name>::signature.count, swd_entry<decltype(&name), &name>::signature.sizes, \
   swd_entry<decltype(&name), &name>::signature.offsets, swd_entry<decltype(&name), &name>::invoke, threads, barriers},

// One byte, so that the section is there.
static char swd_shared_first __attribute__((section("swd_shared"), used));

#define SWD_TABLE(...)                                                                      \
  static const swd_kernel swd_kernels[] = {__VA_ARGS__ {nullptr, 0, nullptr, nullptr, nullptr, 0, 0}};   \
  extern "C" __attribute__((visibility("default"))) SWD_UNCHECKED const swd_module* swd_module_table() { \
    static const swd_module table = {swd_kernels, sizeof swd_kernels / sizeof *swd_kernels - 1, &threadIdx, \
                                     &blockIdx, &blockDim, &gridDim, &__start_swd_shared, &__stop_swd_shared,         \
                                     &__ehdr_start, &_end, &swd_now, swd_forget};                     \
    return &table;                                                                                    \
  }
