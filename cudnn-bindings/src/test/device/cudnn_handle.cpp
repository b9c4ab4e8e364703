// Handles, versions and error texts.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <unordered_map>

#include "cudnn.h"

namespace software::cudnn {
namespace {

thread_local std::string lastError;

std::mutex registryLock;
std::unordered_map<void*, std::unique_ptr<Handle>> liveHandles;
uint64_t registryGeneration = 0;

void forgetThePast() {
  if (registryGeneration != swd_generation()) {
    registryGeneration = swd_generation();
    liveHandles.clear();
  }
}

}  // namespace

int fail(int status, const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  lastError = text;
  return status;
}

Handle* liveHandle(void* handle) {
  std::lock_guard<std::mutex> guard(registryLock);
  forgetThePast();
  auto found = liveHandles.find(handle);
  if (found != liveHandles.end()) return found->second.get();
  if (handle) swd_complain("cuDNN: %p is no live handle", handle);
  fail(handle ? BAD_PARAM : BAD_PARAM_NULL_POINTER, "%p is no live handle", handle);
  return nullptr;
}

int64_t version() { return std::strtoll(swd_setting("cudnn.version", "92000"), nullptr, 10); }

}  // namespace software::cudnn

using namespace software::cudnn;

SWD_API size_t cudnnGetVersion(void) {
  swd_note("cudnn", __func__);
  return static_cast<size_t>(version());
}

SWD_API size_t cudnnGetMaxDeviceVersion(void) {
  swd_note("cudnn", __func__);
  return 1210;
}

SWD_API size_t cudnnGetCudartVersion(void) {
  swd_note("cudnn", __func__);
  return static_cast<size_t>(std::strtoll(swd_setting("cudnn.cudart", "12090"), nullptr, 10));
}

SWD_API const char* cudnnGetErrorString(int status) {
  swd_note("cudnn", __func__);
  switch (status) {
    case SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case NOT_INITIALIZED: return "CUDNN_STATUS_NOT_INITIALIZED";
    case SUBLIBRARY_VERSION_MISMATCH: return "CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH";
    case BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case BAD_PARAM_NULL_POINTER: return "CUDNN_STATUS_BAD_PARAM_NULL_POINTER";
    case BAD_PARAM_MISALIGNED_POINTER: return "CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER";
    case BAD_PARAM_NOT_FINALIZED: return "CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED";
    case BAD_PARAM_STREAM_MISMATCH: return "CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH";
    case BAD_PARAM_ATTRIBUTE_TYPE: return "CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE";
    case NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    case NOT_SUPPORTED_ARCH_MISMATCH: return "CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH";
    case NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING: return "CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING";
    case 4000: return "CUDNN_STATUS_INTERNAL_ERROR";
    case INTERNAL_ERROR_COMPILATION_FAILED: return "CUDNN_STATUS_INTERNAL_ERROR_COMPILATION_FAILED";
    case INTERNAL_ERROR_HOST_ALLOCATION_FAILED: return "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED";
    case EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
    case EXECUTION_FAILED_CUDA_DRIVER: return "CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER";
    default: return "CUDNN_UNKNOWN_STATUS";
  }
}

SWD_API void cudnnGetLastErrorString(char* message, size_t size) {
  swd_note("cudnn", __func__);
  if (!message || !size) return;
  size_t length = std::min(size - 1, lastError.size());
  lastError.copy(message, length);
  message[length] = 0;
  lastError.clear();
}

SWD_API int cudnnGetProperty(int type, int* value) {
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__);
  if (!value || type < 0 || type > 2) return fail(BAD_PARAM, "no such property");
  int64_t v = version();
  *value = static_cast<int>(type == 0 ? v / 10000 : type == 1 ? v / 100 % 100 : v % 100);
  return SUCCESS;
}

SWD_API int cudnnGraphVersionCheck(void) { return swd_enter("cudnn", __func__); }
SWD_API int cudnnOpsVersionCheck(void) { return swd_enter("cudnn", __func__); }
SWD_API int cudnnCnnVersionCheck(void) { return swd_enter("cudnn", __func__); }
SWD_API int cudnnAdvVersionCheck(void) { return swd_enter("cudnn", __func__); }

SWD_API int cudnnSetCallback(unsigned, void*, void (*)(int, void*, const void*, const char*)) {
  return swd_enter("cudnn", __func__);
}

SWD_API int cudnnCreate(void** handle) {
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__);
  if (!handle) return fail(BAD_PARAM_NULL_POINTER, "the place for the handle is null");
  auto made = std::make_unique<Handle>();
  if (int status = swd_context(&made->context, &made->ordinal))
    return fail(NOT_INITIALIZED, "the calling thread has no current context (CUresult %d)", status);
  made->device = DeviceProperties::ofDevice(made->ordinal);
  std::lock_guard<std::mutex> guard(registryLock);
  forgetThePast();
  *handle = made.get();
  liveHandles[made.get()] = std::move(made);
  swd_live("cudnn handle", 1);
  return SUCCESS;
}

SWD_API int cudnnDestroy(void* handle) {
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__);
  if (!liveHandle(handle)) return BAD_PARAM;
  swd_handle_enter(handle);
  swd_handle_leave(handle);
  std::lock_guard<std::mutex> guard(registryLock);
  if (liveHandles.erase(handle)) swd_live("cudnn handle", -1);
  return SUCCESS;
}

SWD_API int cudnnSetStream(void* handle, CUstream stream) {
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__);
  Handle* live = liveHandle(handle);
  if (!live) return BAD_PARAM;
  swd_handle_enter(handle);
  int status = swd_stream_check(stream);
  if (!status) live->stream = stream;
  swd_handle_leave(handle);
  return status ? fail(BAD_PARAM_STREAM_MISMATCH, "the stream cannot be used here (CUresult %d)", status) : SUCCESS;
}

SWD_API int cudnnGetStream(void* handle, CUstream* stream) {
  if (int status = swd_enter("cudnn", __func__)) return fail(status, "%s: injected", __func__);
  Handle* live = liveHandle(handle);
  if (!live) return BAD_PARAM;
  *stream = live->stream;
  return SUCCESS;
}
