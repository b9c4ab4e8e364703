// A process that holds the vendor's cuDNN and answers, on its standard input, what that can plan for a described
// device.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include "cudnn.h"
#include "cudnn_message.h"

using namespace software;
using namespace software::cudnn;

namespace {

using Raw = void*;

int (*create)(int, Raw*);
int (*destroy)(Raw);
int (*setAttribute)(Raw, int, int, int64_t, const void*);
int (*getAttribute)(Raw, int, int, int64_t, int64_t*, void*);
int (*finish)(Raw);
void (*lastError)(char*, size_t);

// Destroys, newest first, what a question made.
struct Owner {
  std::vector<Raw> all;
  Raw make(int kind) {
    Raw descriptor = nullptr;
    if (create(kind, &descriptor)) return nullptr;
    all.push_back(descriptor);
    return descriptor;
  }
  ~Owner() {
    while (!all.empty()) {
      destroy(all.back());
      all.pop_back();
    }
  }
};

struct Refused {
  int status;
};

void check(int status) {
  if (status) throw Refused{status};
}

void set(Raw d, int attribute, const std::vector<int64_t>& values) {
  check(setAttribute(d, attribute, TYPE_INT64, static_cast<int64_t>(values.size()), values.data()));
}
void set(Raw d, int attribute, int tag, int value) { check(setAttribute(d, attribute, tag, 1, &value)); }
void set(Raw d, int attribute, float value) { check(setAttribute(d, attribute, TYPE_FLOAT, 1, &value)); }
void set(Raw d, int attribute, Raw value) { check(setAttribute(d, attribute, TYPE_BACKEND_DESCRIPTOR, 1, &value)); }
void setPair(Raw d, int attribute, const int64_t values[2]) {
  check(setAttribute(d, attribute, TYPE_INT64, 2, values));
}

Raw graphOf(Owner& owner, const Program& program) {
  std::vector<Raw> tensors, operations;
  for (auto& t : program.tensors) {
    Raw d = owner.make(TENSOR);
    set(d, TENSOR_DATA_TYPE, TYPE_DATA_TYPE, t.dataType);
    set(d, TENSOR_DIMENSIONS, t.dims);
    set(d, TENSOR_STRIDES, t.strides);
    set(d, TENSOR_UNIQUE_ID, std::vector<int64_t>{t.uid});
    set(d, TENSOR_BYTE_ALIGNMENT, std::vector<int64_t>{t.alignment});
    bool isVirtual = t.isVirtual;
    check(setAttribute(d, TENSOR_IS_VIRTUAL, TYPE_BOOLEAN, 1, &isVirtual));
    check(finish(d));
    tensors.push_back(d);
  }
  auto tensor = [&](int index) { return tensors[static_cast<size_t>(index)]; };
  for (auto& o : program.operations) {
    Raw op, what;
    if (o.kind == Operation::CONVOLVE) {
      what = owner.make(CONVOLUTION);
      set(what, CONVOLUTION_COMP_TYPE, TYPE_DATA_TYPE, o.computeType);
      set(what, CONVOLUTION_CONV_MODE, TYPE_CONVOLUTION_MODE, o.mode);
      set(what, CONVOLUTION_SPATIAL_DIMS, std::vector<int64_t>{2});
      setPair(what, CONVOLUTION_PRE_PADDINGS, o.window.before);
      setPair(what, CONVOLUTION_POST_PADDINGS, o.window.after);
      setPair(what, CONVOLUTION_FILTER_STRIDES, o.window.stride);
      setPair(what, CONVOLUTION_DILATIONS, o.window.dilation);
      check(finish(what));
      op = owner.make(OPERATION_CONVOLUTION_FORWARD);
      set(op, OPERATION_CONVOLUTION_FORWARD_CONV_DESC, what);
      set(op, OPERATION_CONVOLUTION_FORWARD_X, tensor(o.x));
      set(op, OPERATION_CONVOLUTION_FORWARD_W, tensor(o.w));
      set(op, OPERATION_CONVOLUTION_FORWARD_Y, tensor(o.y));
      set(op, OPERATION_CONVOLUTION_FORWARD_ALPHA, o.alpha1);
      set(op, OPERATION_CONVOLUTION_FORWARD_BETA, o.beta);
    } else if (o.kind == Operation::POINTWISE) {
      what = owner.make(POINTWISE);
      set(what, POINTWISE_MODE, TYPE_POINTWISE_MODE, o.mode);
      set(what, POINTWISE_MATH_PREC, TYPE_DATA_TYPE, o.computeType);
      check(finish(what));
      op = owner.make(OPERATION_POINTWISE);
      set(op, OPERATION_POINTWISE_PW_DESCRIPTOR, what);
      set(op, OPERATION_POINTWISE_XDESC, tensor(o.x));
      if (o.w >= 0) set(op, OPERATION_POINTWISE_BDESC, tensor(o.w));
      set(op, OPERATION_POINTWISE_YDESC, tensor(o.y));
    } else {
      what = owner.make(RESAMPLE);
      set(what, RESAMPLE_MODE, TYPE_RESAMPLE_MODE, o.mode);
      set(what, RESAMPLE_COMP_TYPE, TYPE_DATA_TYPE, o.computeType);
      set(what, RESAMPLE_NAN_PROPAGATION, TYPE_NAN_PROPOGATION, 0);
      set(what, RESAMPLE_PADDING_MODE, TYPE_PADDING_MODE, o.paddingMode);
      set(what, RESAMPLE_SPATIAL_DIMS, std::vector<int64_t>{2});
      setPair(what, RESAMPLE_WINDOW_DIMS, o.window.size);
      setPair(what, RESAMPLE_PRE_PADDINGS, o.window.before);
      setPair(what, RESAMPLE_POST_PADDINGS, o.window.after);
      setPair(what, RESAMPLE_STRIDES, o.window.stride);
      check(finish(what));
      op = owner.make(OPERATION_RESAMPLE_FWD);
      set(op, OPERATION_RESAMPLE_FWD_XDESC, tensor(o.x));
      set(op, OPERATION_RESAMPLE_FWD_YDESC, tensor(o.y));
      set(op, OPERATION_RESAMPLE_FWD_DESC, what);
    }
    check(finish(op));
    operations.push_back(op);
  }
  Raw graph = owner.make(OPERATIONGRAPH);
  check(setAttribute(graph, OPERATIONGRAPH_OPS, TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(operations.size()),
                     operations.data()));
  check(finish(graph));
  return graph;
}

Raw deviceOf(Owner& owner, const std::string& json) {
  Raw device = owner.make(DEVICEPROP);
  check(
      setAttribute(device, DEVICEPROP_JSON_REPRESENTATION, TYPE_CHAR, static_cast<int64_t>(json.size()), json.data()));
  check(finish(device));
  return device;
}

std::vector<Raw> children(Owner& owner, Raw d, int attribute, int kind) {
  int64_t count = 0;
  check(getAttribute(d, attribute, TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr));
  if (attribute == ENGINECFG_KNOB_CHOICES) count = 64;  // 9.20 tells how many there are only with room for them
  std::vector<Raw> all;
  for (int64_t i = 0; i < count; i++) all.push_back(owner.make(kind));
  if (count) check(getAttribute(d, attribute, TYPE_BACKEND_DESCRIPTOR, count, &count, all.data()));
  all.resize(static_cast<size_t>(count));
  return all;
}

int64_t number(Raw d, int attribute, int tag) {
  int64_t value = 0, count = 0;
  int small = 0;
  check(getAttribute(d, attribute, tag, 1, &count, tag == TYPE_INT64 ? static_cast<void*>(&value) : &small));
  return tag == TYPE_INT64 ? value : small;
}

std::vector<int64_t> notes(Raw engine, int attribute, int tag) {
  int values[32];
  int64_t count = 0;
  check(getAttribute(engine, attribute, tag, 32, &count, values));
  return std::vector<int64_t>(values, values + count);
}

void describeEngine(Owner& owner, Raw engine, MessageWriter* out) {
  out->add(number(engine, ENGINE_GLOBAL_INDEX, TYPE_INT64));
  out->add(notes(engine, ENGINE_NUMERICAL_NOTE, TYPE_NUMERICAL_NOTE));
  out->add(notes(engine, ENGINE_BEHAVIOR_NOTE, TYPE_BEHAVIOR_NOTE));
  std::vector<int64_t> knobs;
  for (Raw knob : children(owner, engine, ENGINE_KNOB_INFO, KNOB_INFO)) {
    knobs.push_back(number(knob, KNOB_INFO_TYPE, TYPE_KNOB_TYPE));
    knobs.push_back(number(knob, KNOB_INFO_MINIMUM_VALUE, TYPE_INT64));
    knobs.push_back(number(knob, KNOB_INFO_MAXIMUM_VALUE, TYPE_INT64));
    knobs.push_back(number(knob, KNOB_INFO_STRIDE, TYPE_INT64));
  }
  out->add(knobs);
}

Raw makeEngine(Owner& owner, Raw graph, Raw device, int64_t index) {
  Raw engine = owner.make(ENGINE);
  set(engine, ENGINE_OPERATION_GRAPH, graph);
  set(engine, ENGINE_GLOBAL_INDEX, std::vector<int64_t>{index});
  set(engine, ENGINE_DEVICEPROP, device);
  check(finish(engine));
  return engine;
}

std::string textOf(Raw plan) {
  int64_t length = 0;
  check(getAttribute(plan, EXECUTION_PLAN_JSON_REPRESENTATION, TYPE_CHAR, 0, &length, nullptr));
  std::string text(static_cast<size_t>(length), 0);
  check(getAttribute(plan, EXECUTION_PLAN_JSON_REPRESENTATION, TYPE_CHAR, length, &length, text.data()));
  text.resize(static_cast<size_t>(length));
  return text;
}

void answer(MessageReader& in, MessageWriter* out) {
  Owner owner;
  int64_t what = in.number();
  Raw device = deviceOf(owner, in.text());
  Program program;
  if (!Program::from(in.numbers(), &program)) throw Refused{BAD_PARAM};
  Raw graph = graphOf(owner, program);
  if (what == HEURISTICS) {
    Raw heuristics = owner.make(ENGINEHEUR);
    set(heuristics, ENGINEHEUR_OPERATION_GRAPH, graph);
    set(heuristics, ENGINEHEUR_MODE, TYPE_HEUR_MODE, static_cast<int>(in.number()));
    set(heuristics, ENGINEHEUR_DEVICEPROP, device);
    check(finish(heuristics));
    auto configs = children(owner, heuristics, ENGINEHEUR_RESULTS, ENGINECFG);
    out->add(static_cast<int64_t>(configs.size()));
    for (Raw config : configs) {
      Raw engine = owner.make(ENGINE);
      int64_t count = 0;
      check(getAttribute(config, ENGINECFG_ENGINE, TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine));
      describeEngine(owner, engine, out);
      std::vector<int64_t> choices;
      for (Raw knob : children(owner, config, ENGINECFG_KNOB_CHOICES, KNOB_CHOICE)) {
        choices.push_back(number(knob, KNOB_CHOICE_KNOB_TYPE, TYPE_KNOB_TYPE));
        choices.push_back(number(knob, KNOB_CHOICE_KNOB_VALUE, TYPE_INT64));
      }
      out->add(choices);
    }
    return;
  }
  Raw engine = makeEngine(owner, graph, device, in.number());
  describeEngine(owner, engine, out);
  if (what == ENGINE_INFO) return;
  Raw plan = owner.make(EXECUTION_PLAN);
  if (what == MAKE_PLAN) {
    Raw config = owner.make(ENGINECFG);
    set(config, ENGINECFG_ENGINE, engine);
    std::vector<Raw> knobs;
    auto choices = in.numbers();
    for (size_t i = 0; i + 1 < choices.size(); i += 2) {
      Raw knob = owner.make(KNOB_CHOICE);
      set(knob, KNOB_CHOICE_KNOB_TYPE, TYPE_KNOB_TYPE, static_cast<int>(choices[i]));
      set(knob, KNOB_CHOICE_KNOB_VALUE, std::vector<int64_t>{choices[i + 1]});
      check(finish(knob));
      knobs.push_back(knob);
    }
    if (!knobs.empty())
      check(setAttribute(config, ENGINECFG_KNOB_CHOICES, TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(knobs.size()),
                         knobs.data()));
    check(finish(config));
    set(plan, EXECUTION_PLAN_ENGINE_CONFIG, config);
    check(finish(plan));
    out->add(number(plan, EXECUTION_PLAN_WORKSPACE_SIZE, TYPE_INT64));
    out->add(textOf(plan));
  } else {
    std::string text = in.text();
    check(setAttribute(plan, EXECUTION_PLAN_JSON_REPRESENTATION, TYPE_CHAR, static_cast<int64_t>(text.size()),
                       text.data()));
    set(plan, EXECUTION_PLAN_DEVICEPROP, device);
    check(finish(plan));
    out->add(number(plan, EXECUTION_PLAN_WORKSPACE_SIZE, TYPE_INT64));
  }
}

template <typename F>
void bind(void* library, const char* name, F* function) {
  *function = reinterpret_cast<F>(dlsym(library, name));
  if (!*function) {
    std::fprintf(stderr, "the vendor's cuDNN has no %s\n", name);
    std::exit(1);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: cudnn-vendor FOLDER (that holds nvidia/cudnn/lib); talks on its standard input\n");
    return 2;
  }
  std::string file = std::string(arguments[1]) + "/nvidia/cudnn/lib/libcudnn.so.9";
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!library) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  bind(library, "cudnnBackendCreateDescriptor", &create);
  bind(library, "cudnnBackendDestroyDescriptor", &destroy);
  bind(library, "cudnnBackendSetAttribute", &setAttribute);
  bind(library, "cudnnBackendGetAttribute", &getAttribute);
  bind(library, "cudnnBackendFinalize", &finish);
  bind(library, "cudnnGetLastErrorString", &lastError);
  std::string question;
  while (receiveMessage(0, &question)) {
    MessageReader in(question);
    MessageWriter body, reply;
    int status = 0;
    char text[2048] = "";
    try {
      answer(in, &body);
    } catch (const Refused& refused) {
      status = refused.status;
      lastError(text, sizeof text);
    }
    reply.add(status);
    reply.add(std::string(text));
    reply.bytes += body.bytes;
    if (!sendMessage(0, reply.bytes)) return 1;
  }
  return 0;
}
