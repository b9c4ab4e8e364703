// What the stand-ins and SoftwareDevice.java ask of the device beside the driver API: calls, faults, reports, settings.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "libcuda.h"

namespace software {

World& world() {
  static World* instance = new World();  // never destroyed: threads may call during exit
  return *instance;
}

ThreadState& thread() {
  thread_local ThreadState state;
  if (state.generation != world().generation) {
    state = ThreadState();
    state.generation = world().generation;
  }
  return state;
}

std::string text(const char* format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(nullptr, 0, format, again);
  va_end(again);
  std::string result(static_cast<size_t>(length) + 1, '\0');
  vsnprintf(result.data(), result.size(), format, arguments);
  result.pop_back();
  return result;
}

static void complain(const std::string& what) {
  World& w = world();
  if (w.complaints.size() < 1000) w.complaints.push_back(what);
}

int refuse(int status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  complain(text(format, arguments));
  va_end(arguments);
  return status;
}

const char* intern(const std::string& what) {
  static std::set<std::string>* known = new std::set<std::string>();
  return known->insert(what).first->c_str();
}

long long number(const char* key, long long otherwise) {
  auto found = world().settings.find(key);
  return found == world().settings.end() ? otherwise : atoll(found->second.c_str());
}

// SplitMix64.
uint64_t random() {
  uint64_t z = world().random += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

bool chance(double probability) {
  return probability > 0 && static_cast<double>(random() >> 11) * 0x1p-53 < probability;
}

void count(const char* kind, int delta) {
  int64_t now = world().live[kind] += delta;
  if (now < 0) complain(std::string("more objects of kind \"") + kind + "\" were destroyed than made");
}

void destroy(Object& object) {
  if (object.counted) count(object.kind, -1);
  world().objects.erase(object.handle);
}

int noSuch(const char* kind, const void* handle, const char* what) {
  auto found = world().objects.find(reinterpret_cast<uint64_t>(handle));
  if (found != world().objects.end())
    return refuse(INVALID_HANDLE, "%s: %p is of kind \"%s\", not \"%s\"", what, handle, found->second->kind, kind);
  return refuse(INVALID_HANDLE, "%s: %p is no %s, or one that was destroyed", what, handle, kind);
}

// A likely status of a call that fails for a reason outside the program.
static int likelyStatus(const char* library, const char* function) {
  if (!strcmp(library, "cudnn")) return 4000;
  if (!strcmp(library, "cublas") || !strcmp(library, "cublasLt")) return 14;
  if (!strcmp(library, "nvrtc")) return 11;
  return strstr(function, "Alloc") ? static_cast<int>(OUT_OF_MEMORY) : static_cast<int>(UNKNOWN);
}

static int stickyStatus(const char* library) {
  if (!strcmp(library, "cudnn")) return 5000;
  if (!strcmp(library, "cublas") || !strcmp(library, "cublasLt")) return 13;
  if (!strcmp(library, "nvrtc")) return 0;
  return world().sticky;
}

static void log(const char* library, const char* function, const char* detail) {
  constexpr size_t LONGEST = 1 << 16;
  World& w = world();
  w.log.push_back({library, function, detail});
  if (w.log.size() > LONGEST) w.log.pop_front();
}

int enter(const char* library, const char* function, const char* detail, bool refusedAfterSticky) {
  World& w = world();
  w.calls++;
  log(library, function, detail);
  int status = 0;
  for (Fault& fault : w.faults) {
    if (fault.left > 0 && (fault.function.empty() || fault.function == function) && --fault.left == 0 && !status) {
      status = fault.status ? fault.status : likelyStatus(library, function);
      w.fired.push_back(std::string(library) + " " + function + " " + std::to_string(status));
    }
  }
  if (status) return status;
  if (!w.sticky && chance(w.eagerness)) runSomething();
  return w.sticky && refusedAfterSticky ? stickyStatus(library) : 0;
}

Call::Call(const char* function, Sort sort, const char* detail) : lock_(world().lock, std::defer_lock) {
  world().waiting++;
  lock_.lock();
  world().waiting--;
  world().arrivals++;
  status_ = enter("cuda", function, detail, sort == WORK);
  if (!status_ && sort != FREE && !world().initialized)
    status_ = refuse(NOT_INITIALIZED, "%s before cuInit", function);
}

static std::vector<std::string> report(const std::string& what) {
  World& w = world();
  std::vector<std::string> lines;
  if (what == "complaints") {
    checkRedZones();
    lines = w.complaints;
  } else if (what == "live") {
    for (auto& [kind, number] : w.live)
      if (number) lines.push_back(kind + "=" + std::to_string(number));
  } else if (what == "log") {
    for (const Logged& l : w.log)
      lines.push_back(std::string(l.library) + " " + l.function + (l.detail ? std::string(" ") + l.detail : ""));
  } else if (what == "work") {
    lines.assign(w.worked.begin(), w.worked.end());
  } else if (what == "fired") {
    lines.assign(w.fired.begin(), w.fired.end());
  }
  return lines;
}

}  // namespace software

using namespace software;

SWD_API int swd_enter(const char* library, const char* function) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  return enter(library, function, nullptr, true);
}

