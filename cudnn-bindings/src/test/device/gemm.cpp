#include "gemm.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace software {
namespace {

float value(const Matrix& m, const void* memory, int64_t row, int64_t column) {
  return load(m.type, memory, row * m.rowStride + column * m.columnStride);
}

template <typename Number>
void loadNumbers(Type type, const void* memory, int64_t index, int64_t stride, int64_t count, Number* to) {
  if constexpr (std::is_same_v<Number, float>) {
    loadRow(type, memory, index, stride, count, to);
  } else {
    for (int64_t i = 0; i < count; i++)
      to[i] = static_cast<Number>(static_cast<const int8_t*>(memory)[index + i * stride]);
  }
}

template <typename Number>
void multiply(const Gemm& g, const void* a, const void* b, const void* c, void* d, const void* bias) {
  // The columns of d are the rows of the blocked product: inputs lie along k in both.
  Matmul<Number> product;
  product.rows = g.d.columns;
  product.columns = g.d.rows;
  product.depth = g.a.columns;
  product.arithmetic = g.arithmetic;
  if (g.unordered) product.arithmetic.order = swd_random();
  product.loadA = [&](int64_t column, int64_t k, int64_t count, Number* to) {
    loadNumbers(g.b.type, b, k * g.b.rowStride + column * g.b.columnStride, g.b.rowStride, count, to);
  };
  product.loadB = [&](int64_t row, int64_t k, int64_t count, Number* to) {
    loadNumbers(g.a.type, a, row * g.a.rowStride + k * g.a.columnStride, g.a.columnStride, count, to);
  };
  product.take = [&](int64_t first, int64_t count, Number* band, int64_t stride) {
    for (int64_t j = 0; j < count; j++) {
      for (int64_t i = 0; i < g.d.rows; i++) {
        Number sum = band[j * stride + i];
        int64_t at = i * g.d.rowStride + (first + j) * g.d.columnStride;
        if constexpr (std::is_same_v<Number, int32_t>) {
          if (g.d.type == Type::INT32) {
            auto old =
                g.beta != 0 ? static_cast<const int32_t*>(c)[i * g.c.rowStride + (first + j) * g.c.columnStride] : 0;
            static_cast<int32_t*>(d)[at] = static_cast<int32_t>(g.alpha) * sum + static_cast<int32_t>(g.beta) * old;
            continue;
          }
        }
        float result = g.alpha * static_cast<float>(sum);
        if (g.beta != 0) result += g.beta * value(g.c, c, i, first + j);
        if (bias) result += load(g.biasType, bias, i);
        if (g.relu && result < 0) result = 0;
        store(g.d.type, d, at, result);
      }
    }
  };
  product.run();
}

void run(void* argument) {
  const Gemm& g = *static_cast<Gemm*>(argument);
  swd_spend(("duration.algorithm." + std::to_string(g.algorithm)).c_str());
  if (!swd_work_enabled()) return;
  auto read = [](const Matrix& m, const char* what) {
    return swd_access(m.address, static_cast<size_t>(m.bytes()), 0, what);
  };
  const void *a = read(g.a, "cuBLAS product, A"), *b = a ? read(g.b, "cuBLAS product, B") : nullptr;
  if (!b) return;
  const void* c = g.beta != 0 ? read(g.c, "cuBLAS product, C") : nullptr;
  if (g.beta != 0 && !c) return;
  const void* bias = nullptr;
  if (g.bias) {
    bias = swd_access(g.bias, static_cast<size_t>(g.d.rows * sizeOf(g.biasType)), 0, "cuBLAS product, bias");
    if (!bias) return;
  }
  void* d = swd_access(g.d.address, static_cast<size_t>(g.d.bytes()), 1, "cuBLAS product, D");
  if (!d) return;
  if (g.workspaceBytes) {
    void* workspace = swd_access(g.workspace, static_cast<size_t>(g.workspaceBytes), 1, "cuBLAS product, workspace");
    if (!workspace) return;
    std::memset(workspace, 0xFF, static_cast<size_t>(g.workspaceBytes));
  }
  if (g.a.type == Type::INT8) {
    multiply<int32_t>(g, a, b, c, d, bias);
  } else {
    multiply<float>(g, a, b, c, d, bias);
  }
}

void release(void* argument) { delete static_cast<Gemm*>(argument); }

// The kernels of an algorithm are loaded when a context first uses it, which a capture does not allow.
bool firstUse(void* context, const Gemm& g) {
  static std::mutex lock;
  static std::set<std::tuple<uint64_t, void*, Type, Type, bool, bool, int>> used;
  std::lock_guard<std::mutex> guard(lock);
  return used.insert({swd_generation(), context, g.a.type, g.d.type, g.relu, g.bias != 0, g.arithmetic.splits}).second;
}

}  // namespace

