// Programs as lists of numbers, in which they travel: in the text of plans, and to the process with the vendor's
// library.
#include "cudnn.h"

namespace software::cudnn {
namespace {

struct Writer {
  std::vector<int64_t> out;
  void add(int64_t v) { out.push_back(v); }
  void add(const std::vector<int64_t>& all) {
    add(static_cast<int64_t>(all.size()));
    out.insert(out.end(), all.begin(), all.end());
  }
  void real(float v) { add(static_cast<int64_t>(bitsOf(v))); }
};

struct Reader {
  const std::vector<int64_t>& in;
  size_t next = 0;
  bool good = true;
  int64_t take() {
    if (next >= in.size()) {
      good = false;
      return 0;
    }
    return in[next++];
  }
  int number() { return static_cast<int>(take()); }
  std::vector<int64_t> list(int64_t most) {
    int64_t count = take();
    if (count < 0 || count > most) good = false;
    std::vector<int64_t> all;
    for (int64_t i = 0; good && i < count; i++) all.push_back(take());
    return all;
  }
  float real() { return floatOf(static_cast<uint32_t>(take())); }
};

}  // namespace

std::vector<int64_t> Program::numbers() const {
  Writer w;
  w.add(static_cast<int64_t>(tensors.size()));
  for (auto& t : tensors) {
    w.add(t.uid);
    w.add(t.dataType);
    w.add(t.dims);
    w.add(t.strides);
    w.add(t.alignment);
    w.add(t.isVirtual);
  }
  w.add(static_cast<int64_t>(operations.size()));
  for (auto& o : operations) {
    for (int v : {static_cast<int>(o.kind), o.mode, o.computeType, o.x, o.w, o.y, o.paddingMode}) w.add(v);
    for (float v : {o.alpha1, o.alpha2, o.lower, o.upper, o.slope, o.beta}) w.real(v);
    for (auto* pair : {o.window.size, o.window.stride, o.window.dilation, o.window.before, o.window.after}) {
      w.add(pair[0]);
      w.add(pair[1]);
    }
  }
  return w.out;
}

bool Program::from(const std::vector<int64_t>& numbers, Program* out) {
  Reader r{numbers};
  int64_t count = r.take();
  for (int64_t i = 0; r.good && i < count; i++) {
    Tensor t;
    t.uid = r.take();
    t.dataType = r.number();
    t.dims = r.list(8);
    t.strides = r.list(8);
    t.alignment = r.take();
    t.isVirtual = r.take() != 0;
    if (t.dims.size() != t.strides.size() || t.dims.empty()) return false;
    out->tensors.push_back(t);
  }
  count = r.take();
  auto tensorCount = static_cast<int>(out->tensors.size());
  for (int64_t i = 0; r.good && i < count; i++) {
    Operation o;
    int kind = r.number();
    if (kind < 0 || kind > 2) return false;
    o.kind = static_cast<decltype(o.kind)>(kind);
    for (int* v : {&o.mode, &o.computeType, &o.x, &o.w, &o.y, &o.paddingMode}) *v = r.number();
    for (float* v : {&o.alpha1, &o.alpha2, &o.lower, &o.upper, &o.slope, &o.beta}) *v = r.real();
    for (auto* pair : {o.window.size, o.window.stride, o.window.dilation, o.window.before, o.window.after}) {
      pair[0] = r.take();
      pair[1] = r.take();
    }
    if (o.x < 0 || o.x >= tensorCount || o.w >= tensorCount || o.y < 0 || o.y >= tensorCount) return false;
    out->operations.push_back(o);
  }
  return r.good && r.next == numbers.size() && !out->operations.empty();
}

}  // namespace software::cudnn
