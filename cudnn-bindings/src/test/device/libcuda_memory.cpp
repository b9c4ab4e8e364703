// Device memory in an address range of its own, pinned memory, copies and fills.
//
// Each device has a span of addresses that nothing is ever mapped at, so that a host access crashes as it would with a
// GPU. What the memory holds lies at the same offset in a second range, the mirror, which only running work is led to.
#include <sys/mman.h>

#include <cstdio>
#include <cstring>

#include "libcuda.h"

namespace software {

constexpr size_t PAGE = 4096;
constexpr size_t RED_ZONE = 512;  // also the alignment of what is given out
constexpr unsigned char RED = 0xFB;
constexpr unsigned char FRESH = 0xFF;  // a NaN in every floating-point type
constexpr size_t REMEMBERED = 4096;
constexpr uint64_t MACHINE_LIMIT = 16ull << 30;

struct Ranges {
  uint64_t device = 0;
  uint64_t mirror = 0;
  size_t span = 0;  // of one device

  Ranges() {
    for (size_t size = 1ull << 37; size >= 1ull << 32; size /= 2) {
      void* a = mmap(nullptr, size * MAX_DEVICES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (a == MAP_FAILED) continue;
      void* b = mmap(nullptr, size * MAX_DEVICES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (b == MAP_FAILED) {
        munmap(a, size * MAX_DEVICES);
        continue;
      }
      device = reinterpret_cast<uint64_t>(a);
      mirror = reinterpret_cast<uint64_t>(b);
      span = size;
      return;
    }
    fprintf(stderr, "the software CUDA device: no room for its addresses (ulimit -v?)\n");
    abort();
  }
};

static const Ranges& ranges() {
  static const Ranges reserved;
  return reserved;
}

bool isDevice(uint64_t address) { return address - ranges().device < ranges().span * MAX_DEVICES; }
bool isMirror(uint64_t address) { return address - ranges().mirror < ranges().span * MAX_DEVICES; }
void* mirror(uint64_t address) { return reinterpret_cast<void*>(address - ranges().device + ranges().mirror); }

static uint64_t roundUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

template <class T>
static const T* holding(const std::map<uint64_t, T>& all, uint64_t address) {
  auto next = all.upper_bound(address);
  if (next == all.begin()) return nullptr;
  const T& candidate = std::prev(next)->second;
  return address - candidate.address < candidate.bytes ? &candidate : nullptr;
}

const Allocation* allocationAt(uint64_t address) { return holding(world().memory, address); }

// What lies at an address, for people.
std::string describe(uint64_t address) {
  char line[256];
  auto print = [&](const char* format, auto... values) {
    snprintf(line, sizeof line, format, values...);
    return std::string(line);
  };
  unsigned long long at = address;
  if (isMirror(address)) at = address = address - ranges().mirror + ranges().device;
  if (!address) return "a null pointer";
  if (isDevice(address)) {
    if (auto* a = allocationAt(address))
      return print("0x%llx (byte %llu of %zu on device %d)", at,
                   static_cast<unsigned long long>(address - a->address), a->bytes, a->ordinal);
    if (auto* f = holding(world().freed, address))
      return print("0x%llx (byte %llu of %zu that were freed)", at,
                   static_cast<unsigned long long>(address - f->address), f->bytes);
    auto next = world().memory.upper_bound(address);
    if (next != world().memory.begin()) {
      const Allocation& before = std::prev(next)->second;
      if (address < before.page + before.span)
        return print("0x%llx (%llu bytes behind the end of %zu on device %d)", at,
                     static_cast<unsigned long long>(address - before.address - before.bytes), before.bytes,
                     before.ordinal);
    }
    return print("0x%llx (never allocated on the device)", at);
  }
  if (holding(world().pinned, address)) return print("0x%llx (pinned host memory)", at);
  if (holding(world().unpinned, address)) return print("0x%llx (pinned host memory that was freed)", at);
  return print("0x%llx (host memory or nothing)", at);
}

// Why running work may not reach memory that is there, or null. What one context maps another one does not see.
const char* foreign(const Allocation& a) {
  const Task& running = *world().running;
  if (a.ordinal != running.context->ordinal) return " belongs to another device";
  if (a.context != running.context && !running.anyContext) return " belongs to another context";
  return nullptr;
}

int checkDevice(uint64_t address, size_t bytes, size_t alignment, const char* what) {
  if (!isDevice(address))
    return refuse(INVALID_VALUE, "%s: not device memory: %s", what, describe(address).c_str());
  const Allocation* a = allocationAt(address);
  if (!a) {
    // One past the end is a valid place for nothing.
    const Allocation* before = bytes ? nullptr : allocationAt(address - 1);
    if (!before) return refuse(INVALID_VALUE, "%s: no live device memory: %s", what, describe(address).c_str());
    a = before;
  }
  if (bytes > a->bytes - (address - a->address))
    return refuse(INVALID_VALUE, "%s: %zu bytes at %s reach past its end", what, bytes, describe(address).c_str());
  if (alignment > 1 && address % alignment)
    return refuse(INVALID_VALUE, "%s: %s is not aligned to %zu bytes", what, describe(address).c_str(), alignment);
  return SUCCESS;
}

int checkHost(const void* address, size_t bytes, const char* what) {
  uint64_t at = reinterpret_cast<uint64_t>(address);
  if (!at && bytes) return refuse(INVALID_VALUE, "%s: a null host pointer", what);
  if (isDevice(at)) return refuse(INVALID_VALUE, "%s: not host memory: %s", what, describe(at).c_str());
  if (isMirror(at)) return refuse(INVALID_VALUE, "%s: a pointer that only running work may use", what);
  if (auto* gone = holding(world().unpinned, at))
    return refuse(INVALID_VALUE, "%s: pinned host memory (%zu bytes) that was freed", what, gone->bytes);
  if (auto* p = holding(world().pinned, at))
    if (bytes > p->bytes - (at - p->address))
      return refuse(INVALID_VALUE, "%s: %zu bytes reach past the end of %zu pinned ones", what, bytes, p->bytes);
  return SUCCESS;
}

const Pinned* pinnedAt(const void* address, size_t bytes) {
  uint64_t at = reinterpret_cast<uint64_t>(address);
  auto* p = holding(world().pinned, at);
  return p && bytes <= p->bytes - (at - p->address) ? p : nullptr;
}

static int redZones(const Allocation& a) {
  auto* page = static_cast<const unsigned char*>(mirror(a.page));
  const size_t before = a.address - a.page;
  for (size_t i = 0; i < before; i++)
    if (page[i] != RED)
      return refuse(1, "%zu bytes before device memory 0x%llx (%zu bytes) somebody wrote", before - i,
                    static_cast<unsigned long long>(a.address), a.bytes);
  for (size_t i = before + a.bytes; i < a.span; i++)
    if (page[i] != RED)
      return refuse(1, "%zu bytes behind the end of device memory 0x%llx (%zu bytes) somebody wrote",
                    i - before - a.bytes, static_cast<unsigned long long>(a.address), a.bytes);
  return 0;
}

void checkRedZones() {
  for (auto& [_, allocation] : world().memory) redZones(allocation);
}

static size_t taken(size_t bytes) { return roundUp(bytes, RED_ZONE); }

static int allocate(const char* function, CUdeviceptr* address, size_t bytes) {
  World& w = world();
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "%s: no current context", function);
  if ((status = unsafeCall(function))) return status;
  if (!bytes) return refuse(INVALID_VALUE, "%s: no bytes asked for", function);
  auto ordinal = static_cast<size_t>(context->ordinal);
  uint64_t limit = totalMemory(context->ordinal);
  if (bytes > limit || w.used[ordinal] + taken(bytes) > limit) return OUT_OF_MEMORY;
  uint64_t all = 0;
  for (uint64_t used : w.used) all += used;
  if (all + bytes > MACHINE_LIMIT)
    return refuse(OUT_OF_MEMORY, "%s: %zu bytes more than this test may take of the machine", function, bytes);
  // Addresses are used again as late as possible, so that what was freed stays recognisable.
  const size_t span = roundUp(RED_ZONE + bytes + RED_ZONE, PAGE);
  const uint64_t first = ranges().device + ordinal * ranges().span;
  const uint64_t end = first + ranges().span;
  uint64_t page = w.nextPage[ordinal] ? w.nextPage[ordinal] : first;
  for (int wrapped = 0;;) {
    if (page + span > end) {
      if (wrapped++) return OUT_OF_MEMORY;
      page = first;
      w.freed.clear();
      continue;
    }
    auto next = w.memory.lower_bound(page);
    if (next != w.memory.begin()) {
      const Allocation& before = std::prev(next)->second;
      if (before.page + before.span > page) {
        page = before.page + before.span;
        continue;
      }
    }
    if (next != w.memory.end() && next->second.page < page + span) {
      page = next->second.page + next->second.span;
      continue;
    }
    break;
  }
  void* memory = mmap(mirror(page), span, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (memory == MAP_FAILED) return OUT_OF_MEMORY;
  Allocation a;
  a.page = page;
  a.span = span;
  a.address = page + RED_ZONE;
  a.bytes = bytes;
  a.ordinal = context->ordinal;
  a.context = context;
  auto* bytesOfIt = static_cast<unsigned char*>(memory);
  memset(bytesOfIt, RED, RED_ZONE);
  memset(bytesOfIt + RED_ZONE, FRESH, bytes);
  memset(bytesOfIt + RED_ZONE + bytes, RED, span - RED_ZONE - bytes);
  w.nextPage[ordinal] = page + span;
  w.memory[a.address] = a;
  w.used[ordinal] += taken(bytes);
  count("device memory", 1);
  *address = a.address;
  return SUCCESS;
}

static void release(const Allocation& a) {
  World& w = world();
  redZones(a);
  mmap(mirror(a.page), a.span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  w.used[static_cast<size_t>(a.ordinal)] -= taken(a.bytes);
  if (w.freed.size() >= REMEMBERED) w.freed.erase(w.freed.begin());
  w.freed[a.address] = a;
  count("device memory", -1);
  w.memory.erase(uint64_t{a.address});
}

static int freeDevice(const char* function, CUdeviceptr address) {
  int status;
  if (!current(&status)) return refuse(status, "%s: no current context", function);
  if ((status = unsafeCall(function))) return status;
  if (!address) return SUCCESS;
  auto found = world().memory.find(address);
  if (found == world().memory.end())
    return refuse(INVALID_VALUE, "%s: not the beginning of live device memory: %s", function,
                  describe(address).c_str());
  release(Allocation(found->second));
  return SUCCESS;
}

void freeMemory(Context& context) {
  std::vector<Allocation> gone;
  for (auto& [_, allocation] : world().memory)
    if (allocation.context == &context) gone.push_back(allocation);
  for (const Allocation& allocation : gone) release(allocation);
}

// Gives an address back that was kept to recognise what was freed.
static void forget(const Pinned& freed) {
  munmap(reinterpret_cast<void*>(freed.address), roundUp(freed.bytes, PAGE));
}

static void unpin(const Pinned& p) {
  World& w = world();
  if (!p.registered) {  // what was registered stays the program's own
    if (w.unpinned.size() >= REMEMBERED) {
      forget(w.unpinned.begin()->second);
      w.unpinned.erase(w.unpinned.begin());
    }
    // Kept without a page behind it: else the program's next block might lie here and be taken for what was freed.
    mmap(reinterpret_cast<void*>(p.address), roundUp(p.bytes, PAGE), PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    w.unpinned[p.address] = p;
  }
  count("pinned memory", -1);
  count("pinned bytes", -static_cast<int>(p.bytes));
  w.pinned.erase(uint64_t{p.address});
}

void forgetMemory() {
  World& w = world();
  while (!w.memory.empty()) release(Allocation(w.memory.begin()->second));
  // What was pinned stays mapped: the program may still look at it.
  w.pinned.clear();
  w.freed.clear();
  for (auto& [_, freed] : w.unpinned) forget(freed);
  w.unpinned.clear();
}

static int allocatePinned(const char* function, void** address, size_t bytes, unsigned flags) {
  World& w = world();
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "%s: no current context", function);
  if ((status = unsafeCall(function))) return status;
  if (!bytes) return refuse(INVALID_VALUE, "%s: no bytes asked for", function);
  if (bytes > MACHINE_LIMIT) return OUT_OF_MEMORY;
  void* memory = mmap(nullptr, roundUp(bytes, PAGE), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return OUT_OF_MEMORY;
  memset(memory, FRESH, bytes);
  Pinned p;
  p.address = reinterpret_cast<uint64_t>(memory);
  p.bytes = bytes;
  p.context = context;
  p.portable = flags & 1;
  w.pinned[p.address] = p;
  count("pinned memory", 1);
  count("pinned bytes", static_cast<int>(bytes));
  *address = memory;
  return SUCCESS;
}

// One end of a copy: device memory, pinned memory, or a private copy of what was pageable.
struct End {
  uint64_t device = 0;
  void* host = nullptr;
  bool pinned = false;
};

struct Copy final : Task {
  End to, from;
  size_t bytes;
  std::vector<char> staged;
  Copy(const char* what, Context* owner, End target, End source, size_t length)
      : Task(what, owner), to(target), from(source), bytes(length) {
    anyContext = true;
  }
  const void* sort() const override { return name; }
  void* reach(const End& end, bool write) {
    if (end.device) return swd_access(end.device, bytes, write, name);
    if (end.pinned && !pinnedAt(end.host, bytes)) {
      fault(ILLEGAL_ADDRESS, std::string(name) + ": pinned host memory was freed before the copy had its turn");
      return nullptr;
    }
    return end.host;
  }
  void run() override {
    void* target = reach(to, true);
    const void* source = staged.empty() ? reach(from, false) : staged.data();
    if (target && source) memmove(target, source, bytes);
  }
};

struct Fill final : Task {
  uint64_t address;
  uint32_t value;
  size_t unit, units;
  Fill(Context* owner, uint64_t where, uint32_t what, size_t unitBytes, size_t howMany)
      : Task("fill", owner), address(where), value(what), unit(unitBytes), units(howMany) {}
  const void* sort() const override { return name; }
  void run() override {
    auto* at = static_cast<char*>(swd_access(address, unit * units, 1, "fill"));
    if (!at) return;
    if (unit == 1) {
      memset(at, static_cast<int>(value), units);
    } else {
      for (size_t i = 0; i < units; i++) memcpy(at + i * unit, &value, unit);
    }
  }
};

enum Kind { DEVICE, HOST };

static int copy(Call& call, const char* function, const char* name, Kind toKind, uint64_t to, Kind fromKind,
                uint64_t from, size_t bytes, CUstream handle, bool synchronous) {
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "%s: no current context", function);
  Stream* stream = streamOf(handle, &status, function);
  if (!stream) return status;
  auto what = [&](const char* side) { return std::string(function) + ": " + side; };
  if ((status = toKind == DEVICE ? checkDevice(to, bytes, 1, what("destination").c_str())
                                 : checkHost(reinterpret_cast<void*>(to), bytes, what("destination").c_str())))
    return status;
  if ((status = fromKind == DEVICE ? checkDevice(from, bytes, 1, what("source").c_str())
                                   : checkHost(reinterpret_cast<void*>(from), bytes, what("source").c_str())))
    return status;
  auto end = [&](Kind kind, uint64_t address) {
    End result;
    if (kind == DEVICE) {
      result.device = address;
    } else {
      result.host = reinterpret_cast<void*>(address);
      if (const Pinned* p = pinnedAt(result.host, bytes)) {
        result.pinned = p->portable || p->context == context;
        if (!result.pinned) refuse(0, "%s: memory pinned for another context, and not portable", function);
      }
    }
    return result;
  };
  auto task = std::make_shared<Copy>(name, stream->context, end(toKind, to), end(fromKind, from), bytes);
  const bool pageable = (toKind == HOST && !task->to.pinned) || (fromKind == HOST && !task->from.pinned);
  if (stream->capture && (synchronous || pageable)) {
    invalidate(*stream->capture, function);
    return refuse(CAPTURE_UNSUPPORTED, "%s: a copy of pageable memory into a capturing stream", function);
  }
  // The driver reads pageable memory before it returns, and fills it before it returns.
  if (fromKind == HOST && !task->from.pinned) {
    auto* source = reinterpret_cast<const char*>(from);
    task->staged.assign(source, source + bytes);
  }
  if (!bytes) return SUCCESS;
  if ((status = enqueue(*stream, task))) return status;
  if ((synchronous && (toKind == HOST || fromKind == HOST)) || (toKind == HOST && !task->to.pinned))
    return complete({stream->last}, call.lock());
  return SUCCESS;
}

static int fill(const char* function, CUdeviceptr address, uint32_t value, size_t unit, size_t units, CUstream handle) {
  int status;
  Stream* stream = streamOf(handle, &status, function);
  if (!stream) return status;
  if ((status = checkDevice(address, unit * units, unit, function))) return status;
  if (!units) return SUCCESS;
  return enqueue(*stream, std::make_shared<Fill>(stream->context, address, value, unit, units));
}

}  // namespace software

using namespace software;

#define ENTER(name, sort)                   \
  Call call(name, Call::sort);              \
  if (call.status()) return call.status();

SWD_API void* swd_access(uint64_t address, size_t bytes, int write, const char* what) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  (void)write;
  const Task* running = world().running;
  if (!running) {
    refuse(0, "%s: device memory may be reached by running work only", what);
    return nullptr;
  }
  auto wrong = [&](const std::string& why) {
    fault(ILLEGAL_ADDRESS, std::string(what) + " of " + running->name + ": " + why);
    return nullptr;
  };
  if (!isDevice(address)) return wrong("not device memory: " + describe(address));
  const Allocation* a = allocationAt(address);
  if (!a && !bytes) a = allocationAt(address - 1);
  if (!a) return wrong("no live device memory: " + describe(address));
  if (bytes > a->bytes - (address - a->address))
    return wrong(std::to_string(bytes) + " bytes at " + describe(address) + " reach past its end");
  if (const char* why = foreign(*a)) return wrong(describe(address) + why);
  return mirror(address);
}

SWD_API int swd_check(uint64_t address, size_t bytes, size_t alignment, const char* what) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "%s: no current context", what);
  if ((status = checkDevice(address, bytes, alignment, what))) return status;
  const Allocation* a = allocationAt(address);
  if (a && a->ordinal != context->ordinal)
    return refuse(INVALID_VALUE, "%s: %s, and device %d is current", what, describe(address).c_str(),
                  context->ordinal);
  return SUCCESS;
}

