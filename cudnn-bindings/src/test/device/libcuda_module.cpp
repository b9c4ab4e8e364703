// Modules, functions and launches. An image is a text that names a shared library, which the stand-in of NVRTC made.
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "kernel_abi.h"
#include "libcuda.h"

namespace software {

struct Image {
  bool machineCode = false;
  int architecture = 0;
  int compilerVersion = 0;
  std::string library;
};

struct Function;

struct Module : Object {
  static constexpr const char* KIND = "module";
  Context* context;
  const swd_module* table;
  Image image;
  std::map<std::string, std::shared_ptr<Function>> functions;
  Module(Context* owner, const swd_module* kernels, Image from)
      : Object(KIND), context(owner), table(kernels), image(std::move(from)) {}
};

struct Function : Object {
  static constexpr const char* KIND = "function";
  uint64_t module;  // its handle: the module may be unloaded
  Context* context;
  const swd_module* table;
  const swd_kernel* kernel;
  int architecture;
  const char* name;
  bool loaded = false;  // by a first launch outside of any capture
  int dynamicLimit = 0;
  Function(const Module& owner, const swd_kernel* which)
      : Object(KIND),
        module(owner.handle),
        context(owner.context),
        table(owner.table),
        kernel(which),
        architecture(owner.image.architecture),
        name(intern(which->name)) {
    counted = false;
  }
  int staticShared() const { return static_cast<int>(table->shared_end - table->shared); }
  int threads() const { return kernel->threads ? static_cast<int>(kernel->threads) : 1024; }
};

struct Library : Object {
  static constexpr const char* KIND = "library";
  std::string image;
  std::map<Context*, uint64_t> modules;
  std::vector<uint64_t> kernels;
  explicit Library(std::string text) : Object(KIND), image(std::move(text)) {}
};

struct LibraryKernel : Object {
  static constexpr const char* KIND = "kernel of a library";
  uint64_t library;
  std::string name;
  LibraryKernel(uint64_t owner, std::string which) : Object(KIND), library(owner), name(std::move(which)) {
    counted = false;
  }
};

// --- Running a kernel ---

constexpr size_t STACK = 128 << 10;
constexpr unsigned WARP = 32;

struct Fiber {
  enum State { READY, AT_BLOCK_BARRIER, AT_WARP_BARRIER, OVER };
  State state = OVER;
  bool begun = false;
  ucontext_t context;
  jmp_buf place;
};

// The launch that is running: there is one at a time, under the lock.
struct Running {
  const Function* function = nullptr;
  void* const* arguments = nullptr;
  const swd_module* table = nullptr;
  jmp_buf aborted;
  std::vector<char> dynamic;
  std::vector<std::array<char, 16>> exchange;
  char* stacks = nullptr;  // STACK bytes for each of 1024 fibers
  std::vector<Fiber> fibers;
  size_t fiber = 0;
  jmp_buf scheduler;
  unsigned long stackFrom = 0, stackTo = 0;  // of the OS thread
};

static Running& running() {
  static Running* only = new Running();
  return *only;
}

static void abortKernel(const std::string& reason) {
  fault(ILLEGAL_ADDRESS, std::string("kernel ") + running().function->name + ": " + reason);
  _longjmp(running().aborted, 1);
}

static void reach(unsigned long address, unsigned long bytes, int write, unsigned long* from, unsigned long* to) {
  Running& r = running();
  auto inside = [&](unsigned long begin, unsigned long end) {
    if (address < begin || address + bytes > end) return false;
    *from = begin;
    *to = end;
    return true;
  };
  auto at = [](const void* p) { return reinterpret_cast<unsigned long>(p); };
  if (isMirror(address)) {
    // Back to the address that the program knows.
    const uint64_t offset = reinterpret_cast<uint64_t>(mirror(0));
    const uint64_t device = address - offset;
    const Allocation* a = allocationAt(device);
    const char* why = a ? foreign(*a) : nullptr;
    if (why) abortKernel(describe(device) + why);
    if (a && inside(at(mirror(a->address)), at(mirror(a->address)) + a->bytes)) return;
    abortKernel(std::string(write ? "writes " : "reads ") + std::to_string(bytes) + " bytes at " + describe(device));
  }
  if (inside(at(r.table->image), at(r.table->image_end)) || inside(r.stackFrom, r.stackTo) ||
      (r.stacks && inside(at(r.stacks), at(r.stacks) + STACK * 1024)) ||
      (!r.dynamic.empty() && inside(at(r.dynamic.data()), at(r.dynamic.data()) + r.dynamic.size())))
    return;
  abortKernel(std::string(write ? "writes " : "reads ") + std::to_string(bytes) + " bytes at " + describe(address));
}

static void barrier(int warp) {
  Running& r = running();
  if (!r.function->kernel->barriers) abortKernel("a barrier that the stand-in of NVRTC did not find in its text");
  Fiber& self = r.fibers[r.fiber];
  self.state = warp ? Fiber::AT_WARP_BARRIER : Fiber::AT_BLOCK_BARRIER;
  if (!_setjmp(self.place)) _longjmp(r.scheduler, 1);
}

static void* exchange(unsigned thread) { return running().exchange.at(thread).data(); }
static void* dynamicShared() { return running().dynamic.data(); }
static void fail(const char* reason) { abortKernel(reason); }

static const swd_runtime RUNTIME = {reach, barrier, exchange, dynamicShared, fail};

// A fiber runs one thread after the other: making a new one costs two system calls.
static void fiberMain() {
  for (;;) {
    Running& r = running();
    r.function->kernel->invoke(r.arguments);
    Fiber& self = r.fibers[r.fiber];
    self.state = Fiber::OVER;
    if (!_setjmp(self.place)) _longjmp(r.scheduler, 1);
  }
}

static void setThread(const swd_module* table, unsigned number) {
  const swd_index& size = *table->threads;
  *table->thread = size.y == 1 && size.z == 1
                       ? swd_index{number, 0, 0}  // by far the most frequent, without the divisions
                       : swd_index{number % size.x, number / size.x % size.y, number / size.x / size.y};
}

static void resume(Running& r, size_t number) {
  r.fiber = number;
  setThread(r.table, static_cast<unsigned>(number));
  Fiber& fiber = r.fibers[number];
  fiber.state = Fiber::READY;
  if (_setjmp(r.scheduler)) return;
  if (fiber.begun) _longjmp(fiber.place, 1);
  fiber.begun = true;
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = r.stacks + STACK * number;
  fiber.context.uc_stack.ss_size = STACK;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, fiberMain, 0);
  setcontext(&fiber.context);
}

