// The calls from before the graph API, as far as a residual network needs them: descriptors, convolution with bias and
// activation, pooling, activation, addition, softmax. They become programs that are executed as plans are.
#include <algorithm>
#include <cinttypes>
#include <map>
#include <mutex>
#include <set>

#include "cudnn.h"

namespace swd::cudnn {
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
  int determinism, math_type;
  int reserved[3];
};
static_assert(sizeof(AlgorithmPerformance) == 48, "cudnnConvolutionFwdAlgoPerf_t has 48 bytes");

struct LegacyDescriptor {
  const char* kind;
  bool set = false;
  Tensor tensor;  // of tensors and filters
  int format = NCHW;
  Window window;  // of convolutions and poolings
  int mode = 0, compute_type = FLOAT, groups = 1, math_type = DEFAULT_MATH, nan = 0;
  double coefficient = 0;
};

constexpr const char* kTensor = "cudnn tensor descriptor";
constexpr const char* kFilter = "cudnn filter descriptor";
constexpr const char* kConvolution = "cudnn convolution descriptor";
constexpr const char* kActivation = "cudnn activation descriptor";
constexpr const char* kPooling = "cudnn pooling descriptor";

std::mutex g_lock;
std::map<const void*, std::unique_ptr<LegacyDescriptor>> g_descriptors;
// The plans of programs that were launched: their kernels are loaded by context.
std::map<std::vector<int64_t>, std::shared_ptr<Plan>> g_plans;
uint64_t g_generation = 0;

void forget_the_past() {
  if (g_generation != swd_generation()) {
    g_generation = swd_generation();
    g_descriptors.clear();
    g_plans.clear();
  }
}

int create(void** place, const char* kind) {
  if (!place) return fail(BAD_PARAM_NULL_POINTER, "the place for the descriptor is null");
  std::lock_guard<std::mutex> guard(g_lock);
  forget_the_past();
  auto made = std::make_unique<LegacyDescriptor>();
  made->kind = kind;
  *place = made.get();
  g_descriptors[made.get()] = std::move(made);
  swd_live(kind, 1);
  return SUCCESS;
}

LegacyDescriptor* live(const void* descriptor, const char* kind) {
  std::lock_guard<std::mutex> guard(g_lock);
  forget_the_past();
  auto found = g_descriptors.find(descriptor);
  if (found != g_descriptors.end() && found->second->kind == kind) return found->second.get();
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
  std::lock_guard<std::mutex> guard(g_lock);
  g_descriptors.erase(descriptor);
  swd_live(kind, -1);
  return SUCCESS;
}

std::vector<int64_t> strides_of(int format, const std::vector<int64_t>& d) {
  if (format == NHWC) return {d[1] * d[2] * d[3], 1, d[1] * d[3], d[1]};
  return {d[1] * d[2] * d[3], d[2] * d[3], d[3], 1};
}

int set_tensor(LegacyDescriptor* d, int format, int data_type, std::vector<int64_t> dims, std::vector<int64_t> strides) {
  if (!d) return BAD_PARAM;
  if (format != NCHW && format != NHWC) return fail(NOT_SUPPORTED, "the software cuDNN has no format %d", format);
  for (size_t i = 0; i < 4; i++)
    if (dims[i] < 1 || (!strides.empty() && strides[i] < 0)) return fail(BAD_PARAM, "a dimension or stride is not positive");
  if (element_type(data_type) == Type::UNKNOWN) return fail(BAD_PARAM, "the software cuDNN has no data type %d", data_type);
  d->set = true;
  d->format = format;
  d->tensor.data_type = data_type;
  d->tensor.dims = dims;
  d->tensor.strides = strides.empty() ? strides_of(format, dims) : strides;
  d->tensor.alignment = size_of(d->tensor.type());
  return SUCCESS;
}

