/// Pareto smoothed importance sampling.
#pragma once

#include "common/view.hpp"

namespace fastnotes::evidence {

/// K samples along the middle axis, K >= 1.
///
///   log_w        [outer, K, inner] T  in
///   log_weights  [outer, K, inner] T  out, overwritten: smoothed, exp sums to 1
///   pareto_k     [outer, inner]    T  out, overwritten
///   ess          [outer, inner]    T  out, overwritten: 1 / sum_k exp(log_weights_k)^2
///   tail         samples in the tail, 0 <= tail < K
///   scratch      psis_scratch bytes, on a cache line
///
/// The `tail` largest weights, less the next one (the cutoff), are fitted by a
/// generalised Pareto distribution (Zhang and Stephens' posterior mean over 30 +
/// sqrt(tail) grid points, shape drawn to 1/2 by 10 observations) and replaced by its
/// quantiles (i - 1/2) / tail, in the order of their size and no larger than the
/// largest. Of equal weights the one with the larger index counts as larger.
///
/// Precision: double throughout; a few eps, but for what the fit multiplies.
/// Cost: two exponentials per sample and tail * (30 + sqrt(tail)) / 2 logarithms.
/// Edges: with tail < 5, or a tail whose values, or whose lowest quarter and the
/// cutoff, are equal: nothing is smoothed and pareto_k is inf. -inf is a weight of 0;
/// all -inf: log_weights -inf, pareto_k inf, ess 0. Any NaN: all NaN. n entries +inf,
/// no NaN: as weights 1 there and 0 elsewhere, pareto_k inf. The bytes do not depend on
/// n_threads, nor on the other columns. Source: Vehtari, Simpson, Gelman, Yao, Gabry,
/// JMLR 25 (2024); Zhang, Stephens, Technometrics 51 (2009).
template <class T>
void psis(View3<const T> log_w, View3<T> log_weights, View2<T> pareto_k, View2<T> ess,
          index_t tail, View1<unsigned char> scratch, int n_threads) noexcept;

index_t psis_scratch(index_t outer, index_t count, index_t inner, index_t tail,
                     int n_threads) noexcept;

} // namespace fastnotes::evidence