// The threads of one block in turns, each up to its next barrier.
static void runBlockWithBarriers(Running& r, unsigned threads) {
  if (!r.stacks) {
    void* memory = mmap(nullptr, STACK * 1024, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return fault(LAUNCH_FAILED, "no memory for the stacks of a block");
    r.stacks = static_cast<char*>(memory);
  }
  r.fibers.resize(1024);
  r.exchange.resize(1024);
  for (unsigned i = 0; i < threads; i++) r.fibers[i].state = Fiber::READY;
  const bool backwards = random() & 1;
  for (;;) {
    for (unsigned i = 0; i < threads; i++) {
      unsigned number = backwards ? threads - 1 - i : i;
      if (r.fibers[number].state == Fiber::READY) resume(r, number);
    }
    bool moved = false;
    unsigned over = 0, waiting = 0;
    for (unsigned first = 0; first < threads; first += WARP) {
      unsigned last = std::min(threads, first + WARP);
      unsigned atWarp = 0, gone = 0;
      for (unsigned i = first; i < last; i++) {
        atWarp += r.fibers[i].state == Fiber::AT_WARP_BARRIER;
        gone += r.fibers[i].state == Fiber::OVER;
        waiting += r.fibers[i].state == Fiber::AT_BLOCK_BARRIER;
      }
      over += gone;
      if (atWarp && atWarp + gone == last - first) {
        for (unsigned i = first; i < last; i++)
          if (r.fibers[i].state == Fiber::AT_WARP_BARRIER) r.fibers[i].state = Fiber::READY;
        moved = true;
      }
    }
    if (over == threads) return;
    if (moved) continue;
    if (waiting + over != threads) abortKernel("some threads wait for their warp, others for their block: a deadlock");
    if (over) abortKernel("some threads ended while others wait at __syncthreads()");
    for (unsigned i = 0; i < threads; i++) r.fibers[i].state = Fiber::READY;
  }
}

static void findStack(Running& r) {
  thread_local unsigned long from = 0, to = 0;
  if (!to) {
    pthread_attr_t attributes;
    void* begin;
    size_t size;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &begin, &size);
    pthread_attr_destroy(&attributes);
    from = reinterpret_cast<unsigned long>(begin);
    to = from + size;
  }
  r.stackFrom = from;
  r.stackTo = to;
}

