/// Jackknife bounds (JVI) of orders 1 to 5, exactly, and their gradient.
#pragma once

#include "common/view.hpp"

namespace fastnotes::evidence {

inline constexpr int max_jackknife_order = 5;

/// K samples along the middle axis, K > order = shares.size - 1.
///
///   log_w     [outer, K, inner] T       in
///   shares    [order + 1]       double  in: c_j / C(K, j), where c_j is the
///   coefficient
///                                       (-1)^j (K - j)^m / (j! (m - j)!); [0] not read
///   bound     [outer, inner]    T       out, overwritten
///   gradient  [outer, K, inner] T       out, overwritten; data == nullptr: not wanted
///   ess       [outer, inner]    double  out, overwritten
///   scratch   jackknife_scratch doubles, on a cache line
///
/// bound = sum_j c_j A_j, with A_j the mean over all j-subsets J of the samples of
/// log((1 / (K - j)) sum_{i not in J} exp(log_w_i)); gradient = d bound / d log_w,
/// whose entries sum to 1; ess = (sum w)^2 / sum w^2.
///
/// Method: coefficients sum to 1, so that bound = A_0 + sum_{j >= 1} share_j D_j, where
/// D_j sums log1p(d(J)) over the subsets, d(J) = (j / K - p(J)) K / (K - j), p(J) the
/// subset's share of the weight: nothing of the size of A_0 is left to cancel. Samples
/// above 1/16 of the sum without the `order - 1` largest are heavy, at most order + 14
/// of them. Each subset A of up to `order` heavy ones is visited, with what remains of
/// the sum built up from the largest kept, so that any number of them may dominate.
/// The light samples beside A enter through their central power sums: sum over
/// b-subsets B of log1p(-x(B) / r) is a series in 1 / r whose coefficients, sums over B
/// of x(B)^n, follow from power sums by Newton's identities.
///
/// Precision: double throughout; error of bound below max(1e-12, 8 eps sum_j |share_j|
/// sum_J |log1p(d(J))|), for T = double.
/// Cost: K (an exponential and some 20 to 60 multiply-adds), and the heavy subsets, at
/// most 16,664 of them at order 5, 834 at order 3; usually some dozens.
/// Edges: -inf is a weight of 0; with at most `order` entries above -inf: NaN, ess 0.
/// Any NaN: all NaN. n entries +inf, no NaN: as weights 1 there and 0 elsewhere, bound
/// +inf (NaN if n <= order).
/// The bytes do not depend on n_threads, nor on the other columns.
/// Source: Nowozin, "Debiasing evidence approximations", ICLR 2018, equations 18 to 21.
template <class T>
void jackknife(View3<const T> log_w, View1<const double> shares, View2<T> bound,
               View3<T> gradient, View2<double> ess, View1<double> scratch,
               int n_threads) noexcept;

index_t jackknife_scratch(index_t outer, index_t count, index_t inner,
                          int n_threads) noexcept;

} // namespace fastnotes::evidence
