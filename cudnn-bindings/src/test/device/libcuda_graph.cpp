// Capture of streams and the graphs that come of it.
#include <algorithm>
#include <cstring>

#include "libcuda.h"

namespace software {

// A node of a graph that was given out; the graph may be gone.
struct GraphNode : Object {
  static constexpr const char* KIND = "graph node";
  uint64_t graph;
  size_t index;
  GraphNode(uint64_t owner, size_t number) : Object(KIND), graph(owner), index(number) { counted = false; }
};

// Everything that lies before some nodes, themselves included.
static std::vector<bool> before(const Nodes& nodes, const std::vector<size_t>& from) {
  std::vector<bool> reached(nodes.size());
  std::vector<size_t> open = from;
  while (!open.empty()) {
    size_t node = open.back();
    open.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    for (size_t other : nodes[node].after) open.push_back(other);
  }
  return reached;
}

static void end(Capture& capture) {
  capture.over = true;
  for (Stream* member : capture.members) {
    member->capture.reset();
    member->frontier.clear();
  }
  capture.members.clear();
  auto& all = world().captures;
  all.erase(std::remove_if(all.begin(), all.end(), [&](auto& c) { return c.get() == &capture; }), all.end());
}

// A capture that failed takes the graph along that was under construction.
static void discard(Capture& capture) {
  end(capture);
  auto graph = world().objects.find(capture.graph);
  if (capture.graph && graph != world().objects.end()) destroy(*graph->second);
}

static uint64_t nodeHandle(Graph& graph, size_t index) {
  if (graph.handles.size() < graph.nodes->size()) graph.handles.resize(graph.nodes->size());
  if (!graph.handles[index]) graph.handles[index] = create<GraphNode>(graph.handle, index)->handle;
  return graph.handles[index];
}

static int indices(Graph& graph, const CUgraphNode* nodes, size_t number, std::vector<size_t>& result, const char* what) {
  for (size_t i = 0; i < number; i++) {
    auto* node = find<GraphNode>(nodes[i]);
    if (!node) return noSuch(GraphNode::KIND, nodes[i], what);
    if (node->graph != graph.handle) return refuse(INVALID_VALUE, "%s: a node of another graph", what);
    result.push_back(node->index);
  }
  return SUCCESS;
}

}  // namespace software

using namespace software;

#define ENTER(name, sort)                   \
  Call call(name, Call::sort);              \
  if (call.status()) return call.status();

static int beginCapture(const char* function, CUstream handle, int mode) {
  if (mode < 0 || mode > 2) return refuse(INVALID_VALUE, "%s: no capture mode %d", function, mode);
  if (reinterpret_cast<uint64_t>(handle) <= 1)
    return refuse(CAPTURE_UNSUPPORTED, "%s: the legacy stream cannot be captured", function);
  int status;
  if (auto* stream = find<Stream>(handle); stream && stream->capture)
    return refuse(ILLEGAL_STATE, "%s: the stream is capturing already", function);
  Stream* stream = streamOf(handle, &status, function);
  if (!stream) return status;
  auto capture = std::make_shared<Capture>();
  capture->id = ++world().captureIds;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->origin = stream;
  capture->members.insert(stream);
  stream->capture = capture;
  stream->frontier.clear();
  world().captures.push_back(capture);
  return SUCCESS;
}

SWD_API CUresult cuStreamBeginCapture(CUstream stream) {
  ENTER("cuStreamBeginCapture", WORK);
  return beginCapture("cuStreamBeginCapture", stream, 0);
}

SWD_API CUresult cuStreamBeginCapture_v2(CUstream stream, int mode) {
  ENTER("cuStreamBeginCapture_v2", WORK);
  return beginCapture("cuStreamBeginCapture_v2", stream, mode);
}

static CUgraph underConstruction(Capture& capture) {
  if (!capture.graph) {
    auto graph = create<Graph>();
    graph->nodes = capture.nodes;
    capture.graph = graph->handle;
  }
  return reinterpret_cast<CUgraph>(capture.graph);
}

