// The software CUDA device inside: one lock, one set of objects, one scheduler that runs work late.
#pragma once

#include <array>
#include <atomic>
#include <cstdarg>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "device.h"

namespace software {

// Numbers of CUresult, as the driver API documents them.
enum Status : int {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201,
  NO_BINARY_FOR_GPU = 209,
  INVALID_PTX = 218,
  UNSUPPORTED_PTX_VERSION = 222,
  INVALID_HANDLE = 400,
  ILLEGAL_STATE = 401,
  NOT_FOUND = 500,
  NOT_READY = 600,
  ILLEGAL_ADDRESS = 700,
  LAUNCH_OUT_OF_RESOURCES = 701,
  PRIMARY_CONTEXT_ACTIVE = 708,
  CONTEXT_IS_DESTROYED = 709,
  HOST_MEMORY_NOT_REGISTERED = 713,
  LAUNCH_FAILED = 719,
  NOT_SUPPORTED = 801,
  CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901,
  CAPTURE_MERGE = 902,
  CAPTURE_UNMATCHED = 903,
  CAPTURE_UNJOINED = 904,
  CAPTURE_ISOLATION = 905,
  CAPTURE_IMPLICIT = 906,
  CAPTURED_EVENT = 907,
  CAPTURE_WRONG_THREAD = 908,
  GRAPH_EXEC_UPDATE_FAILURE = 910,
  UNKNOWN = 999,
};

constexpr int MAX_DEVICES = 8;

struct Stream;
struct Capture;
struct Context;

// What a piece of work does when its turn comes; graph nodes run theirs many times.
struct Task {
  const char* name;
  Context* context;
  bool anyContext = false;  // whether it may reach memory of other contexts of its device, as copies may
  Task(const char* what, Context* owner) : name(what), context(owner) {}
  virtual ~Task() = default;
  virtual void run() = 0;
  // Two tasks of the same sort may replace each other in an executable graph.
  virtual const void* sort() const = 0;
};

// Whether a piece of work is over. Waits and events refer to it after the work itself is gone.
struct Completion {
  bool done = false;
  double seconds = 0;
  Stream* stream = nullptr;  // while it is not done
  uint64_t sequence = 0;
};
using Done = std::shared_ptr<Completion>;

struct Node {
  std::shared_ptr<Task> task;  // null: only an ordering point
  std::vector<size_t> after;
};
using Nodes = std::vector<Node>;

// One launch of a graph on its way through its nodes.
struct GraphRun {
  std::shared_ptr<const Nodes> nodes;
  std::vector<size_t> missing;
  std::vector<std::vector<size_t>> followers;
  std::vector<size_t> ready;
  size_t left = 0;
};

// One element of a stream.
struct Work {
  const char* name;
  std::shared_ptr<Task> task;
  std::unique_ptr<GraphRun> graph;
  std::vector<Done> after;
  Done done;
};

struct Object {
  uint64_t handle = 0;
  const char* kind;
  bool counted = true;
  explicit Object(const char* what) : kind(what) {}
  virtual ~Object() = default;
};

struct Stream : Object {
  static constexpr const char* KIND = "stream";
  Context* context;
  bool blocking;
  bool legacy = false;
  bool destroyed = false;
  uint64_t first = 0;  // the sequence number of queue.front()
  std::deque<Work> queue;
  Done last;
  std::shared_ptr<Capture> capture;
  std::vector<size_t> frontier;  // the nodes that the next captured one follows
  Stream(Context* owner, bool blocks) : Object(KIND), context(owner), blocking(blocks) {}
};

struct Event : Object {
  static constexpr const char* KIND = "event";
  Context* context;
  bool timed;
  Done recorded;  // null: never, which counts as complete
  std::shared_ptr<Capture> capture;
  std::vector<size_t> frontier;
  Event(Context* owner, bool times) : Object(KIND), context(owner), timed(times) {}
};

// What a user object holds; nobody refers to it any more when it is destroyed.
struct Hold {
  void* pointer;
  void (*release)(void*);
  Hold(void* of, void (*with)(void*)) : pointer(of), release(with) {}
  ~Hold() { release(pointer); }
  Hold(const Hold&) = delete;
};

struct UserObject : Object {
  static constexpr const char* KIND = "user object";
  std::shared_ptr<Hold> hold;
  unsigned references;
  UserObject(std::shared_ptr<Hold> held, unsigned number) : Object(KIND), hold(std::move(held)), references(number) {}
};

struct Capture {
  uint64_t id = 0;
  uint64_t graph = 0;  // handle of the graph under construction, where it was asked for
  int mode = 0;
  std::thread::id thread;
  Stream* origin = nullptr;
  bool over = false;
  std::string invalid;  // empty while valid, else why it is not
  std::shared_ptr<Nodes> nodes = std::make_shared<Nodes>();
  std::set<Stream*> members;
};

struct Graph : Object {
  static constexpr const char* KIND = "graph";
  std::shared_ptr<Nodes> nodes = std::make_shared<Nodes>();
  std::vector<uint64_t> handles;  // of the nodes, given out on demand
  std::vector<std::shared_ptr<Hold>> holds;
  Graph() : Object(KIND) {}
};

struct GraphExec : Object {
  static constexpr const char* KIND = "executable graph";
  Context* context;
  std::shared_ptr<const Nodes> nodes;
  std::vector<std::shared_ptr<Hold>> holds;
  Done last;
  explicit GraphExec(Context* owner) : Object(KIND), context(owner) {}
};

struct Context : Object {
  static constexpr const char* KIND = "context";
  int ordinal;
  bool primary;
  bool alive = true;
  int retained = 0;
  unsigned flags = 0;
  std::shared_ptr<Stream> legacy;
  std::map<std::thread::id, std::shared_ptr<Stream>> perThread;
  Context(int device, bool isPrimary) : Object(KIND), ordinal(device), primary(isPrimary) {}
};

struct Allocation {
  uint64_t address = 0;
  size_t bytes = 0;
  int ordinal = 0;
  Context* context = nullptr;
  uint64_t page = 0;  // the first of its pages, red zone included
  size_t span = 0;
};

struct Pinned {
  uint64_t address = 0;
  size_t bytes = 0;
  Context* context = nullptr;
  bool portable = false;
  bool registered = false;  // the caller's own memory
};

struct Fault {
  std::string function;  // empty: any
  int64_t left = 0;
  int status = 0;
};

struct Logged {
  const char* library;
  const char* function;
  const char* detail;
};

// What one OS thread holds. It is emptied when it is looked at after a reset.
struct ThreadState {
  uint64_t generation = 0;
  std::vector<Context*> contexts;
  int captureMode = 0;
};

// Everything that the lock guards.
struct World {
  std::recursive_mutex lock;
  std::atomic<int> waiting{0};        // threads at the beginning of a call
  std::atomic<uint64_t> arrivals{0};  // calls that got the lock
  uint64_t generation = 1;
  bool initialized = false;
  std::map<std::string, std::string> settings;
  std::map<std::string, std::string> spent;  // settings of before the last reset, whose text somebody may hold
  uint64_t nextHandle = 1;
  std::unordered_map<uint64_t, std::shared_ptr<Object>> objects;
  std::array<std::shared_ptr<Context>, MAX_DEVICES> primaries;
  std::vector<std::shared_ptr<Context>> contexts;  // all there ever were since the reset
  std::vector<std::shared_ptr<Stream>> streams;    // with work or alive
  std::vector<std::shared_ptr<Capture>> captures;
  uint64_t captureIds = 0;

