package dev.shortcut.engine.backend.cudnn;

import dev.shortcut.bindings.cublas.ComputeType;
import dev.shortcut.bindings.cublas.Matmul;
import dev.shortcut.bindings.cublas.MatrixType;

/**
 * {@code y[rows][columns] = x[rows][depth] * w[columns][depth]^T + bias[columns]}, all in row-major
 * order, as numbers: all that the choice of an algorithm depends on.
 *
 * @param relu whether what is below zero becomes zero
 */
record MatrixProduct(Arithmetic arithmetic, int rows, int columns, int depth, boolean relu) {
  /** The same in cuBLASLt's words. */
  Matmul matmul() {
    MatrixType type =
        switch (arithmetic) {
          case FP32, TF32 -> MatrixType.FLOAT;
          case FP16 -> MatrixType.HALF;
          case BF16 -> MatrixType.BFLOAT16;
        };
    ComputeType compute = arithmetic == Arithmetic.TF32 ? ComputeType.TF32 : ComputeType.FLOAT;
    return new Matmul(rows, columns, depth, type, compute, true, relu);
  }

  @Override
  public String toString() {
    return "product %s of %dx%d and %dx%d%s"
        .formatted(arithmetic, rows, depth, depth, columns, relu ? " +relu" : "");
  }
}