// What a call works with: it checks the handle first and keeps it from other threads.
struct Call {
  Handle* handle;
  int status = SUCCESS;
  explicit Call(void* given) : handle(live_handle(given)) {
    if (!handle) {
      status = BAD_PARAM;
      return;
    }
    swd_handle_enter(handle);
    status = check_handle(*handle);
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
  int between(const Tensor& like, int data_type = FLOAT) {
    Tensor t = like;
    t.data_type = data_type;
    t.is_virtual = true;
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
    if (!can_execute(plan.program)) return fail(NOT_SUPPORTED, "%s: the software cuDNN does not do this", function);
    std::shared_ptr<Plan> kept;
    {
      std::lock_guard<std::mutex> guard(g_lock);
      forget_the_past();
      auto key = plan.program.numbers();
      key.push_back(plan.workspace);
      for (int note : plan.numerical_notes) key.push_back(note);
      auto& place = g_plans[key];
      if (!place) {
        place = std::make_shared<Plan>();
        place->program = plan.program;
        place->numerical_notes = plan.numerical_notes;
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

int output_of(const LegacyDescriptor& c, const LegacyDescriptor& x, const LegacyDescriptor& w, int64_t out[4]) {
  if (w.tensor.dims[1] * c.groups != x.tensor.dims[1])
    return fail(BAD_PARAM, "%" PRId64 " channels under filters of %" PRId64 " in %d groups", x.tensor.dims[1], w.tensor.dims[1],
                c.groups);
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

int check_convolution(const LegacyDescriptor& c, const LegacyDescriptor& x, const LegacyDescriptor& w, const LegacyDescriptor& y,
                      int algorithm) {
  if (algorithm < 0 || algorithm >= ALGORITHMS) return fail(BAD_PARAM, "there is no algorithm %d", algorithm);
  if (algorithm > IMPLICIT_PRECOMP_GEMM) return fail(NOT_SUPPORTED, "the software cuDNN has no algorithm %d", algorithm);
  int64_t out[4];
  if (int status = output_of(c, x, w, out)) return status;
  if (!std::equal(out, out + 4, y.tensor.dims.begin()))
    return fail(BAD_PARAM, "the result is described as %" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64, y.tensor.dims[0],
                y.tensor.dims[1], y.tensor.dims[2], y.tensor.dims[3]);
  if (x.tensor.data_type != w.tensor.data_type) return fail(NOT_SUPPORTED, "input and filter have different types");
  bool integers = x.tensor.data_type == INT8;
  if (c.compute_type != (integers ? INT32 : FLOAT)) return fail(NOT_SUPPORTED, "the compute type %d is not for this", c.compute_type);
  if (!integers && y.tensor.data_type != x.tensor.data_type) return fail(NOT_SUPPORTED, "input and result have different types");
  if (integers && y.tensor.data_type != INT8 && y.tensor.data_type != FLOAT)
    return fail(NOT_SUPPORTED, "an int8 convolution gives int8 or float");
  if (c.mode != 1) return fail(NOT_SUPPORTED, "the software cuDNN does cross-correlations");
  if (integers && (x.format != NHWC || w.format != NHWC || x.tensor.dims[1] % 4 || w.tensor.dims[0] % 4))
    return fail(NOT_SUPPORTED, "int8 wants NHWC and channels by fours");
  return SUCCESS;
}

size_t workspace_of(const LegacyDescriptor& x, const LegacyDescriptor& y, int algorithm) {
  if (algorithm != IMPLICIT_PRECOMP_GEMM) return 0;
  // Odd on purpose: what is beyond it belongs to somebody else.
  return static_cast<size_t>(1024 + 16 * ((x.tensor.dims[1] * 7 + y.tensor.dims[2] * 13 + y.tensor.dims[1]) % 61));
}

int convolve(Handle& handle, float alpha1, const LegacyDescriptor& x, uint64_t x_at, const LegacyDescriptor& w, uint64_t w_at,
             const LegacyDescriptor& c, int algorithm, uint64_t workspace, size_t workspace_bytes, float alpha2,
             const LegacyDescriptor* z, uint64_t z_at, const LegacyDescriptor* bias, uint64_t bias_at, bool relu,
             const LegacyDescriptor& y, uint64_t y_at, const char* function) {
  if (int status = check_convolution(c, x, w, y, algorithm)) return status;
  size_t needed = workspace_of(x, y, algorithm);
  if (workspace_bytes < needed) return fail(BAD_PARAM, "%zu bytes of workspace, and %zu are needed", workspace_bytes, needed);
  Builder b;
  b.plan.workspace = static_cast<int64_t>(needed);
  bool integers = x.tensor.data_type == INT8, tensor_cores = c.math_type != FMA_MATH;
  if (tensor_cores) b.plan.numerical_notes.push_back(TENSOR_CORE);
  Operation o;
  o.kind = Operation::CONVOLVE;
  o.mode = 1;
  o.compute_type = integers ? INT32 : FLOAT;
  o.alpha1 = alpha1;
  o.window = c.window;
  o.window.size[0] = w.tensor.dims[2];
  o.window.size[1] = w.tensor.dims[3];
  o.x = b.tensor(1, x.tensor, x_at);
  o.w = b.tensor(2, w.tensor, w_at);
  int last = b.tensor(kMayBeResult, y.tensor, y_at);
  if (tensor_cores)
    for (auto& t : b.plan.program.tensors) t.alignment = 16;  // what the instructions load at once
  bool more = z || bias || relu || y.tensor.data_type == INT8;
  int current = more ? b.between(y.tensor, integers ? INT32 : FLOAT) : last;
  o.y = current;
  b.plan.program.operations.push_back(o);
  auto follow = [&](int mode, int operand, float scale, bool is_last) {
    int to = is_last ? last : b.between(y.tensor);
    b.pointwise(mode, current, operand, to, 1, scale);
    current = to;
  };
  if (z) follow(ADD, b.tensor(kMayBeResult + 1, z->tensor, z_at), alpha2, !bias && !relu);
  if (bias) follow(ADD, b.tensor(3, bias->tensor, bias_at), 1, !relu);
  if (relu) follow(RELU_FWD, -1, 1, true);
  if (current != last) follow(IDENTITY, -1, 1, true);
  return b.launch(handle, workspace, function);
}

struct Softmax {
  Tensor x, y;
  uint64_t x_at, y_at;
  bool whole, logarithm;  // over channel, row and column; the logarithm of it
};

void run_softmax(void* argument) {
  const Softmax& s = *static_cast<Softmax*>(argument);
  if (!swd_work_enabled()) return;
  const void* from = swd_access(s.x_at, static_cast<size_t>(s.x.bytes()), 0, "cudnnSoftmaxForward, x");
  void* to = from ? swd_access(s.y_at, static_cast<size_t>(s.y.bytes()), 1, "cudnnSoftmaxForward, y") : nullptr;
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

void release_softmax(void* argument) { delete static_cast<Softmax*>(argument); }

}  // namespace
}  // namespace swd::cudnn

using namespace swd;
using namespace swd::cudnn;

#define ENTER \
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__)

#define DESCRIPTORS(Name, kind)                            \
  SWD_API int cudnnCreate##Name##Descriptor(void** place) { \
    ENTER;                                                 \
    return create(place, kind);                            \
  }                                                        \
  SWD_API int cudnnDestroy##Name##Descriptor(void* d) {    \
    ENTER;                                                 \
    return destroy(d, kind);                               \
  }

DESCRIPTORS(Tensor, kTensor)
DESCRIPTORS(Filter, kFilter)
DESCRIPTORS(Convolution, kConvolution)
DESCRIPTORS(Activation, kActivation)
DESCRIPTORS(Pooling, kPooling)

SWD_API int cudnnSetTensor4dDescriptor(void* d, int format, int type, int n, int c, int h, int w) {
  ENTER;
  return set_tensor(live(d, kTensor), format, type, {n, c, h, w}, {});
}

SWD_API int cudnnSetTensor4dDescriptorEx(void* d, int type, int n, int c, int h, int w, int sn, int sc, int sh, int sw) {
  ENTER;
  return set_tensor(live(d, kTensor), sc == 1 ? NHWC : NCHW, type, {n, c, h, w}, {sn, sc, sh, sw});
}

SWD_API int cudnnSetTensorNdDescriptor(void* d, int type, int count, const int* dims, const int* strides) {
  ENTER;
  if (count != 4) return fail(NOT_SUPPORTED, "the software cuDNN has tensors of four dimensions here");
  return set_tensor(live(d, kTensor), strides[1] == 1 ? NHWC : NCHW, type, {dims, dims + 4}, {strides, strides + 4});
}

SWD_API int cudnnSetTensorNdDescriptorEx(void* d, int format, int type, int count, const int* dims) {
  ENTER;
  if (count != 4) return fail(NOT_SUPPORTED, "the software cuDNN has tensors of four dimensions here");
  return set_tensor(live(d, kTensor), format, type, {dims, dims + 4}, {});
}

SWD_API int cudnnGetTensor4dDescriptor(void* d, int* type, int* n, int* c, int* h, int* w, int* sn, int* sc, int* sh, int* sw) {
  ENTER;
  LegacyDescriptor* t = ready(d, kTensor);
  if (!t) return BAD_PARAM;
  *type = t->tensor.data_type;
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
  LegacyDescriptor* t = ready(d, kTensor);
  if (!t) return BAD_PARAM;
  *bytes = static_cast<size_t>(t->tensor.bytes());
  return SUCCESS;
}

SWD_API int cudnnSetFilter4dDescriptor(void* d, int type, int format, int k, int c, int h, int w) {
  ENTER;
  return set_tensor(live(d, kFilter), format, type, {k, c, h, w}, {});
}

SWD_API int cudnnSetFilterNdDescriptor(void* d, int type, int format, int count, const int* dims) {
  ENTER;
  if (count != 4) return fail(NOT_SUPPORTED, "the software cuDNN has filters of four dimensions here");
  return set_tensor(live(d, kFilter), format, type, {dims, dims + 4}, {});
}

SWD_API int cudnnGetFilter4dDescriptor(void* d, int* type, int* format, int* k, int* c, int* h, int* w) {
  ENTER;
  LegacyDescriptor* t = ready(d, kFilter);
  if (!t) return BAD_PARAM;
  *type = t->tensor.data_type;
  *format = t->format;
  int* dims[] = {k, c, h, w};
  for (size_t i = 0; i < 4; i++) *dims[i] = static_cast<int>(t->tensor.dims[i]);
  return SUCCESS;
}

SWD_API int cudnnGetFilterSizeInBytes(void* d, size_t* bytes) {
  ENTER;
  LegacyDescriptor* t = ready(d, kFilter);
  if (!t) return BAD_PARAM;
  *bytes = static_cast<size_t>(t->tensor.bytes());
  return SUCCESS;
}

SWD_API int cudnnSetConvolution2dDescriptor(
    void* d, int pad_h, int pad_w, int stride_h, int stride_w, int dilation_h, int dilation_w, int mode, int compute_type) {
  ENTER;
  LegacyDescriptor* c = live(d, kConvolution);
  if (!c) return BAD_PARAM;
  if (pad_h < 0 || pad_w < 0 || stride_h < 1 || stride_w < 1 || dilation_h < 1 || dilation_w < 1 || mode < 0 || mode > 1)
    return fail(BAD_PARAM, "padding, stride, dilation or mode is out of range");
  c->set = true;
  c->window = {{1, 1}, {stride_h, stride_w}, {dilation_h, dilation_w}, {pad_h, pad_w}, {pad_h, pad_w}};
  c->mode = mode;
  c->compute_type = compute_type;
  return SUCCESS;
}

SWD_API int cudnnSetConvolutionGroupCount(void* d, int groups) {
  ENTER;
  LegacyDescriptor* c = live(d, kConvolution);
  if (!c || groups < 1) return BAD_PARAM;
  c->groups = groups;
  return SUCCESS;
}

SWD_API int cudnnGetConvolutionGroupCount(void* d, int* groups) {
  ENTER;
  LegacyDescriptor* c = live(d, kConvolution);
  if (!c) return BAD_PARAM;
  *groups = c->groups;
  return SUCCESS;
}

SWD_API int cudnnSetConvolutionMathType(void* d, int type) {
  ENTER;
  LegacyDescriptor* c = live(d, kConvolution);
  if (!c || type < DEFAULT_MATH || type > FMA_MATH) return BAD_PARAM;
  c->math_type = type;
  return SUCCESS;
}

SWD_API int cudnnGetConvolutionMathType(void* d, int* type) {
  ENTER;
  LegacyDescriptor* c = live(d, kConvolution);
  if (!c) return BAD_PARAM;
  *type = c->math_type;
  return SUCCESS;
}

SWD_API int cudnnGetConvolution2dForwardOutputDim(void* conv, void* in, void* filter, int* n, int* c, int* h, int* w) {
  ENTER;
  LegacyDescriptor *d = ready(conv, kConvolution), *x = ready(in, kTensor), *f = ready(filter, kFilter);
  if (!d || !x || !f) return BAD_PARAM;
  int64_t out[4];
  if (int status = output_of(*d, *x, *f, out)) return status;
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

SWD_API int cudnnGetConvolutionForwardWorkspaceSize(void* handle, void* x, void* w, void* conv, void* y, int algorithm, size_t* bytes) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, kTensor), *dw = ready(w, kFilter), *dc = ready(conv, kConvolution), *dy = ready(y, kTensor);
  if (!dx || !dw || !dc || !dy || !bytes) return BAD_PARAM;
  if (int status = check_convolution(*dc, *dx, *dw, *dy, algorithm)) return status;
  *bytes = workspace_of(*dx, *dy, algorithm);
  return SUCCESS;
}

SWD_API int cudnnGetConvolutionForwardAlgorithm_v7(
    void* handle, void* x, void* w, void* conv, void* y, int requested, int* count, AlgorithmPerformance* results) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, kTensor), *dw = ready(w, kFilter), *dc = ready(conv, kConvolution), *dy = ready(y, kTensor);
  if (!dx || !dw || !dc || !dy || !count || !results || requested < 1) return BAD_PARAM;
  if (int status = check_convolution(*dc, *dx, *dw, *dy, IMPLICIT_GEMM)) return status;
  // One that does not work comes first, as it may.
  const int order[] = {6, IMPLICIT_PRECOMP_GEMM, IMPLICIT_GEMM, 2, 3, 4, 5, 7};
  *count = std::min(requested, static_cast<int>(ALGORITHMS));
  for (int i = 0; i < *count; i++) {
    bool works = order[i] <= IMPLICIT_PRECOMP_GEMM;
    results[i] = {order[i], works ? static_cast<int>(SUCCESS) : static_cast<int>(NOT_SUPPORTED), -1,
                  works ? workspace_of(*dx, *dy, order[i]) : 0, 1, dc->math_type, {0, 0, 0}};
  }
  return SUCCESS;
}

