/// log sum_k b_k exp(a_k) over the middle axis of an (outer, K, inner) array.
#pragma once

#include "evidence/work.hpp"

#include "common/view.hpp"

namespace fastnotes::evidence {

/// Sum or mean of exponentials.
///
///   a        [outer, K, inner] T    in
///   factors  [outer, K, inner] T    in, or data == nullptr for all ones
///   out      [outer, inner]    T    out, overwritten; apart from the inputs
///   mean                            divide the sum by K (K >= 1) before the logarithm
///   work     see work.hpp
///
/// out = m + log(sum_k b_k exp(a_k - m)), m the largest a_k with b_k != 0.
///
/// Precision: exponentials in T, sums of 8 in T, everything beyond in double: the error
/// is a few eps * max(1, |out|) at any K. Equal a_k without factors come back exactly
/// with `mean`.
/// Cost: one read of the inputs, one exponential per element.
/// Edges: K = 0, all a_k = -inf, or a sum of 0: -inf. Any NaN: NaN. Any a_k = +inf with
/// b_k > 0 and no NaN: +inf. A negative sum: NaN. b_k = 0: as if a_k were -inf.
/// The bytes of out do not depend on n_threads, nor on the other columns and rows.
/// Source: Blanchard, Higham, Higham, IMA J. Numer. Anal. 41 (2021), algorithm 3.1;
/// Milakov, Gimelshein, arXiv:1805.02867, algorithm 3 (one pass, moving maximum).
template <class T>
void log_sum_exp(View3<const T> a, View3<const T> factors, View2<T> out, bool mean,
                 const Work& work) noexcept;

namespace cuda {

/// The same on the current CUDA device, device pointers throughout.
///
/// Order: terms k, k + S, ... of a chunk of 2048 are one slice, S = 1 to 32 for K up to
/// 64, 128, ... (beyond 2^24 terms: 8192 chunks); slices are merged in a tree, then
/// chunks. It follows from K alone: a column has the same bytes in any layout, among
/// any others, on every device of one build, and in importance_weights. Precision: as
/// on the CPU, with CUDA's expf (1 ulp) and exp (1 ulp). Cost: one read of the inputs.
template <class T>
::fastnotes::cuda::Status log_sum_exp(View3<const T> a, View3<const T> factors,
                                      View2<T> out, bool mean,
                                      const Work& work) noexcept;

} // namespace cuda

} // namespace fastnotes::evidence
