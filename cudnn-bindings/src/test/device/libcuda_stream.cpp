// Streams, events and the scheduler.
//
// There is no worker: work runs on the thread that waits, and then only what it waits for, in an order that the seed
// chooses among those that streams and events allow. With some "eagerness" other work runs earlier, between calls.
#include <algorithm>
#include <chrono>

#include "libcuda.h"

namespace software {

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void fault(int status, const std::string& reason) {
  World& w = world();
  if (w.sticky) return;
  w.sticky = status;
  w.stickyReason = reason;
  refuse(0, "sticky error %d: %s", status, reason.c_str());
}

// --- The scheduler ---

std::unique_ptr<GraphRun> start(std::shared_ptr<const Nodes> nodes) {
  auto run = std::make_unique<GraphRun>();
  run->left = nodes->size();
  run->missing.resize(nodes->size());
  run->followers.resize(nodes->size());
  for (size_t i = 0; i < nodes->size(); i++) {
    run->missing[i] = (*nodes)[i].after.size();
    for (size_t before : (*nodes)[i].after) run->followers[before].push_back(i);
    if (!run->missing[i]) run->ready.push_back(i);
  }
  run->nodes = std::move(nodes);
  return run;
}

static void run(Task& task) {
  World& w = world();
  constexpr size_t LONGEST = 1 << 16;
  w.worked.push_back(task.name);
  if (w.worked.size() > LONGEST) w.worked.pop_front();
  if (w.workFaultLeft > 0 && --w.workFaultLeft == 0) {
    w.fired.push_back(std::string("work ") + task.name + " " + std::to_string(w.workFaultStatus));
    w.sticky = w.workFaultStatus;
    w.stickyReason = "injected";
    return;
  }
  if (!w.workEnabled) return;
  w.running = &task;
  task.run();
  w.running = nullptr;
}

static bool ready(const Stream& stream) {
  if (stream.queue.empty()) return false;
  const auto& after = stream.queue.front().after;
  return std::all_of(after.begin(), after.end(), [](const Done& done) { return done->done; });
}

// Runs one piece of the work that is first in its stream.
static void step(Stream& stream) {
  Work& work = stream.queue.front();
  if (work.graph && work.graph->left) {
    GraphRun& graph = *work.graph;
    size_t choice = graph.ready.size() > 1 ? random() % graph.ready.size() : 0;
    size_t node = graph.ready[choice];
    graph.ready.erase(graph.ready.begin() + static_cast<long>(choice));
    for (size_t follower : graph.followers[node])
      if (--graph.missing[follower] == 0) graph.ready.push_back(follower);
    graph.left--;
    auto nodes = graph.nodes;
    if ((*nodes)[node].task) run(*(*nodes)[node].task);
    if (graph.left) return;
  } else if (work.task) {
    run(*work.task);
  }
  work.done->done = true;
  work.done->seconds = world().modelClock ? world().clock : now();
  work.done->stream = nullptr;
  Work gone = std::move(work);  // its destructor may call back
  stream.queue.pop_front();
  stream.first++;
}

// Runs one piece of work that may run now; with `needed`, of the streams there and up to those numbers.
bool runOne(const std::map<Stream*, uint64_t>* needed) {
  World& w = world();
  if (w.running) return false;
  std::vector<Stream*> candidates;
  if (needed) {
    for (auto& [stream, upTo] : *needed)
      if (stream->first <= upTo && ready(*stream)) candidates.push_back(stream);
  } else {
    for (auto& stream : w.streams)
      if (ready(*stream)) candidates.push_back(stream.get());
  }
  if (candidates.empty()) return false;
  step(*candidates[candidates.size() > 1 ? random() % candidates.size() : 0]);
  return true;
}

void runSomething() { runOne(nullptr); }

static void need(std::map<Stream*, uint64_t>& needed, const Done& target) {
  std::vector<const Completion*> open{target.get()};
  while (!open.empty()) {
    const Completion* next = open.back();
    open.pop_back();
    if (next->done || !next->stream) continue;
    Stream* stream = next->stream;
    auto [known, isNew] = needed.try_emplace(stream, 0);
    uint64_t from = isNew ? stream->first : std::max(stream->first, known->second + 1);
    for (uint64_t i = from; i <= next->sequence; i++)
      for (const Done& before : stream->queue[i - stream->first].after) open.push_back(before.get());
    known->second = std::max(known->second, next->sequence);
  }
}

// A mutex that is unlocked and locked again mostly stays with its thread; who waits long enough gets it.
static void letOthersIn(std::unique_lock<std::recursive_mutex>& lock) {
  constexpr double PATIENCE = 1e-3;
  thread_local double since = 0;
  World& w = world();
  if (!w.waiting) return;
  const double begin = now();
  if (begin - since < PATIENCE) return;
  const uint64_t before = w.arrivals;
  lock.unlock();
  while (w.waiting && w.arrivals == before && now() - begin < PATIENCE) std::this_thread::yield();
  lock.lock();
  since = now();
}

// Runs what the targets need, and sometimes something else; other threads get their turn in between.
int complete(std::vector<Done> targets, std::unique_lock<std::recursive_mutex>& lock) {
  World& w = world();
  std::map<Stream*, uint64_t> needed;
  std::vector<std::shared_ptr<Stream>> alive = w.streams;  // so that none goes while the lock is free
  for (const Done& target : targets)
    if (target) need(needed, target);
  const uint64_t generation = w.generation;
  while (!w.sticky) {
    bool open = false;
    for (const Done& target : targets) open = open || (target && !target->done);
    if (!open) break;
    if (chance(w.eagerness) && runOne(nullptr)) continue;
    if (!runOne(&needed)) return refuse(UNKNOWN, "the work that is waited for cannot run: a cycle?");
    letOthersIn(lock);
    if (w.generation != generation) return UNKNOWN;
  }
  pruneStreams();
  return w.sticky;
}

void pruneStreams() {
  auto& streams = world().streams;
  streams.erase(std::remove_if(streams.begin(), streams.end(),
                               [](auto& s) { return s->destroyed && s->queue.empty() && !s->capture; }),
                streams.end());
}

Done enqueueWork(Stream& stream, Work work) {
  World& w = world();
  work.done = std::make_shared<Completion>();
  work.done->stream = &stream;
  work.done->sequence = stream.first + stream.queue.size();
  // The legacy stream waits for all blocking streams of its context, and they for it.
  if (stream.legacy) {
    for (auto& other : w.streams)
      if (other.get() != &stream && other->context == stream.context && other->blocking && other->last &&
          !other->last->done)
        work.after.push_back(other->last);
  } else if (stream.blocking && stream.context->legacy->last && !stream.context->legacy->last->done) {
    work.after.push_back(stream.context->legacy->last);
  }
  stream.queue.push_back(std::move(work));
  stream.last = stream.queue.back().done;
  return stream.last;
}

int enqueue(Stream& stream, std::shared_ptr<Task> task) {
  if (stream.capture) {
    Capture& capture = *stream.capture;
    if (!capture.invalid.empty()) return CAPTURE_INVALIDATED;
    capture.nodes->push_back({std::move(task), stream.frontier});
    stream.frontier = {capture.nodes->size() - 1};
    return SUCCESS;
  }
  const char* name = task->name;
  enqueueWork(stream, Work{name, std::move(task), nullptr, {}, nullptr});
  return SUCCESS;
}

// --- Capture: what it forbids ---

void invalidate(Capture& capture, const std::string& why) {
  if (capture.invalid.empty()) capture.invalid = why;
}

// Calls that may wait for other streams are forbidden while somebody captures, as far as the modes say.
int unsafeCall(const char* what) {
  const int own = thread().captureMode;
  int status = SUCCESS;
  for (auto& capture : world().captures) {
    const bool mine = capture->thread == std::this_thread::get_id();
    const bool forbidden = own == 0 ? (mine ? capture->mode != 2 : capture->mode == 0)
                                    : own == 1 && mine && capture->mode != 2;
    if (forbidden && !capture->over) {
      invalidate(*capture, what);
      status = CAPTURE_UNSUPPORTED;
    }
  }
  if (status) refuse(0, "%s while a stream is capturing", what);
  return status;
}

// The legacy stream cannot be used while a stream captures that it would wait for.
int implicitLegacy(Context& context, const char* what) {
  for (auto& capture : world().captures)
    for (Stream* member : capture->members)
      if (member->context == &context && member->blocking) {
        invalidate(*capture, what);
        return refuse(CAPTURE_IMPLICIT, "%s uses the legacy stream while a blocking stream is capturing", what);
      }
  return SUCCESS;
}

int capturing(Stream& stream, const char* what) {
  if (!stream.capture) return SUCCESS;
  if (!stream.capture->invalid.empty()) return CAPTURE_INVALIDATED;
  invalidate(*stream.capture, what);
  return refuse(CAPTURE_UNSUPPORTED, "%s is not permitted on a capturing stream", what);
}

Stream* streamOf(CUstream handle, int* status, const char* what) {
  Context* context = current(status);
  if (!context) {
    refuse(*status, "%s: no current context", what);
    return nullptr;
  }
  auto number = reinterpret_cast<uint64_t>(handle);
  if (number <= 1) {
    *status = implicitLegacy(*context, what);
    return *status ? nullptr : context->legacy.get();
  }
  if (number == 2) {
    auto& own = context->perThread[std::this_thread::get_id()];
    if (!own) {
      own = std::make_shared<Stream>(context, true);
      world().streams.push_back(own);
    }
    return own.get();
  }
  auto* stream = find<Stream>(handle);
  if (!stream) {
    *status = noSuch(Stream::KIND, handle, what);
    return nullptr;
  }
  if (stream->context != context) {
    *status = refuse(INVALID_HANDLE, "%s: the stream belongs to another context than the current one", what);
    return nullptr;
  }
  if (stream->capture && !stream->capture->invalid.empty()) {
    *status = CAPTURE_INVALIDATED;
    return nullptr;
  }
  *status = SUCCESS;
  return stream;
}

// Work of the other stand-ins.
struct External final : Task {
  void (*function)(void*);
  void* argument;
  void (*release)(void*);
  External(const char* what, Context* owner, void (*f)(void*), void* a, void (*r)(void*))
      : Task(what, owner), function(f), argument(a), release(r) {}
  External(const External&) = delete;
  External& operator=(const External&) = delete;
  ~External() override {
    if (release) release(argument);
  }
  void run() override { function(argument); }
  const void* sort() const override { return reinterpret_cast<const void*>(function); }
};

}  // namespace software

