/// Softmax and its logarithm over the middle axis of an (outer, K, inner) array.
#pragma once

#include "evidence/work.hpp"

#include "common/view.hpp"

namespace fastnotes::evidence {

/// exp(a_k) / sum_j exp(a_j), or its logarithm.
///
///   a        [outer, K, inner] T    in
///   out      [outer, K, inner] T    out, overwritten; apart from a
///   log                             the logarithm: (a_k - m) - log sum_j exp(a_j - m)
///   work     see work.hpp
///
/// Precision: as log_sum_exp; softmax is exp(a_k - m) / sum to a few eps, at any offset
/// of a.
/// Cost: two reads of a, one of them from cache where K allows, one write.
/// Edges: all -inf: 0 (log: -inf). Any NaN: NaN. n entries +inf, no NaN: 1/n there, 0
/// elsewhere (log: -log n, -inf).
/// The bytes of out do not depend on n_threads, nor on the other columns and rows.
/// Source: as log_sum_exp.
template <class T>
void softmax(View3<const T> a, View3<T> out, bool log, const Work& work) noexcept;

namespace cuda {

/// The same on the current CUDA device, device pointers throughout. Order and
/// precision: as log_sum_exp there. Cost: one read of `a` and one write for K up to
/// 2048, which threads hold; beyond that a second read, from the L2 where there are
/// many rows of at most 256 KB.
template <class T>
::fastnotes::cuda::Status softmax(View3<const T> a, View3<T> out, bool log,
                                  const Work& work) noexcept;

} // namespace cuda

} // namespace fastnotes::evidence
