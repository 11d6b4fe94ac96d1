/// Matrix products with packed operands: out = op(A) op(B), op being identity or
/// transpose.
///
/// The sum of an output element runs in one order (gemm_parts.hpp): blocks of 256
/// values of k, each one chain of fma from zero in ascending k, the block sums added in
/// ascending order. It depends on the element's row of op(A) and column of op(B) alone,
/// so a row gives the same bytes alone or in any batch, at any place in it, packed once
/// or per call, transposed or not, at any thread count.
///
/// Precision. |error| <= (256 + ceil(depth / 256)) eps (|A| |B|), eps = 2^-24 or 2^-53.
/// NaN and infinities follow IEEE arithmetic: 0 * inf is NaN, nothing is skipped.
/// Edge values. depth = 0 gives zeros (with `accumulate`, out as it was, plus 0); rows
/// = 0 or columns = 0 writes nothing. Cost. 2 rows columns depth flops; packing reads
/// and writes B once.
///
/// Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication",
/// ACM TOMS 34(3), 2008; Van Zee and van de Geijn, "BLIS", ACM TOMS 41(3), 2015.
#pragma once

#include "nn/gemm_parts.hpp"

namespace fastnotes::nn {

/// op(X) is X or its transpose.
enum class Transpose : bool { no, yes };

/// Packs op(b) [depth, columns] into panels (gemm_kernel.hpp).
///
///   b       [depth, columns], or [columns, depth] with Transpose::yes    in
///   packed  [packed_size<T>(depth, columns)]                             out,
///   overwritten
template <class T>
void pack(Matrix<const T> b, Transpose transpose, T* packed, int n_threads) noexcept;

/// out = a b, or out += a b, with b packed once.
///
///   a       [rows, depth]                        in
///   packed  [packed_size<T>(depth, columns)]     in, as written by pack
///   out     [rows, columns]    out (in-out with accumulate), apart from a and packed
template <class T>
void multiply_packed(Matrix<const T> a, const T* packed, Matrix<T> out, bool accumulate,
                     int n_threads) noexcept;

/// The two operands of multiply, and how they are to be read.
template <class T> struct Product {
    Matrix<const T> a;
    Transpose transpose_a;
    Matrix<const T> b;
    Transpose transpose_b;

    index_t rows() const { return transpose_a == Transpose::yes ? a.columns : a.rows; }
    index_t depth() const { return transpose_a == Transpose::yes ? a.rows : a.columns; }
    index_t columns() const {
        return transpose_b == Transpose::yes ? b.rows : b.columns;
    }
};

/// Values of scratch that multiply needs.
template <class T> index_t multiply_scratch(const Product<T>& product, int n_threads);

/// out = op(a) op(b), or out += op(a) op(b). Few rows read b where it is, some pack
/// blocks of it as they meet them; many rows, or a transposed b, pack it first; a^T b
/// (weight gradients: depth is the long side) packs blocks of both operands per thread.
///
///   product.a, product.b   as Product says                          in
///   out      [rows, columns]    out (in-out with accumulate), apart from a and b
///   scratch  [multiply_scratch(product, n_threads)]                 scratch
template <class T>
void multiply(const Product<T>& product, Matrix<T> out, bool accumulate, T* scratch,
              int n_threads) noexcept;

} // namespace fastnotes::nn
