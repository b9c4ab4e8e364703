// The software libcublas.so.12: handles and matrix products. Numbers are those of cublas_api.h 12.9 (facts of the ABI).
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "gemm.h"

namespace software {
namespace {

enum MathMode : int { DEFAULT_MATH = 0, PEDANTIC_MATH = 2, TF32_TENSOR_OP_MATH = 3 };

struct Handle {
  void* context;
  CUstream stream = nullptr;
  uint64_t workspace = 0;
  size_t workspaceBytes = 0;
  int mathMode = DEFAULT_MATH;
  int pointerMode = 0;  // host
  int atomicsMode = 0;
};

std::mutex registryLock;
std::map<const void*, std::unique_ptr<Handle>> liveHandles;
uint64_t registryGeneration = 0;

void forgetThePast() {
  if (registryGeneration != swd_generation()) {
    registryGeneration = swd_generation();
    liveHandles.clear();
  }
}

Handle* live(void* handle, const char* function) {
  std::lock_guard<std::mutex> guard(registryLock);
  forgetThePast();
  auto found = liveHandles.find(handle);
  if (found != liveHandles.end()) return found->second.get();
  swd_complain("%s: %p is no live cuBLAS handle", function, handle);
  return nullptr;
}

// A handle in use by this call.
struct Use {
  Handle* handle;
  Use(void* given, const char* function) : handle(live(given, function)) {
    if (handle) swd_handle_enter(handle);
  }
  ~Use() {
    if (handle) swd_handle_leave(handle);
  }
};

Matrix operand(uint64_t address, Type type, int transposed, int64_t rows, int64_t columns, int64_t leading) {
  Matrix m;
  m.address = address;
  m.type = type;
  m.rows = transposed ? columns : rows;
  m.columns = transposed ? rows : columns;
  m.columnStride = leading;
  return transposed ? m.transposed() : m;
}

int product(void* given, int transa, int transb, int m, int n, int k, const void* alpha, uint64_t a, int aType, int lda,
            uint64_t b, int bType, int ldb, const void* beta, uint64_t c, int cType, int ldc, bool tf32,
            const char* function) {
  Use use(given, function);
  if (!use.handle) return CUBLAS_NOT_INITIALIZED;
  Handle& h = *use.handle;
  void* context = nullptr;
  if (swd_context(&context, nullptr) || context != h.context) {
    swd_complain("%s: the handle was created in another context than the current one", function);
    return CUBLAS_EXECUTION_FAILED;
  }
  if (m < 1 || n < 1 || k < 1 || !alpha || !beta || transa > 2 || transb > 2) return CUBLAS_INVALID_VALUE;
  if (lda < (transa ? k : m) || ldb < (transb ? n : k) || ldc < m) return CUBLAS_INVALID_VALUE;
  if (h.pointerMode != 0) return CUBLAS_NOT_SUPPORTED;
  Gemm gemm;
  Type in = typeOfCuda(aType), out = typeOfCuda(cType);
  bool integers = in == Type::INT8 && out == Type::INT32;
  bool floats = (in == Type::FLOAT || in == Type::HALF || in == Type::BFLOAT16) && (out == in || out == Type::FLOAT);
  if (typeOfCuda(bType) != in || !(integers || floats)) return CUBLAS_NOT_SUPPORTED;
  gemm.a = operand(a, in, transa, m, k, lda);
  gemm.b = operand(b, in, transb, k, n, ldb);
  gemm.c = gemm.d = operand(c, out, 0, m, n, ldc);
  if (integers) {
    int32_t scale[2];
    std::memcpy(&scale[0], alpha, 4);
    std::memcpy(&scale[1], beta, 4);
    gemm.alpha = static_cast<float>(scale[0]);
    gemm.beta = static_cast<float>(scale[1]);
  } else {
    std::memcpy(&gemm.alpha, alpha, 4);
    std::memcpy(&gemm.beta, beta, 4);
  }
  gemm.arithmetic.tf32 = tf32 && in == Type::FLOAT;
  // The library's own workspace belongs to nobody else; one that was given may be written on as far as it goes.
  gemm.workspace = h.workspace;
  gemm.workspaceBytes = static_cast<int64_t>(h.workspaceBytes);
  return enqueue(gemm, h.stream, function);
}

}  // namespace
}  // namespace software

using namespace software;

#define ENTER \
  if (int status = swd_enter("cublas", __func__)) return status
#define HANDLE               \
  ENTER;                     \
  Use use(handle, __func__); \
  if (!use.handle) return CUBLAS_NOT_INITIALIZED

SWD_API int cublasCreate_v2(void** handle) {
  ENTER;
  if (!handle) return CUBLAS_INVALID_VALUE;
  auto made = std::make_unique<Handle>();
  if (swd_context(&made->context, nullptr)) return CUBLAS_NOT_INITIALIZED;
  std::lock_guard<std::mutex> guard(registryLock);
  forgetThePast();
  *handle = made.get();
  liveHandles[made.get()] = std::move(made);
  swd_live("cublas handle", 1);
  return CUBLAS_SUCCESS;
}

