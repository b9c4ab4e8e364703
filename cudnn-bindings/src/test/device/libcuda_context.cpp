// Devices and contexts: a stack for each OS thread, primary contexts counted, foreign contexts created.
#include <cstdio>
#include <cstring>

#include "libcuda.h"

namespace software {

// A device that can be posed: compute capability, multiprocessors, shared memory, registers, threads, memory, clocks.
struct Pose {
  int capability;
  const char* name;
  int processors;
  int sharedOptin;
  int sharedPerProcessor;
  int threadsPerProcessor;
  int blocksPerProcessor;
  long long memory;
  int l2;
  int clock;
  int memoryClock;
  int bus;
};

// Figures of NVIDIA's product pages and of the CUDA guide's table of compute capabilities.
static const Pose POSES[] = {
    {75, "Tesla T4", 40, 65536, 65536, 1024, 16, 15634661376, 4194304, 1590000, 5001000, 256},
    {80, "NVIDIA A100-SXM4-80GB", 108, 166912, 167936, 2048, 32, 85100068864, 41943040, 1410000, 1593000, 5120},
    {86, "NVIDIA A10", 72, 101376, 102400, 1536, 16, 23609475072, 6291456, 1695000, 6251000, 384},
    {89, "NVIDIA L4", 58, 101376, 102400, 1536, 24, 23659151360, 50331648, 2040000, 6251000, 192},
    {90, "NVIDIA H100 80GB HBM3", 132, 232448, 233472, 2048, 32, 84942979072, 52428800, 1980000, 2619000, 5120},
    {100, "NVIDIA B200", 148, 232448, 233472, 2048, 32, 191514804224, 132644864, 1965000, 3996000, 8192},
    {120, "NVIDIA GeForce RTX 5090", 170, 101376, 102400, 1536, 24, 33668988928, 100663296, 2407000, 14001000, 512},
};

int devices() { return static_cast<int>(number("devices", 1)); }

// "capability" may name one for each device: 90,80.
static const Pose& pose(int ordinal) {
  auto found = world().settings.find("capability");
  std::string list = found == world().settings.end() ? "90" : found->second;
  int capability = 0;
  for (int i = 0; i <= ordinal && !list.empty(); i++) {
    capability = atoi(list.c_str());
    size_t comma = list.find(',');
    list = comma == std::string::npos ? "" : list.substr(comma + 1);
  }
  for (const Pose& known : POSES)
    if (known.capability == capability) return known;
  return POSES[4];
}

size_t totalMemory(int ordinal) {
  return static_cast<size_t>(number("memory", pose(ordinal).memory));
}

int attribute(int ordinal, int which) {
  if (ordinal < 0 || ordinal >= devices()) return -1;
  const Pose& p = pose(ordinal);
  switch (which) {
    case 1: return 1024;                             // MAX_THREADS_PER_BLOCK
    case 2: case 3: return 1024;                     // MAX_BLOCK_DIM_X, Y
    case 4: return 64;                               // MAX_BLOCK_DIM_Z
    case 5: return 2147483647;                       // MAX_GRID_DIM_X
    case 6: case 7: return 65535;                    // MAX_GRID_DIM_Y, Z
    case 8: return 49152;                            // MAX_SHARED_MEMORY_PER_BLOCK
    case 9: return 65536;                            // TOTAL_CONSTANT_MEMORY
    case 10: return 32;                              // WARP_SIZE
    case 11: return 2147483647;                      // MAX_PITCH
    case 12: return 65536;                           // MAX_REGISTERS_PER_BLOCK
    case 13: return p.clock;                         // CLOCK_RATE, kHz
    case 14: return 512;                             // TEXTURE_ALIGNMENT
    case 15: return 1;                               // GPU_OVERLAP
    case 16: return static_cast<int>(number("multiprocessors", p.processors));  // MULTIPROCESSOR_COUNT
    case 17: return 0;                               // KERNEL_EXEC_TIMEOUT
    case 18: return p.capability == 121;             // INTEGRATED
    case 19: return 1;                               // CAN_MAP_HOST_MEMORY
    case 20: return 0;                               // COMPUTE_MODE: default
    case 31: return 1;                               // CONCURRENT_KERNELS
    case 32: return 1;                               // ECC_ENABLED
    case 33: return 16 + ordinal;                    // PCI_BUS_ID
    case 34: return 0;                               // PCI_DEVICE_ID
    case 35: return 0;                               // TCC_DRIVER
    case 36: return p.memoryClock;                   // MEMORY_CLOCK_RATE, kHz
    case 37: return p.bus;                           // GLOBAL_MEMORY_BUS_WIDTH, bits
    case 38: return p.l2;                            // L2_CACHE_SIZE
    case 39: return p.threadsPerProcessor;           // MAX_THREADS_PER_MULTIPROCESSOR
    case 40: return 3;                               // ASYNC_ENGINE_COUNT
    case 41: return 1;                               // UNIFIED_ADDRESSING
    case 50: return 0;                               // PCI_DOMAIN_ID
    case 75: return p.capability / 10;               // COMPUTE_CAPABILITY_MAJOR
    case 76: return p.capability % 10;               // COMPUTE_CAPABILITY_MINOR
    case 78: return 1;                               // STREAM_PRIORITIES_SUPPORTED
    case 81: return p.sharedPerProcessor;            // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
    case 82: return 65536;                           // MAX_REGISTERS_PER_MULTIPROCESSOR
    case 83: return 1;                               // MANAGED_MEMORY
    case 95: return 1;                               // COOPERATIVE_LAUNCH
    case 97: return p.sharedOptin;                   // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
    case 106: return p.blocksPerProcessor;           // MAX_BLOCKS_PER_MULTIPROCESSOR
    case 111: return 1024;                           // RESERVED_SHARED_MEMORY_PER_BLOCK
    case 115: return 1;                              // MEMORY_POOLS_SUPPORTED
    default: return -1;
  }
}

static std::string uuid(int ordinal) {
  std::string bytes(16, '\0');
  for (size_t i = 0; i < bytes.size(); i++)
    bytes[i] = static_cast<char>(0x53 + 31 * static_cast<int>(i) + 7 * ordinal + pose(ordinal).capability);
  return bytes;
}

Context* current(int* status) {
  auto& stack = thread().contexts;
  Context* top = stack.empty() ? nullptr : stack.back();
  int answer = !top ? INVALID_CONTEXT : !top->alive ? CONTEXT_IS_DESTROYED : SUCCESS;
  if (status) *status = answer;
  return answer ? nullptr : top;
}

static Context* contextOf(CUcontext handle) { return find<Context>(handle); }

static std::shared_ptr<Context> newContext(int ordinal, bool primary) {
  auto context = create<Context>(ordinal, primary);
  context->legacy = std::make_shared<Stream>(context.get(), true);
  context->legacy->legacy = true;
  world().streams.push_back(context->legacy);
  world().contexts.push_back(context);
  return context;
}

// Frees what a context owns, as the driver does; whoever left something in it hears of it.
void emptyContext(Context& context, const char* why) {
  World& w = world();
  std::map<std::string, int> left;
  std::vector<std::shared_ptr<Object>> gone;
  for (auto& [_, object] : w.objects) {
    Context* owner = nullptr;
    if (auto* stream = dynamic_cast<Stream*>(object.get())) owner = stream->context;
    if (auto* event = dynamic_cast<Event*>(object.get())) owner = event->context;
    if (auto* exec = dynamic_cast<GraphExec*>(object.get())) owner = exec->context;
    if (owner == &context) {
      left[object->kind]++;
      gone.push_back(object);
    }
  }
  for (auto& [_, allocation] : w.memory)
    if (allocation.context == &context) left["device memory"]++;
  for (auto& [kind, number] : left)
    refuse(0, "%s: the context still owned %d of kind \"%s\"", why, number, kind.c_str());
  for (auto& object : gone) {
    if (auto* stream = dynamic_cast<Stream*>(object.get())) stream->destroyed = true;
    destroy(*object);
  }
  for (auto& stream : w.streams)
    if (stream->context == &context && !stream->queue.empty()) {
      refuse(0, "%s: %zu pieces of work were still waiting in its streams", why, stream->queue.size());
      for (Work& work : stream->queue) work.done->done = true;
      stream->queue.clear();
    }
  freeMemory(context);
}

}  // namespace software

