// The one blocked matrix multiplication behind convolutions, cuBLAS and cuBLASLt.
#pragma once

#include <cstdint>
#include <functional>

namespace software {

// How an engine departs from exact inputs and float accumulation.
struct Arithmetic {
  bool tf32 = false;         // inputs rounded to TF32
  bool downConvert = false;  // inputs rounded to fewer bits than they were given
  bool halfSums = false;     // sums kept in half precision
  int splits = 1;            // the sum over k is cut in so many parts ...
  uint64_t order = 0;        // ... that are added in an order that this number chooses
};

// out[i][j] = sum over k of a[i][k] * b[j][k], rows x columns x depth, delivered in bands of rows.
//
// Each sum is one chain of float fused multiply-adds in the order of k (unless arithmetic says otherwise), so the
// result depends on the operands alone and on no blocking. With Number = int32_t it is exact modulo 2^32.
template <typename Number>
struct Matmul {
  int64_t rows, columns, depth;
  // Writes a[row][k] for count values of k from k0 on.
  std::function<void(int64_t row, int64_t k0, int64_t count, Number* to)> loadA;
  // Writes b[column][k] for count values of k from k0 on.
  std::function<void(int64_t column, int64_t k0, int64_t count, Number* to)> loadB;
  // Takes rows first .. first + count; row i of them is at band + i * stride, columns long.
  std::function<void(int64_t first, int64_t count, Number* band, int64_t stride)> take;
  Arithmetic arithmetic;

  void run() const;
};

extern template struct Matmul<float>;
extern template struct Matmul<int32_t>;

}  // namespace software
