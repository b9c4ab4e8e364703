#include "matmul.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

#include "numbers.h"
#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#endif

namespace software {
namespace {

// Sixteen numbers, in as many registers as the machine needs for them.
template <typename Number>
struct Lanes;

#if defined(__AVX512F__)

constexpr int ROWS = 12, VECTORS = 2;

template <>
struct Lanes<float> {
  __m512 v;
  static Lanes load(const float* from) { return {_mm512_load_ps(from)}; }
  void store(float* to) const { _mm512_store_ps(to, v); }
  void addProduct(float a, Lanes b) { v = _mm512_fmadd_ps(_mm512_set1_ps(a), b.v, v); }
  static constexpr int COUNT = 16;
};

template <>
struct Lanes<int32_t> {
  __m512i v;
  static Lanes load(const int32_t* from) { return {_mm512_load_si512(from)}; }
  void store(int32_t* to) const { _mm512_store_si512(to, v); }
  void addProduct(int32_t a, Lanes b) { v = _mm512_add_epi32(v, _mm512_mullo_epi32(_mm512_set1_epi32(a), b.v)); }
  static constexpr int COUNT = 16;
};

#elif defined(__AVX2__) && defined(__FMA__)

constexpr int ROWS = 6, VECTORS = 2;

template <>
struct Lanes<float> {
  __m256 v;
  static Lanes load(const float* from) { return {_mm256_load_ps(from)}; }
  void store(float* to) const { _mm256_store_ps(to, v); }
  void addProduct(float a, Lanes b) { v = _mm256_fmadd_ps(_mm256_set1_ps(a), b.v, v); }
  static constexpr int COUNT = 8;
};

template <>
struct Lanes<int32_t> {
  __m256i v;
  static Lanes load(const int32_t* from) { return {_mm256_load_si256(reinterpret_cast<const __m256i*>(from))}; }
  void store(int32_t* to) const { _mm256_store_si256(reinterpret_cast<__m256i*>(to), v); }
  void addProduct(int32_t a, Lanes b) { v = _mm256_add_epi32(v, _mm256_mullo_epi32(_mm256_set1_epi32(a), b.v)); }
  static constexpr int COUNT = 8;
};

#else

constexpr int ROWS = 4, VECTORS = 2;

template <>
struct Lanes<float> {
  float v[4];
  static Lanes load(const float* from) { return {{from[0], from[1], from[2], from[3]}}; }
  void store(float* to) const { std::copy_n(v, 4, to); }
  void addProduct(float a, Lanes b) {
    for (int i = 0; i < 4; i++) v[i] = std::fma(a, b.v[i], v[i]);
  }
  static constexpr int COUNT = 4;
};

template <>
struct Lanes<int32_t> {
  uint32_t v[4];
  static Lanes load(const int32_t* from) {
    Lanes r;
    for (int i = 0; i < 4; i++) r.v[i] = static_cast<uint32_t>(from[i]);
    return r;
  }
  void store(int32_t* to) const {
    for (int i = 0; i < 4; i++) to[i] = static_cast<int32_t>(v[i]);
  }
  void addProduct(int32_t a, Lanes b) {
    for (int i = 0; i < 4; i++) v[i] += static_cast<uint32_t>(a) * b.v[i];
  }
  static constexpr int COUNT = 4;
};

#endif

constexpr int DEPTH = 384;  // of a block: its row addresses are constants for the compiler
constexpr int BAND = ROWS * 8;

template <typename Number>
constexpr int WIDTH = Lanes<Number>::COUNT * VECTORS;

// Memory that a thread keeps from product to product: fresh pages cost more than what is computed in them.
template <typename Number>
class Scratch {
 public:
  Number* get(int64_t count) {
    if (count > size_) {
      memory_.reset(
          static_cast<Number*>(std::aligned_alloc(64, (static_cast<size_t>(count) * sizeof(Number) + 63) / 64 * 64)));
      if (!memory_) throw std::bad_alloc();
      size_ = count;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(Number* p) const { std::free(p); }
  };
  std::unique_ptr<Number, Free> memory_;
  int64_t size_ = 0;
};

// ROWS rows of a times one panel of b, added to what band holds.
template <typename Number>
void multiply(const Number* a, const Number* panel, int64_t depth, Number* band, int64_t stride) {
  using V = Lanes<Number>;
  V sums[ROWS][VECTORS];
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < VECTORS; j++) sums[i][j] = V::load(band + i * stride + j * V::COUNT);
  for (int64_t k = 0; k < depth; k++, panel += WIDTH<Number>) {
    V b[VECTORS];
    for (int j = 0; j < VECTORS; j++) b[j] = V::load(panel + j * V::COUNT);
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 4
      for (int j = 0; j < VECTORS; j++) sums[i][j].addProduct(a[i * DEPTH + k], b[j]);
  }
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < VECTORS; j++) sums[i][j].store(band + i * stride + j * V::COUNT);
}

// Inputs as the engine sees them.
void prepare(const Arithmetic& how, float* values, int64_t count) {
  if (how.downConvert)
    for (int64_t i = 0; i < count; i++) values[i] = fp8ToFloat(floatToFp8(values[i], true), true);
  else if (how.tf32)
    for (int64_t i = 0; i < count; i++) values[i] = roundToTf32(values[i]);
}

void prepare(const Arithmetic&, int32_t*, int64_t) {}

void roundSums(float* values, int64_t count) {
  for (int64_t i = 0; i < count; i++) values[i] = halfToFloat(floatToHalf(values[i]));
}

void roundSums(int32_t*, int64_t) {}

}  // namespace

