// The calls from before the graph API, as far as a residual network needs them: descriptors, convolution with bias and
// activation, pooling, activation, addition, softmax. They become programs that are executed as plans are.
#include <algorithm>
#include <cinttypes>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>

#include "cudnn.h"

namespace software::cudnn {
namespace {

enum Format : int { NCHW = 0, NHWC = 1 };
enum Activation : int { SIGMOID = 0, RELU = 1, TANH = 2, CLIPPED_RELU = 3, ELU = 4, IDENTITY_ACTIVATION = 5 };
enum Pooling : int { MAX_POOLING = 0, AVERAGE_INCLUDING = 1, AVERAGE_EXCLUDING = 2, MAX_DETERMINISTIC = 3 };
enum Algorithm : int { IMPLICIT_GEMM = 0, IMPLICIT_PRECOMP_GEMM = 1, ALGORITHMS = 8 };
enum MathType : int { DEFAULT_MATH = 0, TENSOR_OP_MATH = 1, TENSOR_OP_MATH_ALLOW_CONVERSION = 2, FMA_MATH = 3 };
enum SoftmaxAlgorithm : int { FAST = 0, ACCURATE = 1, LOG = 2 };

// cudnnConvolutionFwdAlgoPerf_t.
struct AlgorithmPerformance {
  int algorithm, status;
  float time;
  size_t memory;
  int determinism, mathType;
  int reserved[3];
};
static_assert(sizeof(AlgorithmPerformance) == 48, "cudnnConvolutionFwdAlgoPerf_t has 48 bytes");

struct LegacyDescriptor {
  const char* kind;
  bool set = false;
  Tensor tensor;  // of tensors and filters
  int format = NCHW;
  Window window;  // of convolutions and poolings
  int mode = 0, computeType = FLOAT, groups = 1, mathType = DEFAULT_MATH, nan = 0;
  double coefficient = 0;
};

constexpr const char* LEGACY_TENSOR = "cudnn tensor descriptor";
constexpr const char* LEGACY_FILTER = "cudnn filter descriptor";
constexpr const char* LEGACY_CONVOLUTION = "cudnn convolution descriptor";
constexpr const char* LEGACY_ACTIVATION = "cudnn activation descriptor";
constexpr const char* LEGACY_POOLING = "cudnn pooling descriptor";

std::mutex registryLock;
std::map<const void*, std::unique_ptr<LegacyDescriptor>> liveDescriptors;
// The plans of programs that were launched: their kernels are loaded by context.
std::map<std::vector<int64_t>, std::shared_ptr<Plan>> launchedPlans;
uint64_t registryGeneration = 0;

void forgetThePast() {
  if (registryGeneration != swd_generation()) {
    registryGeneration = swd_generation();
    liveDescriptors.clear();
    launchedPlans.clear();
  }
}

int create(void** place, const char* kind) {
  if (!place) return fail(BAD_PARAM_NULL_POINTER, "the place for the descriptor is null");
  std::lock_guard<std::mutex> guard(registryLock);
  forgetThePast();
  auto made = std::make_unique<LegacyDescriptor>();
  made->kind = kind;
  *place = made.get();
  liveDescriptors[made.get()] = std::move(made);
  swd_live(kind, 1);
  return SUCCESS;
}

LegacyDescriptor* live(const void* descriptor, const char* kind) {
  std::lock_guard<std::mutex> guard(registryLock);
  forgetThePast();
  auto found = liveDescriptors.find(descriptor);
  if (found != liveDescriptors.end() && found->second->kind == kind) return found->second.get();
  swd_complain("cuDNN: %p is no live %s", descriptor, kind);
  fail(BAD_PARAM, "%p is no live %s", descriptor, kind);
  return nullptr;
}

// A live descriptor that was set; null, with the text set, if not.
LegacyDescriptor* ready(const void* descriptor, const char* kind) {
  LegacyDescriptor* d = live(descriptor, kind);
  if (d && !d->set) {
    fail(BAD_PARAM, "the %s was created and not set", kind);
    return nullptr;
  }
  return d;
}

int destroy(void* descriptor, const char* kind) {
  if (!live(descriptor, kind)) return BAD_PARAM;
  std::lock_guard<std::mutex> guard(registryLock);
  liveDescriptors.erase(descriptor);
  swd_live(kind, -1);
  return SUCCESS;
}

std::vector<int64_t> stridesOf(int format, const std::vector<int64_t>& d) {
  if (format == NHWC) return {d[1] * d[2] * d[3], 1, d[1] * d[3], d[1]};
  return {d[1] * d[2] * d[3], d[2] * d[3], d[3], 1};
}

int setTensor(LegacyDescriptor* d, int format, int dataType, std::vector<int64_t> dims, std::vector<int64_t> strides) {
  if (!d) return BAD_PARAM;
  if (format != NCHW && format != NHWC) return fail(NOT_SUPPORTED, "the software cuDNN has no format %d", format);
  for (size_t i = 0; i < 4; i++)
    if (dims[i] < 1 || (!strides.empty() && strides[i] < 0))
      return fail(BAD_PARAM, "a dimension or stride is not positive");
  if (elementType(dataType) == Type::UNKNOWN)
    return fail(BAD_PARAM, "the software cuDNN has no data type %d", dataType);
  d->set = true;
  d->format = format;
  d->tensor.dataType = dataType;
  d->tensor.dims = dims;
  d->tensor.strides = strides.empty() ? stridesOf(format, dims) : strides;
  d->tensor.alignment = sizeOf(d->tensor.type());
  return SUCCESS;
}

// What a call works with: it checks the handle first and keeps it from other threads.
struct Call {
  Handle* handle;
  int status = SUCCESS;
  explicit Call(void* given) : handle(liveHandle(given)) {
    if (!handle) {
      status = BAD_PARAM;
      return;
    }
    swd_handle_enter(handle);
    status = checkHandle(*handle);
  }
  ~Call() {
    if (handle) swd_handle_leave(handle);
  }
};

// The program being put together, with the address of each of its tensors.
struct Builder {
  Plan plan;
  std::vector<uint64_t> addresses;