struct Launch final : Task {
  std::shared_ptr<Function> function;
  swd_index grid, block;
  unsigned shared;
  std::vector<char> parameters;

  Launch(std::shared_ptr<Function> f, swd_index blocks, swd_index threads, unsigned sharedBytes)
      : Task(f->name, f->context), function(std::move(f)), grid(blocks), block(threads), shared(sharedBytes) {}
  const void* sort() const override { return function->kernel; }

  void run() override {
    if (!world().objects.count(function->module))
      return fault(LAUNCH_FAILED, std::string("the module of kernel ") + name + " was unloaded before its turn");
    Running& r = running();
    const swd_module* table = function->table;
    // Device addresses become addresses of what stands behind them.
    std::vector<char> values = parameters;
    for (size_t i = 0; i + 8 <= values.size(); i += 8) {
      uint64_t word;
      memcpy(&word, values.data() + i, 8);
      if (isDevice(word)) {
        word = reinterpret_cast<uint64_t>(mirror(word));
        memcpy(values.data() + i, &word, 8);
      }
    }
    std::vector<void*> arguments(function->kernel->parameters + 1);
    for (unsigned i = 0; i < function->kernel->parameters; i++)
      arguments[i] = values.data() + function->kernel->offsets[i];
    r.function = function.get();
    r.arguments = arguments.data();
    r.table = table;
    r.dynamic.assign(shared, '\xff');
    findStack(r);
    *table->runtime = RUNTIME;
    *table->threads = block;
    *table->blocks = grid;
    table->forget();
    if (_setjmp(r.aborted)) {
      for (Fiber& fiber : r.fibers) fiber.begun = false;  // some are in the middle of a thread
      return;
    }
    const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
    const unsigned threads = block.x * block.y * block.z;
    const uint64_t first = random() % blocks;  // no block may count on being after another
    const bool backwards = random() & 1;
    for (uint64_t i = 0; i < blocks; i++) {
      uint64_t number = (first + (backwards ? blocks - i : i)) % blocks;
      table->block->x = static_cast<unsigned>(number % grid.x);
      table->block->y = static_cast<unsigned>(number / grid.x % grid.y);
      table->block->z = static_cast<unsigned>(number / grid.x / grid.y);
      memset(table->shared, 0xff, static_cast<size_t>(table->shared_end - table->shared));
      if (!r.dynamic.empty()) memset(r.dynamic.data(), 0xff, r.dynamic.size());
      if (function->kernel->barriers) {
        runBlockWithBarriers(r, threads);
      } else {
        for (unsigned t = 0; t < threads; t++) {
          setThread(table, backwards ? threads - 1 - t : t);
          function->kernel->invoke(r.arguments);
        }
      }
    }
  }
};

// --- Images ---

static std::string field(const std::string& text, const std::string& key) {
  size_t at = text.find("\n// " + key + " ");
  if (at == std::string::npos) return "";
  at += key.size() + 5;
  return text.substr(at, text.find('\n', at) - at);
}

// Reads an image that the stand-in of NVRTC made; 0 or the status, and what to say.
static int readImage(const void* bytes, int ordinal, Image& image, std::string& why) {
  static const char MACHINE_CODE[] = "\177SWDCUBIN\n";
  static const char PORTABLE[] = "//\n// software device PTX\n";
  auto* text = static_cast<const char*>(bytes);
  image.machineCode = !strncmp(text, MACHINE_CODE, sizeof MACHINE_CODE - 1);
  if (!image.machineCode && strncmp(text, PORTABLE, sizeof PORTABLE - 1)) {
    why = "the image was not made by the software device's NVRTC";
    return INVALID_IMAGE;
  }
  std::string all = text;
  image.architecture = atoi(field(all, "architecture").c_str());
  image.compilerVersion = atoi(field(all, "version").c_str());
  image.library = field(all, "object");
  const int device = 10 * attribute(ordinal, 75) + attribute(ordinal, 76);
  const int driver = static_cast<int>(number("driver.version", 12090));
  if (image.machineCode &&
      (image.architecture / 10 != device / 10 || image.architecture % 10 > device % 10)) {
    why = "machine code for sm_" + std::to_string(image.architecture) + " does not run on sm_" + std::to_string(device);
    return NO_BINARY_FOR_GPU;
  }
  if (!image.machineCode && image.compilerVersion > driver) {
    why = "PTX of CUDA " + std::to_string(image.compilerVersion) + " is newer than the driver's " +
          std::to_string(driver);
    return UNSUPPORTED_PTX_VERSION;
  }
  if (!image.machineCode && image.architecture > device) {
    why = "PTX for compute_" + std::to_string(image.architecture) + " does not run on sm_" + std::to_string(device);
    return NO_BINARY_FOR_GPU;
  }
  return SUCCESS;
}

