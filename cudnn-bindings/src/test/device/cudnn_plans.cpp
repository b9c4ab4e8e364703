// What the software cuDNN can plan: device properties, the table of engines, and the text form of plans.
//
// The table is made to be as uncomfortable as the vendor's answers are: the first candidate is often one that must not
// be taken (its notes say so, and its numbers show it), some do not finalize, some want very much workspace. Indices
// and notes of the good ones are those that cuDNN 9.20 gives for an H100.
#include <algorithm>
#include <cinttypes>
#include <cstdlib>

#include "cudnn.h"
#include "json.h"

namespace software::cudnn {
namespace {

enum KnobType : int { TILE_SIZE = 2, SPLIT_K_BUF = 12, KERNEL_CFG = 24 };

enum class Pattern {
  NONE,
  CONVOLUTION,     // alone
  CONV_BIAS_ACT,   // [+ z] + bias [ReLU] of one type throughout: precompiled engines know it
  CONV_POINTWISE,  // any other chain after a convolution: compiled at run time
  POINTWISE,
  RESAMPLE,
};

const Tensor& at(const Program& p, int index) { return p.tensors[static_cast<size_t>(index)]; }

bool plannable(int dataType) {
  return dataType == FLOAT || dataType == DOUBLE || dataType == HALF || dataType == BFLOAT16 || dataType == INT8 ||
         dataType == INT32 || dataType == FP8_E4M3 || dataType == FP8_E5M2;
}

bool computableMode(int mode) {
  switch (mode) {
    case ADD:
    case MUL:
    case MIN:
    case MAX:
    case SQRT:
    case DIV:
    case SUB:
    case ABS:
    case EXP:
    case NEG:
    case IDENTITY:
    case RELU_FWD:
    case TANH_FWD:
    case SIGMOID_FWD: return true;
    default: return false;
  }
}

// Whether b's shape is y's with some dimensions 1.
bool broadcasts(const Tensor& b, const Tensor& y) {
  if (b.dims.size() != y.dims.size()) return false;
  for (size_t i = 0; i < b.dims.size(); i++)
    if (b.dims[i] != 1 && b.dims[i] != y.dims[i]) return false;
  return true;
}

bool channelsLast(const Tensor& t) { return t.dims[1] == 1 || t.strides[1] == 1; }

// A device has instructions for some types only.
bool hasType(const DeviceProperties& device, int dataType) {
  if (dataType == BFLOAT16) return device.deviceVersion >= 800;
  if (dataType == FP8_E4M3 || dataType == FP8_E5M2) return device.deviceVersion >= 890;
  return true;
}

Pattern patternOf(const Program& p, const DeviceProperties& device) {
  for (auto& t : p.tensors)
    if (t.dims.size() != 4 || !plannable(t.dataType) || !hasType(device, t.dataType) || t.byValue) return Pattern::NONE;
  int convolutions = 0, resamplings = 0;
  for (auto& o : p.operations) {
    convolutions += o.kind == Operation::CONVOLVE;
    resamplings += o.kind == Operation::RESAMPLE;
  }
  if (resamplings) {
    if (p.operations.size() != 1) return Pattern::NONE;
    auto& o = p.operations[0];
    if (at(p, o.x).isVirtual || at(p, o.y).isVirtual || at(p, o.x).dataType != at(p, o.y).dataType)
      return Pattern::NONE;
    bool maximum = o.mode == MAXPOOL;
    if (!maximum && o.mode != AVERAGE_INCLUDE_PADDING && o.mode != AVERAGE_EXCLUDE_PADDING) return Pattern::NONE;
    if (o.paddingMode != (maximum ? NEG_INF_PAD : ZERO_PAD) || o.computeType != FLOAT) return Pattern::NONE;
    return Pattern::RESAMPLE;
  }
  if (convolutions > 1) return Pattern::NONE;
  for (size_t i = 0; i < p.operations.size(); i++) {
    auto& o = p.operations[i];
    if (o.kind == Operation::CONVOLVE) {
      if (i != 0) return Pattern::NONE;  // something is computed on the way into the convolution
      auto &x = at(p, o.x), &w = at(p, o.w), &y = at(p, o.y);
      bool integers = x.dataType == INT8;
      if (x.isVirtual || w.isVirtual || x.dataType != w.dataType || o.mode != 1) return Pattern::NONE;
      if (o.beta != 0 && y.isVirtual) return Pattern::NONE;
      int computeType = integers ? INT32 : x.dataType == DOUBLE ? DOUBLE : FLOAT;
      if (o.computeType != computeType || (integers && y.dataType == INT8)) return Pattern::NONE;
      if (integers && (!channelsLast(x) || !channelsLast(w) || !channelsLast(y))) return Pattern::NONE;
      // 8-bit types need whole words of channels for their instructions.
      if ((integers || x.dataType == FP8_E4M3) && w.dims[1] % 4 != 0) return Pattern::NONE;
      continue;
    }
    auto &x = at(p, o.x), &y = at(p, o.y);
    if (!computableMode(o.mode) || o.computeType != FLOAT) return Pattern::NONE;
    if (!broadcasts(x, y) || (o.w >= 0 && !broadcasts(at(p, o.w), y))) return Pattern::NONE;
    // A virtual tensor that nothing writes, or an operand that is smaller than the result on both sides.
    if ((x.isVirtual && !p.produced(o.x)) || (o.w >= 0 && at(p, o.w).isVirtual && !p.produced(o.w)))
      return Pattern::NONE;
    if (x.dims != y.dims && (o.w < 0 || at(p, o.w).dims != y.dims)) return Pattern::NONE;
    if (convolutions && y.dims != at(p, p.operations[0].y).dims) return Pattern::NONE;
  }
  if (!convolutions) return Pattern::POINTWISE;
  if (p.operations.size() == 1) return at(p, p.operations[0].y).isVirtual ? Pattern::NONE : Pattern::CONVOLUTION;

  // conv, [ADD z of y's shape,] ADD bias [1,K,1,1], [RELU]; floats between, one type at the edges.
  auto& convolution = p.operations[0];
  int type = at(p, convolution.x).dataType, current = convolution.y;
  size_t i = 1;
  auto adds = [&](bool whole) {
    if (i >= p.operations.size()) return false;
    auto& o = p.operations[i];
    if (o.kind != Operation::POINTWISE || o.mode != ADD || o.alpha1 != 1 || o.alpha2 != 1) return false;
    int other = o.x == current ? o.w : !whole && o.w == current ? o.x : -1;
    if (other < 0 || at(p, other).dataType != type || at(p, other).isVirtual) return false;
    auto &operand = at(p, other), &y = at(p, o.y);
    bool fits = whole ? operand.dims == y.dims && operand.strides == y.strides
                      : operand.dims == std::vector<int64_t>{1, y.dims[1], 1, 1};
    if (!fits || !at(p, current).isVirtual || at(p, current).dataType != FLOAT) return false;
    current = o.y;
    i++;
    return true;
  };
  adds(true);
  bool plain = adds(false);
  if (plain && i < p.operations.size()) {
    auto& o = p.operations[i];
    plain = o.mode == RELU_FWD && o.x == current && o.lower == 0 && o.upper == INFINITY && o.slope == 0 &&
            at(p, current).isVirtual && at(p, current).dataType == FLOAT;
    current = o.y;
    i++;
  }
  plain = plain && i == p.operations.size() && !at(p, current).isVirtual && at(p, current).dataType == type &&
          type != INT8 && type != FP8_E4M3;
  return plain ? Pattern::CONV_BIAS_ACT : Pattern::CONV_POINTWISE;
}

// Whether the setting cudnn.refused names the size of the graph's filter, as if there were no engine for it.
bool refused(const Program& p) {
  if (!p.convolution()) return false;
  int64_t size = at(p, p.convolution()->w).dims[2];
  for (const char* text = swd_setting("cudnn.refused", ""); *text;) {
    char* end = nullptr;
    if (std::strtoll(text, &end, 10) == size) return true;
    text = *end ? end + 1 : end;
  }
  return false;
}

// What engines there may be for.
Pattern offered(const Program& p, const DeviceProperties& device) {
  return refused(p) ? Pattern::NONE : patternOf(p, device);
}

// A number that the shapes alone decide, so that every run is offered the same.
uint64_t shapeNumber(const Program& p) {
  uint64_t h = 1469598103934665603u;
  auto mix = [&](int64_t v) { h = (h ^ static_cast<uint64_t>(v)) * 1099511628211u; };
  for (auto& o : p.operations) {
    mix(o.kind);
    for (int i : {o.x, o.y})
      for (int64_t d : at(p, i).dims) mix(d);
    for (int64_t s : o.window.stride) mix(s);
    mix(at(p, o.x).dataType);
  }
  return h ^ h >> 29;
}

int64_t operandBytes(const Program& p) {
  int64_t bytes = 0;
  for (auto& t : p.tensors)
    if (!t.isVirtual) bytes += t.bytes();
  return bytes;
}

// One line of the table: an engine, for which patterns, and what becomes of it.
struct Offer {
  int64_t index;
  std::vector<Pattern> patterns;
  std::vector<int> numericalNotes, behaviorNotes;
  std::vector<Knob> knobs;
};

const std::vector<Offer>& offers() {
  static const std::vector<Pattern> precompiled = {Pattern::CONVOLUTION, Pattern::CONV_BIAS_ACT};
  static const std::vector<Pattern> any = {Pattern::CONVOLUTION, Pattern::CONV_BIAS_ACT, Pattern::CONV_POINTWISE};
  static const std::vector<int> compiled = {RUNTIME_COMPILATION, SUPPORTS_CUDA_GRAPH_NATIVE_API};
  static const std::vector<Knob> tiles = {{TILE_SIZE, 0, 7, 1}, {SPLIT_K_BUF, 0, 1, 1}};
  static const std::vector<Knob> kernels = {{KERNEL_CFG, 0, 40, 1}};
  static const std::vector<Offer> all = {
      {10, precompiled, {TENSOR_CORE}, {}, tiles},
      {32, precompiled, {TENSOR_CORE}, {}, tiles},
      {41, precompiled, {TENSOR_CORE}, {}, tiles},  // very much workspace
      {45, precompiled, {TENSOR_CORE, NONDETERMINISTIC}, {}, tiles},
      {47, precompiled, {TENSOR_CORE, REDUCED_PRECISION_REDUCTION}, {}, tiles},
      {49, precompiled, {DOWN_CONVERT_INPUTS, TENSOR_CORE}, {}, tiles},
      {11, precompiled, {}, {}, {}},
      {0, precompiled, {STRICT_NAN_PROP}, {}, {}},
      {52, precompiled, {TENSOR_CORE}, compiled, kernels},
      {7, {Pattern::CONV_POINTWISE}, {TENSOR_CORE}, compiled, kernels},
      {2, {Pattern::CONV_POINTWISE, Pattern::RESAMPLE}, {TENSOR_CORE}, compiled, kernels},
      {8, {Pattern::CONV_POINTWISE}, {}, compiled, kernels},
      {1, {Pattern::POINTWISE}, {TENSOR_CORE}, compiled, kernels},
      {3, {Pattern::RESAMPLE}, {}, compiled, kernels},
  };
  return all;
}

const Offer* offer(int64_t index, Pattern pattern) {
  for (auto& o : offers())
    if (o.index == index && std::find(o.patterns.begin(), o.patterns.end(), pattern) != o.patterns.end()) return &o;
  return nullptr;
}

int64_t knobValue(const std::vector<KnobChoice>& choices, int type) {
  for (auto& c : choices)
    if (c.type == type) return c.value;
  return 0;
}

}  // namespace

bool canExecute(const Program& p) {
  DeviceProperties any;
  any.deviceVersion = 10000;
  for (auto& t : p.tensors)
    if (t.dataType == DOUBLE) return false;  // sums are floats here
  return patternOf(p, any) != Pattern::NONE;
}

std::vector<Candidate> candidates(const Program& p, const DeviceProperties& device, int mode) {
  std::vector<Candidate> list;
  if (refused(p)) return list;
  if (Vendor* vendor = Vendor::chosen()) {
    vendor->candidates(p, device, mode, &list);
    return list;
  }
  Pattern pattern = patternOf(p, device);
  if (pattern == Pattern::NONE) return list;
  uint64_t number = shapeNumber(p);
  bool fewChannels = p.convolution() && at(p, p.convolution()->w).dims[1] <= 4;
  bool floats = p.convolution() && at(p, p.convolution()->x).dataType == FLOAT;
  auto add = [&](int64_t index, std::vector<KnobChoice> knobs) {
    auto* o = offer(index, pattern);
    if (!o) return;
    // Before the A100 tensor cores knew no floats.
    auto& notes = o->numericalNotes;
    if (floats && device.deviceVersion < 800 && std::find(notes.begin(), notes.end(), TENSOR_CORE) != notes.end())
      return;
    list.push_back({{o->index, notes, o->behaviorNotes, o->knobs}, knobs});
  };
  auto tile = [](int64_t value, int64_t split = 0) {
    return std::vector<KnobChoice>{{TILE_SIZE, value}, {SPLIT_K_BUF, split}};
  };
  auto kernel = [](int64_t value) { return std::vector<KnobChoice>{{KERNEL_CFG, value}}; };
  switch (pattern) {
    case Pattern::CONVOLUTION:
    case Pattern::CONV_BIAS_ACT:
      if (mode == FALLBACK) {
        add(11, {});
        add(0, {});
        add(52, kernel(0));
        break;
      }
      if (floats && number % 2 == 0) add(11, {});
      if (fewChannels || number % 5 == 0) add(49, tile(0));
      if (number % 3 == 1) add(32, tile(1));
      if (number % 4 == 1) add(41, tile(2));
      if (number % 4 == 2) add(47, tile(3));
      if (number % 4 == 3) add(45, tile(3, 1));
      add(10, tile(static_cast<int64_t>(number % 8)));
      add(10, tile(static_cast<int64_t>((number + 3) % 8)));
      for (int64_t index : {49, 32, 41, 47, 45}) add(index, tile(0));
      if (!(floats && number % 2 == 0)) add(11, {});
      break;
    case Pattern::CONV_POINTWISE:
      if (mode == FALLBACK) {
        add(2, kernel(0));
        add(7, kernel(1));
        add(8, kernel(0));
        break;
      }
      for (int64_t k : {0, 8, 16}) add(7, kernel(k + static_cast<int64_t>(number % 8)));
      break;
    case Pattern::POINTWISE:
      for (int64_t k = 0; k < (mode == FALLBACK ? 1 : 4); k++) add(1, kernel(k));
      break;
    case Pattern::RESAMPLE:
      if (!channelsLast(at(p, p.operations[0].x)) || !channelsLast(at(p, p.operations[0].y))) break;
      add(mode == FALLBACK ? 2 : 3, kernel(0));
      break;
    default: break;
  }
  return list;
}

bool findEngine(const Program& p, const DeviceProperties& device, int64_t index, Engine* out) {
  if (Vendor* vendor = Vendor::chosen()) return vendor->engine(p, device, index, out) == SUCCESS;
  auto* found = offer(index, offered(p, device));
  if (found) *out = {found->index, found->numericalNotes, found->behaviorNotes, found->knobs};
  return found != nullptr;
}

int build(Plan* plan) {
  auto& p = plan->program;
  if (Vendor* vendor = Vendor::chosen()) return vendor->plan(plan);
  Pattern pattern = offered(p, plan->device);
  auto* engine = offer(plan->engine, pattern);
  if (!engine) return fail(NOT_SUPPORTED, "no engine %" PRId64 " for this graph on this device", plan->engine);
  if (int status = std::atoi(swd_setting(("refused.engine." + std::to_string(plan->engine)).c_str(), "0")))
    return fail(status, "plans of engine %" PRId64 " are refused (as the test has set)", plan->engine);
  uint64_t number = shapeNumber(p);
  bool fp8 = at(p, p.operations[0].x).dataType == FP8_E4M3;
  if (plan->engine == 32 && number % 3 == 1)
    return fail(NOT_SUPPORTED,
                "the tile does not fit: (tileM * tileN) > maxSharedMemoryPerBlockOptin (software engine 32)");
  if (plan->engine == 7 && knobValue(plan->knobs, KERNEL_CFG) < 8 && number % 3 == 0)
    return fail(INTERNAL_ERROR_COMPILATION_FAILED,
                "runtime kernel compilation failed (software engine 7, this kernel)");
  if (plan->engine == 8 && number % 4 == 0)
    return fail(INTERNAL_ERROR_COMPILATION_FAILED, "runtime kernel compilation failed (software engine 8, this shape)");
  if (plan->engine == 3 && fp8)
    return fail(INTERNAL_ERROR_COMPILATION_FAILED, "runtime kernel compilation failed (software engine 3, fp8)");
  if (plan->engine == 52)
    for (auto& t : p.tensors)
      if (!t.isVirtual && t.alignment < 4)
        return fail(INTERNAL_ERROR_COMPILATION_FAILED,
                    "runtime kernel compilation failed (software engine 52 wants 4-byte alignment)");
  plan->numericalNotes = engine->numericalNotes;
  plan->workspace = 0;
  if (plan->engine == 41) plan->workspace = (int64_t{512} << 20) + 3 * operandBytes(p);
  if (plan->engine == 45 || (plan->engine == 10 && number % 3 == 0)) {
    // Odd on purpose: what is beyond it belongs to somebody else.
    plan->workspace = 4096 + static_cast<int64_t>(number % 61) * 16 + 16 * knobValue(plan->knobs, TILE_SIZE);
  }
  return SUCCESS;
}

// --- Plans as text ---

std::string toJson(const Plan& plan) {
  std::string text = "{\"version\":" + std::to_string(version()) + ",\"engine\":" + std::to_string(plan.engine);
  auto list = [&](const char* name, const std::vector<int64_t>& all) {
    text += std::string(",\"") + name + "\":[";
    for (size_t i = 0; i < all.size(); i++) text += (i ? "," : "") + std::to_string(all[i]);
    text += "]";
  };
  std::vector<int64_t> knobs, compared;
  for (auto& k : plan.knobs) {
    knobs.push_back(k.type);
    knobs.push_back(k.value);
  }
  for (auto& c : plan.device.compared) compared.push_back(c.second);
  list("knobs", knobs);
  list("device", compared);
  list("program", plan.program.numbers());
  if (!plan.vendorJson.empty()) text += ",\"vendor\":" + json::quoted(plan.vendorJson);
  return text + "}";
}

int fromJson(const std::string& text, const DeviceProperties& device, Plan* out) {
  json::Value value;
  if (!json::parse(text, &value) || value.kind != json::Value::OBJECT)
    return fail(BAD_PARAM, "the plan's text is no JSON object");
  auto* writtenBy = value.find("version");
  auto *engine = value.find("engine"), *knobs = value.find("knobs"), *compared = value.find("device"),
       *program = value.find("program");
  if (!writtenBy || !engine || !knobs || !compared || !program) return fail(BAD_PARAM, "the plan's text lacks a key");
  if (writtenBy->integer != version())
    return fail(SUBLIBRARY_VERSION_MISMATCH, "the plan was made by version %" PRId64 ", this is %" PRId64,
                writtenBy->integer, version());
  if (!Program::from(program->longs(), &out->program)) return fail(BAD_PARAM, "the plan's operations cannot be read");
  auto choices = knobs->longs();
  for (size_t i = 0; i + 1 < choices.size(); i += 2)
    out->knobs.push_back({static_cast<int>(choices[i]), choices[i + 1]});
  out->engine = engine->integer;
  out->device = device;
  auto* vendorJson = value.find("vendor");
  if (Vendor* vendor = Vendor::chosen(); vendor && vendorJson) {
    out->vendorJson = vendorJson->text;
    return vendor->restore(out);
  }
  auto madeFor = compared->longs();
  if (madeFor.size() != device.compared.size()) return fail(BAD_PARAM, "the plan's device is not described");
  for (size_t i = 0; i < madeFor.size(); i++)
    if (madeFor[i] != device.compared[i].second)
      return fail(NOT_SUPPORTED_ARCH_MISMATCH,
                  "the plan was made for a device with %s %" PRId64 ", here it is %" PRId64,
                  device.compared[i].first.c_str(), madeFor[i], device.compared[i].second);
  return build(out);
}

// --- Device properties ---

namespace {

const char* const DEVICE_KEYS[] = {"deviceVer",
                                   "multiProcessorCount",
                                   "warpSize",
                                   "maxSharedMemoryPerBlock",
                                   "maxSharedMemoryPerBlockOptin",
                                   "oversizedSharedMemoryPerBlock",
                                   "reservedSharedMemoryPerBlock",
                                   "maxRegistersPerSM",
                                   "maxCtasPerSM",
                                   "maxThreadsPerBlock",
                                   "maxThreadsPerSM",
                                   "regsPerBlock",
                                   "totalGlobalMem",
                                   "smClockRateKHz",
                                   "memClockRateKHz",
                                   "l2CacheSize",
                                   "maxBlockSize",
                                   "maxGridSize",
                                   "supportCoopLaunch",
                                   "pciDeviceId",
                                   "isTccDriver",
                                   "cudaDeviceId",
                                   "driverVer",
                                   "deviceName"};

const char* const COMPARED_KEYS[] = {"driverVer",
                                     "multiProcessorCount",
                                     "deviceVer",
                                     "maxSharedMemoryPerBlock",
                                     "maxSharedMemoryPerBlockOptin",
                                     "reservedSharedMemoryPerBlock",
                                     "maxRegistersPerSM",
                                     "regsPerBlock",
                                     "maxThreadsPerBlock",
                                     "maxThreadsPerSM"};

}  // namespace

int DeviceProperties::parse(const std::string& json, DeviceProperties* out) {
  json::Value value;
  if (!json::parse(json, &value) || value.kind != json::Value::OBJECT)
    return fail(BAD_PARAM, "the device's description is no JSON object");
  for (auto* key : DEVICE_KEYS) {
    auto* found = value.find(key);
    if (!found) return fail(BAD_PARAM, "!json_object.HasMember(key): %s", key);
    bool list = !std::strcmp(key, "maxBlockSize") || !std::strcmp(key, "maxGridSize");
    auto kind = list ? json::Value::ARRAY : std::strcmp(key, "deviceName") ? json::Value::NUMBER : json::Value::STRING;
    if (found->kind != kind || (list && found->items.size() != 3))
      return fail(BAD_PARAM, "!json_object.Is<T>(): %s", key);
  }
  out->json = json;
  out->deviceVersion = value.find("deviceVer")->integer;
  out->compared.clear();
  for (auto* key : COMPARED_KEYS) out->compared.emplace_back(key, value.find(key)->integer);
  return SUCCESS;
}

DeviceProperties DeviceProperties::ofDevice(int ordinal) {
  // CU_DEVICE_ATTRIBUTE_* numbers; where the posed device knows none, an H100's value.
  auto ask = [&](int attribute, int64_t otherwise) {
    int value = swd_attribute(ordinal, attribute);
    return value >= 0 ? value : otherwise;
  };
  std::string text = "{\"cudaDeviceId\":" + std::to_string(ordinal);
  auto add = [&](const char* key, int64_t value) { text += std::string(",\"") + key + "\":" + std::to_string(value); };
  add("deviceVer", ask(75, 9) * 100 + ask(76, 0) * 10);
  add("multiProcessorCount", ask(16, 132));
  add("warpSize", ask(10, 32));
  add("maxSharedMemoryPerBlock", ask(8, 49152));
  add("maxSharedMemoryPerBlockOptin", ask(97, 232448));
  add("oversizedSharedMemoryPerBlock", 0);
  add("reservedSharedMemoryPerBlock", ask(111, 1024));
  add("maxRegistersPerSM", ask(82, 65536));
  add("maxCtasPerSM", ask(106, 32));
  add("maxThreadsPerBlock", ask(1, 1024));
  add("maxThreadsPerSM", ask(39, 2048));
  add("regsPerBlock", ask(12, 65536));
  add("totalGlobalMem", static_cast<int64_t>(swd_total_memory(ordinal)));
  add("smClockRateKHz", ask(13, 1980000));
  add("memClockRateKHz", ask(36, 2619000));
  add("l2CacheSize", ask(38, 52428800));
  text += ",\"maxBlockSize\":[" + std::to_string(ask(2, 1024)) + "," + std::to_string(ask(3, 1024)) + "," +
          std::to_string(ask(4, 64)) + "]";
  text += ",\"maxGridSize\":[" + std::to_string(ask(5, 2147483647)) + "," + std::to_string(ask(6, 65535)) + "," +
          std::to_string(ask(7, 65535)) + "]";
  add("supportCoopLaunch", ask(95, 1));
  add("pciDeviceId", ask(34, 0));
  add("isTccDriver", 0);
  text += ",\"deviceName\":" + json::quoted(swd_device_name(ordinal));
  add("driverVer", std::strtoll(swd_setting("driver.version", "12090"), nullptr, 10));
  DeviceProperties properties;
  parse(text + "}", &properties);
  return properties;
}

}  // namespace software::cudnn