  int tensor(int64_t uid, const Tensor& like, uint64_t address) {
    Tensor t = like;
    t.uid = uid;
    plan.program.tensors.push_back(t);
    addresses.push_back(address);
    return static_cast<int>(addresses.size()) - 1;
  }
  int between(const Tensor& like, int dataType = FLOAT) {
    Tensor t = like;
    t.dataType = dataType;
    t.isVirtual = true;
    return tensor(1000 + static_cast<int64_t>(addresses.size()), t, 0);
  }
  void pointwise(int mode, int x, int b, int y, float alpha1 = 1, float alpha2 = 1) {
    Operation o;
    o.kind = Operation::POINTWISE;
    o.mode = mode;
    o.x = x;
    o.w = b;
    o.y = y;
    o.alpha1 = alpha1;
    o.alpha2 = alpha2;
    plan.program.operations.push_back(o);
  }
  int launch(Handle& handle, uint64_t workspace, const char* function) {
    if (!canExecute(plan.program)) return fail(NOT_SUPPORTED, "%s: the software cuDNN does not do this", function);
    std::shared_ptr<Plan> kept;
    {
      std::lock_guard<std::mutex> guard(registryLock);
      forgetThePast();
      auto key = plan.program.numbers();
      key.push_back(plan.workspace);
      for (int note : plan.numericalNotes) key.push_back(note);
      auto& place = launchedPlans[key];
      if (!place) {
        place = std::make_shared<Plan>();
        place->program = plan.program;
        place->numericalNotes = plan.numericalNotes;
        place->workspace = plan.workspace;
      }
      kept = place;
    }
    return cudnn::launch(handle, kept, addresses, workspace, function, true);
  }
};

float real(const void* from) {
  float value;
  std::memcpy(&value, from, 4);
  return value;
}

int outputOf(const LegacyDescriptor& c, const LegacyDescriptor& x, const LegacyDescriptor& w, int64_t out[4]) {
  if (w.tensor.dims[1] * c.groups != x.tensor.dims[1])
    return fail(BAD_PARAM, "%" PRId64 " channels under filters of %" PRId64 " in %d groups", x.tensor.dims[1],
                w.tensor.dims[1], c.groups);
  out[0] = x.tensor.dims[0];
  out[1] = w.tensor.dims[0];
  for (size_t i = 0; i < 2; i++) {
    int64_t reach = (w.tensor.dims[i + 2] - 1) * c.window.dilation[i] + 1;
    int64_t room = x.tensor.dims[i + 2] + 2 * c.window.before[i] - reach;
    if (room < 0) return fail(BAD_PARAM, "the filter is larger than the padded picture");
    out[i + 2] = room / c.window.stride[i] + 1;
  }
  return SUCCESS;
}

int checkConvolution(const LegacyDescriptor& c, const LegacyDescriptor& x, const LegacyDescriptor& w,
                     const LegacyDescriptor& y, int algorithm) {
  if (algorithm < 0 || algorithm >= ALGORITHMS) return fail(BAD_PARAM, "there is no algorithm %d", algorithm);
  if (algorithm > IMPLICIT_PRECOMP_GEMM)
    return fail(NOT_SUPPORTED, "the software cuDNN has no algorithm %d", algorithm);
  int64_t out[4];
  if (int status = outputOf(c, x, w, out)) return status;
  if (!std::equal(out, out + 4, y.tensor.dims.begin()))
    return fail(BAD_PARAM, "the result is described as %" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64, y.tensor.dims[0],
                y.tensor.dims[1], y.tensor.dims[2], y.tensor.dims[3]);
  if (x.tensor.dataType != w.tensor.dataType) return fail(NOT_SUPPORTED, "input and filter have different types");
  bool integers = x.tensor.dataType == INT8;
  if (c.computeType != (integers ? INT32 : FLOAT))
    return fail(NOT_SUPPORTED, "the compute type %d is not for this", c.computeType);
  if (!integers && y.tensor.dataType != x.tensor.dataType)
    return fail(NOT_SUPPORTED, "input and result have different types");
  if (integers && y.tensor.dataType != INT8 && y.tensor.dataType != FLOAT)
    return fail(NOT_SUPPORTED, "an int8 convolution gives int8 or float");
  if (c.mode != 1) return fail(NOT_SUPPORTED, "the software cuDNN does cross-correlations");
  if (integers && (x.format != NHWC || w.format != NHWC || x.tensor.dims[1] % 4 || w.tensor.dims[0] % 4))
    return fail(NOT_SUPPORTED, "int8 wants NHWC and channels by fours");
  return SUCCESS;
}

size_t workspaceOf(const LegacyDescriptor& x, const LegacyDescriptor& y, int algorithm) {
  if (algorithm != IMPLICIT_PRECOMP_GEMM) return 0;
  if (const char* bytes = swd_setting("legacy.workspace", ""); *bytes) return std::strtoull(bytes, nullptr, 10);
  // Odd on purpose: what is beyond it belongs to somebody else.
  return static_cast<size_t>(1024 + 16 * ((x.tensor.dims[1] * 7 + y.tensor.dims[2] * 13 + y.tensor.dims[1]) % 61));
}

int convolve(Handle& handle, float alpha1, const LegacyDescriptor& x, uint64_t xAt, const LegacyDescriptor& w,
             uint64_t wAt, const LegacyDescriptor& c, int algorithm, uint64_t workspace, size_t workspaceBytes,
             float alpha2, const LegacyDescriptor* z, uint64_t zAt, const LegacyDescriptor* bias, uint64_t biasAt,
             bool relu, const LegacyDescriptor& y, uint64_t yAt, const char* function) {
  if (int status = checkConvolution(c, x, w, y, algorithm)) return status;
  size_t needed = workspaceOf(x, y, algorithm);
  if (workspaceBytes < needed)
    return fail(BAD_PARAM, "%zu bytes of workspace, and %zu are needed", workspaceBytes, needed);
  Builder b;
  b.plan.workspace = static_cast<int64_t>(needed);
  bool integers = x.tensor.dataType == INT8, tensorCores = c.mathType != FMA_MATH;
  if (tensorCores) b.plan.numericalNotes.push_back(TENSOR_CORE);
  Operation o;
  o.kind = Operation::CONVOLVE;
  o.mode = 1;
  o.computeType = integers ? INT32 : FLOAT;
  o.alpha1 = alpha1;
  o.window = c.window;
  o.window.size[0] = w.tensor.dims[2];
  o.window.size[1] = w.tensor.dims[3];
  o.x = b.tensor(1, x.tensor, xAt);
  o.w = b.tensor(2, w.tensor, wAt);
  int last = b.tensor(MAY_BE_RESULT, y.tensor, yAt);
  if (tensorCores)
    for (auto& t : b.plan.program.tensors) t.alignment = 16;  // what the instructions load at once
  bool more = z || bias || relu || y.tensor.dataType == INT8;
  int current = more ? b.between(y.tensor, integers ? INT32 : FLOAT) : last;
  o.y = current;
  b.plan.program.operations.push_back(o);
  auto follow = [&](int mode, int operand, float scale, bool isLast) {
    int to = isLast ? last : b.between(y.tensor);
    b.pointwise(mode, current, operand, to, 1, scale);
    current = to;
  };
  if (z) follow(ADD, b.tensor(MAY_BE_RESULT + 1, z->tensor, zAt), alpha2, !bias && !relu);
  if (bias) follow(ADD, b.tensor(3, bias->tensor, biasAt), 1, !relu);
  if (relu) follow(RELU_FWD, -1, 1, true);
  if (current != last) follow(IDENTITY, -1, 1, true);
  return b.launch(handle, workspace, function);
}

struct Softmax {
  Tensor x, y;
  uint64_t xAt, yAt;
  bool whole, logarithm;  // over channel, row and column; the logarithm of it
};

void runSoftmax(void* argument) {
  const Softmax& s = *static_cast<Softmax*>(argument);
  if (!swd_work_enabled()) return;
  const void* from = swd_access(s.xAt, static_cast<size_t>(s.x.bytes()), 0, "cudnnSoftmaxForward, x");
  void* to = from ? swd_access(s.yAt, static_cast<size_t>(s.y.bytes()), 1, "cudnnSoftmaxForward, y") : nullptr;
  if (!to) return;
  auto& d = s.x.dims;
  int64_t outer = s.whole ? 1 : d[2] * d[3], inner = s.whole ? d[1] * d[2] * d[3] : d[1];
  std::vector<float> values(static_cast<size_t>(inner));
  for (int64_t n = 0; n < d[0]; n++)
    for (int64_t place = 0; place < outer; place++) {
      auto index = [&](const Tensor& t, int64_t i) {
        int64_t c = s.whole ? i / (d[2] * d[3]) : i, hw = s.whole ? i % (d[2] * d[3]) : place;
        return n * t.strides[0] + c * t.strides[1] + hw / d[3] * t.strides[2] + hw % d[3] * t.strides[3];
      };
      float most = -INFINITY, sum = 0;
      for (int64_t i = 0; i < inner; i++) {
        float& v = values[static_cast<size_t>(i)];
        v = load(s.x.type(), from, index(s.x, i));
        most = v != v || v > most ? v : most;
      }
      for (float v : values) sum += std::exp(v - most);
      for (int64_t i = 0; i < inner; i++) {
        float v = values[static_cast<size_t>(i)] - most;
        store(s.y.type(), to, index(s.y, i), s.logarithm ? v - std::log(sum) : std::exp(v) / sum);
      }
    }
}

void releaseSoftmax(void* argument) { delete static_cast<Softmax*>(argument); }

}  // namespace
}  // namespace software::cudnn