using namespace software;

#define ENTER(name, sort)                   \
  Call call(name, Call::sort);              \
  if (call.status()) return call.status();

SWD_API const char* swd_device_name(int ordinal) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  return ordinal < 0 || ordinal >= devices() ? "" : pose(ordinal).name;
}

SWD_API CUresult cuInit(unsigned flags) {
  ENTER("cuInit", FREE);
  if (flags) return refuse(INVALID_VALUE, "cuInit: flags must be 0, and are %u", flags);
  if (devices() < 1) return NO_DEVICE;
  world().initialized = true;
  return SUCCESS;
}

SWD_API CUresult cuDriverGetVersion(int* version) {
  ENTER("cuDriverGetVersion", FREE);
  *version = static_cast<int>(number("driver.version", 12090));
  return SUCCESS;
}

SWD_API CUresult cuDeviceGetCount(int* count) {
  ENTER("cuDeviceGetCount", QUERY);
  *count = devices();
  return SUCCESS;
}

SWD_API CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  ENTER("cuDeviceGet", QUERY);
  if (ordinal < 0 || ordinal >= devices()) return INVALID_DEVICE;
  *device = ordinal;
  return SUCCESS;
}

SWD_API CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  ENTER("cuDeviceGetName", QUERY);
  if (device < 0 || device >= devices()) return INVALID_DEVICE;
  snprintf(name, static_cast<size_t>(length), "%s", pose(device).name);
  return SUCCESS;
}

