// What cuDNN and cuBLAS have no call for: the two edges of a network and the layers between.
//
// Nothing is included, since the run-time compiler has no headers where there is no toolkit. Activations lie as image,
// row, column, channel; a pixel's channels are filled up to `padded` with zeros, which every kernel here keeps zero.
// STORAGE says what an activation is: 32 (float), 16 (half) or 116 (bfloat16). Sums are floats.

#if STORAGE == 32
typedef float value;

__device__ __forceinline__ float load(value v) { return v; }
__device__ __forceinline__ value store(float f) { return f; }
#elif STORAGE == 16
typedef unsigned short value;

__device__ __forceinline__ float half_to_float(unsigned short h) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
  return f;
}

__device__ __forceinline__ unsigned short float_to_half(float f) {
  unsigned short h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
  return h;
}

__device__ __forceinline__ float load(value v) { return half_to_float(v); }
__device__ __forceinline__ value store(float f) { return float_to_half(f); }
#elif STORAGE == 116
typedef unsigned short value;

__device__ __forceinline__ float bfloat16_to_float(unsigned short b) {
  return __uint_as_float((unsigned int)b << 16);
}

__device__ __forceinline__ unsigned short float_to_bfloat16(float f) {
  unsigned int bits = __float_as_uint(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return 0x7fff;
  }
  return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

__device__ __forceinline__ float load(value v) { return bfloat16_to_float(v); }
__device__ __forceinline__ value store(float f) { return float_to_bfloat16(f); }
#else
#error "STORAGE must be 32, 16 or 116"
#endif

__device__ __forceinline__ long long thread_index() {
  return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

// Pixels as they are decoded to normalised values: (pixel / 255 - mean) / std, rounded as the CPU rounds it. What lies
// behind the last image of the batch becomes zeros.
extern "C" __global__ void input_pixels(const unsigned char* source, value* target, const float* mean,
                                        const float* std, long long filled, long long total, int channels,
                                        int padded) {
  long long i = thread_index();
  if (i >= total) {
    return;
  }
  int c = (int)(i % padded);
  long long pixel = i / padded;
  float f = 0;
  if (c < channels && pixel < filled) {
    f = ((float)source[pixel * channels + c] / 255.0f - mean[c]) / std[c];
  }
  target[i] = store(f);
}

// Floats to values; `plane` is the number of pixels of an image where they come channel by channel, else 1.
extern "C" __global__ void input_floats(const float* source, value* target, long long filled, long long total,
                                        int plane, int channels, int padded) {
  long long i = thread_index();
  if (i >= total) {
    return;
  }
  int c = (int)(i % padded);
  long long pixel = i / padded;
  float f = 0;
  if (c < channels && pixel < filled) {
    long long image = pixel / plane;
    f = source[(image * channels + c) * plane + pixel % plane];
  }
  target[i] = store(f);
}

// Values to floats in channel, row, column order.
extern "C" __global__ void output_floats(const value* source, float* target, long long total, int plane, int channels,
                                         int padded) {
  long long i = thread_index();
  if (i >= total) {
    return;
  }
  long long pixel = i % plane;
  long long row = i / plane;
  int c = (int)(row % channels);
  long long image = row / channels;
  target[i] = load(source[(image * plane + pixel) * padded + c]);
}

// y = [relu](x [* scale] [+ shift] [+ z]), scale and shift by channel; null pointers leave a step out. y may be x or z.
extern "C" __global__ void elementwise(const value* x, const float* scale, const float* shift, const value* z,
                                       value* y, long long total, int padded, int relu) {
  long long i = thread_index();
  if (i >= total) {
    return;
  }
  int c = (int)(i % padded);
  float f = load(x[i]);
  if (scale) {
    f *= scale[c];
  }
  if (shift) {
    f += shift[c];
  }
  if (z) {
    f += load(z[i]);
  }
  if (relu && f < 0) {
    f = 0;
  }
  y[i] = store(f);
}

// Every stride-th pixel, its channels put behind `before` channels of zeros.
extern "C" __global__ void subsample(const value* x, value* y, long long total, int height, int width, int channels,
                                     int padded, int stride, int before, int out_height, int out_width,
                                     int out_padded) {
  long long i = thread_index();
  if (i >= total) {
    return;
  }
  int c = (int)(i % out_padded) - before;
  long long pixel = i / out_padded;
  int column = (int)(pixel % out_width) * stride;
  int row = (int)(pixel / out_width % out_height) * stride;
  long long image = pixel / out_width / out_height;
  float f = 0;
  if (c >= 0 && c < channels) {
    f = load(x[((image * height + row) * width + column) * padded + c]);
  }
  y[i] = store(f);
}

// Windows: their largest value, or with `mean` their sum over the whole window's size, so that
// padding counts as zeros.
extern "C" __global__ void pool(const value* x, value* y, long long total, int height, int width, int padded,
                                int window_height, int window_width, int stride_height, int stride_width,
                                int padding, int out_height, int out_width, int mean) {
  long long i = thread_index();
  if (i >= total) {
    return;
  }
  int c = (int)(i % padded);
  long long pixel = i / padded;
  int left = (int)(pixel % out_width) * stride_width - padding;
  int top = (int)(pixel / out_width % out_height) * stride_height - padding;
  long long image = pixel / out_width / out_height;
  int right = left + window_width < width ? left + window_width : width;
  int bottom = top + window_height < height ? top + window_height : height;
  int first = left > 0 ? left : 0;
  float sum = 0;
  float largest = __uint_as_float(0xff800000u);
  for (int row = top > 0 ? top : 0; row < bottom; row++) {
    for (int column = first; column < right; column++) {
      float f = load(x[((image * height + row) * width + column) * padded + c]);
      sum += f;
      largest = f > largest ? f : largest;
    }
  }
  y[i] = store(mean ? sum / (float)(window_height * window_width) : largest);
}

// Means over a grid of windows that cover the whole image, also where it cannot be divided evenly.
extern "C" __global__ void adaptive_pool(const value* x, value* y, long long total, int height, int width, int padded,
                                         int size) {
  long long i = thread_index();
  if (i >= total) {
    return;
  }
  int c = (int)(i % padded);
  long long pixel = i / padded;
  long long column = pixel % size;
  long long row = pixel / size % size;
  long long image = pixel / size / size;
  int left = (int)(column * width / size);
  int right = (int)(((column + 1) * width + size - 1) / size);
  int top = (int)(row * height / size);
  int bottom = (int)(((row + 1) * height + size - 1) / size);
  float sum = 0;
  for (int r = top; r < bottom; r++) {
    for (int k = left; k < right; k++) {
      sum += load(x[((image * height + r) * width + k) * padded + c]);
    }
  }
  y[i] = store(sum / (float)((bottom - top) * (right - left)));
}

// All values of an image in channel, row, column order as channels of one pixel.
extern "C" __global__ void flatten(const value* x, value* y, long long total, int plane, int channels, int padded,
                                   int out_padded) {
  long long i = thread_index();
  if (i >= total) {
    return;
  }
  int at = (int)(i % out_padded);
  long long image = i / out_padded;
  float f = 0;
  if (at < channels * plane) {
    f = load(x[(image * plane + at % plane) * padded + at / plane]);
  }
  y[i] = store(f);
}

// What exp(x) / sum(exp(x)) over the channels of a pixel needs, by one block with ROW_THREADS shared floats.
struct softmax_sums {
  float largest;
  float sum;
};

__device__ __forceinline__ softmax_sums softmax_of(const value* from, int channels, float* partial) {
  int thread = threadIdx.x;
  float largest = __uint_as_float(0xff800000u);
  for (int c = thread; c < channels; c += ROW_THREADS) {
    float f = load(from[c]);
    largest = f > largest ? f : largest;
  }
  partial[thread] = largest;
  __syncthreads();
  for (int step = ROW_THREADS / 2; step > 0; step /= 2) {
    if (thread < step && partial[thread + step] > partial[thread]) {
      partial[thread] = partial[thread + step];
    }
    __syncthreads();
  }
  largest = partial[0];
  __syncthreads();
  float sum = 0;
  for (int c = thread; c < channels; c += ROW_THREADS) {
    // Subtracting the largest changes nothing but keeps exp in range.
    sum += expf(load(from[c]) - largest);
  }
  partial[thread] = sum;
  __syncthreads();
  for (int step = ROW_THREADS / 2; step > 0; step /= 2) {
    if (thread < step) {
      partial[thread] += partial[thread + step];
    }
    __syncthreads();
  }
  softmax_sums sums = {largest, partial[0]};
  return sums;
}

// exp(x) / sum(exp(x)) over the channels of a pixel, one block of ROW_THREADS for each.
extern "C" __global__ void softmax(const value* x, value* y, int channels, int padded) {
  const value* from = x + (long long)blockIdx.x * padded;
  value* to = y + (long long)blockIdx.x * padded;
  __shared__ float partial[ROW_THREADS];
  softmax_sums sums = softmax_of(from, channels, partial);
  for (int c = threadIdx.x; c < padded; c += ROW_THREADS) {
    to[c] = store(c < channels ? expf(load(from[c]) - sums.largest) / sums.sum : 0.0f);
  }
}

// The same as floats in channel, row, column order; with a `plane` of 1 a pixel's channels lie beside one another.
extern "C" __global__ void softmax_floats(const value* x, float* y, int channels, int padded, int plane) {
  const value* from = x + (long long)blockIdx.x * padded;
  float* to = y + (long long)(blockIdx.x / plane) * channels * plane + blockIdx.x % plane;
  __shared__ float partial[ROW_THREADS];
  softmax_sums sums = softmax_of(from, channels, partial);
  for (int c = threadIdx.x; c < channels; c += ROW_THREADS) {
    to[(long long)c * plane] = expf(load(from[c]) - sums.largest) / sums.sum;
  }
}

// Greater for a greater float, NaN above all and 0 above -0, and among equal ones for an earlier channel.
__device__ __forceinline__ long long rank_key(float f, int channel) {
  unsigned int bits = __float_as_uint(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    bits = 0x7fc00000u;
  }
  int ordered = (bits >> 31) ? (int)(bits ^ 0x7fffffffu) : (int)bits;
  return (long long)ordered * 0x100000000LL + (long long)(0xffffffffu - (unsigned int)channel);
}

// The k largest channels of a pixel in channel, row, column order, largest first, then their numbers; one block of
// ROW_THREADS for each pixel. `source` has a pixel's channels beside one another.
extern "C" __global__ void top_k(const float* source, float* target, int channels, int plane, int k) {
  __shared__ long long partial[ROW_THREADS];
  const float* from = source + (long long)blockIdx.x * channels;
  float* to = target + (long long)(blockIdx.x / plane) * 2 * k * plane + blockIdx.x % plane;
  int thread = threadIdx.x;
  long long before = 0x7fffffffffffffffLL;
  for (int rank = 0; rank < k; rank++) {
    long long largest = -0x7fffffffffffffffLL - 1;
    for (int c = thread; c < channels; c += ROW_THREADS) {
      long long key = rank_key(from[c], c);
      if (key < before && key > largest) {
        largest = key;
      }
    }
    partial[thread] = largest;
    __syncthreads();
    for (int step = ROW_THREADS / 2; step > 0; step /= 2) {
      if (thread < step && partial[thread + step] > partial[thread]) {
        partial[thread] = partial[thread + step];
      }
      __syncthreads();
    }
    before = partial[0];
    __syncthreads();
    if (thread == 0) {
      unsigned int channel = 0xffffffffu - (unsigned int)before;
      to[(long long)rank * plane] = from[channel];
      to[(long long)(k + rank) * plane] = (float)channel;
    }
  }
}