using namespace software;
using namespace software::cudnn;

#define ENTER \
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__)

#define DESCRIPTORS(Name, kind)                             \
  SWD_API int cudnnCreate##Name##Descriptor(void** place) { \
    ENTER;                                                  \
    return create(place, kind);                             \
  }                                                         \
  SWD_API int cudnnDestroy##Name##Descriptor(void* d) {     \
    ENTER;                                                  \
    return destroy(d, kind);                                \
  }

DESCRIPTORS(Tensor, LEGACY_TENSOR)
DESCRIPTORS(Filter, LEGACY_FILTER)
DESCRIPTORS(Convolution, LEGACY_CONVOLUTION)
DESCRIPTORS(Activation, LEGACY_ACTIVATION)
DESCRIPTORS(Pooling, LEGACY_POOLING)

SWD_API int cudnnSetTensor4dDescriptor(void* d, int format, int type, int n, int c, int h, int w) {
  ENTER;
  return setTensor(live(d, LEGACY_TENSOR), format, type, {n, c, h, w}, {});
}

SWD_API int cudnnSetTensor4dDescriptorEx(void* d, int type, int n, int c, int h, int w, int sn, int sc, int sh,
                                         int sw) {
  ENTER;
  return setTensor(live(d, LEGACY_TENSOR), sc == 1 ? NHWC : NCHW, type, {n, c, h, w}, {sn, sc, sh, sw});
}