SWD_API int cudnnSetActivationDescriptor(void* d, int mode, int nan, double coefficient) {
  ENTER;
  LegacyDescriptor* a = live(d, kActivation);
  if (!a || mode < SIGMOID || mode > 6 || nan < 0 || nan > 1) return BAD_PARAM;
  a->set = true;
  a->mode = mode;
  a->nan = nan;
  a->coefficient = coefficient;
  return SUCCESS;
}

SWD_API int cudnnSetPooling2dDescriptor(
    void* d, int mode, int nan, int window_h, int window_w, int pad_h, int pad_w, int stride_h, int stride_w) {
  ENTER;
  LegacyDescriptor* p = live(d, kPooling);
  if (!p) return BAD_PARAM;
  if (mode < MAX_POOLING || mode > MAX_DETERMINISTIC || nan < 0 || nan > 1 || window_h < 1 || window_w < 1 || pad_h < 0 ||
      pad_w < 0 || stride_h < 1 || stride_w < 1 || pad_h >= window_h || pad_w >= window_w)
    return fail(BAD_PARAM, "mode, window, padding or stride is out of range");
  p->set = true;
  p->mode = mode;
  p->nan = nan;
  p->window = {{window_h, window_w}, {stride_h, stride_w}, {1, 1}, {pad_h, pad_w}, {pad_h, pad_w}};
  return SUCCESS;
}