using namespace software;

#define ENTER(name, sort)                   \
  Call call(name, Call::sort);              \
  if (call.status()) return call.status();

SWD_API void swd_fault(int status, const char* format, ...) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  va_list arguments;
  va_start(arguments, format);
  fault(status, text(format, arguments));
  va_end(arguments);
}

SWD_API int swd_stream_check(CUstream stream) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  int status;
  streamOf(stream, &status, "a stream");
  return status;
}

SWD_API int swd_stream_capturing(CUstream handle) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  auto* stream = find<Stream>(handle);
  return stream && stream->capture;
}

SWD_API int swd_capture_violation(CUstream handle, const char* what) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  auto* stream = find<Stream>(handle);
  return stream ? capturing(*stream, what) : SUCCESS;
}

SWD_API int swd_enqueue(CUstream handle, const char* kernel, void (*run)(void*), void* arg, void (*release)(void*)) {
  std::lock_guard<std::recursive_mutex> guard(world().lock);
  auto task = std::make_shared<External>(kernel, nullptr, run, arg, release);
  int status;
  Stream* stream = streamOf(handle, &status, kernel);
  if (!stream) return status;
  task->context = stream->context;
  return enqueue(*stream, std::move(task));
}

static int createStream(const char* function, CUstream* stream, unsigned flags) {
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "%s: no current context", function);
  if (flags > 1) return refuse(INVALID_VALUE, "%s: unknown flags %u", function, flags);
  auto made = create<Stream>(context, flags == 0);
  world().streams.push_back(made);
  *stream = handle<CUstream>(*made);
  return SUCCESS;
}