SWD_API int cudnnSetTensorNdDescriptor(void* d, int type, int count, const int* dims, const int* strides) {
  ENTER;
  if (count != 4) return fail(NOT_SUPPORTED, "the software cuDNN has tensors of four dimensions here");
  return setTensor(live(d, LEGACY_TENSOR), strides[1] == 1 ? NHWC : NCHW, type, {dims, dims + 4},
                   {strides, strides + 4});
}

SWD_API int cudnnSetTensorNdDescriptorEx(void* d, int format, int type, int count, const int* dims) {
  ENTER;
  if (count != 4) return fail(NOT_SUPPORTED, "the software cuDNN has tensors of four dimensions here");
  return setTensor(live(d, LEGACY_TENSOR), format, type, {dims, dims + 4}, {});
}

SWD_API int cudnnGetTensor4dDescriptor(void* d, int* type, int* n, int* c, int* h, int* w, int* sn, int* sc, int* sh,
                                       int* sw) {
  ENTER;
  LegacyDescriptor* t = ready(d, LEGACY_TENSOR);
  if (!t) return BAD_PARAM;
  *type = t->tensor.dataType;
  int* dims[] = {n, c, h, w};
  int* strides[] = {sn, sc, sh, sw};
  for (size_t i = 0; i < 4; i++) {
    *dims[i] = static_cast<int>(t->tensor.dims[i]);
    *strides[i] = static_cast<int>(t->tensor.strides[i]);
  }
  return SUCCESS;
}

