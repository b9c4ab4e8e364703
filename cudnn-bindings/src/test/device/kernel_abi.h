// Between the driver's stand-in and a kernel library that the stand-in of NVRTC compiled. Includes nothing, since the
// kernels' text must find no more names than NVRTC gives it.
#pragma once

struct swd_index {
  unsigned x, y, z;
};

// What the driver does for running kernels. None of these returns after a fault.
struct swd_runtime {
  // Whether `bytes` at an address may be reached; the range around it that needs no further question.
  void (*reach)(unsigned long address, unsigned long bytes, int write, unsigned long* from, unsigned long* to);
  void (*barrier)(int warp);                            // of the block, or of the warp
  void* (*exchange)(unsigned thread);                   // 16 bytes of a thread of the block, for shuffles
  void* (*dynamic_shared)(void);
  void (*fail)(const char* reason);
};

struct swd_kernel {
  const char* name;
  unsigned parameters;
  const unsigned* sizes;    // bytes of each parameter
  const unsigned* offsets;  // of each in a buffer that holds all
  void (*invoke)(void* const* arguments);
  unsigned threads;  // __launch_bounds__, or 0
  int barriers;      // whether it reaches any: then its threads need stacks of their own
};

struct swd_module {
  const struct swd_kernel* kernels;
  unsigned count;
  struct swd_index *thread, *block, *threads, *blocks;
  char *shared, *shared_end;  // all __shared__ variables
  char *image, *image_end;    // the library's own memory
  struct swd_runtime* runtime;  // filled in before each launch
  void (*forget)(void);  // what `reach` allowed before
};
