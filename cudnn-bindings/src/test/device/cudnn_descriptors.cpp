// Creating, setting, reading and destroying descriptors: each attribute's type, count and moment are checked by one
// table.
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <unordered_map>

#include "cudnn.h"

namespace software::cudnn {
namespace {

constexpr int64_t MANY = 1 << 20;

enum Access { SETTABLE = 1, READABLE = 2, BOTH = 3 };

struct Row {
  int kind, attribute, tag;
  int64_t least, most;
  Access access;
  int child = -1;  // the kind of descriptor that it holds; -1: any operation
};

// What a set accepts and what a get gives, as cuDNN 9.20 does it.
const Row TABLE[] = {
    {TENSOR, TENSOR_BYTE_ALIGNMENT, TYPE_INT64, 1, 1, BOTH},
    {TENSOR, TENSOR_DATA_TYPE, TYPE_DATA_TYPE, 1, 1, BOTH},
    {TENSOR, TENSOR_DIMENSIONS, TYPE_INT64, 1, 9, BOTH},
    {TENSOR, TENSOR_STRIDES, TYPE_INT64, 1, 9, BOTH},
    {TENSOR, TENSOR_VECTOR_COUNT, TYPE_INT64, 1, 1, BOTH},
    {TENSOR, TENSOR_VECTORIZED_DIMENSION, TYPE_INT64, 1, 1, BOTH},
    {TENSOR, TENSOR_UNIQUE_ID, TYPE_INT64, 1, 1, BOTH},
    {TENSOR, TENSOR_IS_VIRTUAL, TYPE_BOOLEAN, 1, 1, BOTH},
    {TENSOR, TENSOR_IS_BY_VALUE, TYPE_BOOLEAN, 1, 1, BOTH},
    {TENSOR, TENSOR_REORDERING_MODE, TYPE_TENSOR_REORDERING_MODE, 1, 1, BOTH},

    {CONVOLUTION, CONVOLUTION_COMP_TYPE, TYPE_DATA_TYPE, 1, 1, BOTH},
    {CONVOLUTION, CONVOLUTION_CONV_MODE, TYPE_CONVOLUTION_MODE, 1, 1, BOTH},
    {CONVOLUTION, CONVOLUTION_SPATIAL_DIMS, TYPE_INT64, 1, 1, BOTH},
    {CONVOLUTION, CONVOLUTION_PRE_PADDINGS, TYPE_INT64, 1, 9, BOTH},
    {CONVOLUTION, CONVOLUTION_POST_PADDINGS, TYPE_INT64, 1, 9, BOTH},
    {CONVOLUTION, CONVOLUTION_FILTER_STRIDES, TYPE_INT64, 1, 9, BOTH},
    {CONVOLUTION, CONVOLUTION_DILATIONS, TYPE_INT64, 1, 9, BOTH},

    {POINTWISE, POINTWISE_MODE, TYPE_POINTWISE_MODE, 1, 1, BOTH},
    {POINTWISE, POINTWISE_MATH_PREC, TYPE_DATA_TYPE, 1, 1, BOTH},
    {POINTWISE, POINTWISE_NAN_PROPAGATION, TYPE_NAN_PROPOGATION, 1, 1, BOTH},
    {POINTWISE, POINTWISE_RELU_LOWER_CLIP, TYPE_FLOAT, 1, 1, BOTH},
    {POINTWISE, POINTWISE_RELU_LOWER_CLIP, TYPE_DOUBLE, 1, 1, BOTH},
    {POINTWISE, POINTWISE_RELU_UPPER_CLIP, TYPE_FLOAT, 1, 1, BOTH},
    {POINTWISE, POINTWISE_RELU_UPPER_CLIP, TYPE_DOUBLE, 1, 1, BOTH},
    {POINTWISE, POINTWISE_RELU_LOWER_CLIP_SLOPE, TYPE_FLOAT, 1, 1, BOTH},
    {POINTWISE, POINTWISE_RELU_LOWER_CLIP_SLOPE, TYPE_DOUBLE, 1, 1, BOTH},
    {POINTWISE, POINTWISE_ELU_ALPHA, TYPE_DOUBLE, 1, 1, BOTH},
    {POINTWISE, POINTWISE_SOFTPLUS_BETA, TYPE_DOUBLE, 1, 1, BOTH},
    {POINTWISE, POINTWISE_SWISH_BETA, TYPE_DOUBLE, 1, 1, BOTH},
    {POINTWISE, POINTWISE_AXIS, TYPE_INT64, 1, 1, BOTH},

    {RESAMPLE, RESAMPLE_MODE, TYPE_RESAMPLE_MODE, 1, 1, BOTH},
    {RESAMPLE, RESAMPLE_COMP_TYPE, TYPE_DATA_TYPE, 1, 1, BOTH},
    {RESAMPLE, RESAMPLE_NAN_PROPAGATION, TYPE_NAN_PROPOGATION, 1, 1, BOTH},
    {RESAMPLE, RESAMPLE_PADDING_MODE, TYPE_PADDING_MODE, 1, 1, BOTH},
    {RESAMPLE, RESAMPLE_SPATIAL_DIMS, TYPE_INT64, 1, 1, BOTH},
    {RESAMPLE, RESAMPLE_WINDOW_DIMS, TYPE_INT64, 1, 9, BOTH},
    {RESAMPLE, RESAMPLE_WINDOW_DIMS, TYPE_FRACTION, 1, 9, BOTH},
    {RESAMPLE, RESAMPLE_PRE_PADDINGS, TYPE_INT64, 1, 9, BOTH},
    {RESAMPLE, RESAMPLE_PRE_PADDINGS, TYPE_FRACTION, 1, 9, BOTH},
    {RESAMPLE, RESAMPLE_POST_PADDINGS, TYPE_INT64, 1, 9, BOTH},
    {RESAMPLE, RESAMPLE_POST_PADDINGS, TYPE_FRACTION, 1, 9, BOTH},
    {RESAMPLE, RESAMPLE_STRIDES, TYPE_INT64, 1, 9, BOTH},
    {RESAMPLE, RESAMPLE_STRIDES, TYPE_FRACTION, 1, 9, BOTH},

    {OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_CONV_DESC, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH,
     CONVOLUTION},
    {OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_X, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, TENSOR},
    {OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_W, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, TENSOR},
    {OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_Y, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, TENSOR},
    {OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_ALPHA, TYPE_FLOAT, 1, 1, BOTH},
    {OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_ALPHA, TYPE_DOUBLE, 1, 1, BOTH},
    {OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_BETA, TYPE_FLOAT, 1, 1, BOTH},
    {OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_BETA, TYPE_DOUBLE, 1, 1, BOTH},

    {OPERATION_POINTWISE, OPERATION_POINTWISE_PW_DESCRIPTOR, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, POINTWISE},
    {OPERATION_POINTWISE, OPERATION_POINTWISE_XDESC, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, TENSOR},
    {OPERATION_POINTWISE, OPERATION_POINTWISE_BDESC, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, TENSOR},
    {OPERATION_POINTWISE, OPERATION_POINTWISE_YDESC, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, TENSOR},
    {OPERATION_POINTWISE, OPERATION_POINTWISE_ALPHA1, TYPE_FLOAT, 1, 1, BOTH},
    {OPERATION_POINTWISE, OPERATION_POINTWISE_ALPHA1, TYPE_DOUBLE, 1, 1, BOTH},
    {OPERATION_POINTWISE, OPERATION_POINTWISE_ALPHA2, TYPE_FLOAT, 1, 1, BOTH},
    {OPERATION_POINTWISE, OPERATION_POINTWISE_ALPHA2, TYPE_DOUBLE, 1, 1, BOTH},

    {OPERATION_RESAMPLE_FWD, OPERATION_RESAMPLE_FWD_XDESC, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, TENSOR},
    {OPERATION_RESAMPLE_FWD, OPERATION_RESAMPLE_FWD_YDESC, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, TENSOR},
    {OPERATION_RESAMPLE_FWD, OPERATION_RESAMPLE_FWD_IDXDESC, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, TENSOR},
    {OPERATION_RESAMPLE_FWD, OPERATION_RESAMPLE_FWD_ALPHA, TYPE_FLOAT, 1, 1, BOTH},
    {OPERATION_RESAMPLE_FWD, OPERATION_RESAMPLE_FWD_ALPHA, TYPE_DOUBLE, 1, 1, BOTH},
    {OPERATION_RESAMPLE_FWD, OPERATION_RESAMPLE_FWD_BETA, TYPE_FLOAT, 1, 1, BOTH},
    {OPERATION_RESAMPLE_FWD, OPERATION_RESAMPLE_FWD_BETA, TYPE_DOUBLE, 1, 1, BOTH},
    {OPERATION_RESAMPLE_FWD, OPERATION_RESAMPLE_FWD_DESC, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, RESAMPLE},

    {OPERATIONGRAPH, OPERATIONGRAPH_HANDLE, TYPE_HANDLE, 1, 1, BOTH},
    {OPERATIONGRAPH, OPERATIONGRAPH_OPS, TYPE_BACKEND_DESCRIPTOR, 0, MANY, BOTH, -1},
    {OPERATIONGRAPH, OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, TYPE_INT64, 1, 1, READABLE},

    {ENGINEHEUR, ENGINEHEUR_MODE, TYPE_HEUR_MODE, 1, 1, BOTH},
    {ENGINEHEUR, ENGINEHEUR_OPERATION_GRAPH, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, OPERATIONGRAPH},
    {ENGINEHEUR, ENGINEHEUR_SM_COUNT_TARGET, TYPE_INT32, 1, 1, BOTH},
    {ENGINEHEUR, ENGINEHEUR_DEVICEPROP, TYPE_BACKEND_DESCRIPTOR, 1, 1, SETTABLE, DEVICEPROP},
    {ENGINEHEUR, ENGINEHEUR_RESULTS, TYPE_BACKEND_DESCRIPTOR, 0, MANY, READABLE, ENGINECFG},

    {ENGINE, ENGINE_OPERATION_GRAPH, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, OPERATIONGRAPH},
    {ENGINE, ENGINE_GLOBAL_INDEX, TYPE_INT64, 1, 1, BOTH},
    {ENGINE, ENGINE_SM_COUNT_TARGET, TYPE_INT32, 1, 1, BOTH},
    {ENGINE, ENGINE_DEVICEPROP, TYPE_BACKEND_DESCRIPTOR, 1, 1, SETTABLE, DEVICEPROP},
    {ENGINE, ENGINE_KNOB_INFO, TYPE_BACKEND_DESCRIPTOR, 0, MANY, READABLE, KNOB_INFO},
    {ENGINE, ENGINE_NUMERICAL_NOTE, TYPE_NUMERICAL_NOTE, 0, MANY, READABLE},
    {ENGINE, ENGINE_BEHAVIOR_NOTE, TYPE_BEHAVIOR_NOTE, 0, MANY, READABLE},

    {ENGINECFG, ENGINECFG_ENGINE, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, ENGINE},
    {ENGINECFG, ENGINECFG_KNOB_CHOICES, TYPE_BACKEND_DESCRIPTOR, 0, MANY, BOTH, KNOB_CHOICE},
    {ENGINECFG, ENGINECFG_WORKSPACE_SIZE, TYPE_INT64, 1, 1, READABLE},

    {KNOB_CHOICE, KNOB_CHOICE_KNOB_TYPE, TYPE_KNOB_TYPE, 1, 1, BOTH},
    {KNOB_CHOICE, KNOB_CHOICE_KNOB_VALUE, TYPE_INT64, 1, 1, BOTH},

    {KNOB_INFO, KNOB_INFO_TYPE, TYPE_KNOB_TYPE, 1, 1, READABLE},
    {KNOB_INFO, KNOB_INFO_MAXIMUM_VALUE, TYPE_INT64, 1, 1, READABLE},
    {KNOB_INFO, KNOB_INFO_MINIMUM_VALUE, TYPE_INT64, 1, 1, READABLE},
    {KNOB_INFO, KNOB_INFO_STRIDE, TYPE_INT64, 1, 1, READABLE},

    {EXECUTION_PLAN, EXECUTION_PLAN_HANDLE, TYPE_HANDLE, 1, 1, BOTH},
    {EXECUTION_PLAN, EXECUTION_PLAN_ENGINE_CONFIG, TYPE_BACKEND_DESCRIPTOR, 1, 1, BOTH, ENGINECFG},
    {EXECUTION_PLAN, EXECUTION_PLAN_DEVICEPROP, TYPE_BACKEND_DESCRIPTOR, 1, 1, SETTABLE, DEVICEPROP},
    {EXECUTION_PLAN, EXECUTION_PLAN_JSON_REPRESENTATION, TYPE_CHAR, 1, int64_t{1} << 28, BOTH},
    {EXECUTION_PLAN, EXECUTION_PLAN_WORKSPACE_SIZE, TYPE_INT64, 1, 1, READABLE},

    {VARIANT_PACK, VARIANT_PACK_UNIQUE_IDS, TYPE_INT64, 0, MANY, BOTH},
    {VARIANT_PACK, VARIANT_PACK_DATA_POINTERS, TYPE_VOID_PTR, 0, MANY, BOTH},
    {VARIANT_PACK, VARIANT_PACK_WORKSPACE, TYPE_VOID_PTR, 1, 1, BOTH},

    {DEVICEPROP, DEVICEPROP_DEVICE_ID, TYPE_INT32, 1, 1, SETTABLE},
    {DEVICEPROP, DEVICEPROP_HANDLE, TYPE_HANDLE, 1, 1, SETTABLE},
    {DEVICEPROP, DEVICEPROP_JSON_REPRESENTATION, TYPE_CHAR, 1, 1 << 20, BOTH},
};

size_t width(int tag) {
  switch (tag) {
    case TYPE_BOOLEAN:
    case TYPE_CHAR: return 1;
    case TYPE_HANDLE:
    case TYPE_INT64:
    case TYPE_DOUBLE:
    case TYPE_VOID_PTR:
    case TYPE_BACKEND_DESCRIPTOR: return 8;
    case TYPE_FRACTION: return 16;
    default: return 4;
  }
}

// Whether there is such a member of an enumeration; cuDNN takes any number and finds no engine later.
bool exists(int tag, int value) {
  switch (tag) {
    case TYPE_DATA_TYPE: return value >= 0 && value <= 21;
    case TYPE_CONVOLUTION_MODE:
    case TYPE_NAN_PROPOGATION: return value == 0 || value == 1;
    case TYPE_HEUR_MODE: return value >= INSTANT && value <= MODE_A;
    case TYPE_POINTWISE_MODE:
      return (value >= 0 && value <= 23) || (value >= 100 && value <= 107) || (value >= 200 && value <= 207) ||
             (value >= 300 && value <= 305) || (value >= 400 && value <= 402) || value == 501 || value == 601;
    case TYPE_RESAMPLE_MODE: return value >= 0 && value <= 4;
    case TYPE_PADDING_MODE: return value >= 0 && value <= 2;
    default: return true;
  }
}

bool isOperation(int kind) {
  return kind == OPERATION_CONVOLUTION_FORWARD || kind == OPERATION_POINTWISE || kind == OPERATION_RESAMPLE_FWD;
}

// Kinds that are created and then good for nothing: no graph of ours holds them.
bool known(int kind) {
  for (auto& row : TABLE)
    if (row.kind == kind) return true;
  return false;
}

std::recursive_mutex registryLock;
std::unordered_map<void*, std::shared_ptr<Descriptor>> liveDescriptors;
uint64_t registryGeneration = 0;

// After a reset nothing from before it exists.
void forgetThePast() {
  if (registryGeneration != swd_generation()) {
    registryGeneration = swd_generation();
    liveDescriptors.clear();
  }
}

// The row for an attribute; a status in *status if there is none that fits.
const Row* find(int kind, int attribute, int tag, Access access, int* status) {
  bool any = false;
  for (auto& row : TABLE) {
    if (row.kind != kind || row.attribute != attribute) continue;
    any = true;
    if (row.tag == tag && (row.access & access)) return &row;
    if (row.tag == tag) {
      *status = fail(kind == EXECUTION_PLAN ? NOT_SUPPORTED : BAD_PARAM,
                     "attribute %d of a descriptor of type %d cannot be %s", attribute, kind,
                     access == SETTABLE ? "set" : "read");
      return nullptr;
    }
  }
  *status = any ? fail(attribute == VARIANT_PACK_DATA_POINTERS ? NOT_SUPPORTED : BAD_PARAM_ATTRIBUTE_TYPE,
                       "attribute %d does not have the type %d", attribute, tag)
                : fail(BAD_PARAM, "a descriptor of type %d has no attribute %d", kind, attribute);
  return nullptr;
}

// A copy of a result goes into a descriptor that the caller made.
int handOut(const Descriptor& made, int kind, void* into) {
  auto target = liveDescriptor(into);
  if (!target) return fail(BAD_PARAM, "an element of the array is no live descriptor: create it before asking for it");
  if (target->kind != kind)
    return fail(BAD_PARAM, "an element of the array is a descriptor of type %d instead of %d", target->kind, kind);
  *target = made;
  return SUCCESS;
}

Descriptor finished(int kind) {
  Descriptor made(kind);
  made.finalized = true;
  return made;
}

template <typename T>
void put(Descriptor& descriptor, int attribute, int tag, const T* values, int64_t count) {
  Value value;
  value.tag = tag;
  value.count = count;
  auto* from = reinterpret_cast<const unsigned char*>(values);
  value.bytes.assign(from, from + sizeof(T) * static_cast<size_t>(count));
  descriptor.values[attribute] = value;
}

Descriptor engineDescriptor(const Candidate& candidate, const std::shared_ptr<Program>& program,
                            const std::shared_ptr<DeviceProperties>& device) {
  Descriptor engine = finished(ENGINE);
  engine.program = program;
  engine.device = device;
  engine.candidate = std::make_shared<Candidate>(Candidate{candidate.engine, {}});
  put(engine, ENGINE_GLOBAL_INDEX, TYPE_INT64, &candidate.engine.index, 1);
  return engine;
}

// The descriptors that a get makes anew.
std::vector<Descriptor> madeFor(const Descriptor& d, int attribute) {
  std::vector<Descriptor> made;
  if (attribute == ENGINEHEUR_RESULTS) {
    for (auto& candidate : d.results) {
      Descriptor config = finished(ENGINECFG);
      config.candidate = std::make_shared<Candidate>(candidate);
      config.program = d.program;
      config.device = d.device;
      made.push_back(config);
    }
  } else if (attribute == ENGINECFG_ENGINE && d.candidate) {
    made.push_back(engineDescriptor(*d.candidate, d.program, d.device));
  } else if (attribute == ENGINECFG_KNOB_CHOICES && d.candidate) {
    for (auto& choice : d.candidate->knobs) {
      Descriptor knob = finished(KNOB_CHOICE);
      put(knob, KNOB_CHOICE_KNOB_TYPE, TYPE_KNOB_TYPE, &choice.type, 1);
      put(knob, KNOB_CHOICE_KNOB_VALUE, TYPE_INT64, &choice.value, 1);
      made.push_back(knob);
    }
  } else if (attribute == ENGINE_KNOB_INFO && d.candidate) {
    for (auto& info : d.candidate->engine.knobs) {
      Descriptor knob = finished(KNOB_INFO);
      put(knob, KNOB_INFO_TYPE, TYPE_KNOB_TYPE, &info.type, 1);
      put(knob, KNOB_INFO_MAXIMUM_VALUE, TYPE_INT64, &info.maximum, 1);
      put(knob, KNOB_INFO_MINIMUM_VALUE, TYPE_INT64, &info.minimum, 1);
      put(knob, KNOB_INFO_STRIDE, TYPE_INT64, &info.stride, 1);
      made.push_back(knob);
    }
  } else if (auto found = d.values.find(attribute); found != d.values.end()) {
    for (auto& child : found->second.descriptors) made.push_back(*child);
  }
  return made;
}

// The bytes that a get answers with, for attributes that hold no descriptors.
std::vector<unsigned char> bytesFor(const Descriptor& d, const Row& row) {
  auto of = [](const void* from, size_t count) {
    auto* bytes = static_cast<const unsigned char*>(from);
    return std::vector<unsigned char>(bytes, bytes + count);
  };
  switch (row.attribute) {
    case EXECUTION_PLAN_WORKSPACE_SIZE: return of(&d.plan->workspace, 8);
    case EXECUTION_PLAN_JSON_REPRESENTATION: {
      std::string json = toJson(*d.plan);
      return of(json.data(), json.size());
    }
    case DEVICEPROP_JSON_REPRESENTATION: return of(d.device->json.data(), d.device->json.size());
    case ENGINE_NUMERICAL_NOTE:
      return of(d.candidate->engine.numericalNotes.data(), d.candidate->engine.numericalNotes.size() * 4);
    case ENGINE_BEHAVIOR_NOTE:
      return of(d.candidate->engine.behaviorNotes.data(), d.candidate->engine.behaviorNotes.size() * 4);
    case ENGINECFG_WORKSPACE_SIZE: {
      Plan plan;
      plan.program = *d.program;
      plan.device = *d.device;
      plan.engine = d.candidate->engine.index;
      plan.knobs = d.candidate->knobs;
      int64_t bytes = build(&plan) ? 0 : plan.workspace;
      return of(&bytes, 8);
    }
    case OPERATIONGRAPH_ENGINE_GLOBAL_COUNT: {
      int64_t count = 64;
      return of(&count, 8);
    }
    default: break;
  }
  if (auto found = d.values.find(row.attribute); found != d.values.end()) return found->second.bytes;
  unsigned char no = 0;
  if (row.tag == TYPE_BOOLEAN) return of(&no, 1);
  return {};
}

int set(Descriptor& d, int attribute, int tag, int64_t count, const void* elements) {
  if (d.finalized) return fail(BAD_PARAM, "the descriptor is finalized and cannot change");
  int status = 0;
  const Row* row = find(d.kind, attribute, tag, SETTABLE, &status);
  if (!row) return status;
  if (count < row->least || count > row->most)
    return fail(BAD_PARAM, "attribute %d takes %lld to %lld elements, not %lld", attribute,
                static_cast<long long>(row->least), static_cast<long long>(row->most), static_cast<long long>(count));
  if (!elements && count > 0) return fail(BAD_PARAM, "attribute %d: the array is null", attribute);
  Value value;
  value.tag = tag;
  value.count = count;
  auto* from = static_cast<const unsigned char*>(elements);
  if (count) value.bytes.assign(from, from + static_cast<size_t>(count) * width(tag));
  if (width(tag) == 4 && tag != TYPE_FLOAT) {
    int member;
    std::memcpy(&member, value.bytes.data(), 4);
    if (!exists(tag, member)) swd_complain("cuDNN: attribute %d was set to %d, which there is not", attribute, member);
  }
  if ((attribute == TENSOR_DIMENSIONS || attribute == TENSOR_STRIDES) && count > 8)
    swd_complain("cuDNN: a tensor of %lld dimensions", static_cast<long long>(count));
  if (tag == TYPE_BOOLEAN && value.bytes[0] > 1) swd_complain("cuDNN: a boolean attribute got %d", value.bytes[0]);
  if (tag == TYPE_HANDLE) {
    void* handle;
    std::memcpy(&handle, value.bytes.data(), 8);
    if (!liveHandle(handle)) return BAD_PARAM;
  }
  if (tag == TYPE_BACKEND_DESCRIPTOR) {
    for (int64_t i = 0; i < count; i++) {
      void* element;
      std::memcpy(&element, value.bytes.data() + i * 8, 8);
      auto child = liveDescriptor(element);
      if (!child) {
        swd_complain("cuDNN: attribute %d was set to %p, which is no live descriptor", attribute, element);
        return fail(BAD_PARAM_NULL_POINTER, "attribute %d: element %lld is no live descriptor", attribute,
                    static_cast<long long>(i));
      }
      if (row->child >= 0 ? child->kind != row->child : !isOperation(child->kind)) {
        swd_complain("cuDNN: attribute %d was set to a descriptor of type %d", attribute, child->kind);
        return fail(BAD_PARAM, "attribute %d does not take a descriptor of type %d", attribute, child->kind);
      }
      if (!child->finalized) {
        if (attribute == OPERATIONGRAPH_OPS) return fail(BAD_PARAM, "an operation of the graph is not finalized");
        // cuDNN takes it, and may or may not notice later.
        swd_complain("cuDNN: attribute %d was set to a descriptor that is not finalized", attribute);
      }
      value.descriptors.push_back(child);
    }
  }
  d.values[attribute] = std::move(value);
  return SUCCESS;
}

int read(const Descriptor& d, int attribute, int tag, int64_t requested, int64_t* count, void* elements) {
  // The properties that a plan will need may be read from them early; all else only when finalized.
  if (!d.finalized) return fail(NOT_INITIALIZED, "the descriptor is not finalized yet");
  int status = 0;
  const Row* row = find(d.kind, attribute, tag, READABLE, &status);
  if (!row) return status;
  if (requested < 0 || requested > row->most)
    return fail(BAD_PARAM, "%lld elements asked for", static_cast<long long>(requested));
  if (requested > 0 && !elements) return fail(BAD_PARAM_NULL_POINTER, "the array is null");
  if (tag == TYPE_BACKEND_DESCRIPTOR) {
    auto made = madeFor(d, attribute);
    auto available = static_cast<int64_t>(made.size());
    int64_t given = elements ? std::min(requested, available) : available;
    // As cuDNN 9.20 does: how many knob choices there are is told only with room for them.
    if (!elements && attribute == ENGINECFG_KNOB_CHOICES) given = 0;
    for (int64_t i = 0; elements && i < given; i++)
      if (int failed = handOut(made[static_cast<size_t>(i)], made[static_cast<size_t>(i)].kind,
                               static_cast<void**>(elements)[i]))
        return failed;
    if (count) *count = given;
    return SUCCESS;
  }
  auto bytes = bytesFor(d, *row);
  auto available = static_cast<int64_t>(bytes.size() / width(tag));
  int64_t given = elements ? std::min(requested, available) : available;
  if (elements && given) std::memcpy(elements, bytes.data(), static_cast<size_t>(given) * width(tag));
  if (count) *count = given;
  return SUCCESS;
}

}  // namespace

Lock::Lock() {
  registryLock.lock();
  forgetThePast();
}

Lock::~Lock() { registryLock.unlock(); }

std::shared_ptr<Descriptor> liveDescriptor(void* descriptor) {
  auto found = liveDescriptors.find(descriptor);
  return found == liveDescriptors.end() ? nullptr : found->second;
}

}  // namespace software::cudnn