SWD_API int swd_check_host(const void* address, size_t bytes, const char* what) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  return checkHost(address, bytes, what);
}

SWD_API CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  ENTER("cuMemAlloc_v2", WORK);
  return allocate("cuMemAlloc_v2", address, bytes);
}

SWD_API CUresult cuMemFree_v2(CUdeviceptr address) {
  ENTER("cuMemFree_v2", WORK);
  return freeDevice("cuMemFree_v2", address);
}

SWD_API CUresult cuMemGetInfo_v2(size_t* available, size_t* total) {
  ENTER("cuMemGetInfo_v2", WORK);
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "cuMemGetInfo_v2: no current context");
  *total = totalMemory(context->ordinal);
  *available = *total - world().used[static_cast<size_t>(context->ordinal)];
  return SUCCESS;
}

SWD_API CUresult cuMemAllocHost_v2(void** address, size_t bytes) {
  ENTER("cuMemAllocHost_v2", WORK);
  return allocatePinned("cuMemAllocHost_v2", address, bytes, 0);
}

SWD_API CUresult cuMemHostAlloc(void** address, size_t bytes, unsigned flags) {
  ENTER("cuMemHostAlloc", WORK);
  return allocatePinned("cuMemHostAlloc", address, bytes, flags);
}

SWD_API CUresult cuMemFreeHost(void* address) {
  ENTER("cuMemFreeHost", WORK);
  int status;
  if (!current(&status)) return refuse(status, "cuMemFreeHost: no current context");
  if ((status = unsafeCall("cuMemFreeHost"))) return status;
  auto found = world().pinned.find(reinterpret_cast<uint64_t>(address));
  if (found == world().pinned.end() || found->second.registered)
    return refuse(INVALID_VALUE, "cuMemFreeHost: not the beginning of live pinned memory: %s",
                  describe(reinterpret_cast<uint64_t>(address)).c_str());
  unpin(Pinned(found->second));
  return SUCCESS;
}

