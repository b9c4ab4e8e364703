// The software libcublasLt.so.12: matrix products with an epilogue. Numbers are those of cublasLt.h 12.9 (facts of the
// ABI).
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "gemm.h"

namespace software {
namespace {

enum DescriptionAttribute : int {
  COMPUTE_TYPE = 0,
  SCALE_TYPE = 1,
  POINTER_MODE = 2,
  TRANSA = 3,
  TRANSB = 4,
  TRANSC = 5,
  EPILOGUE = 7,
  BIAS_POINTER = 8,
  BIAS_DATA_TYPE = 26,
};

enum LayoutAttribute : int { TYPE = 0, ORDER = 1, ROWS = 2, COLS = 3, LD = 4, BATCH_COUNT = 5 };

enum PreferenceAttribute : int {
  SEARCH_MODE = 0,
  MAX_WORKSPACE_BYTES = 1,
  REDUCTION_SCHEME_MASK = 3,
  MIN_ALIGNMENT_A_BYTES = 5,
  MIN_ALIGNMENT_D_BYTES = 8,
  MAX_WAVES_COUNT = 9,
};

enum ComputeType : int { COMPUTE_16F = 64, COMPUTE_32F = 68, COMPUTE_32F_PEDANTIC = 69, COMPUTE_32F_FAST_TF32 = 77 };
enum Epilogue : int { DEFAULT = 1, RELU = 2, BIAS = 4, RELU_BIAS = 6 };
enum ReductionScheme : uint32_t { IN_PLACE = 1, COMPUTE = 2 };

struct Description {
  int computeType, scaleType;
  int pointerMode = 0, transa = 0, transb = 0, transc = 0;
  int epilogue = DEFAULT;
  uint64_t bias = 0;
  int biasType = -1;  // that of d
};

struct Layout {
  int type;
  int order = 0;  // columns one after the other; 1: rows
  uint64_t rows, columns;
  int64_t leading;
  int batches = 1;

