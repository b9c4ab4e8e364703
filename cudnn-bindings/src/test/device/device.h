// What the stand-ins of NVIDIA's libraries share: the software CUDA device, which lives in libcuda.so.1.
// All functions are safe for use by any thread. Statuses are CUresult numbers unless said otherwise.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SWD_API extern "C" __attribute__((visibility("default")))

typedef struct CUctx_st* CUcontext;
typedef struct CUstream_st* CUstream;
typedef struct CUevent_st* CUevent;
typedef struct CUmod_st* CUmodule;
typedef struct CUfunc_st* CUfunction;
typedef struct CUgraph_st* CUgraph;
typedef struct CUuserObject_st* CUuserObject;
typedef struct CUgraphNode_st* CUgraphNode;
typedef struct CUgraphExec_st* CUgraphExec;
typedef struct CUlib_st* CUlibrary;
typedef struct CUkern_st* CUkernel;
typedef uint64_t CUdeviceptr;
typedef int CUdevice;
typedef int CUresult;

// --- The beginning of every public function ---

// Counts and logs the call, injects a fault that is due, and refuses work after a sticky error. Zero, or the status
// that the caller returns at once: a number of that library's own enum ("cuda", "nvrtc", "cudnn", "cublas", "cublasLt").
SWD_API int swd_enter(const char* library, const char* function);

// Logs a call of a function that returns no status (a version, an error's text): no fault can be injected into it.
SWD_API void swd_note(const char* library, const char* function);

// What a function that nobody wrote does: prints its name, complains, and returns `status`.
SWD_API int swd_trap(const char* library, const char* function, int status);

// --- Contexts and streams ---

// The current context of the calling OS thread and its device; 201 if there is none.
SWD_API int swd_context(void** context, int* ordinal);

// Whether a stream (null: the legacy stream) may be used in the current context: 0, 201, 400.
SWD_API int swd_stream_check(CUstream stream);

// 1 while the stream is capturing, else 0.
SWD_API int swd_stream_capturing(CUstream stream);

// What is forbidden during capture was tried: invalidates the stream's capture, complains, returns 900.
SWD_API int swd_capture_violation(CUstream stream, const char* what);

// Puts work on a stream of the current context. It runs later, on whichever thread waits, one piece of work at a time.
// While the stream is capturing it becomes a node of the graph, and `run` may be called many times. `release` (may be
// null) is called once, when nobody needs `arg` any more, also when this call fails. `kernel` is kept as a pointer.
SWD_API int swd_enqueue(CUstream stream, const char* kernel, void (*run)(void*), void* arg, void (*release)(void*));

// --- Device memory ---

// Inside `run` only: a pointer for `bytes` at a device address, good until `run` returns. NULL after having raised a
// sticky 700 that names `what`: then `run` returns at once.
SWD_API void* swd_access(uint64_t device_address, size_t bytes, int write, const char* what);

// At call time: whether the range lies inside one live allocation of the current device and begins at a multiple of
// `alignment` (0 or 1: any). 0, or the status, the complaint being recorded.
SWD_API int swd_check(uint64_t device_address, size_t bytes, size_t alignment, const char* what);

// At call time: whether the range is host memory, as far as can be told. 0 or 1, the complaint being recorded.
SWD_API int swd_check_host(const void* address, size_t bytes, const char* what);

// Inside `run` only: the device faults with a sticky error (700, 719, ...) for the given reason.
SWD_API void swd_fault(int status, const char* format, ...) __attribute__((format(printf, 2, 3)));

// --- What a test asks for afterwards ---

// A verdict for the test: something that a GPU would not forgive.
SWD_API void swd_complain(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Counts live objects by kind, in the words of a person: "cudnn handle", "plan".
SWD_API void swd_live(const char* kind, int delta);

// Brackets each use of a handle that must not be used by two threads at once; complains if it is. The first returns 0.
SWD_API int swd_handle_enter(void* handle);
SWD_API void swd_handle_leave(void* handle);

// --- The posed machine ---

// CU_DEVICE_ATTRIBUTE_* of a posed device; -1 if there is no such device or attribute.
SWD_API int swd_attribute(int ordinal, int attribute);

// Bytes of memory of a posed device, in all.
SWD_API uint64_t swd_total_memory(int ordinal);

// The name of a posed device; good for the life of the process.
SWD_API const char* swd_device_name(int ordinal);

// 0: work does nothing when its turn comes (for measuring what the host costs).
SWD_API int swd_work_enabled(void);

// Inside `run` only: lets the device's clock go on, where the setting "clock" is "model": events then tell the sum of
// what was spent, and nothing of the time that really passed. `key` is a setting: microseconds, 100 without it; with
// "device.", the device's number and "." before it, it is that of one device.
SWD_API void swd_spend(const char* key);

// A setting of SoftwareDevice.Settings by its key, or the fallback. The text is good until the next reset.
SWD_API const char* swd_setting(const char* key, const char* fallback);

// The number of resets so far: what was kept from before another one is void.
SWD_API uint64_t swd_generation(void);

// A number that depends on the seed and on how often it was asked for: choices that a test must be able to replay.
SWD_API uint64_t swd_random(void);

// --- What SoftwareDevice.java calls ---

// Forgets everything and begins anew; `settings` are lines of key=value.
SWD_API void swd_reset(const char* settings);

// The n-th call from now (1: the next) returns `status`; 0: a likely status of its library.
SWD_API void swd_fail_call(int64_t n, int status);

// The n-th call from now of one function returns `status`.
SWD_API void swd_fail_function(const char* function, int64_t n, int status);

// The n-th piece of work from now that runs on the device faults with a sticky `status`.
SWD_API void swd_fail_work(int64_t n, int status);

// Calls since the last reset.
SWD_API int64_t swd_calls(void);

// Pieces of work that wait for their turn.
SWD_API int64_t swd_pending(void);

// Bytes in use on a device.
SWD_API int64_t swd_bytes_in_use(int ordinal);

// Runs everything that waits; the sticky error, or 0.
SWD_API int swd_finish(void);

// A report as lines of text ("complaints", "live", "log", "work", "fired"). Writes at most `size` bytes and returns how
// many there are.
SWD_API size_t swd_report(const char* what, char* text, size_t size);
