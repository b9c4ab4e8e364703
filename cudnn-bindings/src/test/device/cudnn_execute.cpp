// Executing plans: the operations are interpreted from the tensors' own dimensions, strides, types and addresses.
//
// A convolution's sum runs over the filter's rows, columns and channels in this order, as one chain of float fused
// multiply-adds; what follows is computed in float and rounded to the type of each tensor that the graph names. ReLU
// and maxima pass NaN on, so that poisoned memory shows up in results.
#include <algorithm>
#include <cinttypes>

#include "cudnn.h"

namespace software::cudnn {
namespace {

struct Launch {
  std::shared_ptr<Plan> plan;
  std::vector<uint64_t> addresses;  // by tensor; 0 for virtual ones
  uint64_t workspace;
};

struct Pixel {
  int64_t n, h, w;
};

Pixel pixel(const Tensor& t, int64_t index) {
  int64_t w = index % t.dims[3], rest = index / t.dims[3];
  return {rest / t.dims[2], rest % t.dims[2], w};
}

int64_t offset(const Tensor& t, const Pixel& p) { return p.n * t.stride(0) + p.h * t.stride(2) + p.w * t.stride(3); }

void pointwise(const Operation& o, const float* a, const float* b, float* y, int64_t count) {
  auto unary = [&](auto f) {
    for (int64_t i = 0; i < count; i++) y[i] = f(o.alpha1 * a[i]);
  };
  auto binary = [&](auto f) {
    if (o.alpha1 == 1 && o.alpha2 == 1) {
      for (int64_t i = 0; i < count; i++) y[i] = f(a[i], b[i]);
    } else {
      for (int64_t i = 0; i < count; i++) y[i] = f(o.alpha1 * a[i], o.alpha2 * b[i]);
    }
  };
  switch (o.mode) {
    case ADD: return binary([](float p, float q) { return p + q; });
    case SUB: return binary([](float p, float q) { return p - q; });
    case MUL: return binary([](float p, float q) { return p * q; });
    case DIV: return binary([](float p, float q) { return p / q; });
    case MIN: return binary([](float p, float q) { return p != p || q != q ? NAN : p < q ? p : q; });
    case MAX: return binary([](float p, float q) { return p != p || q != q ? NAN : p > q ? p : q; });
    case SQRT: return unary([](float p) { return std::sqrt(p); });
    case ABS: return unary([](float p) { return std::fabs(p); });
    case EXP: return unary([](float p) { return std::exp(p); });
    case NEG: return unary([](float p) { return -p; });
    case TANH_FWD: return unary([](float p) { return std::tanh(p); });
    case SIGMOID_FWD: return unary([](float p) { return 1 / (1 + std::exp(-p)); });
    case RELU_FWD:
      if (o.slope == 0 && o.lower == 0 && o.upper == INFINITY) return unary([](float p) { return p < 0 ? 0 : p; });
      return unary([&](float p) {
        return p < o.lower ? o.lower + o.slope * (p - o.lower) : p > o.upper ? o.upper : p;
      });
    default: return unary([](float p) { return p; });
  }
}

// Runs the pointwise operations of a program for one pixel at a time, all channels at once.
class Epilogue {
 public:
  Epilogue(const Program& program, const std::vector<void*>& memory, int64_t channels)
      : program_(program), memory_(memory), rows_(program.tensors.size()), constant_(program.tensors.size()) {
    for (size_t t = 0; t < program.tensors.size(); t++) {
      auto& tensor = program.tensors[t];
      rows_[t].resize(static_cast<size_t>(channels));
      // What is the same for every pixel is read once.
      constant_[t] = memory[t] && !program.produced(static_cast<int>(t)) && tensor.dims[0] == 1 &&
                     tensor.dims[2] == 1 && tensor.dims[3] == 1;
      if (constant_[t] && readByPointwise(static_cast<int>(t))) fill(t, {0, 0, 0});
    }
  }

  // The convolution's own result for the pixel.
  void set(int tensor, const float* row) {
    auto& to = rows_[static_cast<size_t>(tensor)];
    std::copy_n(row, to.size(), to.begin());
  }
  void set(int tensor, const int32_t* row) {
    auto& to = rows_[static_cast<size_t>(tensor)];
    for (size_t i = 0; i < to.size(); i++) to[i] = static_cast<float>(row[i]);
  }