SWD_API CUresult cuStreamEndCapture(CUstream handle, CUgraph* result) {
  ENTER("cuStreamEndCapture", WORK);
  *result = nullptr;
  int status;
  if (!current(&status)) return refuse(status, "cuStreamEndCapture: no current context");
  auto* stream = find<Stream>(handle);
  if (!stream) return noSuch(Stream::KIND, handle, "cuStreamEndCapture");
  if (!stream->capture) return refuse(ILLEGAL_STATE, "cuStreamEndCapture: the stream is not capturing");
  auto capture = stream->capture;
  if (capture->mode != 2 && capture->thread != std::this_thread::get_id())
    return refuse(CAPTURE_WRONG_THREAD, "cuStreamEndCapture on another thread than the capture began on");
  if (capture->origin != stream) {
    invalidate(*capture, "cuStreamEndCapture on a stream that joined");
    return refuse(CAPTURE_UNMATCHED, "cuStreamEndCapture: the capture began in another stream");
  }
  if (!capture->invalid.empty()) {
    discard(*capture);
    return CAPTURE_INVALIDATED;
  }
  auto joined = before(*capture->nodes, stream->frontier);
  for (Stream* member : capture->members)
    for (size_t node : member->frontier)
      if (!joined[node]) {
        discard(*capture);
        return refuse(CAPTURE_UNJOINED, "cuStreamEndCapture: work of a forked stream was not joined back");
      }
  *result = underConstruction(*capture);
  end(*capture);
  return SUCCESS;
}

static int captureStatus(const char* function, CUstream handle, int* answer, uint64_t* id) {
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "%s: no current context", function);
  *answer = 0;
  if (reinterpret_cast<uint64_t>(handle) <= 1) {
    for (auto& capture : world().captures)
      for (Stream* member : capture->members)
        if (member->context == context && member->blocking) return CAPTURE_IMPLICIT;
    return SUCCESS;
  }
  auto* stream = find<Stream>(handle);
  if (!stream) return noSuch(Stream::KIND, handle, function);
  if (stream->capture) {
    *answer = stream->capture->invalid.empty() ? 1 : 2;
    if (id) *id = stream->capture->id;
  }
  return SUCCESS;
}

SWD_API CUresult cuStreamIsCapturing(CUstream stream, int* answer) {
  ENTER("cuStreamIsCapturing", WORK);
  return captureStatus("cuStreamIsCapturing", stream, answer, nullptr);
}

SWD_API CUresult cuStreamGetCaptureInfo(CUstream stream, int* answer, uint64_t* id) {
  ENTER("cuStreamGetCaptureInfo", WORK);
  return captureStatus("cuStreamGetCaptureInfo", stream, answer, id);
}

SWD_API CUresult cuStreamGetCaptureInfo_v2(CUstream handle, int* answer, uint64_t* id, CUgraph* graph,
                                           const CUgraphNode** nodes, size_t* number) {
  ENTER("cuStreamGetCaptureInfo_v2", WORK);
  if (nodes || number)
    return refuse(NOT_SUPPORTED, "cuStreamGetCaptureInfo_v2: the nodes to follow are not given out here");
  int status = captureStatus("cuStreamGetCaptureInfo_v2", handle, answer, id);
  if (graph) *graph = nullptr;
  if (!status && graph && *answer == 1) *graph = underConstruction(*find<Stream>(handle)->capture);
  return status;
}

SWD_API CUresult cuUserObjectCreate(CUuserObject* object, void* pointer, void (*release)(void*), unsigned references,
                                    unsigned flags) {
  ENTER("cuUserObjectCreate", QUERY);
  if (!release || !references || flags != 1)
    return refuse(INVALID_VALUE, "cuUserObjectCreate: needs a destructor, references and CU_USER_OBJECT_NO_DESTRUCTOR_SYNC");
  auto made = create<UserObject>(std::make_shared<Hold>(pointer, release), references);
  *object = software::handle<CUuserObject>(*made);
  return SUCCESS;
}

SWD_API CUresult cuUserObjectRelease(CUuserObject handle, unsigned number) {
  ENTER("cuUserObjectRelease", QUERY);
  auto* object = find<UserObject>(handle);
  if (!object) return noSuch(UserObject::KIND, handle, "cuUserObjectRelease");
  if (number > object->references) return refuse(INVALID_VALUE, "cuUserObjectRelease of more references than there are");
  object->references -= number;
  if (!object->references) destroy(*object);
  return SUCCESS;
}

SWD_API CUresult cuGraphRetainUserObject(CUgraph graphHandle, CUuserObject handle, unsigned number, unsigned flags) {
  ENTER("cuGraphRetainUserObject", QUERY);
  auto* graph = find<Graph>(graphHandle);
  if (!graph) return noSuch(Graph::KIND, graphHandle, "cuGraphRetainUserObject");
  auto* object = find<UserObject>(handle);
  if (!object) return noSuch(UserObject::KIND, handle, "cuGraphRetainUserObject");
  const bool move = flags == 1;  // CU_GRAPH_USER_OBJECT_MOVE
  if (!number || flags > 1 || (move && number > object->references))
    return refuse(INVALID_VALUE, "cuGraphRetainUserObject: %u references, flags %u", number, flags);
  graph->holds.push_back(object->hold);
  if (move) object->references -= number;
  if (!object->references) destroy(*object);
  return SUCCESS;
}