SWD_API int cudnnGetTensorSizeInBytes(void* d, size_t* bytes) {
  ENTER;
  LegacyDescriptor* t = ready(d, LEGACY_TENSOR);
  if (!t) return BAD_PARAM;
  *bytes = static_cast<size_t>(t->tensor.bytes());
  return SUCCESS;
}

SWD_API int cudnnSetFilter4dDescriptor(void* d, int type, int format, int k, int c, int h, int w) {
  ENTER;
  return setTensor(live(d, LEGACY_FILTER), format, type, {k, c, h, w}, {});
}

SWD_API int cudnnSetFilterNdDescriptor(void* d, int type, int format, int count, const int* dims) {
  ENTER;
  if (count != 4) return fail(NOT_SUPPORTED, "the software cuDNN has filters of four dimensions here");
  return setTensor(live(d, LEGACY_FILTER), format, type, {dims, dims + 4}, {});
}

SWD_API int cudnnGetFilter4dDescriptor(void* d, int* type, int* format, int* k, int* c, int* h, int* w) {
  ENTER;
  LegacyDescriptor* t = ready(d, LEGACY_FILTER);
  if (!t) return BAD_PARAM;
  *type = t->tensor.dataType;
  *format = t->format;
  int* dims[] = {k, c, h, w};
  for (size_t i = 0; i < 4; i++) *dims[i] = static_cast<int>(t->tensor.dims[i]);
  return SUCCESS;
}

SWD_API int cudnnGetFilterSizeInBytes(void* d, size_t* bytes) {
  ENTER;
  LegacyDescriptor* t = ready(d, LEGACY_FILTER);
  if (!t) return BAD_PARAM;
  *bytes = static_cast<size_t>(t->tensor.bytes());
  return SUCCESS;
}

SWD_API int cudnnSetConvolution2dDescriptor(void* d, int padH, int padW, int strideH, int strideW, int dilationH,
                                            int dilationW, int mode, int computeType) {
  ENTER;
  LegacyDescriptor* c = live(d, LEGACY_CONVOLUTION);
  if (!c) return BAD_PARAM;
  if (padH < 0 || padW < 0 || strideH < 1 || strideW < 1 || dilationH < 1 || dilationW < 1 || mode < 0 || mode > 1)
    return fail(BAD_PARAM, "padding, stride, dilation or mode is out of range");
  c->set = true;
  c->window = {{1, 1}, {strideH, strideW}, {dilationH, dilationW}, {padH, padW}, {padH, padW}};
  c->mode = mode;
  c->computeType = computeType;
  return SUCCESS;
}

SWD_API int cudnnSetConvolutionGroupCount(void* d, int groups) {
  ENTER;
  LegacyDescriptor* c = live(d, LEGACY_CONVOLUTION);
  if (!c || groups < 1) return BAD_PARAM;
  c->groups = groups;
  return SUCCESS;
}

SWD_API int cudnnGetConvolutionGroupCount(void* d, int* groups) {
  ENTER;
  LegacyDescriptor* c = live(d, LEGACY_CONVOLUTION);
  if (!c) return BAD_PARAM;
  *groups = c->groups;
  return SUCCESS;
}

SWD_API int cudnnSetConvolutionMathType(void* d, int type) {
  ENTER;
  LegacyDescriptor* c = live(d, LEGACY_CONVOLUTION);
  if (!c || type < DEFAULT_MATH || type > FMA_MATH) return BAD_PARAM;
  c->mathType = type;
  return SUCCESS;
}

SWD_API int cudnnGetConvolutionMathType(void* d, int* type) {
  ENTER;
  LegacyDescriptor* c = live(d, LEGACY_CONVOLUTION);
  if (!c) return BAD_PARAM;
  *type = c->mathType;
  return SUCCESS;
}

SWD_API int cudnnGetConvolution2dForwardOutputDim(void* conv, void* in, void* filter, int* n, int* c, int* h, int* w) {
  ENTER;
  LegacyDescriptor *d = ready(conv, LEGACY_CONVOLUTION), *x = ready(in, LEGACY_TENSOR),
                   *f = ready(filter, LEGACY_FILTER);
  if (!d || !x || !f) return BAD_PARAM;
  int64_t out[4];
  if (int status = outputOf(*d, *x, *f, out)) return status;
  int* places[] = {n, c, h, w};
  for (size_t i = 0; i < 4; i++) *places[i] = static_cast<int>(out[i]);
  return SUCCESS;
}

SWD_API int cudnnGetConvolutionForwardAlgorithmMaxCount(void* handle, int* count) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  *count = ALGORITHMS;
  return SUCCESS;
}

