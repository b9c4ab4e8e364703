// The software libcudnn.so.9: what its parts share. Numbers are those of cudnn_graph.h of cuDNN 9.20 (facts of the
// ABI).
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device.h"
#include "matmul.h"
#include "numbers.h"

namespace software::cudnn {

enum Status : int {
  SUCCESS = 0,
  NOT_INITIALIZED = 1001,
  SUBLIBRARY_VERSION_MISMATCH = 1002,
  BAD_PARAM = 2000,
  BAD_PARAM_NULL_POINTER = 2002,
  BAD_PARAM_MISALIGNED_POINTER = 2003,
  BAD_PARAM_NOT_FINALIZED = 2004,
  BAD_PARAM_STREAM_MISMATCH = 2007,
  BAD_PARAM_ATTRIBUTE_TYPE = 2010,
  NOT_SUPPORTED = 3000,
  NOT_SUPPORTED_ARCH_MISMATCH = 3007,
  NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING = 3008,
  INTERNAL_ERROR_COMPILATION_FAILED = 4001,
  INTERNAL_ERROR_HOST_ALLOCATION_FAILED = 4003,
  EXECUTION_FAILED = 5000,
  EXECUTION_FAILED_CUDA_DRIVER = 5001,
};

enum DataType : int {
  FLOAT = 0,
  DOUBLE = 1,
  HALF = 2,
  INT8 = 3,
  INT32 = 4,
  BFLOAT16 = 9,
  FP8_E4M3 = 12,
  FP8_E5M2 = 13
};

// The type of the stored elements; UNKNOWN for what nothing here computes with.
inline Type elementType(int dataType) {
  switch (dataType) {
    case FLOAT: return Type::FLOAT;
    case DOUBLE: return Type::DOUBLE;
    case HALF: return Type::HALF;
    case INT8: return Type::INT8;
    case INT32: return Type::INT32;
    case BFLOAT16: return Type::BFLOAT16;
    case FP8_E4M3: return Type::FP8_E4M3;
    case FP8_E5M2: return Type::FP8_E5M2;
    default: return Type::UNKNOWN;
  }
}

// Descriptor types.
enum Kind : int {
  POINTWISE = 0,
  CONVOLUTION = 1,
  ENGINE = 2,
  ENGINECFG = 3,
  ENGINEHEUR = 4,
  EXECUTION_PLAN = 5,
  KNOB_CHOICE = 7,
  KNOB_INFO = 8,
  OPERATION_CONVOLUTION_FORWARD = 10,
  OPERATION_POINTWISE = 13,
  OPERATIONGRAPH = 15,
  VARIANT_PACK = 16,
  TENSOR = 17,
  RESAMPLE = 24,
  OPERATION_RESAMPLE_FWD = 25,
  DEVICEPROP = 38,
  KIND_COUNT = 46,
};

// Attribute type tags.
enum Tag : int {
  TYPE_HANDLE = 0,
  TYPE_DATA_TYPE = 1,
  TYPE_BOOLEAN = 2,
  TYPE_INT64 = 3,
  TYPE_FLOAT = 4,
  TYPE_DOUBLE = 5,
  TYPE_VOID_PTR = 6,
  TYPE_CONVOLUTION_MODE = 7,
  TYPE_HEUR_MODE = 8,
  TYPE_KNOB_TYPE = 9,
  TYPE_NAN_PROPOGATION = 10,
  TYPE_NUMERICAL_NOTE = 11,
  TYPE_POINTWISE_MODE = 14,
  TYPE_BACKEND_DESCRIPTOR = 15,
  TYPE_BEHAVIOR_NOTE = 19,
  TYPE_TENSOR_REORDERING_MODE = 20,
  TYPE_RESAMPLE_MODE = 21,
  TYPE_PADDING_MODE = 22,
  TYPE_INT32 = 23,
  TYPE_CHAR = 24,
  TYPE_FRACTION = 26,
};

// Attribute names.
enum Attribute : int {
  POINTWISE_MODE = 0,
  POINTWISE_MATH_PREC = 1,
  POINTWISE_NAN_PROPAGATION = 2,
  POINTWISE_RELU_LOWER_CLIP = 3,
  POINTWISE_RELU_UPPER_CLIP = 4,
  POINTWISE_RELU_LOWER_CLIP_SLOPE = 5,
  POINTWISE_ELU_ALPHA = 6,
  POINTWISE_SOFTPLUS_BETA = 7,
  POINTWISE_SWISH_BETA = 8,
  POINTWISE_AXIS = 9,
  CONVOLUTION_COMP_TYPE = 100,
  CONVOLUTION_CONV_MODE = 101,
  CONVOLUTION_DILATIONS = 102,
  CONVOLUTION_FILTER_STRIDES = 103,
  CONVOLUTION_POST_PADDINGS = 104,
  CONVOLUTION_PRE_PADDINGS = 105,
  CONVOLUTION_SPATIAL_DIMS = 106,
  ENGINEHEUR_MODE = 200,
  ENGINEHEUR_OPERATION_GRAPH = 201,
  ENGINEHEUR_RESULTS = 202,
  ENGINEHEUR_SM_COUNT_TARGET = 203,
  ENGINEHEUR_DEVICEPROP = 204,
  ENGINECFG_ENGINE = 300,
  ENGINECFG_KNOB_CHOICES = 302,
  ENGINECFG_WORKSPACE_SIZE = 303,
  EXECUTION_PLAN_HANDLE = 400,
  EXECUTION_PLAN_ENGINE_CONFIG = 401,
  EXECUTION_PLAN_WORKSPACE_SIZE = 402,
  EXECUTION_PLAN_JSON_REPRESENTATION = 405,
  EXECUTION_PLAN_DEVICEPROP = 407,
  KNOB_CHOICE_KNOB_TYPE = 600,
  KNOB_CHOICE_KNOB_VALUE = 601,
  OPERATION_CONVOLUTION_FORWARD_ALPHA = 700,
  OPERATION_CONVOLUTION_FORWARD_BETA = 701,
  OPERATION_CONVOLUTION_FORWARD_CONV_DESC = 702,
  OPERATION_CONVOLUTION_FORWARD_W = 703,
  OPERATION_CONVOLUTION_FORWARD_X = 704,
  OPERATION_CONVOLUTION_FORWARD_Y = 705,
  OPERATION_POINTWISE_PW_DESCRIPTOR = 750,
  OPERATION_POINTWISE_XDESC = 751,
  OPERATION_POINTWISE_BDESC = 752,
  OPERATION_POINTWISE_YDESC = 753,
  OPERATION_POINTWISE_ALPHA1 = 754,
  OPERATION_POINTWISE_ALPHA2 = 755,
  OPERATIONGRAPH_HANDLE = 800,
  OPERATIONGRAPH_OPS = 801,
  OPERATIONGRAPH_ENGINE_GLOBAL_COUNT = 802,
  TENSOR_BYTE_ALIGNMENT = 900,
  TENSOR_DATA_TYPE = 901,
  TENSOR_DIMENSIONS = 902,
  TENSOR_STRIDES = 903,
  TENSOR_VECTOR_COUNT = 904,
  TENSOR_VECTORIZED_DIMENSION = 905,
  TENSOR_UNIQUE_ID = 906,
  TENSOR_IS_VIRTUAL = 907,
  TENSOR_IS_BY_VALUE = 908,
  TENSOR_REORDERING_MODE = 909,
  VARIANT_PACK_UNIQUE_IDS = 1000,
  VARIANT_PACK_DATA_POINTERS = 1001,
  VARIANT_PACK_WORKSPACE = 1003,
  KNOB_INFO_TYPE = 1200,
  KNOB_INFO_MAXIMUM_VALUE = 1201,
  KNOB_INFO_MINIMUM_VALUE = 1202,
  KNOB_INFO_STRIDE = 1203,
  ENGINE_OPERATION_GRAPH = 1300,
  ENGINE_GLOBAL_INDEX = 1301,
  ENGINE_KNOB_INFO = 1302,
  ENGINE_NUMERICAL_NOTE = 1303,
  ENGINE_BEHAVIOR_NOTE = 1305,
  ENGINE_SM_COUNT_TARGET = 1306,
  ENGINE_DEVICEPROP = 1307,
  RESAMPLE_MODE = 1700,
  RESAMPLE_COMP_TYPE = 1701,
  RESAMPLE_SPATIAL_DIMS = 1702,
  RESAMPLE_POST_PADDINGS = 1703,
  RESAMPLE_PRE_PADDINGS = 1704,
  RESAMPLE_STRIDES = 1705,
  RESAMPLE_WINDOW_DIMS = 1706,
  RESAMPLE_NAN_PROPAGATION = 1707,
  RESAMPLE_PADDING_MODE = 1708,
  OPERATION_RESAMPLE_FWD_XDESC = 1710,
  OPERATION_RESAMPLE_FWD_YDESC = 1711,
  OPERATION_RESAMPLE_FWD_IDXDESC = 1712,
  OPERATION_RESAMPLE_FWD_ALPHA = 1713,
  OPERATION_RESAMPLE_FWD_BETA = 1714,
  OPERATION_RESAMPLE_FWD_DESC = 1716,
  DEVICEPROP_DEVICE_ID = 2700,
  DEVICEPROP_HANDLE = 2701,
  DEVICEPROP_JSON_REPRESENTATION = 2702,
};

enum PointwiseMode : int {
  ADD = 0,
  MUL = 1,
  MIN = 2,
  MAX = 3,
  SQRT = 4,
  DIV = 6,
  SUB = 9,
  ABS = 10,
  EXP = 13,
  NEG = 16,
  IDENTITY = 21,
  RELU_FWD = 100,
  TANH_FWD = 101,
  SIGMOID_FWD = 102,
};

enum HeuristicMode : int { INSTANT = 0, MODE_B = 1, FALLBACK = 2, MODE_A = 3 };
enum NumericalNote : int {
  TENSOR_CORE = 0,
  DOWN_CONVERT_INPUTS = 1,
  REDUCED_PRECISION_REDUCTION = 2,
  NONDETERMINISTIC = 4,
  STRICT_NAN_PROP = 9
};
enum BehaviorNote : int { RUNTIME_COMPILATION = 0, SUPPORTS_CUDA_GRAPH_NATIVE_API = 3 };
enum ResampleMode : int { AVERAGE_INCLUDE_PADDING = 2, MAXPOOL = 3, AVERAGE_EXCLUDE_PADDING = 4 };
enum PaddingMode : int { ZERO_PAD = 0, NEG_INF_PAD = 1 };

// --- Errors ---

// Keeps the text for cudnnGetLastErrorString on this OS thread and gives the status back.
int fail(int status, const char* format, ...) __attribute__((format(printf, 2, 3)));

// --- What a graph computes ---

struct Tensor {
  int64_t uid = 0;
  int dataType = FLOAT;
  std::vector<int64_t> dims, strides;
  int64_t alignment = 0;
  bool isVirtual = false, byValue = false;