SWD_API CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  ENTER("cuStreamCreate", WORK);
  return createStream("cuStreamCreate", stream, flags);
}

SWD_API CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int) {
  ENTER("cuStreamCreateWithPriority", WORK);
  return createStream("cuStreamCreateWithPriority", stream, flags);
}

SWD_API CUresult cuStreamDestroy_v2(CUstream handle) {
  ENTER("cuStreamDestroy_v2", WORK);
  int status;
  if (!current(&status)) return refuse(status, "cuStreamDestroy_v2: no current context");
  auto* stream = find<Stream>(handle);
  if (!stream) return noSuch(Stream::KIND, handle, "cuStreamDestroy_v2");
  if (stream->capture) {
    invalidate(*stream->capture, "cuStreamDestroy_v2");
    refuse(0, "cuStreamDestroy_v2: the stream is capturing");
    stream->capture->members.erase(stream);
    stream->capture.reset();
  }
  stream->destroyed = true;  // what waits in it still runs
  destroy(*stream);
  pruneStreams();
  return SUCCESS;
}

// The stream of a call that only looks or waits: it need not belong to the current context.
static Stream* anyStream(CUstream handle, int* status, const char* what) {
  if (reinterpret_cast<uint64_t>(handle) <= 2) return streamOf(handle, status, what);
  if (!current(status)) {
    refuse(*status, "%s: no current context", what);
    return nullptr;
  }
  auto* stream = find<Stream>(handle);
  if (!stream) *status = noSuch(Stream::KIND, handle, what);
  return stream;
}