SWD_API int cudnnGetConvolutionForwardWorkspaceSize(void* handle, void* x, void* w, void* conv, void* y, int algorithm,
                                                    size_t* bytes) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, LEGACY_TENSOR), *dw = ready(w, LEGACY_FILTER), *dc = ready(conv, LEGACY_CONVOLUTION),
                   *dy = ready(y, LEGACY_TENSOR);
  if (!dx || !dw || !dc || !dy || !bytes) return BAD_PARAM;
  if (int status = checkConvolution(*dc, *dx, *dw, *dy, algorithm)) return status;
  *bytes = workspaceOf(*dx, *dy, algorithm);
  return SUCCESS;
}

SWD_API int cudnnGetConvolutionForwardAlgorithm_v7(void* handle, void* x, void* w, void* conv, void* y, int requested,
                                                   int* count, AlgorithmPerformance* results) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, LEGACY_TENSOR), *dw = ready(w, LEGACY_FILTER), *dc = ready(conv, LEGACY_CONVOLUTION),
                   *dy = ready(y, LEGACY_TENSOR);
  if (!dx || !dw || !dc || !dy || !count || !results || requested < 1) return BAD_PARAM;
  if (int status = checkConvolution(*dc, *dx, *dw, *dy, IMPLICIT_GEMM)) return status;
  // One that does not work comes first, as it may.
  const int order[] = {6, IMPLICIT_PRECOMP_GEMM, IMPLICIT_GEMM, 2, 3, 4, 5, 7};
  *count = std::min(requested, static_cast<int>(ALGORITHMS));
  for (int i = 0; i < *count; i++) {
    bool works = order[i] <= IMPLICIT_PRECOMP_GEMM;
    results[i] = {order[i], works ? static_cast<int>(SUCCESS) : static_cast<int>(NOT_SUPPORTED),
                  -1,       works ? workspaceOf(*dx, *dy, order[i]) : 0,
                  1,        dc->mathType,
                  {0, 0, 0}};
  }
  return SUCCESS;
}

SWD_API int cudnnSetActivationDescriptor(void* d, int mode, int nan, double coefficient) {
  ENTER;
  LegacyDescriptor* a = live(d, LEGACY_ACTIVATION);
  if (!a || mode < SIGMOID || mode > 6 || nan < 0 || nan > 1) return BAD_PARAM;
  a->set = true;
  a->mode = mode;
  a->nan = nan;
  a->coefficient = coefficient;
  return SUCCESS;
}

SWD_API int cudnnSetPooling2dDescriptor(void* d, int mode, int nan, int windowH, int windowW, int padH, int padW,
                                        int strideH, int strideW) {
  ENTER;
  LegacyDescriptor* p = live(d, LEGACY_POOLING);
  if (!p) return BAD_PARAM;
  if (mode < MAX_POOLING || mode > MAX_DETERMINISTIC || nan < 0 || nan > 1 || windowH < 1 || windowW < 1 || padH < 0 ||
      padW < 0 || strideH < 1 || strideW < 1 || padH >= windowH || padW >= windowW)
    return fail(BAD_PARAM, "mode, window, padding or stride is out of range");
  p->set = true;
  p->mode = mode;
  p->nan = nan;
  p->window = {{windowH, windowW}, {strideH, strideW}, {1, 1}, {padH, padW}, {padH, padW}};
  return SUCCESS;
}

SWD_API int cudnnGetPooling2dForwardOutputDim(void* d, void* in, int* n, int* c, int* h, int* w) {
  ENTER;
  LegacyDescriptor *p = ready(d, LEGACY_POOLING), *x = ready(in, LEGACY_TENSOR);
  if (!p || !x) return BAD_PARAM;
  *n = static_cast<int>(x->tensor.dims[0]);
  *c = static_cast<int>(x->tensor.dims[1]);
  *h = static_cast<int>((x->tensor.dims[2] + 2 * p->window.before[0] - p->window.size[0]) / p->window.stride[0] + 1);
  *w = static_cast<int>((x->tensor.dims[3] + 2 * p->window.before[1] - p->window.size[1]) / p->window.stride[1] + 1);
  return SUCCESS;
}

SWD_API int cudnnConvolutionForward(void* handle, const void* alpha, void* x, uint64_t xAt, void* w, uint64_t wAt,
                                    void* conv, int algorithm, uint64_t workspace, size_t workspaceBytes,
                                    const void* beta, void* y, uint64_t yAt) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, LEGACY_TENSOR), *dw = ready(w, LEGACY_FILTER), *dc = ready(conv, LEGACY_CONVOLUTION),
                   *dy = ready(y, LEGACY_TENSOR);
  if (!dx || !dw || !dc || !dy || !alpha || !beta) return BAD_PARAM;
  if (real(beta) != 0) return fail(NOT_SUPPORTED, "the software cuDNN overwrites the result: beta 0");
  return convolve(*call.handle, real(alpha), *dx, xAt, *dw, wAt, *dc, algorithm, workspace, workspaceBytes, 0, nullptr,
                  0, nullptr, 0, false, *dy, yAt, __func__);
}