SWD_API CUresult cuMemHostRegister_v2(void* address, size_t bytes, unsigned flags) {
  ENTER("cuMemHostRegister_v2", WORK);
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "cuMemHostRegister_v2: no current context");
  if ((status = unsafeCall("cuMemHostRegister_v2"))) return status;
  if ((status = checkHost(address, bytes, "cuMemHostRegister_v2"))) return status;
  Pinned p;
  p.address = reinterpret_cast<uint64_t>(address);
  p.bytes = bytes;
  p.context = context;
  p.portable = flags & 1;
  p.registered = true;
  if (!world().pinned.emplace(p.address, p).second)
    return refuse(712, "cuMemHostRegister_v2: registered already: %s", describe(p.address).c_str());
  count("pinned memory", 1);
  count("pinned bytes", static_cast<int>(bytes));
  return SUCCESS;
}

SWD_API CUresult cuMemHostUnregister(void* address) {
  ENTER("cuMemHostUnregister", WORK);
  int status;
  if (!current(&status)) return refuse(status, "cuMemHostUnregister: no current context");
  auto found = world().pinned.find(reinterpret_cast<uint64_t>(address));
  if (found == world().pinned.end() || !found->second.registered)
    return refuse(HOST_MEMORY_NOT_REGISTERED, "cuMemHostUnregister: not registered: %s",
                  describe(reinterpret_cast<uint64_t>(address)).c_str());
  unpin(Pinned(found->second));
  return SUCCESS;
}