// A pause in which other work gets its turn: whoever asks in a loop must see an end of it.
static void progress() {
  if (!world().sticky) runSomething();
}

SWD_API CUresult cuStreamQuery(CUstream handle) {
  ENTER("cuStreamQuery", WORK);
  int status;
  Stream* stream = anyStream(handle, &status, "cuStreamQuery");
  if (!stream) return status;
  if ((status = capturing(*stream, "cuStreamQuery"))) return status;
  if ((status = unsafeCall("cuStreamQuery"))) return status;
  bool done = !stream->last || stream->last->done;
  progress();
  return world().sticky ? world().sticky : done ? SUCCESS : NOT_READY;
}

SWD_API CUresult cuStreamSynchronize(CUstream handle) {
  ENTER("cuStreamSynchronize", WORK);
  int status;
  Stream* stream = anyStream(handle, &status, "cuStreamSynchronize");
  if (!stream) return status;
  if ((status = capturing(*stream, "cuStreamSynchronize"))) return status;
  if ((status = unsafeCall("cuStreamSynchronize"))) return status;
  return complete({stream->last}, call.lock());
}

SWD_API CUresult cuCtxSynchronize(void) {
  ENTER("cuCtxSynchronize", WORK);
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "cuCtxSynchronize: no current context");
  for (auto& capture : world().captures)
    for (Stream* member : capture->members)
      if (member->context == context) {
        invalidate(*capture, "cuCtxSynchronize");
        return refuse(CAPTURE_UNSUPPORTED, "cuCtxSynchronize while a stream of the context is capturing");
      }
  if ((status = unsafeCall("cuCtxSynchronize"))) return status;
  std::vector<Done> all;
  for (auto& stream : world().streams)
    if (stream->context == context && stream->last) all.push_back(stream->last);
  return complete(std::move(all), call.lock());
}

SWD_API CUresult cuStreamGetFlags(CUstream handle, unsigned* flags) {
  ENTER("cuStreamGetFlags", WORK);
  int status;
  Stream* stream = anyStream(handle, &status, "cuStreamGetFlags");
  if (!stream) return status;
  *flags = stream->blocking ? 0 : 1;
  return SUCCESS;
}