SWD_API int cudnnGetPooling2dForwardOutputDim(void* d, void* in, int* n, int* c, int* h, int* w) {
  ENTER;
  LegacyDescriptor *p = ready(d, kPooling), *x = ready(in, kTensor);
  if (!p || !x) return BAD_PARAM;
  *n = static_cast<int>(x->tensor.dims[0]);
  *c = static_cast<int>(x->tensor.dims[1]);
  *h = static_cast<int>((x->tensor.dims[2] + 2 * p->window.before[0] - p->window.size[0]) / p->window.stride[0] + 1);
  *w = static_cast<int>((x->tensor.dims[3] + 2 * p->window.before[1] - p->window.size[1]) / p->window.stride[1] + 1);
  return SUCCESS;
}

SWD_API int cudnnConvolutionForward(void* handle, const void* alpha, void* x, uint64_t x_at, void* w, uint64_t w_at, void* conv,
                                    int algorithm, uint64_t workspace, size_t workspace_bytes, const void* beta, void* y,
                                    uint64_t y_at) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, kTensor), *dw = ready(w, kFilter), *dc = ready(conv, kConvolution), *dy = ready(y, kTensor);
  if (!dx || !dw || !dc || !dy || !alpha || !beta) return BAD_PARAM;
  if (real(beta) != 0) return fail(NOT_SUPPORTED, "the software cuDNN overwrites the result: beta 0");
  return convolve(*call.handle, real(alpha), *dx, x_at, *dw, w_at, *dc, algorithm, workspace, workspace_bytes, 0, nullptr, 0,
                  nullptr, 0, false, *dy, y_at, __func__);
}