  Matrix matrix(uint64_t address) const {
    Matrix m;
    m.address = address;
    m.type = typeOfCuda(type);
    m.rows = static_cast<int64_t>(rows);
    m.columns = static_cast<int64_t>(columns);
    m.rowStride = order == 1 ? leading : 1;
    m.columnStride = order == 1 ? 1 : leading;
    return m;
  }
  bool good() const {
    return typeOfCuda(type) != Type::UNKNOWN && order <= 1 && rows > 0 && columns > 0 && batches == 1 &&
           leading >= static_cast<int64_t>(order == 1 ? columns : rows);
  }
};

struct Preference {
  uint64_t mostWorkspace = 0;
  uint32_t reductions = ~0u;
  uint32_t alignments[4] = {256, 256, 256, 256};
};

// What lies in the 64 bytes that are the caller's.
struct Algorithm {
  static constexpr uint32_t MAGIC = 0x6c745377;
  uint32_t magic;
  int32_t id, tile, splits;
  uint32_t reduction;
  uint32_t alignment;
  uint64_t problem;
  uint64_t flags;
  uint64_t workspace;
  uint64_t reserved[2];
};
static_assert(sizeof(Algorithm) == 64, "cublasLtMatmulAlgo_t has 64 bytes");

struct Result {
  Algorithm algorithm;
  uint64_t workspace;
  int32_t state;
  float waves;
  int32_t reserved[4];
};
static_assert(sizeof(Result) == 96, "cublasLtMatmulHeuristicResult_t has 96 bytes");

struct Object {
  const char* kind;
  Description description;
  Layout layout;
  Preference preference;
};

std::mutex registryLock;
std::map<const void*, std::unique_ptr<Object>> liveObjects;
uint64_t registryGeneration = 0;

Object* live(const void* object, const char* kind, const char* function) {
  std::lock_guard<std::mutex> guard(registryLock);
  if (registryGeneration != swd_generation()) {
    registryGeneration = swd_generation();
    liveObjects.clear();
  }
  auto found = liveObjects.find(object);
  if (found != liveObjects.end() && !std::strcmp(found->second->kind, kind)) return found->second.get();
  swd_complain("%s: %p is no live %s", function, object, kind);
  return nullptr;
}

int create(void** place, const char* kind, Object made) {
  if (!place) return CUBLAS_INVALID_VALUE;
  std::lock_guard<std::mutex> guard(registryLock);
  if (registryGeneration != swd_generation()) {
    registryGeneration = swd_generation();
    liveObjects.clear();
  }
  made.kind = kind;
  auto object = std::make_unique<Object>(made);
  *place = object.get();
  liveObjects[object.get()] = std::move(object);
  swd_live(kind, 1);
  return CUBLAS_SUCCESS;
}

int destroy(void* object, const char* kind, const char* function) {
  if (!live(object, kind, function)) return CUBLAS_INVALID_VALUE;
  std::lock_guard<std::mutex> guard(registryLock);
  liveObjects.erase(object);
  swd_live(kind, -1);
  return CUBLAS_SUCCESS;
}

constexpr const char* HANDLE_KIND = "cublasLt handle";
constexpr const char* DESCRIPTION_KIND = "cublasLt matmul description";
constexpr const char* LAYOUT_KIND = "cublasLt matrix layout";
constexpr const char* PREFERENCE_KIND = "cublasLt matmul preference";

template <typename T>
int take(T* to, const void* from, size_t bytes) {
  if (!from || bytes != sizeof(T)) return CUBLAS_INVALID_VALUE;
  std::memcpy(to, from, sizeof(T));
  return CUBLAS_SUCCESS;
}

template <typename T>
int give(T value, void* to, size_t bytes, size_t* written) {
  if (written) *written = sizeof(T);
  if (!to && bytes == 0) return CUBLAS_SUCCESS;
  if (!to || bytes < sizeof(T)) return CUBLAS_INVALID_VALUE;
  std::memcpy(to, &value, sizeof(T));
  return CUBLAS_SUCCESS;
}

// What the four layouts and the description ask for; not supported or inconsistent: a status.
int describe(const Description& d, const Layout& a, const Layout& b, const Layout& c, const Layout& out, Gemm* gemm) {
  if (!a.good() || !b.good() || !c.good() || !out.good()) return CUBLAS_INVALID_VALUE;
  if (d.transa > 1 || d.transb > 1 || d.transc != 0 || d.pointerMode != 0) return CUBLAS_NOT_SUPPORTED;
  if (d.epilogue != DEFAULT && d.epilogue != RELU && d.epilogue != BIAS && d.epilogue != RELU_BIAS)
    return CUBLAS_NOT_SUPPORTED;
  if (d.computeType != COMPUTE_32F && d.computeType != COMPUTE_32F_PEDANTIC && d.computeType != COMPUTE_32F_FAST_TF32)
    return CUBLAS_NOT_SUPPORTED;
  if (typeOfCuda(d.scaleType) != Type::FLOAT) return CUBLAS_NOT_SUPPORTED;
  gemm->a = d.transa ? a.matrix(0).transposed() : a.matrix(0);
  gemm->b = d.transb ? b.matrix(0).transposed() : b.matrix(0);
  gemm->c = c.matrix(0);
  gemm->d = out.matrix(0);
  if (gemm->a.columns != gemm->b.rows || gemm->a.rows != gemm->d.rows || gemm->b.columns != gemm->d.columns ||
      gemm->c.rows != gemm->d.rows || gemm->c.columns != gemm->d.columns)
    return CUBLAS_INVALID_VALUE;
  Type in = gemm->a.type, to = gemm->d.type;
  bool floats = in == Type::FLOAT || in == Type::HALF || in == Type::BFLOAT16;
  if (gemm->b.type != in || gemm->c.type != to || !floats || (to != in && to != Type::FLOAT))
    return CUBLAS_NOT_SUPPORTED;
  gemm->relu = d.epilogue == RELU || d.epilogue == RELU_BIAS;
  gemm->biasType = d.biasType < 0 ? to : typeOfCuda(d.biasType);
  if (gemm->biasType != to && gemm->biasType != Type::FLOAT) return CUBLAS_NOT_SUPPORTED;
  return CUBLAS_SUCCESS;
}

uint64_t problemNumber(const Description& d, const Gemm& g) {
  uint64_t h = 1469598103934665603u;
  for (int64_t v : {static_cast<int64_t>(d.computeType), static_cast<int64_t>(d.epilogue),
                    static_cast<int64_t>(g.a.type), static_cast<int64_t>(g.d.type), g.d.rows, g.d.columns, g.a.columns,
                    g.a.rowStride, g.a.columnStride, g.b.rowStride, g.b.columnStride, g.d.rowStride, g.d.columnStride})
    h = (h ^ static_cast<uint64_t>(v)) * 1099511628211u;
  return h ^ h >> 29;
}

}  // namespace
}  // namespace software

using namespace software;

#define ENTER \
  if (int status = swd_enter("cublasLt", __func__)) return status

SWD_API size_t cublasLtGetVersion(void) {
  swd_note("cublasLt", __func__);
  return 120901;
}

