// What lies between cuDNN's and cuBLAS' calls. Tensors are image, row, column, channel. Threads walk over the values of
// the result in strides of the whole grid, whose size therefore never matters. VALUE_float, VALUE_half or VALUE_bfloat16
// is defined and says what a value in memory is. Nothing can be included where there is no toolkit.

#ifdef VALUE_float
struct value {
  float number;
  __device__ operator float() const { return number; }
  __device__ void operator=(float f) { number = f; }
};
#endif

#ifdef VALUE_half
struct value {
  unsigned short bits;
  __device__ operator float() const {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(bits));
    return f;
  }
  __device__ void operator=(float f) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(f)); }
};
#endif

#ifdef VALUE_bfloat16
struct value {
  unsigned short bits;
  __device__ operator float() const { return __int_as_float((int)bits << 16); }
  __device__ void operator=(float f) {
    unsigned whole = (unsigned)__float_as_int(f);
    unsigned rounded = whole + (0x7fffu + (whole >> 16 & 1u));
    bits = f == f ? (unsigned short)(rounded >> 16) : (unsigned short)0x7fff;
  }
};
#endif

#define FOR_EACH(i, count)                                              \
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < (count); \
       i += (long long)gridDim.x * blockDim.x)

// Bytes of pixels, channels side by side, to (pixel / 255 - mean) / std; `stored` channels of which the last are zeros.
// Beyond `filled` values there are no pictures, only zeros.
extern "C" __global__ void normalise(const unsigned char* pixels, const float* mean, const float* deviation, value* y,
                                     long long count, long long filled, int channels, int stored) {
  FOR_EACH(i, count) {
    int c = (int)(i % stored);
    float f = 0.0f;
    if (c < channels && i < filled) {
      float pixel = (float)pixels[i / stored * channels + c];
      f = (pixel / 255.0f - mean[c]) / deviation[c];
    }
    y[i] = f;
  }
}

// Floats to values; in a picture of `pixels` pixels neighbours are `pixel_step` floats apart, channels `channel_step`.
// Beyond `filled` values there are no pictures, only zeros.
extern "C" __global__ void pack(const float* x, value* y, long long count, long long filled, long long pixels,
                                int channels, int stored, long long pixel_step, long long channel_step) {
  FOR_EACH(i, count) {
    int c = (int)(i % stored);
    long long pixel = i / stored % pixels, image = i / stored / pixels;
    float f = 0.0f;
    if (c < channels && i < filled) {
      f = x[image * pixels * channels + pixel * pixel_step + c * channel_step];
    }
    y[i] = f;
  }
}

// Values to floats, a picture's channels one after another.
extern "C" __global__ void unpack(const value* x, float* y, long long count, long long pixels, int channels,
                                  int stored) {
  FOR_EACH(i, count) {
    long long pixel = i % pixels, plane = i / pixels;
    y[i] = x[(plane / channels * pixels + pixel) * stored + plane % channels];
  }
}

// Results to where a caller wants them.
extern "C" __global__ void hand_back(const float* x, float* y, long long count) {
  FOR_EACH(i, count) {
    y[i] = x[i];
  }
}

// y = x * scale + shift + z, and no less than 0 if asked for. Scale and shift, by channel, and z may be missing.
extern "C" __global__ void affine(const value* x, const float* scale, const float* shift, const value* z, value* y,
                                  long long count, int channels, int relu) {
  FOR_EACH(i, count) {
    int c = (int)(i % channels);
    float f = x[i];
    f = scale ? f * scale[c] : f;
    f = shift ? f + shift[c] : f;
    f = z ? f + (float)z[i] : f;
    y[i] = relu ? (f < 0.0f ? 0.0f : f) : f;
  }
}

// The same for the sums of a matrix product, which are floats.
extern "C" __global__ void finish(const float* sums, const float* bias, const value* z, value* y, long long count,
                                  int outputs, int relu) {
  FOR_EACH(i, count) {
    float f = sums[i] + bias[i % outputs];
    f = z ? f + (float)z[i] : f;
    y[i] = relu ? (f < 0.0f ? 0.0f : f) : f;
  }
}

// Every `step`-th pixel of a picture of `rows` x `columns`, with channels of zeros around its own.
extern "C" __global__ void thin_out(const value* x, value* y, long long count, int rows, int columns, int channels,
                                    int step, int first, int out_rows, int out_columns, int out_channels) {
  FOR_EACH(i, count) {
    int c = (int)(i % out_channels) - first;
    long long at = i / out_channels;
    long long column = at % out_columns * step, row = at / out_columns % out_rows * step;
    long long image = at / out_columns / out_rows;
    bool inside = c >= 0 && c < channels;
    y[i] = inside ? (float)x[((image * rows + row) * columns + column) * channels + c] : 0.0f;
  }
}

// Means over `size` x `size` windows that cover a picture, overlapping where they have to.
extern "C" __global__ void window_means(const value* x, value* y, long long count, int rows, int columns, int channels,
                                        int size) {
  FOR_EACH(i, count) {
    int c = (int)(i % channels);
    long long at = i / channels;
    long long q = at % size, p = at / size % size, image = at / size / size;
    long long top = p * rows / size, bottom = ((p + 1) * rows + size - 1) / size;
    long long left = q * columns / size, right = ((q + 1) * columns + size - 1) / size;
    float sum = 0.0f;
    for (long long row = top; row < bottom; row++) {
      for (long long column = left; column < right; column++) {
        sum += x[((image * rows + row) * columns + column) * channels + c];
      }
    }
    y[i] = sum / (float)((bottom - top) * (right - left));
  }
}

// A picture's values one channel after another, as channels of one pixel.
extern "C" __global__ void line_up(const value* x, value* y, long long count, long long pixels, int channels) {
  FOR_EACH(i, count) {
    long long image = i / (pixels * channels), at = i % (pixels * channels);
    y[i] = (float)x[(image * pixels + at % pixels) * channels + at / pixels];
  }
}

// Larger for a larger number, for 0 than for -0, for what is no number than for all else, and for an earlier channel.
__device__ unsigned long long position(float f, int channel) {
  unsigned bits = (unsigned)__float_as_int(f);
  unsigned place = bits >> 31 ? ~bits : bits | 0x80000000u;
  return (unsigned long long)(f == f ? place : 0xffffffffu) << 32 | (unsigned)(0x7fffffff - channel);
}

// The k largest channels of a pixel, largest first, and then their numbers; a warp for each pixel. All are floats, a
// picture's channels one after another.
extern "C" __global__ void rank(const float* x, float* y, long long rows, long long pixels, int channels, int k) {
  int lane = threadIdx.x % 32;
  long long first = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / 32;
  for (long long row = first; row < rows; row += (long long)gridDim.x * blockDim.x / 32) {
    const float* from = x + row / pixels * pixels * channels + row % pixels;
    float* to = y + row / pixels * pixels * 2 * k + row % pixels;
    unsigned long long previous = ~0ull;
    for (int place = 0; place < k; place++) {
      unsigned long long best = 0;
      for (int c = lane; c < channels; c += 32) {
        unsigned long long here = position(from[c * pixels], c);
        if (here < previous && here > best) {
          best = here;
        }
      }
      for (int apart = 16; apart > 0; apart /= 2) {
        unsigned long long other = __shfl_xor_sync(0xffffffffu, best, apart);
        best = other > best ? other : best;
      }
      if (lane == 0) {
        int channel = 0x7fffffff - (int)(unsigned)best;
        to[place * pixels] = from[channel * pixels];
        to[(k + place) * pixels] = (float)channel;
      }
      previous = best;
    }
  }
}