SWD_API CUresult cuThreadExchangeStreamCaptureMode(int* mode) {
  ENTER("cuThreadExchangeStreamCaptureMode", QUERY);
  if (*mode < 0 || *mode > 2) return refuse(INVALID_VALUE, "cuThreadExchangeStreamCaptureMode: no mode %d", *mode);
  std::swap(*mode, thread().captureMode);
  return SUCCESS;
}

// --- Graphs ---

SWD_API CUresult cuGraphCreate(CUgraph* graph, unsigned flags) {
  ENTER("cuGraphCreate", WORK);
  if (flags) return refuse(INVALID_VALUE, "cuGraphCreate: flags must be 0");
  *graph = handle<CUgraph>(*create<Graph>());
  return SUCCESS;
}

SWD_API CUresult cuGraphClone(CUgraph* copy, CUgraph original) {
  ENTER("cuGraphClone", WORK);
  auto* from = find<Graph>(original);
  if (!from) return noSuch(Graph::KIND, original, "cuGraphClone");
  auto made = create<Graph>();
  *made->nodes = *from->nodes;
  made->holds = from->holds;
  *copy = handle<CUgraph>(*made);
  return SUCCESS;
}

SWD_API CUresult cuGraphDestroy(CUgraph handle) {
  ENTER("cuGraphDestroy", WORK);
  auto* graph = find<Graph>(handle);
  if (!graph) return noSuch(Graph::KIND, handle, "cuGraphDestroy");
  for (uint64_t node : graph->handles)
    if (node) world().objects.erase(node);
  destroy(*graph);
  return SUCCESS;
}

SWD_API CUresult cuGraphGetNodes(CUgraph handle, CUgraphNode* nodes, size_t* number) {
  ENTER("cuGraphGetNodes", WORK);
  auto* graph = find<Graph>(handle);
  if (!graph) return noSuch(Graph::KIND, handle, "cuGraphGetNodes");
  const size_t there = graph->nodes->size();
  for (size_t i = 0; nodes && i < *number; i++)
    nodes[i] = i < there ? reinterpret_cast<CUgraphNode>(nodeHandle(*graph, i)) : nullptr;
  *number = nodes ? std::min(*number, there) : there;
  return SUCCESS;
}

SWD_API CUresult cuGraphAddEmptyNode(CUgraphNode* node, CUgraph handle, const CUgraphNode* after, size_t number) {
  ENTER("cuGraphAddEmptyNode", WORK);
  auto* graph = find<Graph>(handle);
  if (!graph) return noSuch(Graph::KIND, handle, "cuGraphAddEmptyNode");
  Node empty;
  if (int status = indices(*graph, after, number, empty.after, "cuGraphAddEmptyNode")) return status;
  graph->nodes->push_back(empty);
  *node = reinterpret_cast<CUgraphNode>(nodeHandle(*graph, graph->nodes->size() - 1));
  return SUCCESS;
}

// The child's nodes are put into the graph between its predecessors and one empty node, which stands for it.
SWD_API CUresult cuGraphAddChildGraphNode(CUgraphNode* node, CUgraph handle, const CUgraphNode* after, size_t number,
                                          CUgraph childHandle) {
  ENTER("cuGraphAddChildGraphNode", WORK);
  auto* graph = find<Graph>(handle);
  if (!graph) return noSuch(Graph::KIND, handle, "cuGraphAddChildGraphNode");
  auto* child = find<Graph>(childHandle);
  if (!child) return noSuch(Graph::KIND, childHandle, "cuGraphAddChildGraphNode");
  std::vector<size_t> first;
  if (int status = indices(*graph, after, number, first, "cuGraphAddChildGraphNode")) return status;
  Nodes& nodes = *graph->nodes;
  const size_t offset = nodes.size();
  Node last;
  last.after = first;
  for (const Node& original : *child->nodes) {
    Node copy = original;
    for (size_t& before : copy.after) before += offset;
    if (copy.after.empty()) copy.after = first;
    last.after.push_back(nodes.size());
    nodes.push_back(copy);
  }
  graph->holds.insert(graph->holds.end(), child->holds.begin(), child->holds.end());
  nodes.push_back(last);
  *node = reinterpret_cast<CUgraphNode>(nodeHandle(*graph, nodes.size() - 1));
  return SUCCESS;
}

static int instantiate(const char* function, CUgraphExec* exec, CUgraph handle) {
  int status;
  Context* context = current(&status);
  if (!context) return refuse(status, "%s: no current context", function);
  auto* graph = find<Graph>(handle);
  if (!graph) return noSuch(Graph::KIND, handle, function);
  auto made = create<GraphExec>(context);
  made->nodes = std::make_shared<Nodes>(*graph->nodes);
  made->holds = graph->holds;
  *exec = software::handle<CUgraphExec>(*made);
  return SUCCESS;
}