SWD_API size_t cublasLtGetCudartVersion(void) {
  swd_note("cublasLt", __func__);
  return 12090;
}

SWD_API const char* cublasLtGetStatusName(int status) {
  swd_note("cublasLt", __func__);
  return statusName(status);
}

SWD_API const char* cublasLtGetStatusString(int status) {
  swd_note("cublasLt", __func__);
  return statusName(status);
}

SWD_API int cublasLtCreate(void** handle) {
  ENTER;
  if (swd_context(nullptr, nullptr)) return CUBLAS_NOT_INITIALIZED;
  return create(handle, HANDLE_KIND, {});
}

SWD_API int cublasLtDestroy(void* handle) {
  ENTER;
  return destroy(handle, HANDLE_KIND, __func__);
}

SWD_API int cublasLtMatmulDescCreate(void** description, int computeType, int scaleType) {
  ENTER;
  Object made{};
  made.description = Description{computeType, scaleType};
  return create(description, DESCRIPTION_KIND, made);
}

SWD_API int cublasLtMatmulDescDestroy(void* description) {
  ENTER;
  return destroy(description, DESCRIPTION_KIND, __func__);
}

SWD_API int cublasLtMatmulDescSetAttribute(void* description, int attribute, const void* value, size_t bytes) {
  ENTER;
  Object* object = live(description, DESCRIPTION_KIND, __func__);
  if (!object) return CUBLAS_INVALID_VALUE;
  Description& d = object->description;
  switch (attribute) {
    case COMPUTE_TYPE: return take(&d.computeType, value, bytes);
    case SCALE_TYPE: return take(&d.scaleType, value, bytes);
    case POINTER_MODE: return take(&d.pointerMode, value, bytes);
    case TRANSA: return take(&d.transa, value, bytes);
    case TRANSB: return take(&d.transb, value, bytes);
    case TRANSC: return take(&d.transc, value, bytes);
    case EPILOGUE: return take(&d.epilogue, value, bytes);
    case BIAS_POINTER: return take(&d.bias, value, bytes);
    case BIAS_DATA_TYPE: return take(&d.biasType, value, bytes);
    default: return CUBLAS_INVALID_VALUE;
  }
}

SWD_API int cublasLtMatmulDescGetAttribute(void* description, int attribute, void* value, size_t bytes,
                                           size_t* written) {
  ENTER;
  Object* object = live(description, DESCRIPTION_KIND, __func__);
  if (!object) return CUBLAS_INVALID_VALUE;
  const Description& d = object->description;
  switch (attribute) {
    case COMPUTE_TYPE: return give(d.computeType, value, bytes, written);
    case SCALE_TYPE: return give(d.scaleType, value, bytes, written);
    case POINTER_MODE: return give(d.pointerMode, value, bytes, written);
    case TRANSA: return give(d.transa, value, bytes, written);
    case TRANSB: return give(d.transb, value, bytes, written);
    case TRANSC: return give(d.transc, value, bytes, written);
    case EPILOGUE: return give(d.epilogue, value, bytes, written);
    case BIAS_POINTER: return give(d.bias, value, bytes, written);
    case BIAS_DATA_TYPE: return give(d.biasType, value, bytes, written);
    default: return CUBLAS_INVALID_VALUE;
  }
}

SWD_API int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  ENTER;
  Object made{};
  made.layout.type = type;
  made.layout.rows = rows;
  made.layout.columns = columns;
  made.layout.leading = leading;
  return create(layout, LAYOUT_KIND, made);
}

SWD_API int cublasLtMatrixLayoutDestroy(void* layout) {
  ENTER;
  return destroy(layout, LAYOUT_KIND, __func__);
}

SWD_API int cublasLtMatrixLayoutSetAttribute(void* layout, int attribute, const void* value, size_t bytes) {
  ENTER;
  Object* object = live(layout, LAYOUT_KIND, __func__);
  if (!object) return CUBLAS_INVALID_VALUE;
  Layout& l = object->layout;
  switch (attribute) {
    case TYPE: return take(&l.type, value, bytes);
    case ORDER: return take(&l.order, value, bytes);
    case ROWS: return take(&l.rows, value, bytes);
    case COLS: return take(&l.columns, value, bytes);
    case LD: return take(&l.leading, value, bytes);
    case BATCH_COUNT: return take(&l.batches, value, bytes);
    default: return CUBLAS_INVALID_VALUE;
  }
}

SWD_API int cublasLtMatmulPreferenceCreate(void** preference) {
  ENTER;
  return create(preference, PREFERENCE_KIND, {});
}