SWD_API CUresult cuMemGetAddressRange_v2(CUdeviceptr* base, size_t* bytes, CUdeviceptr address) {
  ENTER("cuMemGetAddressRange_v2", WORK);
  const Allocation* a = allocationAt(address);
  if (!a)
    return refuse(NOT_FOUND, "cuMemGetAddressRange_v2: no live device memory: %s", describe(address).c_str());
  if (base) *base = a->address;
  if (bytes) *bytes = a->bytes;
  return SUCCESS;
}

// What an embedder's pointer is: CONTEXT (1), MEMORY_TYPE (2), DEVICE_ORDINAL (9), RANGE_START (11), RANGE_SIZE (12).
SWD_API CUresult cuPointerGetAttribute(void* value, int which, CUdeviceptr address) {
  ENTER("cuPointerGetAttribute", WORK);
  const Allocation* a = allocationAt(address);
  const Pinned* p = holding(world().pinned, address);
  if (!a && !p) return INVALID_VALUE;
  switch (which) {
    case 1: *static_cast<CUcontext*>(value) = handle<CUcontext>(*(a ? a->context : p->context)); return SUCCESS;
    case 2: *static_cast<unsigned*>(value) = a ? 2 : 1; return SUCCESS;
    case 9: *static_cast<int*>(value) = a ? a->ordinal : p->context->ordinal; return SUCCESS;
    case 11: *static_cast<uint64_t*>(value) = a ? a->address : p->address; return SUCCESS;
    case 12: *static_cast<size_t*>(value) = a ? a->bytes : p->bytes; return SUCCESS;
    default: return refuse(INVALID_VALUE, "cuPointerGetAttribute: the software device does not know %d", which);
  }
}