static int load(const char* function, const void* bytes, uint64_t* made, std::string& why) {
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "%s: no current context", function);
  if (!bytes) return refuse(INVALID_VALUE, "%s: no image", function);
  if ((status = unsafeCall(function))) return status;
  Image image;
  if ((status = readImage(bytes, context->ordinal, image, why))) return status;
  void* opened = dlopen(image.library.c_str(), RTLD_NOW | RTLD_LOCAL);
  auto* entry = opened ? reinterpret_cast<const swd_module* (*)()>(dlsym(opened, "swd_module_table")) : nullptr;
  if (!entry) {
    why = dlerror();
    return INVALID_IMAGE;
  }
  *made = create<Module>(context, entry(), image)->handle;
  return SUCCESS;
}

// Options of the just-in-time compiler: where its words go.
static void writeLog(unsigned number, const int* options, void** values, const std::string& words) {
  enum { ERROR_LOG = 5, ERROR_LOG_BYTES = 6 };
  char* buffer = nullptr;
  size_t size = 0;
  size_t* written = nullptr;
  for (unsigned i = 0; i < number; i++) {
    if (options[i] == ERROR_LOG) buffer = static_cast<char*>(values[i]);
    if (options[i] == ERROR_LOG_BYTES) {
      size = reinterpret_cast<size_t>(values[i]) & 0xffffffff;
      written = reinterpret_cast<size_t*>(&values[i]);
    }
  }
  if (!buffer || !size) return;
  snprintf(buffer, size, "%s", words.c_str());
  *written = std::min(words.size(), size - 1);
}

static std::shared_ptr<Function> functionOf(Module& module, const char* name) {
  auto known = module.functions.find(name);
  if (known != module.functions.end()) return known->second;
  for (unsigned i = 0; i < module.table->count; i++)
    if (!strcmp(module.table->kernels[i].name, name))
      return module.functions[name] = create<Function>(module, &module.table->kernels[i]);
  return nullptr;
}

static void unload(Module& module) {
  for (auto& [_, function] : module.functions) destroy(*function);
  destroy(module);
}

static int moduleOf(Library& library, Module** module, const char* what) {
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "%s: no current context", what);
  uint64_t& handle = library.modules[context];
  if (!handle) {
    std::string why;
    if ((status = load(what, library.image.c_str(), &handle, why))) return status;
    auto* made = find<Module>(reinterpret_cast<void*>(handle));
    made->counted = false;  // the library counts
    count(Module::KIND, -1);
  }
  *module = find<Module>(reinterpret_cast<void*>(handle));
  return *module ? SUCCESS : refuse(CONTEXT_IS_DESTROYED, "%s: the library's module is gone", what);
}

}  // namespace software

using namespace software;

#define ENTER(name, sort)                   \
  Call call(name, Call::sort);              \
  if (call.status()) return call.status();

SWD_API CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  ENTER("cuModuleLoadData", WORK);
  std::string why;
  int status = load("cuModuleLoadData", image, reinterpret_cast<uint64_t*>(module), why);
  return why.empty() ? status : refuse(status, "cuModuleLoadData: %s", why.c_str());
}

SWD_API CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned number, int* options, void** values) {
  ENTER("cuModuleLoadDataEx", WORK);
  std::string why;
  int status = load("cuModuleLoadDataEx", image, reinterpret_cast<uint64_t*>(module), why);
  writeLog(number, options, values, why);
  return why.empty() ? status : refuse(status, "cuModuleLoadDataEx: %s", why.c_str());
}