SWD_API int cudnnConvolutionBiasActivationForward(void* handle, const void* alpha1, void* x, uint64_t xAt, void* w,
                                                  uint64_t wAt, void* conv, int algorithm, uint64_t workspace,
                                                  size_t workspaceBytes, const void* alpha2, void* z, uint64_t zAt,
                                                  void* bias, uint64_t biasAt, void* activation, void* y,
                                                  uint64_t yAt) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, LEGACY_TENSOR), *dw = ready(w, LEGACY_FILTER), *dc = ready(conv, LEGACY_CONVOLUTION),
                   *dy = ready(y, LEGACY_TENSOR);
  LegacyDescriptor *dz = ready(z, LEGACY_TENSOR), *db = ready(bias, LEGACY_TENSOR),
                   *da = ready(activation, LEGACY_ACTIVATION);
  if (!dx || !dw || !dc || !dy || !dz || !db || !da || !alpha1 || !alpha2) return BAD_PARAM;
  if (da->mode != RELU && da->mode != IDENTITY_ACTIVATION)
    return fail(NOT_SUPPORTED, "the activation %d is not for this", da->mode);
  if (da->nan != 0) return fail(NOT_SUPPORTED, "the activation must not propagate NaN");
  if (da->mode == IDENTITY_ACTIVATION && algorithm != IMPLICIT_PRECOMP_GEMM)
    return fail(NOT_SUPPORTED, "without activation only IMPLICIT_PRECOMP_GEMM is possible");
  if (dz->tensor.dims != dy->tensor.dims || dz->tensor.strides != dy->tensor.strides ||
      dz->tensor.dataType != dy->tensor.dataType)
    return fail(BAD_PARAM, "z must be described as y is");
  int biasType = dx->tensor.dataType == INT8 ? FLOAT : dx->tensor.dataType;
  if (db->tensor.dims != std::vector<int64_t>{1, dy->tensor.dims[1], 1, 1} || db->tensor.dataType != biasType)
    return fail(BAD_PARAM, "the bias must be 1x%" PRId64 "x1x1 of the type %d", dy->tensor.dims[1], biasType);
  bool added = real(alpha2) != 0;
  return convolve(*call.handle, real(alpha1), *dx, xAt, *dw, wAt, *dc, algorithm, workspace, workspaceBytes,
                  real(alpha2), added ? dz : nullptr, zAt, db, biasAt, da->mode == RELU, *dy, yAt, __func__);
}

SWD_API int cudnnPoolingForward(void* handle, void* d, const void* alpha, void* x, uint64_t xAt, const void* beta,
                                void* y, uint64_t yAt) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *p = ready(d, LEGACY_POOLING), *dx = ready(x, LEGACY_TENSOR), *dy = ready(y, LEGACY_TENSOR);
  if (!p || !dx || !dy || !alpha || !beta) return BAD_PARAM;
  if (real(alpha) != 1 || real(beta) != 0)
    return fail(NOT_SUPPORTED, "the software cuDNN pools with alpha 1 and beta 0");
  bool fits = dx->tensor.dims[0] == dy->tensor.dims[0] && dx->tensor.dims[1] == dy->tensor.dims[1] &&
              dx->tensor.dataType == dy->tensor.dataType;
  for (size_t i = 0; i < 2; i++)
    fits = fits && dy->tensor.dims[i + 2] ==
                       (dx->tensor.dims[i + 2] + 2 * p->window.before[i] - p->window.size[i]) / p->window.stride[i] + 1;
  if (!fits) return fail(BAD_PARAM, "the result does not fit the pooling");
  Builder b;
  Operation o;
  o.kind = Operation::RESAMPLE;
  bool maximum = p->mode == MAX_POOLING || p->mode == MAX_DETERMINISTIC;
  o.mode = maximum ? MAXPOOL : p->mode == AVERAGE_INCLUDING ? AVERAGE_INCLUDE_PADDING : AVERAGE_EXCLUDE_PADDING;
  o.paddingMode = maximum ? NEG_INF_PAD : ZERO_PAD;
  o.window = p->window;
  o.x = b.tensor(1, dx->tensor, xAt);
  o.y = b.tensor(2, dy->tensor, yAt);
  b.plan.program.operations.push_back(o);
  return b.launch(*call.handle, 0, __func__);
}