  void deliver(int tensor, const Pixel& pixel) {
    auto t = static_cast<size_t>(tensor);
    auto& description = program_.tensors[t];
    auto& row = rows_[t];
    auto count = static_cast<int64_t>(row.size());
    if (memory_[t]) {
      storeRow(description.type(), memory_[t], offset(description, pixel), description.strides[1], count, row.data());
      if (description.dataType != FLOAT)
        loadRow(description.type(), memory_[t], offset(description, pixel), description.strides[1], count, row.data());
    } else if (description.dataType != FLOAT && description.dataType != INT32) {
      for (float& value : row) value = roundTo(description.type(), value);
    }
  }

  void run(const Pixel& pixel) {
    for (auto& o : program_.operations) {
      if (o.kind != Operation::POINTWISE) continue;
      auto& y = rows_[static_cast<size_t>(o.y)];
      const float* x = operand(o.x, pixel);
      const float* b = o.w < 0 ? nullptr : operand(o.w, pixel);
      pointwise(o, x, b, y.data(), static_cast<int64_t>(y.size()));
      deliver(o.y, pixel);
    }
  }

 private:
  bool readByPointwise(int tensor) const {
    for (auto& o : program_.operations)
      if (o.kind == Operation::POINTWISE && (o.x == tensor || o.w == tensor)) return true;
    return false;
  }

  const float* operand(int tensor, const Pixel& pixel) {
    auto t = static_cast<size_t>(tensor);
    if (memory_[t] && !constant_[t] && !program_.produced(tensor)) fill(t, pixel);
    return rows_[t].data();
  }

  void fill(size_t t, const Pixel& pixel) {
    auto& tensor = program_.tensors[t];
    auto& row = rows_[t];
    if (tensor.dims[1] == 1) {
      std::fill(row.begin(), row.end(), load(tensor.type(), memory_[t], offset(tensor, pixel)));
    } else {
      loadRow(tensor.type(), memory_[t], offset(tensor, pixel), tensor.strides[1], static_cast<int64_t>(row.size()),
              row.data());
    }
  }