  std::map<uint64_t, Allocation> memory;  // by address
  std::map<uint64_t, Allocation> freed;   // the latest, to name what was used too late
  std::array<uint64_t, MAX_DEVICES> nextPage{};
  std::array<uint64_t, MAX_DEVICES> used{};
  std::map<uint64_t, Pinned> pinned;
  std::map<uint64_t, Pinned> unpinned;

  uint64_t random = 0;
  double eagerness = 0;
  bool workEnabled = true;
  bool modelClock = false;  // events tell what work is said to take
  double clock = 0;         // seconds
  const Task* running = nullptr;

  int sticky = 0;
  std::string stickyReason;
  int64_t calls = 0;
  std::vector<Fault> faults;
  int64_t workFaultLeft = 0;
  int workFaultStatus = 0;
  std::deque<Logged> log;
  std::deque<const char*> worked;
  std::deque<std::string> fired;
  std::map<std::string, int64_t> live;
  std::vector<std::string> complaints;
  struct Use {
    std::thread::id thread;
    int depth;
  };
  std::map<void*, Use> handlesInUse;
};

World& world();
ThreadState& thread();

// The beginning of each function of the driver: takes the lock until the end, counts, logs, injects faults.
class Call {
 public:
  enum Sort {
    FREE,   // needs nothing
    QUERY,  // needs cuInit, works after a sticky error
    WORK,   // needs cuInit, refused after a sticky error
  };
  Call(const char* function, Sort sort, const char* detail = nullptr);
  int status() const { return status_; }
  std::unique_lock<std::recursive_mutex>& lock() { return lock_; }