SWD_API CUresult cuDeviceGetUuid_v2(char* bytes, CUdevice device) {
  ENTER("cuDeviceGetUuid_v2", QUERY);
  if (device < 0 || device >= devices()) return INVALID_DEVICE;
  memcpy(bytes, uuid(device).data(), 16);
  return SUCCESS;
}

SWD_API CUresult cuDeviceGetUuid(char* bytes, CUdevice device) {
  ENTER("cuDeviceGetUuid", QUERY);
  if (device < 0 || device >= devices()) return INVALID_DEVICE;
  memcpy(bytes, uuid(device).data(), 16);
  return SUCCESS;
}

SWD_API CUresult cuDeviceGetPCIBusId(char* id, int length, CUdevice device) {
  ENTER("cuDeviceGetPCIBusId", QUERY);
  if (device < 0 || device >= devices()) return INVALID_DEVICE;
  snprintf(id, static_cast<size_t>(length), "0000:%02X:00.0", static_cast<unsigned>(16 + device));
  return SUCCESS;
}

SWD_API CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  ENTER("cuDeviceTotalMem_v2", QUERY);
  if (device < 0 || device >= devices()) return INVALID_DEVICE;
  *bytes = totalMemory(device);
  return SUCCESS;
}

SWD_API CUresult cuDeviceGetAttribute(int* value, int which, CUdevice device) {
  ENTER("cuDeviceGetAttribute", QUERY);
  if (device < 0 || device >= devices()) return INVALID_DEVICE;
  int found = attribute(device, which);
  if (found == -1) return refuse(INVALID_VALUE, "cuDeviceGetAttribute: the software device does not know %d", which);
  *value = found;
  return SUCCESS;
}

SWD_API CUresult cuDeviceCanAccessPeer(int* can, CUdevice, CUdevice) {
  ENTER("cuDeviceCanAccessPeer", QUERY);
  *can = 0;
  return SUCCESS;
}

SWD_API CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  ENTER("cuDevicePrimaryCtxRetain", WORK);
  if (device < 0 || device >= devices()) return INVALID_DEVICE;
  auto& primary = world().primaries[static_cast<size_t>(device)];
  if (!primary) {
    primary = newContext(device, true);
  } else if (!primary->retained) {
    primary->alive = true;
    count(Context::KIND, 1);
  }
  primary->retained++;
  count("primary context retained", 1);
  *context = handle<CUcontext>(*primary);
  return SUCCESS;
}

static int releasePrimary(const char* function, CUdevice device) {
  if (device < 0 || device >= devices()) return INVALID_DEVICE;
  auto& primary = world().primaries[static_cast<size_t>(device)];
  if (!primary || !primary->retained)
    return refuse(INVALID_CONTEXT, "%s: the primary context of device %d is not retained", function, device);
  count("primary context retained", -1);
  if (--primary->retained == 0) {
    emptyContext(*primary, function);
    primary->alive = false;  // its handle stays the same when it is retained again
    count(Context::KIND, -1);
  }
  return SUCCESS;
}

SWD_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  ENTER("cuDevicePrimaryCtxRelease_v2", WORK);
  return releasePrimary("cuDevicePrimaryCtxRelease_v2", device);
}

SWD_API CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  ENTER("cuDevicePrimaryCtxRelease", WORK);
  return releasePrimary("cuDevicePrimaryCtxRelease", device);
}

SWD_API CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  ENTER("cuDevicePrimaryCtxReset_v2", WORK);
  return refuse(NOT_SUPPORTED,
                "cuDevicePrimaryCtxReset_v2: device %d may be used by others in this process, whose memory it takes",
                device);
}