SWD_API int cudnnActivationForward(void* handle, void* d, const void* alpha, void* x, uint64_t xAt, const void* beta,
                                   void* y, uint64_t yAt) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *a = ready(d, LEGACY_ACTIVATION), *dx = ready(x, LEGACY_TENSOR), *dy = ready(y, LEGACY_TENSOR);
  if (!a || !dx || !dy || !alpha || !beta) return BAD_PARAM;
  if (dx->tensor.dims != dy->tensor.dims || dx->tensor.dataType != dy->tensor.dataType)
    return fail(BAD_PARAM, "input and result of an activation differ");
  if (real(alpha) != 1 || real(beta) != 0)
    return fail(NOT_SUPPORTED, "the software cuDNN activates with alpha 1 and beta 0");
  int mode = a->mode == RELU ? RELU_FWD : a->mode == SIGMOID ? SIGMOID_FWD : a->mode == TANH ? TANH_FWD : -1;
  if (mode < 0) return fail(NOT_SUPPORTED, "the software cuDNN has no activation %d", a->mode);
  Builder b;
  int in = b.tensor(MAY_BE_RESULT, dx->tensor, xAt), out = b.tensor(MAY_BE_RESULT + 1, dy->tensor, yAt);
  b.pointwise(mode, in, -1, out);
  return b.launch(*call.handle, 0, __func__);
}

SWD_API int cudnnAddTensor(void* handle, const void* alpha, void* a, uint64_t aAt, const void* beta, void* c,
                           uint64_t cAt) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *da = ready(a, LEGACY_TENSOR), *dc = ready(c, LEGACY_TENSOR);
  if (!da || !dc || !alpha || !beta) return BAD_PARAM;
  for (size_t i = 0; i < 4; i++)
    if (da->tensor.dims[i] != 1 && da->tensor.dims[i] != dc->tensor.dims[i])
      return fail(BAD_PARAM, "the tensor that is added does not fit the other");
  Builder b;
  int old = b.tensor(MAY_BE_RESULT, dc->tensor, cAt), added = b.tensor(1, da->tensor, aAt);
  int sum = b.tensor(MAY_BE_RESULT + 1, dc->tensor, cAt);
  b.pointwise(ADD, old, added, sum, real(beta), real(alpha));
  return b.launch(*call.handle, 0, __func__);
}

SWD_API int cudnnTransformTensor(void* handle, const void* alpha, void* x, uint64_t xAt, const void* beta, void* y,
                                 uint64_t yAt) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, LEGACY_TENSOR), *dy = ready(y, LEGACY_TENSOR);
  if (!dx || !dy || !alpha || !beta) return BAD_PARAM;
  if (dx->tensor.dims != dy->tensor.dims) return fail(BAD_PARAM, "the tensors have different dimensions");
  if (real(beta) != 0) return fail(NOT_SUPPORTED, "the software cuDNN overwrites the result: beta 0");
  Builder b;
  int in = b.tensor(1, dx->tensor, xAt), out = b.tensor(2, dy->tensor, yAt);
  b.pointwise(IDENTITY, in, -1, out, real(alpha));
  return b.launch(*call.handle, 0, __func__);
}

SWD_API int cudnnSoftmaxForward(void* handle, int algorithm, int mode, const void* alpha, void* x, uint64_t xAt,
                                const void* beta, void* y, uint64_t yAt) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, LEGACY_TENSOR), *dy = ready(y, LEGACY_TENSOR);
  if (!dx || !dy || !alpha || !beta || algorithm < FAST || algorithm > LOG || mode < 0 || mode > 1) return BAD_PARAM;
  if (dx->tensor.dims != dy->tensor.dims) return fail(BAD_PARAM, "input and result of a softmax differ");
  if (real(alpha) != 1 || real(beta) != 0)
    return fail(NOT_SUPPORTED, "the software cuDNN does a softmax with alpha 1 and beta 0");
  for (auto [tensor, at, name] : {std::make_tuple(&dx->tensor, xAt, "cudnnSoftmaxForward, x"),
                                  std::make_tuple(&dy->tensor, yAt, "cudnnSoftmaxForward, y")})
    if (swd_check(at, static_cast<size_t>(tensor->bytes()), static_cast<size_t>(tensor->alignment), name))
      return fail(BAD_PARAM, "%s is no good", name);
  auto* work = new Softmax{dx->tensor, dy->tensor, xAt, yAt, mode == 0, algorithm == LOG};
  return swd_enqueue(call.handle->stream, "cudnn softmax", runSoftmax, work, releaseSoftmax)
             ? fail(EXECUTION_FAILED_CUDA_DRIVER, "the launch failed")
             : static_cast<int>(SUCCESS);
}
