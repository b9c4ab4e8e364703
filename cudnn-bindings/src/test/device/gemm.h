// One matrix product as cuBLAS and cuBLASLt are asked for it: checked at the call, put on a stream, computed later.
#pragma once

#include <cstdint>

#include "device.h"
#include "matmul.h"
#include "numbers.h"

namespace software {

// cublasStatus_t.
enum CublasStatus : int {
  CUBLAS_SUCCESS = 0,
  CUBLAS_NOT_INITIALIZED = 1,
  CUBLAS_INVALID_VALUE = 7,
  CUBLAS_EXECUTION_FAILED = 13,
  CUBLAS_NOT_SUPPORTED = 15,
};

// The name of a cublasStatus_t.
const char* statusName(int status);

// cudaDataType_t, as many as are computed with; UNKNOWN for the rest.
inline Type typeOfCuda(int dataType) {
  switch (dataType) {
    case 0: return Type::FLOAT;
    case 2: return Type::HALF;
    case 3: return Type::INT8;
    case 10: return Type::INT32;
    case 14: return Type::BFLOAT16;
    default: return Type::UNKNOWN;
  }
}

struct Matrix {
  uint64_t address = 0;
  Type type = Type::FLOAT;
  int64_t rows = 0, columns = 0;
  int64_t rowStride = 1, columnStride = 0;  // in elements: column-major has 1 and the leading dimension

  int64_t bytes() const { return ((rows - 1) * rowStride + (columns - 1) * columnStride + 1) * sizeOf(type); }
  Matrix transposed() const {
    Matrix t = *this;
    t.rows = columns;
    t.columns = rows;
    t.rowStride = columnStride;
    t.columnStride = rowStride;
    return t;
  }
};

// d = act(alpha * a * b + beta * c + bias), the bias being one value for each row of d. a and b are as they are
// multiplied: transposed where that was asked for.
struct Gemm {
  Matrix a, b, c, d;
  float alpha = 1, beta = 0;
  bool relu = false;
  uint64_t bias = 0;  // 0: none
  Type biasType = Type::FLOAT;
  Arithmetic arithmetic;
  bool unordered = false;  // the parts of a split sum are added as they come
  int64_t alignment = 1;   // bytes, of all four matrices: what the algorithm was chosen for
  uint64_t workspace = 0;
  int64_t workspaceBytes = 0;  // all of them are scribbled on
  int algorithm = -1;          // cuBLASLt's number
};

// Checks the addresses and enqueues the product. `function` names the call in complaints. A cublasStatus_t.
int enqueue(const Gemm& gemm, CUstream stream, const char* function);

}  // namespace software