 private:
  std::unique_lock<std::recursive_mutex> lock_;
  int status_;
};

// Counts, logs and injects; the lock is held.
int enter(const char* library, const char* function, const char* detail, bool refusedAfterSticky);

std::string text(const char* format, va_list arguments);
int refuse(int status, const char* format, ...) __attribute__((format(printf, 2, 3)));  // complains, returns status
const char* intern(const std::string& text);
long long number(const char* key, long long otherwise);
uint64_t random();
bool chance(double probability);
void count(const char* kind, int delta);

// Objects.
template <class T, class... A>
std::shared_ptr<T> create(A&&... arguments) {
  auto made = std::make_shared<T>(std::forward<A>(arguments)...);
  made->handle = 0x0dc0000000000000u + 16 * world().nextHandle++;
  world().objects[made->handle] = made;
  if (made->counted) count(made->kind, 1);
  return made;
}
template <class T>
T* find(const void* handle) {
  auto found = world().objects.find(reinterpret_cast<uint64_t>(handle));
  return found == world().objects.end() ? nullptr : dynamic_cast<T*>(found->second.get());
}
template <class H>
H handle(const Object& object) {
  return reinterpret_cast<H>(object.handle);
}
void destroy(Object& object);
int noSuch(const char* kind, const void* handle, const char* what);

// Contexts. Null where the calling thread has none, or one that is gone; then `status` says which.
Context* current(int* status = nullptr);
void emptyContext(Context& context, const char* why);

// Memory.
bool isDevice(uint64_t address);   // in the device's range
bool isMirror(uint64_t address);   // in the range that stands behind it
void* mirror(uint64_t address);
const Allocation* allocationAt(uint64_t address);
const char* foreign(const Allocation& allocation);
std::string describe(uint64_t address);
int checkDevice(uint64_t address, size_t bytes, size_t alignment, const char* what);
int checkHost(const void* address, size_t bytes, const char* what);
const Pinned* pinnedAt(const void* address, size_t bytes);
void freeMemory(Context& context);
void forgetMemory();
void checkRedZones();
size_t totalMemory(int ordinal);
int attribute(int ordinal, int which);
int devices();

// Streams and the scheduler.
Stream* streamOf(CUstream handle, int* status, const char* what);
int enqueue(Stream& stream, std::shared_ptr<Task> task);
Done enqueueWork(Stream& stream, Work work);
int complete(std::vector<Done> targets, std::unique_lock<std::recursive_mutex>& lock);
void runSomething();
bool runOne(const std::map<Stream*, uint64_t>* needed);
void fault(int status, const std::string& reason);
void pruneStreams();

// Capture.
int unsafeCall(const char* what);
int implicitLegacy(Context& context, const char* what);
void invalidate(Capture& capture, const std::string& why);
int capturing(Stream& stream, const char* what);  // refuses what a capturing stream may not do
std::unique_ptr<GraphRun> start(std::shared_ptr<const Nodes> nodes);

}  // namespace software