SWD_API CUresult cuStreamGetCtx(CUstream handle, CUcontext* context) {
  ENTER("cuStreamGetCtx", WORK);
  int status;
  Stream* stream = anyStream(handle, &status, "cuStreamGetCtx");
  if (!stream) return status;
  *context = software::handle<CUcontext>(*stream->context);
  return SUCCESS;
}

struct HostCall final : Task {
  void (*function)(void*);
  void* argument;
  HostCall(Context* owner, void (*f)(void*), void* a) : Task("host function", owner), function(f), argument(a) {}
  void run() override { function(argument); }
  const void* sort() const override { return name; }
};

SWD_API CUresult cuLaunchHostFunc(CUstream handle, void (*function)(void*), void* argument) {
  ENTER("cuLaunchHostFunc", WORK);
  int status;
  Stream* stream = streamOf(handle, &status, "cuLaunchHostFunc");
  if (!stream) return status;
  return enqueue(*stream, std::make_shared<HostCall>(stream->context, function, argument));
}

// --- Events ---

SWD_API CUresult cuEventCreate(CUevent* event, unsigned flags) {
  ENTER("cuEventCreate", WORK);
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "cuEventCreate: no current context");
  if (flags > 3) return refuse(INVALID_VALUE, "cuEventCreate: flags %u are not supported here", flags);
  auto made = create<Event>(context, !(flags & 2));
  *event = handle<CUevent>(*made);
  return SUCCESS;
}

SWD_API CUresult cuEventDestroy_v2(CUevent handle) {
  ENTER("cuEventDestroy_v2", WORK);
  int status;
  if (!current(&status)) return refuse(status, "cuEventDestroy_v2: no current context");
  auto* event = find<Event>(handle);
  if (!event) return noSuch(Event::KIND, handle, "cuEventDestroy_v2");
  destroy(*event);
  return SUCCESS;
}

static int record(const char* function, CUevent handle, CUstream streamHandle) {
  int status;
  Stream* stream = streamOf(streamHandle, &status, function);
  if (!stream) return status;
  auto* event = find<Event>(handle);
  if (!event) return noSuch(Event::KIND, handle, function);
  if (event->context != stream->context)
    return refuse(INVALID_HANDLE, "%s: event and stream belong to different contexts", function);
  if (stream->capture) {
    event->capture = stream->capture;
    event->frontier = stream->frontier;
    return SUCCESS;
  }
  event->capture.reset();
  event->recorded = enqueueWork(*stream, Work{"event", nullptr, nullptr, {}, nullptr});
  return SUCCESS;
}

SWD_API CUresult cuEventRecord(CUevent event, CUstream stream) {
  ENTER("cuEventRecord", WORK);
  return record("cuEventRecord", event, stream);
}

SWD_API CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
  ENTER("cuEventRecordWithFlags", WORK);
  if (flags) return refuse(NOT_SUPPORTED, "cuEventRecordWithFlags: external events are not supported here");
  return record("cuEventRecordWithFlags", event, stream);
}