SWD_API CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  ENTER("cuDevicePrimaryCtxGetState", QUERY);
  if (device < 0 || device >= devices()) return INVALID_DEVICE;
  auto& primary = world().primaries[static_cast<size_t>(device)];
  *active = primary && primary->retained;
  *flags = primary ? primary->flags : 0;
  return SUCCESS;
}

static int createContext(CUcontext* context, unsigned flags, CUdevice device) {
  if (device < 0 || device >= devices()) return INVALID_DEVICE;
  auto made = newContext(device, false);
  made->flags = flags;
  thread().contexts.push_back(made.get());
  *context = handle<CUcontext>(*made);
  return SUCCESS;
}

SWD_API CUresult cuCtxCreate_v2(CUcontext* context, unsigned flags, CUdevice device) {
  ENTER("cuCtxCreate_v2", WORK);
  return createContext(context, flags, device);
}

SWD_API CUresult cuCtxCreate_v4(CUcontext* context, void*, unsigned flags, CUdevice device) {
  ENTER("cuCtxCreate_v4", WORK);
  return createContext(context, flags, device);
}

SWD_API CUresult cuCtxDestroy_v2(CUcontext context) {
  ENTER("cuCtxDestroy_v2", WORK);
  Context* gone = contextOf(context);
  if (!gone) return noSuch(Context::KIND, context, "cuCtxDestroy_v2");
  if (gone->primary) return refuse(INVALID_CONTEXT, "cuCtxDestroy_v2: a primary context is released, not destroyed");
  emptyContext(*gone, "cuCtxDestroy_v2");
  gone->alive = false;
  auto& stack = thread().contexts;
  if (!stack.empty() && stack.back() == gone) stack.pop_back();
  destroy(*gone);
  return SUCCESS;
}

SWD_API CUresult cuCtxPushCurrent_v2(CUcontext context) {
  ENTER("cuCtxPushCurrent_v2", QUERY);
  Context* next = contextOf(context);
  if (!next) return noSuch(Context::KIND, context, "cuCtxPushCurrent_v2");
  if (!next->alive) return refuse(CONTEXT_IS_DESTROYED, "cuCtxPushCurrent_v2: the primary context was released");
  thread().contexts.push_back(next);
  return SUCCESS;
}

SWD_API CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  ENTER("cuCtxPopCurrent_v2", QUERY);
  auto& stack = thread().contexts;
  if (stack.empty()) return refuse(INVALID_CONTEXT, "cuCtxPopCurrent_v2: this thread has no context to pop");
  if (context) *context = handle<CUcontext>(*stack.back());
  stack.pop_back();
  return SUCCESS;
}

SWD_API CUresult cuCtxSetCurrent(CUcontext context) {
  ENTER("cuCtxSetCurrent", QUERY);
  auto& stack = thread().contexts;
  Context* next = contextOf(context);
  if (context && !next) return noSuch(Context::KIND, context, "cuCtxSetCurrent");
  if (!stack.empty()) stack.pop_back();
  if (next) stack.push_back(next);
  return SUCCESS;
}

SWD_API CUresult cuCtxGetCurrent(CUcontext* context) {
  ENTER("cuCtxGetCurrent", QUERY);
  auto& stack = thread().contexts;
  *context = stack.empty() ? nullptr : handle<CUcontext>(*stack.back());
  return SUCCESS;
}

SWD_API CUresult cuCtxGetDevice(CUdevice* device) {
  ENTER("cuCtxGetDevice", QUERY);
  int status;
  Context* now = current(&status);
  if (!now) return refuse(status, "cuCtxGetDevice: no current context");
  *device = now->ordinal;
  return SUCCESS;
}

SWD_API CUresult cuCtxGetFlags(unsigned* flags) {
  ENTER("cuCtxGetFlags", QUERY);
  int status;
  Context* now = current(&status);
  if (!now) return refuse(status, "cuCtxGetFlags: no current context");
  *flags = now->flags;
  return SUCCESS;
}

SWD_API CUresult cuCtxGetApiVersion(CUcontext, unsigned* version) {
  ENTER("cuCtxGetApiVersion", QUERY);
  *version = 3020;
  return SUCCESS;
}

SWD_API CUresult cuCtxGetId(CUcontext context, unsigned long long* id) {
  ENTER("cuCtxGetId", QUERY);
  Context* asked = context ? contextOf(context) : current();
  if (!asked) return context ? noSuch(Context::KIND, context, "cuCtxGetId") : INVALID_CONTEXT;
  *id = asked->handle;
  return SUCCESS;
}

SWD_API CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  ENTER("cuCtxGetStreamPriorityRange", QUERY);
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return SUCCESS;
}
