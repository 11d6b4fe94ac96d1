/// Quantiles of residuals, leaf by leaf: the best leaf values of |y - m| and its kin.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// All inputs; views without data stand for what is said behind them.
template <class Y> struct Residuals {
    View1<const Y> y;                      ///< [n_rows]
    View1<const double> margins;           ///< [n_rows]; 0
    View1<const float> weight;             ///< [n_rows], >= 0; 1
    View1<const std::int32_t> leaf_of_row; ///< [n_rows], negative: in no leaf; all in 0
    View1<const std::int32_t> rows;        ///< [n], those that count; every row
};

enum class QuantileStatus { ok, leaf_out_of_range, row_out_of_range, not_finite };

/// What a caller allocates.
struct QuantileScratch {
    index_t counts; ///< of index_t
    index_t items;  ///< of double
};

template <class Y>
QuantileScratch leaf_quantile_scratch(const Residuals<Y>& in,
                                      index_t n_leaves) noexcept;

/// values[l] = the alpha-quantile of y - margin over the rows of leaf l.
///
///   values [n_leaves] f64      in-out: a leaf without rows of positive weight keeps
///   its
///                              value; nothing is written unless ok is returned
///   counts, items              scratch, as leaf_quantile_scratch says
///
/// 0 < alpha < 1. The quantile is the least residual up to which the weights add up to
/// alpha of the leaf's; where they meet it exactly, the mean of it and the next one (so
/// alpha = 1/2 is the median). Integer weights therefore equal repeated rows. Float64.
///
/// Expected O(n) (selection, no sorting); parallel over blocks of rows, then over
/// leaves; the same bytes for any n_threads. NaN or infinity among the residuals:
/// not_finite.
template <class Y>
QuantileStatus leaf_quantiles(const Residuals<Y>& in, double alpha,
                              View1<double> values, index_t* counts, double* items,
                              int n_threads) noexcept;

} // namespace fastnotes::boosting
