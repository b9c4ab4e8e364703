// The stand-in of NVRTC: the system's C++ compiler, with the shim in front of the text and a table of kernels behind.
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "device.h"

extern char** environ;

namespace {

enum Result : int {
  NVRTC_SUCCESS = 0,
  OUT_OF_MEMORY = 1,
  PROGRAM_CREATION_FAILURE = 2,
  INVALID_INPUT = 3,
  INVALID_PROGRAM = 4,
  INVALID_OPTION = 5,
  COMPILATION = 6,
  BUILTIN_OPERATION_FAILURE = 7,
  INTERNAL_ERROR = 11,
};

struct Program {
  std::string name, source, log, cubin, ptx;
  bool compiled = false;
};

std::mutex programsLock;
std::map<uint64_t, std::shared_ptr<Program>>& programs() {
  static auto* all = new std::map<uint64_t, std::shared_ptr<Program>>();
  return *all;
}
uint64_t nextProgram = 1;

std::shared_ptr<Program> find(void* handle) {
  std::lock_guard<std::mutex> guard(programsLock);
  auto found = programs().find(reinterpret_cast<uint64_t>(handle));
  return found == programs().end() ? nullptr : found->second;
}

int version() { return atoi(swd_setting("nvrtc.version", "12090")); }

const std::vector<int>& architectures() {
  static const std::vector<int> twelve = {50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90, 100, 101, 103, 120, 121};
  static const std::vector<int> thirteen = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};
  return version() >= 13000 ? thirteen : twelve;
}

// --- Rewriting ---

[[noreturn]] void wrong(const std::string& what) { throw std::string(what); }

// Text with comments and literals blanked, of the same length: positions in one are positions in the other.
std::string blanked(const std::string& text) {
  std::string result = text;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    if (text.compare(i, 2, "//") == 0) {
      end = std::min(text.find('\n', i), text.size());
    } else if (text.compare(i, 2, "/*") == 0) {
      size_t close = text.find("*/", i + 2);
      end = close == std::string::npos ? text.size() : close + 2;
    } else if (text[i] == '"' || text[i] == '\'') {
      for (end = i + 1; end < text.size() && text[end] != text[i]; end++)
        if (text[end] == '\\') end++;
      end = std::min(end + 1, text.size());
      for (size_t k = i + 1; k + 1 < end; k++) result[k] = ' ';
      i = end;
      continue;
    }
    for (size_t k = i; k < end; k++)
      if (result[k] != '\n') result[k] = ' ';
    i = std::max(end, i + 1);
  }
  return result;
}

std::string trimmed(std::string s) {
  s.erase(0, std::min(s.find_first_not_of(" \t\n\r"), s.size()));
  s.erase(s.find_last_not_of(" \t\n\r") + 1);
  return s;
}

