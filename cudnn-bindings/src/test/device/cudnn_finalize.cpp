// What finalizing checks, and the program that the operations of a graph make together.
#include <algorithm>
#include <cstdlib>

#include "cudnn.h"

namespace software::cudnn {
namespace {

float real(const Descriptor& d, int attribute, float otherwise) {
  auto found = d.values.find(attribute);
  if (found == d.values.end()) return otherwise;
  return found->second.tag == TYPE_DOUBLE ? static_cast<float>(d.get<double>(attribute, 0))
                                          : d.get<float>(attribute, 0);
}

// Two numbers, given as integers or as fractions with the denominator 1.
bool pair(const Descriptor& d, int attribute, int64_t otherwise, int64_t out[2]) {
  out[0] = out[1] = otherwise;
  auto found = d.values.find(attribute);
  if (found == d.values.end()) return true;
  if (found->second.count != 2) return false;
  for (int i = 0; i < 2; i++) {
    if (found->second.tag == TYPE_FRACTION) {
      auto numerator = d.get<int64_t>(attribute, 0, 2 * i), denominator = d.get<int64_t>(attribute, 0, 2 * i + 1);
      if (denominator != 1) return false;
      out[i] = numerator;
    } else {
      out[i] = d.get<int64_t>(attribute, 0, i);
    }
  }
  return true;
}

// cuDNN has a silent default for each of these; whoever left one out meant to set it.
void expect(const Descriptor& d, const char* what, std::initializer_list<int> attributes) {
  for (int attribute : attributes)
    if (!d.has(attribute)) swd_complain("cuDNN: a %s was finalized without its attribute %d", what, attribute);
}

int finalizeTensor(Descriptor& d) {
  expect(d, "tensor", {TENSOR_DATA_TYPE, TENSOR_UNIQUE_ID});
  auto tensor = std::make_shared<Tensor>();
  tensor->dataType = d.get<int>(TENSOR_DATA_TYPE, FLOAT);
  tensor->dims = d.longs(TENSOR_DIMENSIONS);
  tensor->strides = d.longs(TENSOR_STRIDES);
  tensor->uid = d.get<int64_t>(TENSOR_UNIQUE_ID, 0);
  tensor->alignment = d.get<int64_t>(TENSOR_BYTE_ALIGNMENT, 0);
  tensor->isVirtual = d.get<unsigned char>(TENSOR_IS_VIRTUAL, 0) != 0;
  tensor->byValue = d.get<unsigned char>(TENSOR_IS_BY_VALUE, 0) != 0;
  if (tensor->dims.empty()) return fail(BAD_PARAM, "the tensor has no dimensions");
  if (tensor->dims.size() != tensor->strides.size())
    return fail(BAD_PARAM, "the tensor has %zu dimensions and %zu strides", tensor->dims.size(),
                tensor->strides.size());
  if (tensor->dims.size() > 8)
    return fail(BAD_PARAM, "the tensor has %zu dimensions; eight are possible", tensor->dims.size());
  for (size_t i = 0; i < tensor->dims.size(); i++) {
    if (tensor->dims[i] < 1)
      return fail(BAD_PARAM, "dimension %zu of the tensor is %lld", i, static_cast<long long>(tensor->dims[i]));
    if (tensor->strides[i] < 0)
      return fail(BAD_PARAM, "stride %zu of the tensor is %lld", i, static_cast<long long>(tensor->strides[i]));
  }
  if (tensor->alignment <= 0 || tensor->alignment % sizeOf(tensor->type()) != 0)
    return fail(BAD_PARAM, "the alignment of %lld bytes is no positive multiple of the element's size",
                static_cast<long long>(tensor->alignment));
  if (d.get<int64_t>(TENSOR_VECTOR_COUNT, 1) != 1)
    return fail(NOT_SUPPORTED, "the software cuDNN has no vectorized tensors");
  d.tensor = tensor;
  return SUCCESS;
}

int finalizeConvolution(Descriptor& d) {
  expect(d, "convolution",
         {CONVOLUTION_COMP_TYPE, CONVOLUTION_CONV_MODE, CONVOLUTION_PRE_PADDINGS, CONVOLUTION_POST_PADDINGS});
  int64_t n = d.get<int64_t>(CONVOLUTION_SPATIAL_DIMS, 0);
  if (n < 1 || n > 6) return fail(BAD_PARAM, "the convolution has %lld spatial dimensions", static_cast<long long>(n));
  auto check = [&](int attribute, bool needed, int64_t least, const char* what) {
    auto all = d.longs(attribute);
    if (all.empty() && !needed) return 0;
    if (static_cast<int64_t>(all.size()) != n)
      return fail(BAD_PARAM, "the convolution has %lld spatial dimensions and %zu %s", static_cast<long long>(n),
                  all.size(), what);
    for (int64_t v : all)
      if (v < least) return fail(BAD_PARAM, "one of the convolution's %s is %lld", what, static_cast<long long>(v));
    return 0;
  };
  if (int s = check(CONVOLUTION_FILTER_STRIDES, true, 1, "strides")) return s;
  if (int s = check(CONVOLUTION_DILATIONS, true, 1, "dilations")) return s;
  if (int s = check(CONVOLUTION_PRE_PADDINGS, false, 0, "paddings before")) return s;
  return check(CONVOLUTION_POST_PADDINGS, false, 0, "paddings after");
}

// The finalized tensor under an attribute; null with *status set if there is none.
std::shared_ptr<Tensor> tensorOf(const Descriptor& d, int attribute, const char* name, int* status) {
  auto child = d.child(attribute);
  if (!child) {
    *status = fail(BAD_PARAM, "the operation has no tensor %s", name);
    return nullptr;
  }
  if (!child->finalized) {
    *status = fail(BAD_PARAM, "the operation's tensor %s is not finalized", name);
    return nullptr;
  }
  return child->tensor;
}

int finalizeOperationConvolution(Descriptor& d) {
  int status = 0;
  auto x = tensorOf(d, OPERATION_CONVOLUTION_FORWARD_X, "x", &status);
  auto w = x ? tensorOf(d, OPERATION_CONVOLUTION_FORWARD_W, "w", &status) : nullptr;
  auto y = w ? tensorOf(d, OPERATION_CONVOLUTION_FORWARD_Y, "y", &status) : nullptr;
  if (!y) return status;
  expect(d, "convolution operation", {OPERATION_CONVOLUTION_FORWARD_ALPHA, OPERATION_CONVOLUTION_FORWARD_BETA});
  auto convolution = d.child(OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
  if (!convolution || !convolution->finalized)
    return fail(BAD_PARAM, "the operation's convolution descriptor is %s", convolution ? "not finalized" : "missing");
  auto n = static_cast<size_t>(convolution->get<int64_t>(CONVOLUTION_SPATIAL_DIMS, 0));
  if (x->dims.size() != n + 2 || w->dims.size() != n + 2 || y->dims.size() != n + 2)
    return fail(BAD_PARAM, "tensors of %zu, %zu and %zu dimensions under a convolution over %zu", x->dims.size(),
                w->dims.size(), y->dims.size(), n);
  if (x->dims[1] % w->dims[1] != 0)
    return fail(BAD_PARAM, "the filter's %lld channels do not divide the input's %lld",
                static_cast<long long>(w->dims[1]), static_cast<long long>(x->dims[1]));
  if (y->dims[0] != x->dims[0])
    return fail(BAD_PARAM, "%lld pictures go in and %lld come out", static_cast<long long>(x->dims[0]),
                static_cast<long long>(y->dims[0]));
  if (y->dims[1] != w->dims[0])
    return fail(BAD_PARAM, "%lld filters make %lld channels", static_cast<long long>(w->dims[0]),
                static_cast<long long>(y->dims[1]));
  if (w->dims[0] % (x->dims[1] / w->dims[1]) != 0) return fail(BAD_PARAM, "the groups do not divide the filters");
  auto before = convolution->longs(CONVOLUTION_PRE_PADDINGS), after = convolution->longs(CONVOLUTION_POST_PADDINGS);
  auto strides = convolution->longs(CONVOLUTION_FILTER_STRIDES), dilations = convolution->longs(CONVOLUTION_DILATIONS);
  before.resize(n);
  after.resize(n);
  for (size_t i = 0; i < n; i++) {
    int64_t reach = (w->dims[i + 2] - 1) * dilations[i] + 1, room = x->dims[i + 2] + before[i] + after[i] - reach;
    if (room < 0 || y->dims[i + 2] != room / strides[i] + 1)
      return fail(
          BAD_PARAM,
          "spatial dimension %zu: %lld + padding %lld + %lld under a window of %lld, stride %lld, gives %lld, not %lld",
          i, static_cast<long long>(x->dims[i + 2]), static_cast<long long>(before[i]),
          static_cast<long long>(after[i]), static_cast<long long>(reach), static_cast<long long>(strides[i]),
          static_cast<long long>(room < 0 ? 0 : room / strides[i] + 1), static_cast<long long>(y->dims[i + 2]));
  }
  return SUCCESS;
}

int finalizeOperationPointwise(Descriptor& d) {
  auto pointwise = d.child(OPERATION_POINTWISE_PW_DESCRIPTOR);
  if (!pointwise || !pointwise->finalized)
    return fail(BAD_PARAM, "the operation's pointwise descriptor is %s", pointwise ? "not finalized" : "missing");
  int status = 0;
  auto x = tensorOf(d, OPERATION_POINTWISE_XDESC, "x", &status);
  auto y = x ? tensorOf(d, OPERATION_POINTWISE_YDESC, "y", &status) : nullptr;
  if (!y) return status;
  int mode = pointwise->get<int>(POINTWISE_MODE, ADD);
  bool binary = mode == ADD || mode == MUL || mode == MIN || mode == MAX || mode == DIV || mode == SUB;
  if (binary) {
    auto b = tensorOf(d, OPERATION_POINTWISE_BDESC, "b", &status);
    if (!b) return status;
    if (b->dims.size() != x->dims.size())
      return fail(BAD_PARAM, "operands of %zu and %zu dimensions", x->dims.size(), b->dims.size());
  } else if (d.has(OPERATION_POINTWISE_BDESC)) {
    swd_complain("cuDNN: a pointwise operation with the mode %d has a second operand, which it does not read", mode);
  }
  // cuDNN finds no engine for these later, or a wrong one.
  for (int operand : {OPERATION_POINTWISE_XDESC, OPERATION_POINTWISE_BDESC}) {
    auto child = d.child(operand);
    if (!child || !child->tensor) continue;
    auto& dims = child->tensor->dims;
    for (size_t i = 0; i < dims.size() && i < y->dims.size(); i++)
      if (dims[i] != 1 && dims[i] != y->dims[i]) {
        swd_complain("cuDNN: dimension %zu of an operand is %lld and that of the result %lld", i,
                     static_cast<long long>(dims[i]), static_cast<long long>(y->dims[i]));
        break;
      }
  }
  return SUCCESS;
}

int finalizeResample(Descriptor& d) {
  expect(d, "resampling",
         {RESAMPLE_COMP_TYPE, RESAMPLE_POST_PADDINGS, RESAMPLE_PRE_PADDINGS, RESAMPLE_STRIDES, RESAMPLE_WINDOW_DIMS,
          RESAMPLE_NAN_PROPAGATION, RESAMPLE_PADDING_MODE});
  if (!d.has(RESAMPLE_MODE)) return fail(NOT_SUPPORTED, "the resampling has no mode");
  if (d.get<int64_t>(RESAMPLE_SPATIAL_DIMS, 0) < 1)
    return fail(NOT_SUPPORTED, "the resampling has no spatial dimensions");
  for (int attribute : {RESAMPLE_WINDOW_DIMS, RESAMPLE_STRIDES})
    for (int64_t value : d.longs(attribute))
      if (value < 1) {
        swd_complain("cuDNN: a resampling's attribute %d was set to %lld", attribute, static_cast<long long>(value));
        break;
      }
  return SUCCESS;
}

int finalizeOperationResample(Descriptor& d) {
  auto resample = d.child(OPERATION_RESAMPLE_FWD_DESC);
  if (!resample || !resample->finalized)
    return fail(BAD_PARAM, "the operation's resample descriptor is %s", resample ? "not finalized" : "missing");
  int status = 0;
  auto x = tensorOf(d, OPERATION_RESAMPLE_FWD_XDESC, "x", &status);
  auto y = x ? tensorOf(d, OPERATION_RESAMPLE_FWD_YDESC, "y", &status) : nullptr;
  if (!y) return status;
  if (x->dims.size() != y->dims.size() || x->dims[0] != y->dims[0] || x->dims[1] != y->dims[1])
    return fail(BAD_PARAM, "input and output of the resampling differ in pictures or channels");
  int64_t size[2], stride[2], before[2], after[2];
  if (x->dims.size() != 4 || !pair(*resample, RESAMPLE_WINDOW_DIMS, 1, size) ||
      !pair(*resample, RESAMPLE_STRIDES, 1, stride) || !pair(*resample, RESAMPLE_PRE_PADDINGS, 0, before) ||
      !pair(*resample, RESAMPLE_POST_PADDINGS, 0, after))
    return SUCCESS;
  for (size_t i = 0; i < 2; i++) {
    int64_t room = x->dims[i + 2] + before[i] + after[i] - size[i];
    if (stride[i] < 1 || room < 0 || y->dims[i + 2] != room / stride[i] + 1)
      return fail(
          BAD_PARAM,
          "spatial dimension %zu: %lld + padding %lld + %lld under a window of %lld, stride %lld, does not give %lld",
          i, static_cast<long long>(x->dims[i + 2]), static_cast<long long>(before[i]),
          static_cast<long long>(after[i]), static_cast<long long>(size[i]), static_cast<long long>(stride[i]),
          static_cast<long long>(y->dims[i + 2]));
  }
  return SUCCESS;
}

// The operations' tensors by uid, the operations in an order in which each finds its inputs.
int finalizeGraph(Descriptor& d) {
  auto program = std::make_shared<Program>();
  auto found = d.values.find(OPERATIONGRAPH_OPS);
  if (found == d.values.end() || found->second.descriptors.empty())
    return fail(BAD_PARAM, "the graph has no operations");
  int status = 0;
  auto indexOf = [&](const Descriptor& operation, int attribute) {
    auto child = operation.child(attribute);
    if (!child) return -1;
    auto& all = program->tensors;
    for (size_t i = 0; i < all.size(); i++) {
      if (all[i].uid != child->tensor->uid) continue;
      if (!(all[i] == *child->tensor))
        status =
            fail(BAD_PARAM, "two different tensors of the graph have the uid %lld", static_cast<long long>(all[i].uid));
      return static_cast<int>(i);
    }
    all.push_back(*child->tensor);
    return static_cast<int>(all.size()) - 1;
  };
  std::vector<Operation> operations;
  for (auto& op : found->second.descriptors) {
    if (!op->finalized) return fail(BAD_PARAM, "an operation of the graph is not finalized");
    Operation o;
    if (op->kind == OPERATION_CONVOLUTION_FORWARD) {
      auto convolution = op->child(OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
      o.kind = Operation::CONVOLVE;
      o.mode = convolution->get<int>(CONVOLUTION_CONV_MODE, 0);
      o.computeType = convolution->get<int>(CONVOLUTION_COMP_TYPE, FLOAT);
      o.x = indexOf(*op, OPERATION_CONVOLUTION_FORWARD_X);
      o.w = indexOf(*op, OPERATION_CONVOLUTION_FORWARD_W);
      o.y = indexOf(*op, OPERATION_CONVOLUTION_FORWARD_Y);
      o.alpha1 = real(*op, OPERATION_CONVOLUTION_FORWARD_ALPHA, 1);
      o.beta = real(*op, OPERATION_CONVOLUTION_FORWARD_BETA, 0);
      if (convolution->get<int64_t>(CONVOLUTION_SPATIAL_DIMS, 0) == 2) {
        pair(*convolution, CONVOLUTION_PRE_PADDINGS, 0, o.window.before);
        pair(*convolution, CONVOLUTION_POST_PADDINGS, 0, o.window.after);
        pair(*convolution, CONVOLUTION_FILTER_STRIDES, 1, o.window.stride);
        pair(*convolution, CONVOLUTION_DILATIONS, 1, o.window.dilation);
        auto& w = program->tensors[static_cast<size_t>(o.w)];
        o.window.size[0] = w.dims[2];
        o.window.size[1] = w.dims[3];
      }
    } else if (op->kind == OPERATION_POINTWISE) {
      auto pointwise = op->child(OPERATION_POINTWISE_PW_DESCRIPTOR);
      o.kind = Operation::POINTWISE;
      o.mode = pointwise->get<int>(POINTWISE_MODE, ADD);
      o.computeType = pointwise->get<int>(POINTWISE_MATH_PREC, FLOAT);
      o.lower = real(*pointwise, POINTWISE_RELU_LOWER_CLIP, 0);
      o.upper = real(*pointwise, POINTWISE_RELU_UPPER_CLIP, INFINITY);
      o.slope = real(*pointwise, POINTWISE_RELU_LOWER_CLIP_SLOPE, 0);
      o.x = indexOf(*op, OPERATION_POINTWISE_XDESC);
      o.w = indexOf(*op, OPERATION_POINTWISE_BDESC);
      o.y = indexOf(*op, OPERATION_POINTWISE_YDESC);
      o.alpha1 = real(*op, OPERATION_POINTWISE_ALPHA1, 1);
      o.alpha2 = real(*op, OPERATION_POINTWISE_ALPHA2, 1);
    } else {
      auto resample = op->child(OPERATION_RESAMPLE_FWD_DESC);
      o.kind = Operation::RESAMPLE;
      o.mode = resample->get<int>(RESAMPLE_MODE, -1);
      o.computeType = resample->get<int>(RESAMPLE_COMP_TYPE, FLOAT);
      o.paddingMode = resample->get<int>(RESAMPLE_PADDING_MODE, ZERO_PAD);
      o.x = indexOf(*op, OPERATION_RESAMPLE_FWD_XDESC);
      o.y = indexOf(*op, OPERATION_RESAMPLE_FWD_YDESC);
      if (op->has(OPERATION_RESAMPLE_FWD_IDXDESC)) o.paddingMode = -1;  // with indices: nothing here computes them
      if (!pair(*resample, RESAMPLE_WINDOW_DIMS, 1, o.window.size) ||
          !pair(*resample, RESAMPLE_STRIDES, 1, o.window.stride) ||
          !pair(*resample, RESAMPLE_PRE_PADDINGS, 0, o.window.before) ||
          !pair(*resample, RESAMPLE_POST_PADDINGS, 0, o.window.after))
        o.paddingMode = -1;
    }
    if (status) return status;
    operations.push_back(o);
  }
  for (size_t i = 0; i < operations.size(); i++)
    for (size_t j = 0; j < i; j++)
      if (operations[i].y == operations[j].y)
        return fail(BAD_PARAM, "two operations of the graph write the tensor %lld",
                    static_cast<long long>(program->tensors[static_cast<size_t>(operations[i].y)].uid));
  std::vector<bool> done(operations.size());
  for (size_t placed = 0; placed < operations.size();) {
    size_t before = placed;
    for (size_t i = 0; i < operations.size(); i++) {
      if (done[i]) continue;
      auto waits = [&](int tensor) {
        for (size_t j = 0; j < operations.size(); j++)
          if (!done[j] && operations[j].y == tensor) return true;
        return false;
      };
      if (waits(operations[i].x) || waits(operations[i].w)) continue;
      program->operations.push_back(operations[i]);
      done[i] = true;
      placed++;
    }
    if (placed == before) return fail(BAD_PARAM, "the operations of the graph wait for each other in a circle");
  }
  // cuDNN plans these, and they are mistakes all the same.
  auto& ordered = program->operations;
  for (size_t i = 0; i < ordered.size(); i++) {
    auto shares = [&](const Operation& other) {
      for (int t : {ordered[i].x, ordered[i].w, ordered[i].y})
        if (t >= 0 && (t == other.x || t == other.w || t == other.y)) return true;
      return false;
    };
    bool alone = ordered.size() > 1;
    for (size_t j = 0; j < ordered.size(); j++) alone = alone && (i == j || !shares(ordered[j]));
    if (alone) swd_complain("cuDNN: an operation of the graph shares no tensor with the others");
    auto& y = program->tensors[static_cast<size_t>(ordered[i].y)];
    bool read = false;
    for (auto& other : ordered) read = read || other.x == ordered[i].y || other.w == ordered[i].y;
    if (y.isVirtual && !read)
      swd_complain("cuDNN: nothing reads the virtual tensor %lld, the result of an operation",
                   static_cast<long long>(y.uid));
    if (ordered[i].kind == Operation::POINTWISE && program->tensors[static_cast<size_t>(ordered[i].x)].dims != y.dims)
      swd_complain("cuDNN: the first operand of a pointwise operation is broadcast; only the second may be");
  }
  d.program = program;
  if (d.has(OPERATIONGRAPH_HANDLE)) {
    Handle* handle = liveHandle(d.get<void*>(OPERATIONGRAPH_HANDLE, nullptr));
    if (!handle) return BAD_PARAM;
    d.device = std::make_shared<DeviceProperties>(handle->device);
  }
  return SUCCESS;
}

int finalizeDevice(Descriptor& d) {
  d.device = std::make_shared<DeviceProperties>();
  if (d.has(DEVICEPROP_JSON_REPRESENTATION)) {
    auto& bytes = d.values[DEVICEPROP_JSON_REPRESENTATION].bytes;
    return DeviceProperties::parse(std::string(bytes.begin(), bytes.end()), d.device.get());
  }
  if (d.has(DEVICEPROP_HANDLE)) {
    Handle* handle = liveHandle(d.get<void*>(DEVICEPROP_HANDLE, nullptr));
    if (!handle) return BAD_PARAM;
    *d.device = handle->device;
    return SUCCESS;
  }
  if (!d.has(DEVICEPROP_DEVICE_ID))
    return fail(NOT_INITIALIZED, "device properties need a device, a handle or a JSON text");
  int ordinal = d.get<int>(DEVICEPROP_DEVICE_ID, 0);
  if (swd_attribute(ordinal, 75) < 0) return fail(BAD_PARAM, "there is no device %d", ordinal);
  *d.device = DeviceProperties::ofDevice(ordinal);
  return SUCCESS;
}

// The device that a query is about: what it names, or what its graph's handle says.
std::shared_ptr<DeviceProperties> deviceOf(const Descriptor& d, int attribute, const Descriptor& graph, int* status) {
  if (auto named = d.child(attribute)) {
    if (named->finalized) return named->device;
    *status = fail(BAD_PARAM, "the device properties are not finalized");
    return nullptr;
  }
  if (!graph.device) *status = fail(BAD_PARAM, "neither device properties are given nor has the graph a handle");
  return graph.device;
}

int finalizeHeuristics(Descriptor& d) {
  swd_note("cudnn", "heuristics");
  auto graph = d.child(ENGINEHEUR_OPERATION_GRAPH);
  if (!graph || !graph->finalized)
    return fail(BAD_PARAM, "the operation graph is %s", graph ? "not finalized" : "missing");
  int status = 0;
  auto device = deviceOf(d, ENGINEHEUR_DEVICEPROP, *graph, &status);
  if (!device) return status;
  int mode = d.get<int>(ENGINEHEUR_MODE, -1);
  if (mode < INSTANT || mode > MODE_A) return fail(BAD_PARAM, "there is no heuristic mode %d", mode);
  d.program = graph->program;
  d.device = device;
  d.results = candidates(*graph->program, *device, mode);
  return SUCCESS;
}

int finalizeEngine(Descriptor& d) {
  auto graph = d.child(ENGINE_OPERATION_GRAPH);
  if (!graph || !graph->finalized)
    return fail(BAD_PARAM, "the operation graph is %s", graph ? "not finalized" : "missing");
  if (!d.has(ENGINE_GLOBAL_INDEX)) return fail(NOT_SUPPORTED, "the engine has no global index");
  int status = 0;
  auto device = deviceOf(d, ENGINE_DEVICEPROP, *graph, &status);
  if (!device) return status;
  auto candidate = std::make_shared<Candidate>();
  int64_t index = d.get<int64_t>(ENGINE_GLOBAL_INDEX, -1);
  if (!findEngine(*graph->program, *device, index, &candidate->engine))
    return fail(NOT_SUPPORTED, "no engine %lld for this graph on this device", static_cast<long long>(index));
  d.program = graph->program;
  d.device = device;
  d.candidate = candidate;
  return SUCCESS;
}

int finalizeConfig(Descriptor& d) {
  auto engine = d.child(ENGINECFG_ENGINE);
  if (!engine || !engine->finalized) return fail(BAD_PARAM, "the engine is %s", engine ? "not finalized" : "missing");
  auto candidate = std::make_shared<Candidate>(*engine->candidate);
  auto choices = d.values.find(ENGINECFG_KNOB_CHOICES);
  if (choices != d.values.end()) {
    for (auto& choice : choices->second.descriptors) {
      if (!choice->finalized) return fail(BAD_PARAM, "a knob choice is not finalized");
      KnobChoice chosen{choice->get<int>(KNOB_CHOICE_KNOB_TYPE, -1), choice->get<int64_t>(KNOB_CHOICE_KNOB_VALUE, 0)};
      auto& knobs = candidate->engine.knobs;
      auto knob = std::find_if(knobs.begin(), knobs.end(), [&](const Knob& k) { return k.type == chosen.type; });
      if (knob == knobs.end())
        return fail(BAD_PARAM, "engine %lld has no knob of type %d", static_cast<long long>(candidate->engine.index),
                    chosen.type);
      if (chosen.value < knob->minimum || chosen.value > knob->maximum || (chosen.value - knob->minimum) % knob->stride)
        return fail(BAD_PARAM, "knob %d of engine %lld goes from %lld to %lld in steps of %lld: not %lld", chosen.type,
                    static_cast<long long>(candidate->engine.index), static_cast<long long>(knob->minimum),
                    static_cast<long long>(knob->maximum), static_cast<long long>(knob->stride),
                    static_cast<long long>(chosen.value));
      candidate->knobs.push_back(chosen);
    }
  }
  d.candidate = candidate;
  d.program = engine->program;
  d.device = engine->device;
  return SUCCESS;
}

int finalizePlan(Descriptor& d) {
  auto plan = std::make_shared<Plan>();
  Handle* handle = nullptr;
  if (d.has(EXECUTION_PLAN_HANDLE)) {
    handle = liveHandle(d.get<void*>(EXECUTION_PLAN_HANDLE, nullptr));
    if (!handle) return BAD_PARAM;
  }
  std::shared_ptr<DeviceProperties> device;
  if (handle) {
    device = std::make_shared<DeviceProperties>(handle->device);
  } else if (auto named = d.child(EXECUTION_PLAN_DEVICEPROP)) {
    if (!named->finalized) return fail(BAD_PARAM, "the device properties are not finalized");
    device = named->device;
  }
  if (auto found = d.values.find(EXECUTION_PLAN_JSON_REPRESENTATION); found != d.values.end()) {
    if (!device) return fail(BAD_PARAM, "restoring a plan needs a handle or device properties");
    if (handle && std::atoi(swd_setting("restore.refused", "0")))
      return fail(NOT_SUPPORTED_ARCH_MISMATCH, "plans are not restored for handles (as the test has set)");
    int status = fromJson(std::string(found->second.bytes.begin(), found->second.bytes.end()), *device, plan.get());
    if (status) return status;
  } else {
    swd_note("cudnn", "planning");
    auto config = d.child(EXECUTION_PLAN_ENGINE_CONFIG);
    if (!config || !config->finalized)
      return fail(BAD_PARAM, "the engine configuration is %s", config ? "not finalized" : "missing");
    plan->program = *config->program;
    plan->device = device ? *device : *config->device;
    plan->engine = config->candidate->engine.index;
    plan->knobs = config->candidate->knobs;
    if (int status = build(plan.get())) return status;
  }
  plan->hasHandle = handle != nullptr;
  d.plan = plan;
  return SUCCESS;
}

int finalizePack(Descriptor& d) {
  auto uids = d.values.find(VARIANT_PACK_UNIQUE_IDS), pointers = d.values.find(VARIANT_PACK_DATA_POINTERS);
  int64_t named = uids == d.values.end() ? 0 : uids->second.count;
  int64_t given = pointers == d.values.end() ? 0 : pointers->second.count;
  if (named != given)
    return fail(BAD_PARAM, "the variant pack has %lld uids and %lld pointers", static_cast<long long>(named),
                static_cast<long long>(given));
  auto all = d.longs(VARIANT_PACK_UNIQUE_IDS);
  for (int64_t uid : all)
    if (std::count(all.begin(), all.end(), uid) > 1) {
      swd_complain("cuDNN: a variant pack names the uid %lld more than once", static_cast<long long>(uid));
      break;
    }
  return SUCCESS;
}

}  // namespace

int finalize(Descriptor& d) {
  switch (d.kind) {
    case TENSOR: return finalizeTensor(d);
    case CONVOLUTION: return finalizeConvolution(d);
    case POINTWISE: expect(d, "pointwise operation", {POINTWISE_MODE, POINTWISE_MATH_PREC}); return SUCCESS;
    case RESAMPLE: return finalizeResample(d);
    case OPERATION_CONVOLUTION_FORWARD: return finalizeOperationConvolution(d);
    case OPERATION_POINTWISE: return finalizeOperationPointwise(d);
    case OPERATION_RESAMPLE_FWD: return finalizeOperationResample(d);
    case OPERATIONGRAPH: return finalizeGraph(d);
    case DEVICEPROP: return finalizeDevice(d);
    case ENGINEHEUR: return finalizeHeuristics(d);
    case ENGINE: return finalizeEngine(d);
    case ENGINECFG: return finalizeConfig(d);
    case KNOB_CHOICE:
      return d.has(KNOB_CHOICE_KNOB_TYPE) && d.has(KNOB_CHOICE_KNOB_VALUE)
                 ? static_cast<int>(SUCCESS)
                 : fail(BAD_PARAM, "the knob choice lacks its type or its value");
    case EXECUTION_PLAN: return finalizePlan(d);
    case VARIANT_PACK: return finalizePack(d);
    default: return fail(BAD_PARAM, "a descriptor of type %d is not made by hand", d.kind);
  }
}

}  // namespace software::cudnn