SWD_API int cublasLtMatmulPreferenceDestroy(void* preference) {
  ENTER;
  return destroy(preference, PREFERENCE_KIND, __func__);
}

SWD_API int cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute, const void* value, size_t bytes) {
  ENTER;
  Object* object = live(preference, PREFERENCE_KIND, __func__);
  if (!object) return CUBLAS_INVALID_VALUE;
  Preference& p = object->preference;
  switch (attribute) {
    case SEARCH_MODE: {
      int mode;
      return take(&mode, value, bytes);
    }
    case MAX_WORKSPACE_BYTES: return take(&p.mostWorkspace, value, bytes);
    case REDUCTION_SCHEME_MASK: return take(&p.reductions, value, bytes);
    case MAX_WAVES_COUNT: {
      float waves;
      return take(&waves, value, bytes);
    }
    default:
      if (attribute < MIN_ALIGNMENT_A_BYTES || attribute > MIN_ALIGNMENT_D_BYTES) return CUBLAS_INVALID_VALUE;
      return take(&p.alignments[attribute - MIN_ALIGNMENT_A_BYTES], value, bytes);
  }
}

// The first results are often not to be taken: one that does not work, one with half-precision sums, one that splits
// the sum in no certain order (where the preference allows that).
SWD_API int cublasLtMatmulAlgoGetHeuristic(void* handle, void* description, void* a, void* b, void* c, void* d,
                                           void* preference, int requested, void* results, int* count) {
  ENTER;
  Object *h = live(handle, HANDLE_KIND, __func__), *what = live(description, DESCRIPTION_KIND, __func__);
  Object *la = live(a, LAYOUT_KIND, __func__), *lb = live(b, LAYOUT_KIND, __func__),
         *lc = live(c, LAYOUT_KIND, __func__), *ld = live(d, LAYOUT_KIND, __func__),
         *p = live(preference, PREFERENCE_KIND, __func__);
  if (!h || !what || !la || !lb || !lc || !ld || !p || !results || !count || requested < 1) return CUBLAS_INVALID_VALUE;
  Gemm gemm;
  if (int status = describe(what->description, la->layout, lb->layout, lc->layout, ld->layout, &gemm)) return status;
  uint64_t number = problemNumber(what->description, gemm);
  auto& most = p->preference;
  bool floats = gemm.a.type == Type::FLOAT, tf32 = what->description.computeType == COMPUTE_32F_FAST_TF32;
  // CUBLASLT_NUMERICAL_IMPL_FLAGS_*: operation, accumulator << 8, input << 16.
  uint64_t input = floats ? (tf32 ? 4 : 8) : gemm.a.type == Type::HALF ? 1 : 2;
  uint64_t plain = (floats && !tf32 ? 1u : 2u) | 2u << 8 | input << 16;
  uint64_t halves = 2u | 1u << 8 | 1u << 16;
  uint32_t alignment = *std::min_element(most.alignments, most.alignments + 4);
  auto* out = static_cast<Result*>(results);
  *count = 0;
  auto offer = [&](int id, int splits, uint32_t reduction, uint64_t flags, uint64_t workspace, int state) {
    if (*count == requested || workspace > most.mostWorkspace || (reduction && !(most.reductions & reduction))) return;
    Result result{};
    result.algorithm = Algorithm{
        Algorithm::MAGIC, id,    static_cast<int32_t>(number % 20), splits, reduction, alignment, number, flags,
        workspace,        {0, 0}};
    result.workspace = workspace;
    result.state = state;
    result.waves = 0.5f;
    out[(*count)++] = result;
  };
  uint64_t partial = static_cast<uint64_t>(gemm.d.rows * gemm.d.columns) * 4;
  if (number % 3 == 0) offer(66, 1, 0, plain, 0, CUBLAS_NOT_SUPPORTED);
  if (gemm.a.type == Type::HALF && number % 2 == 0) offer(6, 1, 0, halves, 0, CUBLAS_SUCCESS);
  offer(24, 5, IN_PLACE, plain, 0, CUBLAS_SUCCESS);
  if (number % 2) offer(21, 3, COMPUTE, plain, 3 * partial, CUBLAS_SUCCESS);
  offer(21, 1, 0, plain, 0, CUBLAS_SUCCESS);
  offer(13, 1, 0, plain, number % 4096 * 16, CUBLAS_SUCCESS);
  return *count ? CUBLAS_SUCCESS : CUBLAS_NOT_SUPPORTED;
}