SWD_API CUresult cuModuleUnload(CUmodule handle) {
  ENTER("cuModuleUnload", WORK);
  int status;
  if (!current(&status)) return refuse(status, "cuModuleUnload: no current context");
  auto* module = find<Module>(handle);
  if (!module) return noSuch(Module::KIND, handle, "cuModuleUnload");
  if ((status = unsafeCall("cuModuleUnload"))) return status;
  unload(*module);
  return SUCCESS;
}

SWD_API CUresult cuModuleGetFunction(CUfunction* function, CUmodule handle, const char* name) {
  ENTER("cuModuleGetFunction", WORK);
  auto* module = find<Module>(handle);
  if (!module) return noSuch(Module::KIND, handle, "cuModuleGetFunction");
  auto found = functionOf(*module, name);
  if (!found) return NOT_FOUND;
  *function = software::handle<CUfunction>(*found);
  return SUCCESS;
}

SWD_API CUresult cuLibraryLoadData(CUlibrary* library, const void* image, int*, void**, unsigned, int*, void**,
                                   unsigned) {
  ENTER("cuLibraryLoadData", WORK);
  if (!image) return refuse(INVALID_VALUE, "cuLibraryLoadData: no image");
  *library = handle<CUlibrary>(*create<Library>(static_cast<const char*>(image)));
  return SUCCESS;
}

SWD_API CUresult cuLibraryUnload(CUlibrary handle) {
  ENTER("cuLibraryUnload", WORK);
  auto* library = find<Library>(handle);
  if (!library) return noSuch(Library::KIND, handle, "cuLibraryUnload");
  for (auto& [_, module] : library->modules)
    if (auto* loaded = find<Module>(reinterpret_cast<void*>(module))) unload(*loaded);
  for (uint64_t kernel : library->kernels) world().objects.erase(kernel);
  destroy(*library);
  return SUCCESS;
}

SWD_API CUresult cuLibraryGetKernel(CUkernel* kernel, CUlibrary handle, const char* name) {
  ENTER("cuLibraryGetKernel", WORK);
  auto* library = find<Library>(handle);
  if (!library) return noSuch(Library::KIND, handle, "cuLibraryGetKernel");
  Module* module;
  if (int status = moduleOf(*library, &module, "cuLibraryGetKernel")) return status;
  if (!functionOf(*module, name)) return NOT_FOUND;
  auto made = create<LibraryKernel>(library->handle, name);
  library->kernels.push_back(made->handle);
  *kernel = software::handle<CUkernel>(*made);
  return SUCCESS;
}

SWD_API CUresult cuLibraryGetModule(CUmodule* module, CUlibrary handle) {
  ENTER("cuLibraryGetModule", WORK);
  auto* library = find<Library>(handle);
  if (!library) return noSuch(Library::KIND, handle, "cuLibraryGetModule");
  Module* found;
  if (int status = moduleOf(*library, &found, "cuLibraryGetModule")) return status;
  *module = software::handle<CUmodule>(*found);
  return SUCCESS;
}

static int kernelFunction(const char* what, const void* handle, Function** function) {
  *function = find<Function>(handle);
  if (*function) return SUCCESS;
  auto* kernel = find<LibraryKernel>(handle);
  if (!kernel) return noSuch(Function::KIND, handle, what);
  auto* library = find<Library>(reinterpret_cast<void*>(kernel->library));
  if (!library) return noSuch(Library::KIND, reinterpret_cast<void*>(kernel->library), what);
  Module* module;
  if (int status = moduleOf(*library, &module, what)) return status;
  *function = functionOf(*module, kernel->name.c_str()).get();
  return *function ? SUCCESS : NOT_FOUND;
}

SWD_API CUresult cuKernelGetFunction(CUfunction* function, CUkernel kernel) {
  ENTER("cuKernelGetFunction", WORK);
  Function* found;
  if (int status = kernelFunction("cuKernelGetFunction", kernel, &found)) return status;
  *function = handle<CUfunction>(*found);
  return SUCCESS;
}