SWD_API int cublasDestroy_v2(void* handle) {
  ENTER;
  if (!live(handle, __func__)) return CUBLAS_NOT_INITIALIZED;
  std::lock_guard<std::mutex> guard(registryLock);
  liveHandles.erase(handle);
  swd_live("cublas handle", -1);
  return CUBLAS_SUCCESS;
}

SWD_API int cublasGetVersion_v2(void*, int* version) {
  ENTER;
  if (!version) return CUBLAS_INVALID_VALUE;
  *version = 120901;
  return CUBLAS_SUCCESS;
}

SWD_API const char* cublasGetStatusName(int status) {
  swd_note("cublas", __func__);
  return statusName(status);
}

SWD_API const char* cublasGetStatusString(int status) {
  swd_note("cublas", __func__);
  return statusName(status);
}

SWD_API size_t cublasGetCudartVersion(void) {
  swd_note("cublas", __func__);
  return 12090;
}

SWD_API int cublasSetStream_v2(void* handle, CUstream stream) {
  HANDLE;
  if (swd_stream_check(stream)) return CUBLAS_INVALID_VALUE;
  use.handle->stream = stream;
  // As the real one does: the workspace has to be given again.
  use.handle->workspace = 0;
  use.handle->workspaceBytes = 0;
  return CUBLAS_SUCCESS;
}

SWD_API int cublasGetStream_v2(void* handle, CUstream* stream) {
  HANDLE;
  *stream = use.handle->stream;
  return CUBLAS_SUCCESS;
}

SWD_API int cublasSetWorkspace_v2(void* handle, uint64_t workspace, size_t bytes) {
  HANDLE;
  if (bytes && swd_check(workspace, bytes, 256, "cublasSetWorkspace_v2")) return CUBLAS_INVALID_VALUE;
  use.handle->workspace = workspace;
  use.handle->workspaceBytes = bytes;
  return CUBLAS_SUCCESS;
}

SWD_API int cublasSetMathMode(void* handle, int mode) {
  HANDLE;
  if ((mode & 15) > 4) return CUBLAS_INVALID_VALUE;
  use.handle->mathMode = mode;
  return CUBLAS_SUCCESS;
}

SWD_API int cublasGetMathMode(void* handle, int* mode) {
  HANDLE;
  *mode = use.handle->mathMode;
  return CUBLAS_SUCCESS;
}

SWD_API int cublasSetPointerMode_v2(void* handle, int mode) {
  HANDLE;
  use.handle->pointerMode = mode;
  return CUBLAS_SUCCESS;
}

SWD_API int cublasGetPointerMode_v2(void* handle, int* mode) {
  HANDLE;
  *mode = use.handle->pointerMode;
  return CUBLAS_SUCCESS;
}

SWD_API int cublasSetAtomicsMode(void* handle, int mode) {
  HANDLE;
  use.handle->atomicsMode = mode;
  return CUBLAS_SUCCESS;
}

SWD_API int cublasGetAtomicsMode(void* handle, int* mode) {
  HANDLE;
  *mode = use.handle->atomicsMode;
  return CUBLAS_SUCCESS;
}

SWD_API int cublasSgemm_v2(void* handle, int transa, int transb, int m, int n, int k, const float* alpha, uint64_t a,
                           int lda, uint64_t b, int ldb, const float* beta, uint64_t c, int ldc) {
  ENTER;
  Handle* h = live(handle, __func__);
  if (!h) return CUBLAS_NOT_INITIALIZED;
  bool tf32 = (h->mathMode & 15) == TF32_TENSOR_OP_MATH;
  return product(handle, transa, transb, m, n, k, alpha, a, 0, lda, b, 0, ldb, beta, c, 0, ldc, tf32, __func__);
}

SWD_API int cublasGemmEx(void* handle, int transa, int transb, int m, int n, int k, const void* alpha, uint64_t a,
                         int aType, int lda, uint64_t b, int bType, int ldb, const void* beta, uint64_t c, int cType,
                         int ldc, int computeType, int) {
  ENTER;
  Handle* h = live(handle, __func__);
  if (!h) return CUBLAS_NOT_INITIALIZED;
  if (computeType != 68 && computeType != 69 && computeType != 77 && computeType != 72 && computeType != 73)
    return CUBLAS_NOT_SUPPORTED;
  bool tf32 = computeType == 77 || (computeType == 68 && (h->mathMode & 15) == TF32_TENSOR_OP_MATH);
  return product(handle, transa, transb, m, n, k, alpha, a, aType, lda, b, bType, ldb, beta, c, cType, ldc, tf32,
                 __func__);
}

SWD_API int cublasSgemmEx(void* handle, int transa, int transb, int m, int n, int k, const float* alpha, uint64_t a,
                          int aType, int lda, uint64_t b, int bType, int ldb, const float* beta, uint64_t c, int cType,
                          int ldc) {
  ENTER;
  return product(handle, transa, transb, m, n, k, alpha, a, aType, lda, b, bType, ldb, beta, c, cType, ldc, false,
                 __func__);
}
