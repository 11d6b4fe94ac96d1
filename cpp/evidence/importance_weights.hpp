/// Bound, normalised weights and effective sample size of log-weights.
#pragma once

#include "evidence/work.hpp"

#include "common/view.hpp"

namespace fastnotes::evidence {

/// K samples along the middle axis, K >= 1.
///
///   log_w    [outer, K, inner] T    in
///   bound    [outer, inner]    T    out, overwritten: log (1/K) sum_k exp(log_w_k)
///   weights  [outer, K, inner] T    out, overwritten: exp(log_w_k - m) / sum
///   ess      [outer, inner]    T    out, overwritten: 1 / sum_k weights_k^2
///   work     see work.hpp
///
/// No two arrays overlap. The weights are d bound / d log_w.
///
/// Precision: as log_sum_exp; weights to a few eps at any offset of log_w, ess to a few
/// eps and never outside [1, K].
/// Cost: two reads of log_w, one of them from cache where K allows, one write.
/// Edges: all -inf: bound -inf, weights 0, ess 0. Any NaN: all NaN. n entries +inf, no
/// NaN: bound +inf, weights 1/n there and 0 elsewhere, ess n.
/// The bytes do not depend on n_threads, nor on the other columns and rows.
/// Source: Burda, Grosse, Salakhutdinov, ICLR 2016, equations 8 and 13; Kong, 1992.
template <class T>
void importance_weights(View3<const T> log_w, View2<T> bound, View3<T> weights,
                        View2<T> ess, const Work& work) noexcept;

namespace cuda {

/// The same on the current CUDA device, device pointers throughout. Order and
/// precision: as log_sum_exp there, whose bytes the bound has. Cost: one read of log_w
/// and one write for K up to 2048, which threads hold; beyond that a second read, from
/// the L2 where there are many rows of at most 256 KB.
template <class T>
::fastnotes::cuda::Status importance_weights(View3<const T> log_w, View2<T> bound,
                                             View3<T> weights, View2<T> ess,
                                             const Work& work) noexcept;

} // namespace cuda

} // namespace fastnotes::evidence