SWD_API int cudnnConvolutionBiasActivationForward(void* handle, const void* alpha1, void* x, uint64_t x_at, void* w, uint64_t w_at,
                                                  void* conv, int algorithm, uint64_t workspace, size_t workspace_bytes,
                                                  const void* alpha2, void* z, uint64_t z_at, void* bias, uint64_t bias_at,
                                                  void* activation, void* y, uint64_t y_at) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, kTensor), *dw = ready(w, kFilter), *dc = ready(conv, kConvolution), *dy = ready(y, kTensor);
  LegacyDescriptor *dz = ready(z, kTensor), *db = ready(bias, kTensor), *da = ready(activation, kActivation);
  if (!dx || !dw || !dc || !dy || !dz || !db || !da || !alpha1 || !alpha2) return BAD_PARAM;
  if (da->mode != RELU && da->mode != IDENTITY_ACTIVATION) return fail(NOT_SUPPORTED, "the activation %d is not for this", da->mode);
  if (da->nan != 0) return fail(NOT_SUPPORTED, "the activation must not propagate NaN");
  if (da->mode == IDENTITY_ACTIVATION && algorithm != IMPLICIT_PRECOMP_GEMM)
    return fail(NOT_SUPPORTED, "without activation only IMPLICIT_PRECOMP_GEMM is possible");
  if (dz->tensor.dims != dy->tensor.dims || dz->tensor.strides != dy->tensor.strides ||
      dz->tensor.data_type != dy->tensor.data_type)
    return fail(BAD_PARAM, "z must be described as y is");
  int bias_type = dx->tensor.data_type == INT8 ? FLOAT : dx->tensor.data_type;
  if (db->tensor.dims != std::vector<int64_t>{1, dy->tensor.dims[1], 1, 1} || db->tensor.data_type != bias_type)
    return fail(BAD_PARAM, "the bias must be 1x%" PRId64 "x1x1 of the type %d", dy->tensor.dims[1], bias_type);
  bool added = real(alpha2) != 0;
  return convolve(*call.handle, real(alpha1), *dx, x_at, *dw, w_at, *dc, algorithm, workspace, workspace_bytes, real(alpha2),
                  added ? dz : nullptr, z_at, db, bias_at, da->mode == RELU, *dy, y_at, __func__);
}