using namespace software::cudnn;

SWD_API int cudnnBackendCreateDescriptor(int kind, void** descriptor) {
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__);
  Lock lock;
  if (!descriptor) {
    swd_complain("cudnnBackendCreateDescriptor: the place for the descriptor is null (cuDNN crashes)");
    return fail(BAD_PARAM_NULL_POINTER, "the place for the descriptor is null");
  }
  if (kind < 0 || kind >= KIND_COUNT)
    return fail(INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "there is no descriptor type %d", kind);
  if (!known(kind)) return fail(NOT_SUPPORTED, "the software cuDNN has no descriptors of type %d", kind);
  // The address of an object of its own is a name that no other live descriptor has.
  void* name = new char;
  liveDescriptors[name] = std::make_shared<Descriptor>(kind);
  *descriptor = name;
  swd_live("cudnn descriptor", 1);
  return SUCCESS;
}

SWD_API int cudnnBackendDestroyDescriptor(void* descriptor) {
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__);
  Lock lock;
  auto found = liveDescriptors.find(descriptor);
  if (found == liveDescriptors.end()) {
    swd_complain("cudnnBackendDestroyDescriptor: %p is no live descriptor (destroyed twice?)", descriptor);
    return fail(BAD_PARAM_NULL_POINTER, "no live descriptor");
  }
  if (found->second->plan) found->second->plan->destroyed = true;
  liveDescriptors.erase(found);
  delete static_cast<char*>(descriptor);
  swd_live("cudnn descriptor", -1);
  return SUCCESS;
}