SWD_API CUresult cuFuncGetAttribute(int* value, int attribute, CUfunction handle) {
  ENTER("cuFuncGetAttribute", WORK);
  Function* function;
  if (int status = kernelFunction("cuFuncGetAttribute", handle, &function)) return status;
  switch (attribute) {
    case 0: *value = function->threads(); return SUCCESS;                 // MAX_THREADS_PER_BLOCK
    case 1: *value = function->staticShared(); return SUCCESS;            // SHARED_SIZE_BYTES
    case 2: case 3: *value = 0; return SUCCESS;                           // CONST_SIZE_BYTES, LOCAL_SIZE_BYTES
    case 4: *value = 32; return SUCCESS;                                  // NUM_REGS
    case 5: case 6: *value = function->architecture; return SUCCESS;      // PTX_VERSION, BINARY_VERSION
    case 7: *value = 0; return SUCCESS;                                   // CACHE_MODE_CA
    case 8: *value = function->dynamicLimit ? function->dynamicLimit : 49152 - function->staticShared(); return SUCCESS;
    case 9: *value = -1; return SUCCESS;                                  // PREFERRED_SHARED_MEMORY_CARVEOUT
    default: return refuse(INVALID_VALUE, "cuFuncGetAttribute: the software device does not know %d", attribute);
  }
}

SWD_API CUresult cuFuncSetAttribute(CUfunction handle, int attribute, int value) {
  ENTER("cuFuncSetAttribute", WORK);
  Function* function;
  if (int status = kernelFunction("cuFuncSetAttribute", handle, &function)) return status;
  if (attribute == 9) return SUCCESS;
  if (attribute != 8) return refuse(INVALID_VALUE, "cuFuncSetAttribute: attribute %d cannot be set", attribute);
  if (value < 0 || value + function->staticShared() > software::attribute(function->context->ordinal, 97))
    return refuse(INVALID_VALUE, "cuFuncSetAttribute: %d bytes of shared memory are more than a block can have", value);
  function->dynamicLimit = value;
  return SUCCESS;
}

SWD_API CUresult cuFuncSetCacheConfig(CUfunction, int) {
  ENTER("cuFuncSetCacheConfig", WORK);
  return SUCCESS;
}

SWD_API CUresult cuLaunchKernel(CUfunction handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                                unsigned bz, unsigned shared, CUstream streamHandle, void** parameters, void** extra) {
  Function* function = nullptr;
  Call call("cuLaunchKernel", Call::WORK, [&] {
    std::lock_guard<std::recursive_mutex> guard(world().lock);
    auto* named = find<Function>(handle);
    return named ? named->name : nullptr;
  }());
  if (call.status()) return call.status();
  int status;
  Stream* stream = streamOf(streamHandle, &status, "cuLaunchKernel");
  if (!stream) return status;
  if ((status = kernelFunction("cuLaunchKernel", handle, &function))) return status;
  const char* name = function->name;
  if (function->context != stream->context)
    return refuse(INVALID_HANDLE, "cuLaunchKernel %s: the function belongs to another context than the stream", name);
  if (!gx || !gy || !gz || !bx || !by || !bz)
    return refuse(INVALID_VALUE, "cuLaunchKernel %s: an empty grid or block", name);
  if (gx > 2147483647u || gy > 65535 || gz > 65535)
    return refuse(INVALID_VALUE, "cuLaunchKernel %s: the grid %u x %u x %u is too large", name, gx, gy, gz);
  if (bx > 1024 || by > 1024 || bz > 64 || uint64_t{bx} * by * bz > 1024)
    return refuse(INVALID_VALUE, "cuLaunchKernel %s: the block %u x %u x %u is too large", name, bx, by, bz);
  if (static_cast<int>(bx * by * bz) > function->threads())
    return refuse(LAUNCH_OUT_OF_RESOURCES, "cuLaunchKernel %s: %u threads, and __launch_bounds__ allows %d", name,
                  bx * by * bz, function->threads());
  const unsigned limit = function->dynamicLimit ? static_cast<unsigned>(function->dynamicLimit)
                                                : 49152u - static_cast<unsigned>(function->staticShared());
  if (shared > limit)
    return refuse(INVALID_VALUE, "cuLaunchKernel %s: %u bytes of dynamic shared memory, and %u are allowed", name,
                  shared, limit);
  auto task = std::make_shared<Launch>(
      std::static_pointer_cast<Function>(world().objects.at(function->handle)), swd_index{gx, gy, gz},
      swd_index{bx, by, bz}, shared);
  const swd_kernel& kernel = *function->kernel;
  const size_t bytes =
      kernel.parameters ? kernel.offsets[kernel.parameters - 1] + kernel.sizes[kernel.parameters - 1] : 0;
  task->parameters.assign((bytes + 7) / 8 * 8, '\0');
  if (parameters && extra) return refuse(INVALID_VALUE, "cuLaunchKernel %s: parameters given in two ways", name);
  if (extra) {
    const void* buffer = nullptr;
    size_t given = 0;
    for (size_t i = 0; extra[i]; i += 2) {  // 1: CU_LAUNCH_PARAM_BUFFER_POINTER, 2: ..._SIZE, 0: ..._END
      if (reinterpret_cast<size_t>(extra[i]) == 1) buffer = extra[i + 1];
      if (reinterpret_cast<size_t>(extra[i]) == 2) given = *static_cast<size_t*>(extra[i + 1]);
    }
    if (!buffer || given < bytes)
      return refuse(INVALID_VALUE, "cuLaunchKernel %s: %zu bytes of parameters, and it has %zu", name, given, bytes);
    memcpy(task->parameters.data(), buffer, bytes);
  } else if (kernel.parameters && !parameters) {
    return refuse(INVALID_VALUE, "cuLaunchKernel %s: no parameters, and it has %u", name, kernel.parameters);
  } else {
    for (unsigned i = 0; i < kernel.parameters; i++) {
      if (!parameters[i]) return refuse(INVALID_VALUE, "cuLaunchKernel %s: parameter %u is a null pointer", name, i);
      memcpy(task->parameters.data() + kernel.offsets[i], parameters[i], kernel.sizes[i]);
    }
  }
  if (!function->loaded) {
    // Lazy loading: the first launch loads the code, which a capture does not permit.
    if (stream->capture) {
      invalidate(*stream->capture, name);
      return refuse(CAPTURE_UNSUPPORTED, "cuLaunchKernel %s: its first launch is inside a capture", name);
    }
    function->loaded = true;
  }
  return enqueue(*stream, std::move(task));
}