  const Program& program_;
  const std::vector<void*>& memory_;
  std::vector<std::vector<float>> rows_;
  std::vector<bool> constant_;
};

void loadNumbers(Type type, const void* from, int64_t index, int64_t stride, int64_t count, float* to) {
  loadRow(type, from, index, stride, count, to);
}

void loadNumbers(Type, const void* from, int64_t index, int64_t stride, int64_t count, int32_t* to) {
  for (int64_t i = 0; i < count; i++) to[i] = static_cast<const int8_t*>(from)[index + i * stride];
}

template <typename Number>
void convolve(const Program& program, const std::vector<void*>& memory, const Arithmetic& arithmetic) {
  const Operation& o = *program.convolution();
  auto tensor = [&](int i) -> const Tensor& { return program.tensors[static_cast<size_t>(i)]; };
  const Tensor &x = tensor(o.x), &w = tensor(o.w), &y = tensor(o.y);
  const void *xMemory = memory[static_cast<size_t>(o.x)], *wMemory = memory[static_cast<size_t>(o.w)];
  const int64_t groups = program.groups(o), channels = w.dims[1], filters = w.dims[0] / groups;
  const int64_t rows = y.dims[0] * y.dims[2] * y.dims[3], width = w.dims[3];
  Epilogue epilogue(program, memory, y.dims[1]);

  auto finish = [&](int64_t first, int64_t count, Number* band, int64_t stride) {
    for (int64_t i = 0; i < count; i++) {
      Number* row = band + i * stride;
      if (o.alpha1 != 1)
        for (int64_t k = 0; k < y.dims[1]; k++) row[k] = static_cast<Number>(o.alpha1 * static_cast<float>(row[k]));
      Pixel at = pixel(y, first + i);
      if (o.beta != 0) {
        for (int64_t k = 0; k < y.dims[1]; k++)
          row[k] += static_cast<Number>(
              o.beta * load(y.type(), memory[static_cast<size_t>(o.y)], offset(y, at) + k * y.strides[1]));
      }
      epilogue.set(o.y, row);
      epilogue.deliver(o.y, at);
      epilogue.run(at);
    }
  };

  std::vector<Number> whole(groups > 1 ? static_cast<size_t>(rows * y.dims[1]) : 0);
  for (int64_t group = 0; group < groups; group++) {
    Matmul<Number> product;
    product.rows = rows;
    product.columns = filters;
    product.depth = w.dims[2] * width * channels;
    product.arithmetic = arithmetic;
    product.loadA = [&](int64_t row, int64_t k, int64_t count, Number* to) {
      Pixel at = pixel(y, row);
      int64_t top = at.h * o.window.stride[0] - o.window.before[0],
              left = at.w * o.window.stride[1] - o.window.before[1];
      while (count > 0) {
        int64_t c = k % channels, place = k / channels, length = std::min(channels - c, count);
        int64_t h = top + place / width * o.window.dilation[0], v = left + place % width * o.window.dilation[1];
        if (h < 0 || h >= x.dims[2] || v < 0 || v >= x.dims[3]) {
          std::fill_n(to, length, Number(0));
        } else {
          int64_t from =
              at.n * x.strides[0] + (group * channels + c) * x.strides[1] + h * x.strides[2] + v * x.strides[3];
          loadNumbers(x.type(), xMemory, from, x.strides[1], length, to);
        }
        k += length;
        to += length;
        count -= length;
      }
    };
    product.loadB = [&](int64_t column, int64_t k, int64_t count, Number* to) {
      while (count > 0) {
        int64_t c = k % channels, place = k / channels, length = std::min(channels - c, count);
        int64_t from = (group * filters + column) * w.strides[0] + c * w.strides[1] + place / width * w.strides[2] +
                       place % width * w.strides[3];
        loadNumbers(w.type(), wMemory, from, w.strides[1], length, to);
        k += length;
        to += length;
        count -= length;
      }
    };
    if (groups == 1) {
      product.take = finish;
    } else {
      product.take = [&](int64_t first, int64_t count, Number* band, int64_t stride) {
        for (int64_t i = 0; i < count; i++)
          std::copy_n(band + i * stride, filters, whole.data() + (first + i) * y.dims[1] + group * filters);
      };
    }
    product.run();
  }
  if (groups > 1) finish(0, rows, whole.data(), y.dims[1]);
}

void resample(const Program& program, const std::vector<void*>& memory) {
  const Operation& o = program.operations[0];
  const Tensor &x = program.tensors[static_cast<size_t>(o.x)], &y = program.tensors[static_cast<size_t>(o.y)];
  const void* from = memory[static_cast<size_t>(o.x)];
  void* to = memory[static_cast<size_t>(o.y)];
  const int64_t channels = y.dims[1], pixels = y.dims[0] * y.dims[2] * y.dims[3];
  std::vector<float> result(static_cast<size_t>(channels)), row(static_cast<size_t>(channels));
  for (int64_t index = 0; index < pixels; index++) {
    Pixel at = pixel(y, index);
    int64_t inside = 0;
    std::fill(result.begin(), result.end(), o.mode == MAXPOOL ? -INFINITY : 0.0f);
    for (int64_t r = 0; r < o.window.size[0]; r++) {
      int64_t h = at.h * o.window.stride[0] - o.window.before[0] + r;
      for (int64_t s = 0; s < o.window.size[1]; s++) {
        int64_t w = at.w * o.window.stride[1] - o.window.before[1] + s;
        if (h < 0 || h >= x.dims[2] || w < 0 || w >= x.dims[3]) continue;
        inside++;
        loadRow(x.type(), from, offset(x, {at.n, h, w}), x.strides[1], channels, row.data());
        if (o.mode == MAXPOOL) {
          for (int64_t c = 0; c < channels; c++) {
            float value = row[static_cast<size_t>(c)], &best = result[static_cast<size_t>(c)];
            best = value != value || value > best ? value : best;
          }
        } else {
          for (int64_t c = 0; c < channels; c++) result[static_cast<size_t>(c)] += row[static_cast<size_t>(c)];
        }
      }
    }
    if (o.mode != MAXPOOL) {
      auto divisor =
          static_cast<float>(o.mode == AVERAGE_INCLUDE_PADDING ? o.window.size[0] * o.window.size[1] : inside);
      for (float& value : result) value /= divisor;
    }
    storeRow(y.type(), to, offset(y, at), y.strides[1], channels, result.data());
  }
}

void compute(const Plan& plan, const std::vector<void*>& memory) {
  const Program& program = plan.program;
  if (program.operations[0].kind == Operation::RESAMPLE) return resample(program, memory);
  if (const Operation* convolution = program.convolution()) {
    int type = program.tensors[static_cast<size_t>(convolution->x)].dataType;
    if (type == INT8) return convolve<int32_t>(program, memory, {});
    Arithmetic arithmetic;
    for (int note : plan.numericalNotes) {
      if (note == TENSOR_CORE) arithmetic.tf32 = type == FLOAT;
      if (note == DOWN_CONVERT_INPUTS) arithmetic.downConvert = true;
      if (note == REDUCED_PRECISION_REDUCTION) arithmetic.halfSums = true;
      if (note == NONDETERMINISTIC) {
        arithmetic.splits = 7;
        arithmetic.order = swd_random();
      }
    }
    return convolve<float>(program, memory, arithmetic);
  }
  const Tensor& y = program.tensors[static_cast<size_t>(program.operations.back().y)];
  Epilogue epilogue(program, memory, y.dims[1]);
  for (int64_t i = 0; i < y.dims[0] * y.dims[2] * y.dims[3]; i++) epilogue.run(pixel(y, i));
}

void run(void* argument) {
  auto& launch = *static_cast<Launch*>(argument);
  const Plan& plan = *launch.plan;
  if (plan.destroyed)
    swd_complain("cuDNN: a plan was destroyed while its work had still to run (its kernels are unloaded with it)");
  char duration[64];
  std::snprintf(duration, sizeof duration, "duration.engine.%" PRId64, plan.engine);
  swd_spend(duration);
  if (!swd_work_enabled()) return;
  auto& tensors = plan.program.tensors;
  std::vector<void*> memory(tensors.size());
  for (size_t t = 0; t < tensors.size(); t++) {
    if (tensors[t].isVirtual) continue;
    char what[64];
    std::snprintf(what, sizeof what, "cuDNN plan, tensor %" PRId64, tensors[t].uid);
    memory[t] = swd_access(launch.addresses[t], static_cast<size_t>(tensors[t].bytes()),
                           plan.program.produced(static_cast<int>(t)), what);
    if (!memory[t]) return;
  }
  if (plan.workspace) {
    void* workspace = swd_access(launch.workspace, static_cast<size_t>(plan.workspace), 1, "cuDNN plan, workspace");
    if (!workspace) return;
    std::memset(workspace, 0xFF, static_cast<size_t>(plan.workspace));
  }
  compute(plan, memory);
}

void release(void* argument) { delete static_cast<Launch*>(argument); }

const char* kernelName(const Plan& plan) {
  if (plan.program.operations[0].kind == Operation::RESAMPLE) return "cudnn resample";
  return plan.program.convolution() ? "cudnn convolution" : "cudnn pointwise";
}

struct Range {
  uint64_t begin, end;
  bool written;
  int64_t uid;
};

}  // namespace

// Whether the calling thread may use the handle now.
int checkHandle(const Handle& handle) {
  void* context = nullptr;
  if (int status = swd_context(&context, nullptr))
    return fail(EXECUTION_FAILED_CUDA_DRIVER, "the calling thread has no current context (CUresult %d)", status);
  if (context != handle.context)
    return fail(EXECUTION_FAILED_CUDA_DRIVER, "the handle was created in another context than the current one");
  if (int status = swd_stream_check(handle.stream))
    return fail(EXECUTION_FAILED_CUDA_DRIVER, "the handle's stream cannot be used here (CUresult %d)", status);
  return SUCCESS;
}

int launch(Handle& handle, const std::shared_ptr<Plan>& plan, const std::vector<uint64_t>& addresses,
           uint64_t workspace, const char* function, bool inPlace) {
  auto& program = plan->program;
  auto launch = std::make_unique<Launch>();
  launch->plan = plan;
  launch->addresses = addresses;
  launch->workspace = workspace;
  std::vector<Range> ranges;
  bool writes = false;
  for (size_t t = 0; t < program.tensors.size(); t++) {
    auto& tensor = program.tensors[t];
    if (tensor.isVirtual) continue;
    uint64_t address = addresses[t];
    if (!address) return fail(BAD_PARAM_NULL_POINTER, "the pointer for the tensor %" PRId64 " is null", tensor.uid);
    char what[96];
    std::snprintf(what, sizeof what, "%s, tensor %" PRId64, function, tensor.uid);
    if (int status =
            swd_check(address, static_cast<size_t>(tensor.bytes()), static_cast<size_t>(tensor.alignment), what))
      return fail(address % static_cast<uint64_t>(tensor.alignment) ? BAD_PARAM_MISALIGNED_POINTER : BAD_PARAM,
                  "the pointer for the tensor %" PRId64 " is no good (CUresult %d)", tensor.uid, status);
    bool written = program.produced(static_cast<int>(t));
    writes |= written;
    ranges.push_back({address, address + static_cast<uint64_t>(tensor.bytes()), written, tensor.uid});
  }
  if (!writes) {
    swd_complain("%s: the graph has no output in memory: all that it computes is virtual", function);
    return fail(BAD_PARAM, "the graph has no output that is not virtual");
  }
  if (plan->workspace) {
    if (!workspace)
      return fail(BAD_PARAM_NULL_POINTER, "the plan needs %" PRId64 " bytes of workspace", plan->workspace);
    char what[96];
    std::snprintf(what, sizeof what, "%s, workspace", function);
    if (int status = swd_check(workspace, static_cast<size_t>(plan->workspace), 16, what))
      return fail(BAD_PARAM, "the workspace is no good (CUresult %d)", status);
    ranges.push_back({workspace, workspace + static_cast<uint64_t>(plan->workspace), true, -1});
  }
  for (auto& a : ranges)
    for (auto& b : ranges) {
      if (&a == &b || !a.written || a.begin >= b.end || b.begin >= a.end) continue;
      if (inPlace && a.begin == b.begin && a.end == b.end && a.uid >= MAY_BE_RESULT && b.uid >= MAY_BE_RESULT) continue;
      swd_complain("%s: the memory of tensor %" PRId64 ", which is written, overlaps that of tensor %" PRId64
                   " (-1: the workspace)",
                   function, a.uid, b.uid);
      return fail(BAD_PARAM, "tensors %" PRId64 " and %" PRId64 " overlap", a.uid, b.uid);
    }

  {
    Lock lock;
    bool loaded = std::find(plan->loaded.begin(), plan->loaded.end(), handle.context) != plan->loaded.end();
    if (!loaded && swd_stream_capturing(handle.stream)) {
      swd_capture_violation(handle.stream, "the first execution of a cuDNN plan, which loads its kernels");
      return fail(EXECUTION_FAILED, "the plan's kernels cannot be loaded while the stream is capturing");
    }
    if (!loaded) plan->loaded.push_back(handle.context);
  }
  if (int status = swd_enqueue(handle.stream, kernelName(*plan), run, launch.release(), release))
    return fail(EXECUTION_FAILED_CUDA_DRIVER, "the launch failed (CUresult %d)", status);
  return SUCCESS;
}

int execute(Handle& handle, const std::shared_ptr<Plan>& plan, const Descriptor& pack) {
  if (int status = checkHandle(handle)) return status;
  if (!plan->hasHandle)
    return fail(BAD_PARAM, "the plan was finalized for a described device: restore it from its text with a handle");
  if (handle.device.compared != plan->device.compared)
    return fail(NOT_SUPPORTED_ARCH_MISMATCH, "the plan was made for another device than device %d", handle.ordinal);
  auto& program = plan->program;
  if (!canExecute(program)) {
    swd_complain("cuDNN: the software device cannot execute this graph, which the vendor can plan");
    return fail(NOT_SUPPORTED, "the software device cannot execute this graph");
  }
  auto uids = pack.longs(VARIANT_PACK_UNIQUE_IDS), pointers = pack.longs(VARIANT_PACK_DATA_POINTERS);
  for (size_t i = 0; i < uids.size(); i++) {
    if (std::count(uids.begin(), uids.end(), uids[i]) > 1)
      return fail(BAD_PARAM, "the variant pack names the uid %" PRId64 " twice", uids[i]);
    for (auto& t : program.tensors)
      if (t.uid == uids[i] && t.isVirtual) {
        swd_complain("cuDNN: the variant pack has a pointer for the virtual tensor %" PRId64, t.uid);
        return fail(BAD_PARAM, "the variant pack names the virtual tensor %" PRId64, t.uid);
      }
  }
  std::vector<uint64_t> addresses(program.tensors.size());
  for (size_t t = 0; t < program.tensors.size(); t++) {
    auto& tensor = program.tensors[t];
    if (tensor.isVirtual) continue;
    auto found = std::find(uids.begin(), uids.end(), tensor.uid);
    if (found == uids.end())
      return fail(BAD_PARAM, "the variant pack has no pointer for the tensor %" PRId64, tensor.uid);
    addresses[t] = static_cast<uint64_t>(pointers[static_cast<size_t>(found - uids.begin())]);
  }
  return launch(handle, plan, addresses, pack.get<uint64_t>(VARIANT_PACK_WORKSPACE, 0), "cudnnBackendExecute", false);
}

}  // namespace software::cudnn
