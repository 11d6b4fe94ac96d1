/// Matrix products on a CUDA device, for the kernels of other rooms.
///
/// Every element of out is one chain of fused multiply-adds from zero in ascending k
/// (split in the form tn, see there), whatever the tile it falls into: a row's result
/// does not depend on the rows beside it, nor on how many there are.
///
/// Precision. |error| <= depth eps (|A| |B|), eps = 2^-24 or 2^-53; no tensor cores, so
/// float32 is not cut to TF32. Edge values. depth = 0 gives the bias or zeros; no rows
/// or no columns write nothing; NaN and infinity follow IEEE arithmetic.
#pragma once

#include "common/cuda.hpp"
#include "common/view.hpp"

namespace fastnotes::nn::cuda {

using fastnotes::cuda::Status;
using fastnotes::cuda::Stream;

/// Which stored row stands for row i of a matrix:
/// index[i] if there is an index; (i % 4) * stripe + i / 4 if there is a stripe, which
/// weaves four stacked matrices into one of interleaved rows; else i.
struct Rows {
    const std::int64_t* index = nullptr; // device memory; never past the matrix
    index_t stripe = 0;
};

/// A stored matrix: row i at data + rows(i) * stride.
template <class T> struct Operand {
    const T* data;
    index_t stride;
    Rows rows;
};

/// nt: out = a b^T, a [rows, depth] and b [columns, depth].
/// nn: out = a b,   a [rows, depth] and b [depth, columns].
/// tn: out = a^T b, a [depth, rows] and b [depth, columns]; the depth is cut into
///     blocks that depend on the sizes alone, added in ascending order.
enum class Form { nt, nn, tn };

///   a, b     as the form says                                   in
///   bias     [columns], read through b.rows in the form nt      in; null: zeros
///   out      [rows, columns] with stride and rows of its own    out, or in-out
///   accumulate   out += the product instead of =; not in the form tn
///   scratch  [multiply_scratch] of T, on 16 bytes               scratch; form tn alone
///
/// out and scratch alias nothing.
template <class T> struct Product {
    Form form;
    index_t rows, columns, depth;
    Operand<T> a, b;
    const T* bias;
    T* out;
    index_t out_stride;
    Rows out_rows;
    bool accumulate;
    T* scratch;
};

/// Values of scratch that the form tn needs.
index_t multiply_scratch(index_t rows, index_t columns, index_t depth) noexcept;

/// 2 rows columns depth flops.
template <class T> Status multiply(const Product<T>& product, Stream stream) noexcept;

/// out[rows(i)] = the sum of column i of a [depth, columns], in the blocks of tn.
///
///   a        [depth, columns]                       in
///   out      [columns], written through rows        out, overwritten
///   scratch  [multiply_scratch(1, columns, depth)]  scratch
template <class T>
Status column_sums(const T* a, index_t depth, index_t columns, T* out, Rows rows,
                   T* scratch, Stream stream) noexcept;

} // namespace fastnotes::nn::cuda