SWD_API int cudnnPoolingForward(
    void* handle, void* d, const void* alpha, void* x, uint64_t x_at, const void* beta, void* y, uint64_t y_at) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *p = ready(d, kPooling), *dx = ready(x, kTensor), *dy = ready(y, kTensor);
  if (!p || !dx || !dy || !alpha || !beta) return BAD_PARAM;
  if (real(alpha) != 1 || real(beta) != 0) return fail(NOT_SUPPORTED, "the software cuDNN pools with alpha 1 and beta 0");
  bool fits = dx->tensor.dims[0] == dy->tensor.dims[0] && dx->tensor.dims[1] == dy->tensor.dims[1] &&
              dx->tensor.data_type == dy->tensor.data_type;
  for (size_t i = 0; i < 2; i++)
    fits = fits && dy->tensor.dims[i + 2] ==
                       (dx->tensor.dims[i + 2] + 2 * p->window.before[i] - p->window.size[i]) / p->window.stride[i] + 1;
  if (!fits) return fail(BAD_PARAM, "the result does not fit the pooling");
  Builder b;
  Operation o;
  o.kind = Operation::RESAMPLE;
  bool maximum = p->mode == MAX_POOLING || p->mode == MAX_DETERMINISTIC;
  o.mode = maximum ? MAXPOOL : p->mode == AVERAGE_INCLUDING ? AVERAGE_INCLUDE_PADDING : AVERAGE_EXCLUDE_PADDING;
  o.padding_mode = maximum ? NEG_INF_PAD : ZERO_PAD;
  o.window = p->window;
  o.x = b.tensor(1, dx->tensor, x_at);
  o.y = b.tensor(2, dy->tensor, y_at);
  b.plan.program.operations.push_back(o);
  return b.launch(*call.handle, 0, __func__);
}