// The top-level pieces between separators, of what is in parentheses.
std::vector<std::string> split(const std::string& text, char separator) {
  std::string plain = blanked(text);
  std::vector<std::string> pieces;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); i++) {
    if (i < text.size() && (plain[i] == '(' || plain[i] == '[')) depth++;
    if (i < text.size() && (plain[i] == ')' || plain[i] == ']')) depth--;
    if (i == text.size() || (plain[i] == separator && !depth)) {
      pieces.push_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  if (pieces.size() == 1 && pieces[0].empty()) pieces.clear();
  return pieces;
}

// asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x)); becomes swd_ptx_cvt_rn_f16_f32(h, x);
std::string ptxCall(const std::string& inside) {
  std::vector<std::string> sections = split(inside, ':');
  std::vector<std::string> operands;
  for (size_t i = 1; i < sections.size() && i < 3; i++)
    for (const std::string& operand : split(sections[i], ',')) {
      size_t open = operand.find('('), close = operand.rfind(')');
      if (open == std::string::npos || close == std::string::npos) wrong("cannot read the operand " + operand);
      operands.push_back(operand.substr(open + 1, close - open - 1));
    }
  std::string text = sections.empty() ? "" : sections[0];
  std::smatch match;
  static const std::regex one(R"rx(^"\s*([a-z0-9_.]+)\s+([^;"]*);?\s*"$)rx");
  if (!std::regex_match(text, match, one)) wrong("cannot read the inline PTX " + text + ": one instruction at a time");
  std::string call = "swd_ptx_" + match[1].str() + "(";
  std::replace(call.begin(), call.end(), '.', '_');
  bool first = true;
  for (const std::string& operand : split(match[2].str(), ',')) {
    if (operand.size() < 2 || operand[0] != '%') wrong("cannot read the operand " + operand + " of " + text);
    size_t number = static_cast<size_t>(atoi(operand.c_str() + 1));
    if (number >= operands.size()) wrong("no operand " + operand + " for " + text);
    call += (first ? "(" : ", (") + operands[number] + ")";
    first = false;
  }
  return call + ")";
}

std::string rewriteAsm(std::string text) {
  static const std::regex keyword(R"((^|[^A-Za-z0-9_])(asm|__asm__|__asm)(\s+(volatile|__volatile__))?\s*\()");
  for (;;) {
    std::string plain = blanked(text);
    std::smatch match;
    if (!std::regex_search(plain, match, keyword)) return text;
    size_t begin = static_cast<size_t>(match.position(2));
    size_t open = static_cast<size_t>(match.position(0) + match.length(0)) - 1;
    size_t close = open;
    for (int depth = 0; close < plain.size(); close++) {
      if (plain[close] == '(') depth++;
      if (plain[close] == ')' && --depth == 0) break;
    }
    std::string inside = text.substr(open + 1, close - open - 1);
    long lines = std::count(inside.begin(), inside.end(), '\n');
    text.replace(begin, close + 1 - begin, ptxCall(inside) + std::string(static_cast<size_t>(lines), '\n'));
  }
}

// extern __shared__ float buffer[]; becomes a pointer to what the launch gives.
std::string rewriteDynamicShared(const std::string& text) {
  static const std::regex declaration(
      R"(extern\s+__shared__\s+(__align__\s*\(\s*\d+\s*\)\s+)?([A-Za-z_][A-Za-z0-9_ ]*?)\s*\b([A-Za-z_][A-Za-z0-9_]*)\s*\[\s*\]\s*;)");
  return std::regex_replace(text, declaration, "$2* const $3 = ($2*)swd_now.dynamic_shared();");
}

std::set<std::string> words(const std::string& text) {
  static const std::regex word("[A-Za-z_][A-Za-z0-9_]*");
  std::set<std::string> found;
  for (std::sregex_iterator i(text.begin(), text.end(), word), none; i != none; ++i) found.insert(i->str());
  return found;
}

// The functions and macros that reach a barrier or a shuffle, directly or through others, by their names.
std::set<std::string> waitingFunctions(const std::string& plain) {
  std::map<std::string, std::set<std::string>> bodies;
  for (size_t i = 0; i < plain.size(); i++) {
    if (plain[i] == '#') {
      size_t end = i;
      do {
        end = std::min(plain.find('\n', end + 1), plain.size());
      } while (end < plain.size() && plain[end - 1] == '\\');
      static const std::regex definition(R"(^#\s*define\s+([A-Za-z_][A-Za-z0-9_]*))");
      std::string line = plain.substr(i, end - i);
      std::smatch match;
      if (std::regex_search(line, match, definition)) bodies[match[1].str()] = words(line.substr(match[0].str().size()));
      i = end;
      continue;
    }
    if (plain[i] != '{') continue;
    size_t before = plain.find_last_not_of(" \t\n", i - 1);
    if (!i || before == std::string::npos || plain[before] != ')') continue;  // no function: look inside
    size_t open = before;
    for (int depth = 0; open > 0; open--) {
      if (plain[open] == ')') depth++;
      if (plain[open] == '(' && --depth == 0) break;
    }
    size_t last = open ? plain.find_last_not_of(" \t\n", open - 1) : std::string::npos;
    size_t close = i;
    for (int depth = 0; close < plain.size(); close++) {
      if (plain[close] == '{') depth++;
      if (plain[close] == '}' && --depth == 0) break;
    }
    if (last != std::string::npos) {
      size_t first = plain.find_last_not_of(
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", last);
      std::string name = plain.substr(first + 1, last - first);
      auto used = words(plain.substr(i, close - i));
      bodies[name].insert(used.begin(), used.end());
    }
    i = close;
  }
  std::set<std::string> waiting = {"__syncthreads", "__syncwarp",      "__shfl_sync",
                                   "__shfl_xor_sync", "__shfl_up_sync", "__shfl_down_sync"};
  for (bool more = true; more;) {
    more = false;
    for (auto& [name, used] : bodies)
      for (const std::string& word : used)
        if (waiting.count(word)) more |= waiting.insert(name).second;
  }
  return waiting;
}

// The table behind the text: each __global__ function and its launch bounds.
std::string table(const std::string& text) {
  std::string plain = blanked(text);
  static const std::regex kernel(
      R"(__global__\s+(?:__launch_bounds__\s*\(\s*([^)]*)\)\s*)?void\s+(?:__launch_bounds__\s*\(\s*([^)]*)\)\s*)?([A-Za-z_][A-Za-z0-9_]*)\s*\()");
  std::map<std::string, std::string> found;
  for (std::sregex_iterator i(plain.begin(), plain.end(), kernel), none; i != none; ++i) {
    std::string bounds = (*i)[1].matched ? (*i)[1].str() : (*i)[2].str();
    found[(*i)[3].str()] = bounds.empty() ? "0" : "(" + bounds.substr(0, bounds.find(',')) + ")";
  }
  std::set<std::string> waiting = waitingFunctions(plain);
  std::string entries;
  for (auto& [name, threads] : found)
    entries += " SWD_KERNEL(" + name + ", " + threads + ", " + (waiting.count(name) ? "1" : "0") + ")";
  return "\nSWD_TABLE(" + entries + ")\n";
}

// --- Compiling ---

uint64_t hash(const std::string& text, uint64_t seed) {  // FNV-1a
  uint64_t h = 14695981039346656037u ^ seed;
  for (unsigned char c : text) h = (h ^ c) * 1099511628211u;
  return h;
}

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

// Runs the compiler; what it says on the way goes to a file.
int execute(const std::vector<std::string>& command, const std::string& output) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child;
  int failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return -1;
  int status;
  if (waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int compile(Program& program, const std::vector<std::string>& options) {
  std::string architecture;
  std::vector<std::string> definitions;
  for (const std::string& option : options) {
    auto value = [&](const char* prefix) {
      return option.compare(0, strlen(prefix), prefix) == 0 ? option.substr(strlen(prefix)) : std::string();
    };
    std::string chosen = value("--gpu-architecture=");
    if (chosen.empty()) chosen = value("-arch=");
    std::string macro = value("--define-macro=");
    if (macro.empty()) macro = value("-D");
    if (!chosen.empty()) {
      architecture = chosen;
    } else if (!macro.empty()) {
      definitions.push_back("-D" + macro);
    } else if (option.compare(0, 2, "--") && option.compare(0, 1, "-")) {
      program.log = "nvrtc: error: unrecognized option " + option + " found";
      return INVALID_OPTION;
    } else {
      // Those that change how fast it is, or what is said about it.
      static const std::regex known(
          R"(--(std=c\+\+\d+|fmad=(true|false)|use_fast_math|ftz=(true|false)|prec-div=(true|false)|prec-sqrt=(true|false)|maxrregcount=\d+|generate-line-info|device-debug|extra-device-vectorization|restrict|default-device|device-as-default-execution-space|disable-warnings|diag-suppress=.*|split-compile=\d+|minimal)|-(default-device|lineinfo|G|w))");
      if (!std::regex_match(option, known)) {
        program.log = "nvrtc: error: unrecognized option " + option + " found";
        return INVALID_OPTION;
      }
    }
  }
  // As documented: without the option it is the oldest chip that is not deprecated.
  const bool machineCode = architecture.compare(0, 3, "sm_") == 0;
  if (architecture.empty()) {
    architecture = version() >= 13000 ? "compute_75" : "compute_52";
    swd_complain("nvrtcCompileProgram without --gpu-architecture compiles for %s", architecture.c_str());
  }
  size_t underscore = architecture.find('_');
  int number = underscore == std::string::npos ? 0 : atoi(architecture.c_str() + underscore + 1);
  if (std::find(architectures().begin(), architectures().end(), number) == architectures().end()) {
    program.log = "nvrtc: error: invalid value for --gpu-architecture (-arch): " + architecture;
    return INVALID_OPTION;
  }
  std::string text;
  try {
    text = rewriteDynamicShared(rewriteAsm(program.source));
  } catch (const std::string& complaint) {
    program.log = program.name + ": error: " + complaint;
    return COMPILATION;
  }
  const std::string shim = swd_setting("kernel.shim", "");
  const std::string cache = swd_setting("kernel.cache", "");
  if (shim.empty() || cache.empty()) {
    program.log = "the software device was not set up by SoftwareDevice";
    return INTERNAL_ERROR;
  }
  std::vector<std::string> command = {
      swd_setting("kernel.compiler", "g++"), "-x", "c++", "-std=c++17", "-O2", "-g0", "-fPIC", "-shared",
      "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti", "-ffp-contract=off", "-fno-strict-aliasing", "-fwrapv",
      "-fno-builtin", "-nostdinc", "-nostdinc++", "-Wno-unused-function", "-fsanitize=kernel-address", "--param=asan-instrumentation-with-call-threshold=0",
      "--param=asan-stack=0", "--param=asan-globals=0", "-I", shim, "-D__CUDA_ARCH__=" + std::to_string(number * 10)};
  command.insert(command.end(), definitions.begin(), definitions.end());
  std::string whole = "#include \"kernel_shim.h\"\n#line 1 \"" + program.name + "\"\n" + text + table(program.source);
  std::string identity = whole + read(shim + "/kernel_shim.h") + read(shim + "/kernel_abi.h");
  for (const std::string& word : command)
    if (word != shim) identity += " " + word;
  char name[64];
  snprintf(name, sizeof name, "%016llx%016llx", static_cast<unsigned long long>(hash(identity, 0)),
           static_cast<unsigned long long>(hash(identity, 0x5bd1e995)));
  mkdir(cache.c_str(), 0700);
  const std::string library = cache + "/" + name + ".so";
  if (access(library.c_str(), R_OK) != 0) {
    static std::atomic<int> attempts{0};
    const std::string partial =
        cache + "/" + name + "." + std::to_string(getpid()) + "." + std::to_string(attempts++);
    std::ofstream(partial + ".cpp", std::ios::binary) << whole;
    command.insert(command.end(), {partial + ".cpp", "-o", partial + ".so"});
    int status = execute(command, partial + ".log");
    program.log = read(partial + ".log");
    unlink((partial + ".cpp").c_str());
    unlink((partial + ".log").c_str());
    if (status != 0) {
      unlink((partial + ".so").c_str());
      if (status < 0) program.log = "the system's C++ compiler could not be started";
      return status < 0 ? INTERNAL_ERROR : COMPILATION;
    }
    if (rename((partial + ".so").c_str(), library.c_str())) return INTERNAL_ERROR;
  }
  const std::string fields = "// architecture " + std::to_string(number) + "\n// version " +
                             std::to_string(version()) + "\n// object " + library + "\n";
  program.ptx = "//\n// software device PTX\n" + fields + ".target " + architecture + "\n";
  program.cubin = machineCode ? "\177SWDCUBIN\n" + fields : "";
  program.compiled = true;
  return NVRTC_SUCCESS;
}

int copyOut(const char* what, void* handle, std::string Program::*part, char* target, size_t* size, bool terminated) {
  if (int status = swd_enter("nvrtc", what)) return status;
  auto program = find(handle);
  if (!program) {
    swd_complain("%s: %p is no program", what, handle);
    return INVALID_PROGRAM;
  }
  if (part != &Program::log && !program->compiled) {
    swd_complain("%s: the program was not compiled", what);
    return INVALID_PROGRAM;
  }
  const std::string& text = (*program).*part;
  if (size) *size = text.empty() && !terminated ? 0 : text.size() + 1;
  // The terminating zero goes with it: whoever loads the image is not told its size.
  if (target) memcpy(target, text.c_str(), text.size() + 1);
  return NVRTC_SUCCESS;
}

}  // namespace

SWD_API int nvrtcVersion(int* major, int* minor) {
  if (int status = swd_enter("nvrtc", "nvrtcVersion")) return status;
  *major = version() / 1000;
  *minor = version() % 1000 / 10;
  return NVRTC_SUCCESS;
}

SWD_API int nvrtcGetNumSupportedArchs(int* number) {
  if (int status = swd_enter("nvrtc", "nvrtcGetNumSupportedArchs")) return status;
  *number = static_cast<int>(architectures().size());
  return NVRTC_SUCCESS;
}

SWD_API int nvrtcGetSupportedArchs(int* all) {
  if (int status = swd_enter("nvrtc", "nvrtcGetSupportedArchs")) return status;
  std::copy(architectures().begin(), architectures().end(), all);
  return NVRTC_SUCCESS;
}

SWD_API const char* nvrtcGetErrorString(int status) {
  swd_note("nvrtc", "nvrtcGetErrorString");
  static const char* const names[] = {"NVRTC_SUCCESS",
                                      "NVRTC_ERROR_OUT_OF_MEMORY",
                                      "NVRTC_ERROR_PROGRAM_CREATION_FAILURE",
                                      "NVRTC_ERROR_INVALID_INPUT",
                                      "NVRTC_ERROR_INVALID_PROGRAM",
                                      "NVRTC_ERROR_INVALID_OPTION",
                                      "NVRTC_ERROR_COMPILATION",
                                      "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE",
                                      "NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION",
                                      "NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION",
                                      "NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID",
                                      "NVRTC_ERROR_INTERNAL_ERROR"};
  return status >= 0 && status < 12 ? names[status] : "NVRTC_ERROR unknown";
}

SWD_API int nvrtcCreateProgram(void** program, const char* source, const char* name, int headers, const char* const*,
                               const char* const*) {
  if (int status = swd_enter("nvrtc", "nvrtcCreateProgram")) return status;
  if (!program || !source || headers < 0) {
    swd_complain("nvrtcCreateProgram: a null pointer");
    return INVALID_INPUT;
  }
  if (headers) {
    swd_complain("nvrtcCreateProgram: headers given along are not supported here");
    return INVALID_INPUT;
  }
  auto made = std::make_shared<Program>();
  made->source = source;
  made->name = name && *name ? name : "default_program";
  std::lock_guard<std::mutex> guard(programsLock);
  uint64_t handle = 0x0dd0000000000000u + 16 * nextProgram++;
  programs()[handle] = made;
  swd_live("nvrtc program", 1);
  *program = reinterpret_cast<void*>(handle);
  return NVRTC_SUCCESS;
}

SWD_API int nvrtcDestroyProgram(void** program) {
  if (int status = swd_enter("nvrtc", "nvrtcDestroyProgram")) return status;
  std::lock_guard<std::mutex> guard(programsLock);
  if (!program || !programs().erase(reinterpret_cast<uint64_t>(*program))) {
    swd_complain("nvrtcDestroyProgram: no program, or one that was destroyed");
    return INVALID_PROGRAM;
  }
  swd_live("nvrtc program", -1);
  *program = nullptr;
  return NVRTC_SUCCESS;
}

SWD_API int nvrtcCompileProgram(void* handle, int number, const char* const* options) {
  if (int status = swd_enter("nvrtc", "nvrtcCompileProgram")) return status;
  auto program = find(handle);
  if (!program) {
    swd_complain("nvrtcCompileProgram: %p is no program", handle);
    return INVALID_PROGRAM;
  }
  return compile(*program, std::vector<std::string>(options, options + number));
}

SWD_API int nvrtcGetProgramLogSize(void* program, size_t* size) {
  return copyOut("nvrtcGetProgramLogSize", program, &Program::log, nullptr, size, true);
}
SWD_API int nvrtcGetProgramLog(void* program, char* log) {
  return copyOut("nvrtcGetProgramLog", program, &Program::log, log, nullptr, true);
}
SWD_API int nvrtcGetPTXSize(void* program, size_t* size) {
  return copyOut("nvrtcGetPTXSize", program, &Program::ptx, nullptr, size, true);
}
SWD_API int nvrtcGetPTX(void* program, char* ptx) {
  return copyOut("nvrtcGetPTX", program, &Program::ptx, ptx, nullptr, true);
}
SWD_API int nvrtcGetCUBINSize(void* program, size_t* size) {
  return copyOut("nvrtcGetCUBINSize", program, &Program::cubin, nullptr, size, false);
}
SWD_API int nvrtcGetCUBIN(void* program, char* cubin) {
  return copyOut("nvrtcGetCUBIN", program, &Program::cubin, cubin, nullptr, false);
}