  Type type() const { return elementType(dataType); }
  int64_t bytes() const {  // from the first element to the end of the last
    int64_t last = 0;
    for (size_t i = 0; i < dims.size(); i++) last += (dims[i] - 1) * strides[i];
    return (last + 1) * sizeOf(type());
  }
  int64_t stride(size_t i) const { return dims[i] == 1 ? 0 : strides[i]; }
  bool operator==(const Tensor& o) const {
    return uid == o.uid && dataType == o.dataType && dims == o.dims && strides == o.strides &&
           alignment == o.alignment && isVirtual == o.isVirtual && byValue == o.byValue;
  }
};

struct Window {  // of a convolution or a pooling
  int64_t size[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1}, before[2] = {0, 0}, after[2] = {0, 0};
};

// One operation; tensors are indices into the program's list, -1 where there is none.
struct Operation {
  enum { CONVOLVE, POINTWISE, RESAMPLE } kind = POINTWISE;
  int mode = 0;  // of the pointwise operation or the resampling; 1 for a convolution that is a cross-correlation
  int computeType = FLOAT;
  int x = -1, w = -1, y = -1;  // w: filter, or second operand
  float alpha1 = 1, alpha2 = 1, lower = 0, upper = INFINITY, slope = 0;
  float beta = 0;
  int paddingMode = 0;
  Window window;
};

struct Program {
  std::vector<Tensor> tensors;
  std::vector<Operation> operations;  // each after those whose results it reads