SWD_API CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph graph, unsigned long long) {
  ENTER("cuGraphInstantiateWithFlags", WORK);
  return instantiate("cuGraphInstantiateWithFlags", exec, graph);
}

SWD_API CUresult cuGraphInstantiate_v2(CUgraphExec* exec, CUgraph graph, CUgraphNode* node, char* log, size_t size) {
  ENTER("cuGraphInstantiate_v2", WORK);
  if (node) *node = nullptr;
  if (log && size) *log = '\0';
  return instantiate("cuGraphInstantiate_v2", exec, graph);
}

// Launches of one executable graph run one after the other, whatever their streams.
SWD_API CUresult cuGraphLaunch(CUgraphExec handle, CUstream streamHandle) {
  ENTER("cuGraphLaunch", WORK);
  int status;
  Stream* stream = streamOf(streamHandle, &status, "cuGraphLaunch");
  if (!stream) return status;
  auto* exec = find<GraphExec>(handle);
  if (!exec) return noSuch(GraphExec::KIND, handle, "cuGraphLaunch");
  if ((status = capturing(*stream, "cuGraphLaunch"))) return status;
  for (const Node& node : *exec->nodes)
    if (node.task && node.task->context->ordinal != stream->context->ordinal)
      return refuse(INVALID_VALUE, "cuGraphLaunch: the graph holds work of device %d, the stream is of device %d",
                    node.task->context->ordinal, stream->context->ordinal);
  Work work{"graph", nullptr, start(exec->nodes), {}, nullptr};
  if (exec->last && !exec->last->done) work.after.push_back(exec->last);
  exec->last = enqueueWork(*stream, std::move(work));
  return SUCCESS;
}

SWD_API CUresult cuGraphUpload(CUgraphExec handle, CUstream streamHandle) {
  ENTER("cuGraphUpload", WORK);
  int status;
  Stream* stream = streamOf(streamHandle, &status, "cuGraphUpload");
  if (!stream) return status;
  if (!find<GraphExec>(handle)) return noSuch(GraphExec::KIND, handle, "cuGraphUpload");
  return capturing(*stream, "cuGraphUpload");
}

SWD_API CUresult cuGraphExecDestroy(CUgraphExec handle) {
  ENTER("cuGraphExecDestroy", WORK);
  auto* exec = find<GraphExec>(handle);
  if (!exec) return noSuch(GraphExec::KIND, handle, "cuGraphExecDestroy");
  destroy(*exec);
  return SUCCESS;
}

struct UpdateResult {  // CUgraphExecUpdateResultInfo
  int result;
  CUgraphNode node;
  CUgraphNode from;
};

SWD_API CUresult cuGraphExecUpdate_v2(CUgraphExec handle, CUgraph graphHandle, UpdateResult* result) {
  ENTER("cuGraphExecUpdate_v2", WORK);
  auto* exec = find<GraphExec>(handle);
  if (!exec) return noSuch(GraphExec::KIND, handle, "cuGraphExecUpdate_v2");
  auto* graph = find<Graph>(graphHandle);
  if (!graph) return noSuch(Graph::KIND, graphHandle, "cuGraphExecUpdate_v2");
  enum { ALL_WELL = 0, TOPOLOGY_CHANGED = 2, FUNCTION_CHANGED = 4 };
  *result = {ALL_WELL, nullptr, nullptr};
  const Nodes& old = *exec->nodes;
  const Nodes& replacement = *graph->nodes;
  if (old.size() != replacement.size()) {
    result->result = TOPOLOGY_CHANGED;
    return GRAPH_EXEC_UPDATE_FAILURE;
  }
  for (size_t i = 0; i < old.size(); i++) {
    if (old[i].after != replacement[i].after) {
      *result = {TOPOLOGY_CHANGED, nullptr, reinterpret_cast<CUgraphNode>(nodeHandle(*graph, i))};
      return GRAPH_EXEC_UPDATE_FAILURE;
    }
    const void* before = old[i].task ? old[i].task->sort() : nullptr;
    const void* after = replacement[i].task ? replacement[i].task->sort() : nullptr;
    if (before != after) {
      *result = {FUNCTION_CHANGED, nullptr, reinterpret_cast<CUgraphNode>(nodeHandle(*graph, i))};
      return GRAPH_EXEC_UPDATE_FAILURE;
    }
  }
  exec->nodes = std::make_shared<Nodes>(replacement);  // launches under way keep the old ones
  return SUCCESS;
}