SWD_API int cublasLtMatmulAlgoCapGetAttribute(const void* algorithm, int attribute, void* value, size_t bytes,
                                              size_t* written) {
  ENTER;
  auto& algo = *static_cast<const Algorithm*>(algorithm);
  if (algo.magic != Algorithm::MAGIC) return CUBLAS_INVALID_VALUE;
  switch (attribute) {
    case 15: return give(algo.flags, value, bytes, written);
    case 16:
    case 17:
    case 18:
    case 19: return give(algo.alignment, value, bytes, written);
    default: return CUBLAS_INVALID_VALUE;
  }
}

SWD_API int cublasLtMatmulAlgoConfigGetAttribute(const void* algorithm, int attribute, void* value, size_t bytes,
                                                 size_t* written) {
  ENTER;
  auto& algo = *static_cast<const Algorithm*>(algorithm);
  if (algo.magic != Algorithm::MAGIC) return CUBLAS_INVALID_VALUE;
  switch (attribute) {
    case 0: return give(algo.id, value, bytes, written);
    case 1: return give(algo.tile, value, bytes, written);
    case 2: return give(algo.splits, value, bytes, written);
    case 3: return give(algo.reduction, value, bytes, written);
    case 4:
    case 5: return give(uint32_t{0}, value, bytes, written);
    case 6: return give(static_cast<uint32_t>(std::atoi(swd_setting("algorithm.stages", "0"))), value, bytes, written);
    case 7: return give(uint16_t{0}, value, bytes, written);
    case 8:
      return give(static_cast<uint16_t>(std::atoi(swd_setting("algorithm.cluster", "0"))), value, bytes, written);
    default: return CUBLAS_INVALID_VALUE;
  }
}

SWD_API int cublasLtMatmul(void* handle, void* description, const void* alpha, uint64_t a, void* aLayout, uint64_t b,
                           void* bLayout, const void* beta, uint64_t c, void* cLayout, uint64_t d, void* dLayout,
                           const void* algorithm, uint64_t workspace, size_t workspaceBytes, CUstream stream) {
  ENTER;
  Object *h = live(handle, HANDLE_KIND, __func__), *what = live(description, DESCRIPTION_KIND, __func__);
  Object *la = live(aLayout, LAYOUT_KIND, __func__), *lb = live(bLayout, LAYOUT_KIND, __func__),
         *lc = live(cLayout, LAYOUT_KIND, __func__), *ld = live(dLayout, LAYOUT_KIND, __func__);
  if (!h || !what || !la || !lb || !lc || !ld || !alpha || !beta) return CUBLAS_INVALID_VALUE;
  const Description& asked = what->description;
  Gemm gemm;
  if (int status = describe(asked, la->layout, lb->layout, lc->layout, ld->layout, &gemm)) return status;
  gemm.a.address = a;
  gemm.b.address = b;
  gemm.c.address = c;
  gemm.d.address = d;
  std::memcpy(&gemm.alpha, alpha, 4);
  std::memcpy(&gemm.beta, beta, 4);
  if (asked.epilogue == BIAS || asked.epilogue == RELU_BIAS) {
    if (!asked.bias) return CUBLAS_INVALID_VALUE;
    gemm.bias = asked.bias;
  }
  gemm.arithmetic.tf32 = asked.computeType == COMPUTE_32F_FAST_TF32 && gemm.a.type == Type::FLOAT;
  if (algorithm) {
    auto& algo = *static_cast<const Algorithm*>(algorithm);
    if (algo.magic != Algorithm::MAGIC) {
      swd_complain("cublasLtMatmul: the algorithm's 64 bytes are none that the heuristics gave");
      return CUBLAS_INVALID_VALUE;
    }
    if (algo.problem != problemNumber(asked, gemm)) {
      swd_complain("cublasLtMatmul: the algorithm was chosen for another product");
      return CUBLAS_INVALID_VALUE;
    }
    if (algo.id == 66) return CUBLAS_NOT_SUPPORTED;
    if (workspaceBytes < algo.workspace) {
      swd_complain("cublasLtMatmul: %zu bytes of workspace for an algorithm that needs %llu", workspaceBytes,
                   static_cast<unsigned long long>(algo.workspace));
      return CUBLAS_INVALID_VALUE;
    }
    gemm.algorithm = algo.id;
    gemm.arithmetic.splits = algo.splits;
    gemm.unordered = algo.reduction == IN_PLACE;
    gemm.arithmetic.halfSums = (algo.flags >> 8 & 1) != 0;
    gemm.alignment = algo.alignment;
    gemm.workspace = workspace;
    gemm.workspaceBytes = static_cast<int64_t>(algo.workspace);
  }
  return enqueue(gemm, stream, __func__);
}