// --- Errors by name ---

struct Named {
  int status;
  const char* name;
  const char* text;
};

static const Named ERRORS[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {4, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
    {34, "CUDA_ERROR_STUB_LIBRARY", "CUDA driver is a stub library"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {218, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {401, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {702, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {710, "CUDA_ERROR_ASSERT", "device-side assert triggered"},
    {712, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED", "part or all of the requested memory range is already mapped"},
    {713, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED", "pointer does not correspond to a registered memory region"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {902, "CUDA_ERROR_STREAM_CAPTURE_MERGE", "operation would result in a merge of separate capture sequences"},
    {903, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not ended in the same stream as it began"},
    {904, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"},
    {905, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "dependency created on uncaptured work in another stream"},
    {906, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", "operation would make the legacy stream depend on a capturing blocking stream"},
    {907, "CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"},
    {908, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"},
    {910, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE", "the graph update was not performed because it included changes which violated constraints"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static const Named* named(int status) {
  for (const Named& known : ERRORS)
    if (known.status == status) return &known;
  return nullptr;
}

SWD_API CUresult cuGetErrorName(int status, const char** name) {
  swd_note("cuda", "cuGetErrorName");
  const Named* known = named(status);
  *name = known ? known->name : nullptr;
  return known ? SUCCESS : INVALID_VALUE;
}

SWD_API CUresult cuGetErrorString(int status, const char** words) {
  swd_note("cuda", "cuGetErrorString");
  const Named* known = named(status);
  *words = known ? known->text : nullptr;
  return known ? SUCCESS : INVALID_VALUE;
}

// The newest function of that name, as a driver of this version has it.
SWD_API CUresult cuGetProcAddress_v2(const char* symbol, void** function, int, uint64_t, int* answer) {
  ENTER("cuGetProcAddress_v2", FREE);
  static void* self = [] {
    Dl_info info;
    dladdr(reinterpret_cast<void*>(&cuGetErrorName), &info);
    return dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  }();
  *function = nullptr;
  for (const char* suffix : {"_v3", "_v2", ""})
    if ((*function = dlsym(self, (std::string(symbol) + suffix).c_str()))) break;
  if (answer) *answer = *function ? 0 : 1;
  return *function ? SUCCESS : NOT_FOUND;
}