SWD_API int cudnnActivationForward(
    void* handle, void* d, const void* alpha, void* x, uint64_t x_at, const void* beta, void* y, uint64_t y_at) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *a = ready(d, kActivation), *dx = ready(x, kTensor), *dy = ready(y, kTensor);
  if (!a || !dx || !dy || !alpha || !beta) return BAD_PARAM;
  if (dx->tensor.dims != dy->tensor.dims || dx->tensor.data_type != dy->tensor.data_type)
    return fail(BAD_PARAM, "input and result of an activation differ");
  if (real(alpha) != 1 || real(beta) != 0) return fail(NOT_SUPPORTED, "the software cuDNN activates with alpha 1 and beta 0");
  int mode = a->mode == RELU ? RELU_FWD : a->mode == SIGMOID ? SIGMOID_FWD : a->mode == TANH ? TANH_FWD : -1;
  if (mode < 0) return fail(NOT_SUPPORTED, "the software cuDNN has no activation %d", a->mode);
  Builder b;
  int in = b.tensor(kMayBeResult, dx->tensor, x_at), out = b.tensor(kMayBeResult + 1, dy->tensor, y_at);
  b.pointwise(mode, in, -1, out);
  return b.launch(*call.handle, 0, __func__);
}

SWD_API int cudnnAddTensor(
    void* handle, const void* alpha, void* a, uint64_t a_at, const void* beta, void* c, uint64_t c_at) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *da = ready(a, kTensor), *dc = ready(c, kTensor);
  if (!da || !dc || !alpha || !beta) return BAD_PARAM;
  for (size_t i = 0; i < 4; i++)
    if (da->tensor.dims[i] != 1 && da->tensor.dims[i] != dc->tensor.dims[i])
      return fail(BAD_PARAM, "the tensor that is added does not fit the other");
  Builder b;
  int old = b.tensor(kMayBeResult, dc->tensor, c_at), added = b.tensor(1, da->tensor, a_at);
  int sum = b.tensor(kMayBeResult + 1, dc->tensor, c_at);
  b.pointwise(ADD, old, added, sum, real(beta), real(alpha));
  return b.launch(*call.handle, 0, __func__);
}

SWD_API int cudnnTransformTensor(
    void* handle, const void* alpha, void* x, uint64_t x_at, const void* beta, void* y, uint64_t y_at) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, kTensor), *dy = ready(y, kTensor);
  if (!dx || !dy || !alpha || !beta) return BAD_PARAM;
  if (dx->tensor.dims != dy->tensor.dims) return fail(BAD_PARAM, "the tensors have different dimensions");
  if (real(beta) != 0) return fail(NOT_SUPPORTED, "the software cuDNN overwrites the result: beta 0");
  Builder b;
  int in = b.tensor(1, dx->tensor, x_at), out = b.tensor(2, dy->tensor, y_at);
  b.pointwise(IDENTITY, in, -1, out, real(alpha));
  return b.launch(*call.handle, 0, __func__);
}

SWD_API int cudnnSoftmaxForward(
    void* handle, int algorithm, int mode, const void* alpha, void* x, uint64_t x_at, const void* beta, void* y, uint64_t y_at) {
  ENTER;
  Call call(handle);
  if (call.status) return call.status;
  LegacyDescriptor *dx = ready(x, kTensor), *dy = ready(y, kTensor);
  if (!dx || !dy || !alpha || !beta || algorithm < FAST || algorithm > LOG || mode < 0 || mode > 1) return BAD_PARAM;
  if (dx->tensor.dims != dy->tensor.dims) return fail(BAD_PARAM, "input and result of a softmax differ");
  if (real(alpha) != 1 || real(beta) != 0) return fail(NOT_SUPPORTED, "the software cuDNN does a softmax with alpha 1 and beta 0");
  for (auto [tensor, at, name] : {std::make_tuple(&dx->tensor, x_at, "cudnnSoftmaxForward, x"),
                                  std::make_tuple(&dy->tensor, y_at, "cudnnSoftmaxForward, y")})
    if (swd_check(at, static_cast<size_t>(tensor->bytes()), static_cast<size_t>(tensor->alignment), name))
      return fail(BAD_PARAM, "%s is no good", name);
  auto* work = new Softmax{dx->tensor, dy->tensor, x_at, y_at, mode == 0, algorithm == LOG};
  return swd_enqueue(call.handle->stream, "cudnn softmax", run_softmax, work, release_softmax)
             ? fail(EXECUTION_FAILED_CUDA_DRIVER, "the launch failed")
             : static_cast<int>(SUCCESS);
}