  const Operation* convolution() const {
    for (auto& o : operations)
      if (o.kind == Operation::CONVOLVE) return &o;
    return nullptr;
  }
  bool produced(int tensor) const {
    for (auto& o : operations)
      if (o.y == tensor) return true;
    return false;
  }
  // Groups of a convolution, by the channels of its input and of its filter.
  int64_t groups(const Operation& o) const {
    return tensors[static_cast<size_t>(o.x)].dims[1] / tensors[static_cast<size_t>(o.w)].dims[1];
  }
  std::vector<int64_t> numbers() const;                     // for the plan's text
  static bool from(const std::vector<int64_t>&, Program*);  // false: not such numbers
};

// --- Device properties ---

struct DeviceProperties {
  std::string json;
  int64_t deviceVersion = 0;
  std::vector<std::pair<std::string, int64_t>> compared;  // what a plan is refused for

  // A status; the reason is in cudnnGetLastErrorString.
  static int parse(const std::string& json, DeviceProperties* out);
  static DeviceProperties ofDevice(int ordinal);
};

// --- Engines ---

struct Knob {
  int type;
  int64_t minimum, maximum, stride;
};

struct KnobChoice {
  int type;
  int64_t value;
};

struct Engine {
  int64_t index = -1;
  std::vector<int> numericalNotes, behaviorNotes;
  std::vector<Knob> knobs;
};

// What a finalized plan is.
struct Plan {
  Program program;
  DeviceProperties device;
  int64_t engine = 0;
  std::vector<KnobChoice> knobs;
  std::vector<int> numericalNotes;
  int64_t workspace = 0;
  bool hasHandle = false;  // finalized with a handle: may be executed
  std::string vendorJson;  // the vendor's plan, where that made it
  std::atomic<bool> destroyed{false};
  std::vector<void*> loaded;  // contexts in which it ran once
};

struct Candidate {
  Engine engine;
  std::vector<KnobChoice> knobs;
};

// The candidates for a program on a device, best first as a vendor's heuristics would say.
std::vector<Candidate> candidates(const Program&, const DeviceProperties&, int mode);
// An engine by its global index; false where the program has no such engine.
bool findEngine(const Program&, const DeviceProperties&, int64_t index, Engine* out);
// NVIDIA's own cuDNN in a process of its own (its sonames are ours), which plans for described devices. Chosen by the
// setting cudnn.vendor: a folder that holds nvidia/*/lib and driver/. Statuses are the vendor's; texts go where ours
// go.
class Vendor {
 public:
  static Vendor* chosen();  // null: the table decides
  int candidates(const Program&, const DeviceProperties&, int mode, std::vector<Candidate>* out);
  int engine(const Program&, const DeviceProperties&, int64_t index, Engine* out);
  int plan(Plan* plan);
  int restore(Plan* plan);

