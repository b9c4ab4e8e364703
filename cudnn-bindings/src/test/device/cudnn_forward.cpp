// Asking the vendor's cuDNN, in its own process, what it can plan.
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cstdlib>
#include <mutex>

#include "cudnn.h"
#include "cudnn_message.h"

namespace software::cudnn {
namespace {

constexpr int SUBLIBRARY_UNAVAILABLE = 3009;

std::string besideUs(const char* file) {
  Dl_info us{};
  dladdr(reinterpret_cast<void*>(&besideUs), &us);
  std::string path = us.dli_fname ? us.dli_fname : "";
  return path.substr(0, path.rfind('/') + 1) + file;
}

// Starts the process with its standard input as our connection; -1 if that fails.
int start(const std::string& folder) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) return -1;
  std::string program = besideUs("cudnn-vendor"), libraries = "LD_LIBRARY_PATH=" + folder + "/driver";
  for (const char* package : {"cudnn", "cublas", "cuda_nvrtc", "cuda_runtime"})
    libraries += ":" + folder + "/nvidia/" + package + "/lib";
  std::string home = std::string("HOME=") + (std::getenv("HOME") ? std::getenv("HOME") : "/");
  char* arguments[] = {program.data(), const_cast<char*>(folder.c_str()), nullptr};
  char* environment[] = {libraries.data(), home.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pair[1], 0);
  posix_spawn_file_actions_adddup2(&actions, 2, 1);
  pid_t child;
  int failed = posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environment);
  posix_spawn_file_actions_destroy(&actions);
  close(pair[1]);
  if (failed) {
    close(pair[0]);
    return -1;
  }
  return pair[0];
}

MessageWriter question(Question what, const Program& program, const DeviceProperties& device) {
  MessageWriter w;
  w.add(what);
  w.add(device.json);
  w.add(program.numbers());
  return w;
}

Engine readEngine(MessageReader& r) {
  Engine engine;
  engine.index = r.number();
  for (int64_t note : r.numbers()) engine.numericalNotes.push_back(static_cast<int>(note));
  for (int64_t note : r.numbers()) engine.behaviorNotes.push_back(static_cast<int>(note));
  auto knobs = r.numbers();
  for (size_t i = 0; i + 3 < knobs.size(); i += 4)
    engine.knobs.push_back({static_cast<int>(knobs[i]), knobs[i + 1], knobs[i + 2], knobs[i + 3]});
  return engine;
}

std::vector<int64_t> pairs(const std::vector<KnobChoice>& choices) {
  std::vector<int64_t> all;
  for (auto& c : choices) {
    all.push_back(c.type);
    all.push_back(c.value);
  }
  return all;
}

int unavailable() { return fail(SUBLIBRARY_UNAVAILABLE, "the process with the vendor's cuDNN does not answer"); }

}  // namespace

Vendor* Vendor::chosen() {
  static std::map<std::string, Vendor> all;  // under the library's lock, as every caller is
  const char* folder = swd_setting("cudnn.vendor", "");
  if (!*folder) return nullptr;
  Vendor& vendor = all[folder];
  vendor.folder_ = folder;
  return &vendor;
}

bool Vendor::ask(const std::string& question, std::string* answer) {
  auto known = answered_.find(question);
  if (known != answered_.end()) {
    *answer = known->second;
    return true;
  }
  if (socket_ < 0) socket_ = start(folder_);
  if (socket_ < 0 || !sendMessage(socket_, question) || !receiveMessage(socket_, answer)) {
    swd_complain("cuDNN: the process with the vendor's library under %s ended or did not start", folder_.c_str());
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
    return false;
  }
  answered_[question] = *answer;
  return true;
}

int Vendor::candidates(const Program& program, const DeviceProperties& device, int mode, std::vector<Candidate>* out) {
  auto w = question(HEURISTICS, program, device);
  w.add(mode);
  std::string answer;
  if (!ask(w.bytes, &answer)) return unavailable();
  MessageReader r(answer);
  auto status = static_cast<int>(r.number());
  std::string text = r.text();
  if (status) return fail(status, "%s", text.c_str());
  int64_t count = r.number();
  for (int64_t i = 0; r.good && i < count; i++) {
    Candidate candidate{readEngine(r), {}};
    auto choices = r.numbers();
    for (size_t k = 0; k + 1 < choices.size(); k += 2)
      candidate.knobs.push_back({static_cast<int>(choices[k]), choices[k + 1]});
    out->push_back(candidate);
  }
  return SUCCESS;
}

int Vendor::engine(const Program& program, const DeviceProperties& device, int64_t index, Engine* out) {
  auto w = question(ENGINE_INFO, program, device);
  w.add(index);
  std::string answer;
  if (!ask(w.bytes, &answer)) return unavailable();
  MessageReader r(answer);
  auto status = static_cast<int>(r.number());
  std::string text = r.text();
  if (status) return fail(status, "%s", text.c_str());
  *out = readEngine(r);
  return SUCCESS;
}

int Vendor::plan(Plan* plan) {
  auto w = question(MAKE_PLAN, plan->program, plan->device);
  w.add(plan->engine);
  w.add(pairs(plan->knobs));
  std::string answer;
  if (!ask(w.bytes, &answer)) return unavailable();
  MessageReader r(answer);
  auto status = static_cast<int>(r.number());
  std::string text = r.text();
  if (status) return fail(status, "%s", text.c_str());
  plan->numericalNotes = readEngine(r).numericalNotes;
  plan->workspace = r.number();
  plan->vendorJson = r.text();
  return SUCCESS;
}

int Vendor::restore(Plan* plan) {
  auto w = question(RESTORE_PLAN, plan->program, plan->device);
  w.add(plan->engine);
  w.add(plan->vendorJson);
  std::string answer;
  if (!ask(w.bytes, &answer)) return unavailable();
  MessageReader r(answer);
  auto status = static_cast<int>(r.number());
  std::string text = r.text();
  if (status) return fail(status, "%s", text.c_str());
  plan->numericalNotes = readEngine(r).numericalNotes;
  plan->workspace = r.number();
  return SUCCESS;
}

}  // namespace software::cudnn
