/**
 * cuBLASLt: one product of matrices with bias and rectifier, which is a fully connected layer.
 *
 * <p>cuBLAS thinks in columns. {@link dev.shortcut.bindings.cublas.Matmul} is in rows, as
 * everything else here: a row-major matrix is a column-major one with rows and columns swapped, so
 * that {@code y[m][n] = x[m][k] * w[n][k]^T} is asked of cuBLAS as {@code Y(n x m) = W(k x n)^T *
 * X(k x m)}, all with their rows' length as leading dimension, and the bias lies along the rows of
 * Y.
 */
@NullMarked
package dev.shortcut.bindings.cublas;

import org.jspecify.annotations.NullMarked;