SWD_API void swd_note(const char* library, const char* function) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  software::log(library, function, "(no status)");
}

SWD_API int swd_trap(const char* library, const char* function, int status) {
  fprintf(stderr, "the software CUDA device: %s of %s is not there, answers %d\n", function, library, status);
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  software::log(library, function, "(not there)");
  return refuse(status, "%s of %s was called, which the software device does not have", function, library);
}

SWD_API int swd_context(void** context, int* ordinal) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  int status;
  Context* now = current(&status);
  if (context) *context = now ? handle<void*>(*now) : nullptr;
  if (ordinal) *ordinal = now ? now->ordinal : -1;
  return status;
}

SWD_API void swd_complain(const char* format, ...) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  va_list arguments;
  va_start(arguments, format);
  complain(text(format, arguments));
  va_end(arguments);
}

SWD_API void swd_live(const char* kind, int delta) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  count(kind, delta);
}

SWD_API int swd_handle_enter(void* handle) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  auto [use, first] = world().handlesInUse.try_emplace(handle, World::Use{std::this_thread::get_id(), 0});
  if (!first && use->second.thread != std::this_thread::get_id())
    complain("the handle " + describe(reinterpret_cast<uint64_t>(handle)) + " is used by two threads at once");
  use->second.depth++;
  return 0;
}

SWD_API void swd_handle_leave(void* handle) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  auto use = world().handlesInUse.find(handle);
  if (use != world().handlesInUse.end() && --use->second.depth == 0) world().handlesInUse.erase(use);
}

SWD_API int swd_attribute(int ordinal, int which) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  return attribute(ordinal, which);
}

SWD_API uint64_t swd_total_memory(int ordinal) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  return totalMemory(ordinal);
}

SWD_API int swd_work_enabled(void) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  return world().workEnabled;
}

SWD_API void swd_spend(const char* key) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  if (!world().modelClock) return;
  auto& settings = world().settings;
  std::string here = "device." + std::to_string(world().running->context->ordinal) + "." + key;
  auto found = settings.find(here);
  if (found == settings.end()) found = settings.find(key);
  world().clock += 1e-6 * (found == settings.end() ? 100 : atof(found->second.c_str()));
}

SWD_API const char* swd_setting(const char* key, const char* fallback) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  auto found = world().settings.find(key);
  return found == world().settings.end() ? fallback : found->second.c_str();
}

SWD_API uint64_t swd_generation(void) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  return world().generation;
}

SWD_API uint64_t swd_random(void) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  return software::random();
}

SWD_API void swd_reset(const char* settings) {
  World& w = world();
  std::lock_guard<std::recursive_mutex> guard(w.lock);
  w.captures.clear();
  for (auto& stream : w.streams) {
    stream->queue.clear();
    stream->capture.reset();
  }
  w.streams.clear();
  w.objects.clear();
  w.primaries = {};
  w.contexts.clear();
  forgetMemory();
  w.sticky = 0;
  w.stickyReason.clear();
  w.calls = 0;
  w.faults.clear();
  w.workFaultLeft = 0;
  w.log.clear();
  w.worked.clear();
  w.fired.clear();
  w.live.clear();
  w.complaints.clear();
  w.handlesInUse.clear();
  w.generation++;
  w.spent.swap(w.settings);
  w.settings.clear();
  std::istringstream lines(settings);
  for (std::string line; std::getline(lines, line);) {
    size_t equals = line.find('=');
    if (equals != std::string::npos) w.settings[line.substr(0, equals)] = line.substr(equals + 1);
  }
  w.random = static_cast<uint64_t>(number("seed", 0));
  auto eager = w.settings.find("eagerness");
  w.eagerness = eager == w.settings.end() ? 0 : atof(eager->second.c_str());
  w.workEnabled = number("work", 1) != 0;
  auto clock = w.settings.find("clock");
  w.modelClock = clock != w.settings.end() && clock->second == "model";
  w.clock = 0;
}

SWD_API void swd_fail_call(int64_t n, int status) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  world().faults.push_back({"", n, status});
}

SWD_API void swd_fail_function(const char* function, int64_t n, int status) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  world().faults.push_back({function, n, status});
}

SWD_API void swd_fail_work(int64_t n, int status) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  world().workFaultLeft = n;
  world().workFaultStatus = status;
}

SWD_API int64_t swd_calls(void) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  return world().calls;
}

SWD_API int64_t swd_pending(void) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  int64_t pending = 0;
  for (auto& stream : world().streams) pending += static_cast<int64_t>(stream->queue.size());
  return pending;
}

SWD_API int64_t swd_bytes_in_use(int ordinal) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  return ordinal < 0 || ordinal >= MAX_DEVICES ? 0 : static_cast<int64_t>(world().used[static_cast<size_t>(ordinal)]);
}

SWD_API int swd_finish(void) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  while (!world().sticky && runOne(nullptr)) {
  }
  pruneStreams();
  return world().sticky;
}

SWD_API size_t swd_report(const char* what, char* buffer, size_t size) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  std::string all;
  for (const std::string& line : report(what)) all += line + "\n";
  memcpy(buffer, all.data(), std::min(size, all.size()));
  return all.size();
}