SWD_API int cudnnBackendSetAttribute(void* descriptor, int attribute, int tag, int64_t count, const void* elements) {
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__);
  Lock lock;
  auto d = liveDescriptor(descriptor);
  if (!d) {
    if (descriptor) swd_complain("cudnnBackendSetAttribute: %p is no live descriptor", descriptor);
    return fail(BAD_PARAM_NULL_POINTER, "no live descriptor");
  }
  return set(*d, attribute, tag, count, elements);
}

SWD_API int cudnnBackendGetAttribute(void* descriptor, int attribute, int tag, int64_t requested, int64_t* count,
                                     void* elements) {
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__);
  Lock lock;
  auto d = liveDescriptor(descriptor);
  if (!d) {
    if (descriptor) swd_complain("cudnnBackendGetAttribute: %p is no live descriptor", descriptor);
    return fail(BAD_PARAM_NULL_POINTER, "no live descriptor");
  }
  return read(*d, attribute, tag, requested, count, elements);
}

SWD_API int cudnnBackendFinalize(void* descriptor) {
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__);
  Lock lock;
  auto d = liveDescriptor(descriptor);
  if (!d) {
    if (descriptor) swd_complain("cudnnBackendFinalize: %p is no live descriptor", descriptor);
    return fail(BAD_PARAM_NULL_POINTER, "no live descriptor");
  }
  if (d->finalized) return fail(BAD_PARAM, "the descriptor is finalized already");
  int status = finalize(*d);
  d->finalized = status == SUCCESS;
  return status;
}

SWD_API int cudnnBackendExecute(void* handle, void* plan, void* variantPack) {
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__);
  std::shared_ptr<Descriptor> p, pack;
  {
    Lock lock;
    p = liveDescriptor(plan);
    pack = liveDescriptor(variantPack);
  }
  if (!p || !pack) {
    swd_complain("cudnnBackendExecute: the %s is no live descriptor", p ? "variant pack" : "plan");
    return fail(BAD_PARAM_NULL_POINTER, "the %s is no live descriptor", p ? "variant pack" : "plan");
  }
  if (p->kind != EXECUTION_PLAN || pack->kind != VARIANT_PACK)
    return fail(BAD_PARAM, "descriptors of types %d and %d are no plan and variant pack", p->kind, pack->kind);
  if (!p->finalized || !pack->finalized)
    return fail(BAD_PARAM_NOT_FINALIZED, "the %s is not finalized", p->finalized ? "variant pack" : "plan");
  if (swd_handle_enter(handle)) return fail(BAD_PARAM, "the handle is in use on another thread");
  Handle* live = liveHandle(handle);
  int status = live ? execute(*live, p->plan, *pack) : BAD_PARAM;
  swd_handle_leave(handle);
  return status;
}