#define COPY(name, what, toKind, toType, fromKind, fromType)                                                       \
  SWD_API CUresult name##_v2(toType to, fromType from, size_t bytes) {                                             \
    ENTER(#name "_v2", WORK);                                                                                      \
    return copy(call, #name "_v2", what, toKind, (uint64_t)to, fromKind, (uint64_t)from, bytes, nullptr, true);     \
  }                                                                                                                \
  SWD_API CUresult name##Async_v2(toType to, fromType from, size_t bytes, CUstream stream) {                       \
    ENTER(#name "Async_v2", WORK);                                                                                 \
    return copy(call, #name "Async_v2", what, toKind, (uint64_t)to, fromKind, (uint64_t)from, bytes, stream, false); \
  }
COPY(cuMemcpyHtoD, "copy to device", DEVICE, CUdeviceptr, HOST, const void*)
COPY(cuMemcpyDtoH, "copy to host", HOST, void*, DEVICE, CUdeviceptr)
COPY(cuMemcpyDtoD, "copy on device", DEVICE, CUdeviceptr, DEVICE, CUdeviceptr)

SWD_API CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  ENTER("cuMemcpyAsync", WORK);
  return copy(call, "cuMemcpyAsync", "copy", isDevice(to) ? DEVICE : HOST, to, isDevice(from) ? DEVICE : HOST, from,
              bytes, stream, false);
}

SWD_API CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  ENTER("cuMemcpy", WORK);
  return copy(call, "cuMemcpy", "copy", isDevice(to) ? DEVICE : HOST, to, isDevice(from) ? DEVICE : HOST, from, bytes,
              nullptr, true);
}

#define FILL(name, type, unit)                                                                  \
  SWD_API CUresult name##_v2(CUdeviceptr address, type value, size_t units) {                   \
    ENTER(#name "_v2", WORK);                                                                   \
    return fill(#name "_v2", address, value, unit, units, nullptr);                             \
  }                                                                                             \
  SWD_API CUresult name##Async(CUdeviceptr address, type value, size_t units, CUstream stream) { \
    ENTER(#name "Async", WORK);                                                                 \
    return fill(#name "Async", address, value, unit, units, stream);                            \
  }
FILL(cuMemsetD8, unsigned char, 1)
FILL(cuMemsetD16, unsigned short, 2)
FILL(cuMemsetD32, unsigned, 4)