const char* statusName(int status) {
  switch (status) {
    case 0: return "CUBLAS_STATUS_SUCCESS";
    case 1: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case 3: return "CUBLAS_STATUS_ALLOC_FAILED";
    case 7: return "CUBLAS_STATUS_INVALID_VALUE";
    case 8: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 11: return "CUBLAS_STATUS_MAPPING_ERROR";
    case 13: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case 15: return "CUBLAS_STATUS_NOT_SUPPORTED";
    case 16: return "CUBLAS_STATUS_LICENSE_ERROR";
    default: return "CUBLAS_STATUS_UNKNOWN";
  }
}

int enqueue(const Gemm& g, CUstream stream, const char* function) {
  void* context = nullptr;
  if (swd_context(&context, nullptr)) return CUBLAS_NOT_INITIALIZED;
  if (swd_stream_check(stream)) return CUBLAS_EXECUTION_FAILED;
  auto refuse = [&](const char* why) {
    swd_complain("%s: %s", function, why);
    return static_cast<int>(CUBLAS_INVALID_VALUE);
  };
  struct Range {
    uint64_t begin, end;
    bool written;
  };
  std::vector<Range> ranges;
  auto good = [&](const char* name, uint64_t address, int64_t bytes, int64_t alignment, bool written) {
    char what[128];
    std::snprintf(what, sizeof what, "%s, %s", function, name);
    ranges.push_back({address, address + static_cast<uint64_t>(bytes), written});
    return !swd_check(address, static_cast<size_t>(bytes), static_cast<size_t>(alignment), what);
  };
  int64_t element = sizeOf(g.a.type);
  if (!good("A", g.a.address, g.a.bytes(), std::max(element, g.alignment), false)) return CUBLAS_INVALID_VALUE;
  if (!good("B", g.b.address, g.b.bytes(), std::max(element, g.alignment), false)) return CUBLAS_INVALID_VALUE;
  if (g.beta != 0 && g.c.address != g.d.address &&
      !good("C", g.c.address, g.c.bytes(), std::max(sizeOf(g.c.type), g.alignment), false))
    return CUBLAS_INVALID_VALUE;
  if (!good("D", g.d.address, g.d.bytes(), std::max(sizeOf(g.d.type), g.alignment), true)) return CUBLAS_INVALID_VALUE;
  if (g.bias && !good("the bias", g.bias, g.d.rows * sizeOf(g.biasType), sizeOf(g.biasType), false))
    return CUBLAS_INVALID_VALUE;
  if (g.workspaceBytes) {
    if (!g.workspace) return refuse("the algorithm needs workspace and there is none");
    if (!good("the workspace", g.workspace, g.workspaceBytes, 16, true)) return CUBLAS_INVALID_VALUE;
  }
  for (auto& one : ranges)
    for (auto& other : ranges)
      if (&one != &other && one.written && one.begin < other.end && other.begin < one.end)
        return refuse("what is written overlaps something else that is used");
  if (firstUse(context, g) && swd_stream_capturing(stream)) {
    swd_capture_violation(stream, "the first use of a cuBLAS algorithm, which loads its kernels");
    return CUBLAS_EXECUTION_FAILED;
  }
  return swd_enqueue(stream, "cublas product", run, new Gemm(g), release) ? CUBLAS_EXECUTION_FAILED : CUBLAS_SUCCESS;
}

}  // namespace software