template <typename Number>
void Matmul<Number>::run() const {
  constexpr int width = WIDTH<Number>;
  static thread_local Scratch<Number> aScratch, bScratch, bandScratch, partialScratch;
  const int64_t padded = (columns + width - 1) / width * width;

  // One panel of b, k from k0 on: width columns side by side.
  std::vector<Number> row(DEPTH);
  auto pack = [&](int64_t panel, int64_t k0, int64_t deep, Number* to) {
    for (int64_t done = 0; done < deep; done += DEPTH, to += DEPTH * width) {
      int64_t count = std::min<int64_t>(DEPTH, deep - done);
      for (int64_t j = 0; j < width; j++) {
        if (panel + j < columns) {
          loadB(panel + j, k0 + done, count, row.data());
          prepare(arithmetic, row.data(), count);
        } else {
          std::fill(row.begin(), row.end(), Number(0));
        }
        for (int64_t k = 0; k < count; k++) to[k * width + j] = row[static_cast<size_t>(k)];
      }
    }
  };
  // With several bands b is packed once for all of them, with one band as it is needed.
  const bool once = rows > BAND;
  Number* b = bScratch.get(once ? padded * depth : int64_t{DEPTH} * width);
  if (once)
    for (int64_t panel = 0; panel < padded; panel += width) pack(panel, 0, depth, b + panel * depth);

  // The parts of the sum over k: one, unless the engine splits it.
  std::vector<std::pair<int64_t, int64_t>> parts;
  int64_t splits = std::max<int64_t>(1, std::min<int64_t>(arithmetic.splits, depth));
  for (int64_t s = 0; s < splits; s++) parts.emplace_back(depth * s / splits, depth * (s + 1) / splits);
  uint64_t order = arithmetic.order;
  for (size_t i = parts.size(); i > 1; i--) {
    order = order * 6364136223846793005u + 1442695040888963407u;
    std::swap(parts[i - 1], parts[(order >> 33) % i]);
  }
  const int64_t block = arithmetic.halfSums ? 16 : DEPTH;

  Number* a = aScratch.get(int64_t{BAND} * DEPTH);
  Number* band = bandScratch.get(BAND * padded);
  Number* partial = partialScratch.get(parts.size() > 1 ? BAND * padded : 0);
  for (int64_t first = 0; first < rows; first += BAND) {
    int64_t count = std::min<int64_t>(BAND, rows - first);
    std::fill_n(band, BAND * padded, Number(0));
    for (auto [begin, end] : parts) {
      Number* sums = parts.size() > 1 ? partial : band;
      if (parts.size() > 1) std::fill_n(sums, BAND * padded, Number(0));
      for (int64_t k0 = begin; k0 < end; k0 += block) {
        int64_t deep = std::min(block, end - k0);
        for (int64_t i = 0; i < count; i++) {
          loadA(first + i, k0, deep, a + i * DEPTH);
          prepare(arithmetic, a + i * DEPTH, deep);
        }
        for (int64_t i = count; i < (count + ROWS - 1) / ROWS * ROWS; i++) std::fill_n(a + i * DEPTH, deep, Number(0));
        for (int64_t panel = 0; panel < padded; panel += width) {
          if (!once) pack(panel, k0, deep, b);
          const Number* packed = once ? b + panel * depth + k0 * width : b;
          for (int64_t i = 0; i < count; i += ROWS)
            multiply(a + i * DEPTH, packed, deep, sums + i * padded + panel, padded);
        }
        if (arithmetic.halfSums) roundSums(sums, BAND * padded);
      }
      if (parts.size() > 1)
        for (int64_t i = 0; i < BAND * padded; i++) band[i] += sums[i];
    }
    take(first, count, band, padded);
  }
}

template struct Matmul<float>;
template struct Matmul<int32_t>;

}  // namespace software