SWD_API CUresult cuStreamWaitEvent(CUstream streamHandle, CUevent handle, unsigned flags) {
  ENTER("cuStreamWaitEvent", WORK);
  int status;
  if (flags) return refuse(NOT_SUPPORTED, "cuStreamWaitEvent: external events are not supported here");
  Stream* stream;
  if (reinterpret_cast<uint64_t>(streamHandle) <= 2) {
    stream = streamOf(streamHandle, &status, "cuStreamWaitEvent");
  } else {
    stream = anyStream(streamHandle, &status, "cuStreamWaitEvent");
    if (stream && stream->capture && !stream->capture->invalid.empty()) return CAPTURE_INVALIDATED;
  }
  if (!stream) return status;
  auto* event = find<Event>(handle);
  if (!event) return noSuch(Event::KIND, handle, "cuStreamWaitEvent");
  if (event->capture) {
    if (event->capture->over)
      return refuse(CAPTURED_EVENT, "cuStreamWaitEvent: the event was recorded in a capture that is over");
    if (!event->capture->invalid.empty()) return CAPTURE_INVALIDATED;
    if (!stream->capture) {
      if (stream->legacy) {
        invalidate(*event->capture, "cuStreamWaitEvent");
        return refuse(CAPTURE_IMPLICIT, "cuStreamWaitEvent: the legacy stream cannot join a capture");
      }
      stream->capture = event->capture;
      stream->capture->members.insert(stream);
      stream->frontier = event->frontier;
      return SUCCESS;
    }
    if (stream->capture != event->capture) {
      invalidate(*event->capture, "cuStreamWaitEvent");
      invalidate(*stream->capture, "cuStreamWaitEvent");
      return refuse(CAPTURE_MERGE, "cuStreamWaitEvent would merge two captures");
    }
    for (size_t node : event->frontier)
      if (std::find(stream->frontier.begin(), stream->frontier.end(), node) == stream->frontier.end())
        stream->frontier.push_back(node);
    return SUCCESS;
  }
  if (stream->capture) {
    invalidate(*stream->capture, "cuStreamWaitEvent");
    return refuse(CAPTURE_ISOLATION, "cuStreamWaitEvent: the capturing stream would depend on work outside of it");
  }
  if (event->recorded && !event->recorded->done)
    enqueueWork(*stream, Work{"wait", nullptr, nullptr, {event->recorded}, nullptr});
  return SUCCESS;
}

static Event* waitable(CUevent handle, int* status, const char* what) {
  if (!current(status)) {
    refuse(*status, "%s: no current context", what);
    return nullptr;
  }
  auto* event = find<Event>(handle);
  if (!event) {
    *status = noSuch(Event::KIND, handle, what);
    return nullptr;
  }
  if (event->capture) {
    if (!event->capture->over) invalidate(*event->capture, what);
    *status = refuse(CAPTURED_EVENT, "%s: the event was last recorded in a capturing stream", what);
    return nullptr;
  }
  if ((*status = unsafeCall(what))) return nullptr;
  return event;
}

SWD_API CUresult cuEventQuery(CUevent handle) {
  ENTER("cuEventQuery", WORK);
  int status;
  Event* event = waitable(handle, &status, "cuEventQuery");
  if (!event) return status;
  bool done = !event->recorded || event->recorded->done;
  progress();
  return world().sticky ? world().sticky : done ? SUCCESS : NOT_READY;
}

SWD_API CUresult cuEventSynchronize(CUevent handle) {
  ENTER("cuEventSynchronize", WORK);
  int status;
  Event* event = waitable(handle, &status, "cuEventSynchronize");
  if (!event) return status;
  return complete({event->recorded}, call.lock());
}

static int elapsed(const char* function, float* milliseconds, CUevent from, CUevent to) {
  int status;
  Event* start = waitable(from, &status, function);
  if (!start) return status;
  Event* end = waitable(to, &status, function);
  if (!end) return status;
  if (!start->timed || !end->timed)
    return refuse(INVALID_HANDLE, "%s: an event that was created without timing", function);
  if (!start->recorded || !end->recorded)
    return refuse(INVALID_HANDLE, "%s: an event that was never recorded", function);
  if (!start->recorded->done || !end->recorded->done) return NOT_READY;
  *milliseconds = static_cast<float>((end->recorded->seconds - start->recorded->seconds) * 1e3);
  return SUCCESS;
}

SWD_API CUresult cuEventElapsedTime(float* milliseconds, CUevent from, CUevent to) {
  ENTER("cuEventElapsedTime", WORK);
  return elapsed("cuEventElapsedTime", milliseconds, from, to);
}

SWD_API CUresult cuEventElapsedTime_v2(float* milliseconds, CUevent from, CUevent to) {
  ENTER("cuEventElapsedTime_v2", WORK);
  return elapsed("cuEventElapsedTime_v2", milliseconds, from, to);
}
