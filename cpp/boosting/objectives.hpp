/// First and second derivatives of the losses, row by row, and the losses themselves.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// y the target, m the margin, z = m - y; `a` is the loss's parameter.
///
///   loss            value                                       g, h
///   squared         z^2 / 2                                     z, 1
///   absolute        |z|                                         sign(z), 1
///   pseudo_huber    a^2 (sqrt(1 + (z/a)^2) - 1)                 its derivatives
///   quantile        a |z| below y (z < 0), (1 - a) |z| above    -a or 1 - a, 1
///   poisson         exp(m) - y m                                exp(m) - y, exp(m + a)
///   gamma           y exp(-m) + m                               its derivatives
///   tweedie         exp((2-a) m)/(2-a) - y exp((1-a) m)/(1-a)   its derivatives
///   logistic        log(1 + exp(m)) - y m                       its derivatives
///
/// quantile at z = 0 counts as above. a > 0 for pseudo_huber, 0 < a < 1 for quantile,
/// 1 < a < 2 for tweedie.
enum class Loss {
    squared,
    absolute,
    pseudo_huber,
    quantile,
    poisson,
    gamma,
    tweedie,
    logistic,
};

/// Every h is at least this before it is weighted.
inline constexpr double smallest_hessian = 1e-16;

/// What the losses of this file are given.
template <class Y> struct Rows {
    View1<const Y> y;            ///< [n_rows], in
    View1<const float> weight;   ///< [n_rows], in; no data: all 1
    View2<const double> margins; ///< [n_outputs, n_rows], in
};

/// g and h of output k in row i, for the parameter a[k], times the row's weight.
///
///   a [n_outputs] f64                      in
///   grad, hess [n_outputs, n_rows] f32     out, apart from the inputs
///
/// Computed in float64 and rounded once; logistic in float32, within 2e-6 of g and h.
/// Returns the first index into grad and hess, in C
/// order, where either is NaN or infinite, else -1. Y is float or double: float values
/// give the bytes of the same values as double. Cost: O(n_outputs n_rows), one read and
/// one write of everything. A row's result depends on that row alone.
template <class Y>
index_t pointwise_gradients(Loss loss, const Rows<Y>& rows, View1<const double> a,
                            View2<float> grad, View2<float> hess,
                            int n_threads) noexcept;

/// sum_i weight[i] loss(y[i], margins[k, i]) for each output k.
///
///   a, sums [n_outputs] f64                         in, out
///   scratch [loss_blocks(n_rows)] f64               scratch
///
/// Float64 sums of fixed blocks, added in block order: the same for any n_threads.
template <class Y>
void pointwise_loss(Loss loss, const Rows<Y>& rows, View1<const double> a,
                    View1<double> sums, double* scratch, int n_threads) noexcept;

index_t loss_blocks(index_t n_rows) noexcept;

/// g = p - [y = k], h = K / (K - 1) p (1 - p) with p the softmax of a row's K >= 2
/// margins, times the row's weight. Where classes are equally likely, and for K = 2
/// always, g / h is the Newton step of the whole matrix diag(p) - p p' (Friedman 2001,
/// section 4.6); p (1 - p), its diagonal, forgets that all K margins move at once.
///
///   y [n_rows] i32, classes; one that is no row of margins matches none     in
///   margins [n_classes, n_rows], grad, hess                                 as above
///   scratch [softmax_scratch(...)] f64                                      scratch
///
/// Finite margins give finite results. Returns as pointwise_gradients.
index_t softmax_gradients(const Rows<std::int32_t>& rows, View2<float> grad,
                          View2<float> hess, double* scratch, int n_threads) noexcept;

index_t softmax_scratch(index_t n_rows, index_t n_classes, int n_threads) noexcept;

/// sum_i weight[i] (log sum_k exp(margins[k, i]) - margins[y[i], i]).
///
///   scratch [loss_blocks(n_rows)] f64   scratch
double softmax_loss(const Rows<std::int32_t>& rows, double* scratch,
                    int n_threads) noexcept;

} // namespace fastnotes::boosting