 private:
  std::string folder_;
  int socket_ = -1;
  std::map<std::string, std::string> answered_;  // equal questions get equal answers
  bool ask(const std::string& question, std::string* answer);
};

// Whether execution can interpret the program.
bool canExecute(const Program&);

// Completes the plan, whose program, device, engine and knobs are set.
int build(Plan* plan);
std::string toJson(const Plan&);
int fromJson(const std::string& json, const DeviceProperties&, Plan* out);

// --- Descriptors and handles ---

struct Handle {
  void* context;
  int ordinal;
  DeviceProperties device;
  CUstream stream = nullptr;
};

struct Descriptor;

struct Value {
  int tag = -1;
  int64_t count = 0;
  std::vector<unsigned char> bytes;
  std::vector<std::shared_ptr<Descriptor>> descriptors;
};

struct Descriptor {
  int kind;
  bool finalized = false;
  std::map<int, Value> values;
  // What finalizing made of it.
  std::shared_ptr<Tensor> tensor;
  std::shared_ptr<Program> program;
  std::shared_ptr<DeviceProperties> device;
  std::shared_ptr<Candidate> candidate;  // of ENGINE (no knobs) and ENGINECFG
  std::vector<Candidate> results;        // of ENGINEHEUR
  std::shared_ptr<Plan> plan;

  explicit Descriptor(int kind) : kind(kind) {}
  bool has(int attribute) const { return values.count(attribute) != 0; }
  template <typename T>
  T get(int attribute, T otherwise, int64_t index = 0) const {
    auto found = values.find(attribute);
    if (found == values.end() || index >= found->second.count) return otherwise;
    T value;
    std::memcpy(&value, found->second.bytes.data() + static_cast<size_t>(index) * sizeof(T), sizeof(T));
    return value;
  }
  std::vector<int64_t> longs(int attribute) const {
    std::vector<int64_t> all;
    auto found = values.find(attribute);
    if (found != values.end())
      for (int64_t i = 0; i < found->second.count; i++) all.push_back(get<int64_t>(attribute, 0, i));
    return all;
  }
  std::shared_ptr<Descriptor> child(int attribute) const {
    auto found = values.find(attribute);
    return found == values.end() || found->second.descriptors.empty() ? nullptr : found->second.descriptors[0];
  }
};

// A status; everything that finalizing checks and makes.
int finalize(Descriptor&);

// The handle, if it is live; null, with the text of the failure set, if not.
Handle* liveHandle(void* handle);
std::shared_ptr<Descriptor> liveDescriptor(void* descriptor);

// Puts the plan's work on the handle's stream.
int execute(Handle& handle, const std::shared_ptr<Plan>& plan, const Descriptor& variantPack);

// Whether the calling thread may use the handle now: a status.
int checkHandle(const Handle& handle);

// Checks the addresses, by tensor, and puts the plan's work on the handle's stream. With `inPlace`, tensors with a uid
// of MAY_BE_RESULT or more may lie in one place.
constexpr int64_t MAY_BE_RESULT = 100;
int launch(Handle& handle, const std::shared_ptr<Plan>& plan, const std::vector<uint64_t>& addresses,
           uint64_t workspace, const char* function, bool inPlace);

// The version that cudnnGetVersion answers.
int64_t version();

// Held by every call while it reads or changes descriptors and plans.
struct Lock {
  Lock();
  ~Lock();
};

}  // namespace software::cudnn
