/// Bin thresholds of numeric columns: exact midpoints, or cuts of equal mass.
#pragma once

#include "boosting/cuts.hpp"
#include "boosting/row_sample.hpp"
#include "common/view.hpp"

#include <cstddef>
#include <cstdint>

namespace fastnotes::boosting {

/// Rows to fit on; see sample_strata and select_rows.
///
///   rows   [n] i64, ascending; null data: every row       scratch
///   masses [n] i64; null data: every row counts once      scratch
///
/// Without weights n is subsample, or rows is null if n_rows is not above it. With
/// weights n is min(n_rows, subsample).
struct RowsScratch {
    View1<std::int64_t> rows;
    View1<std::int64_t> masses;
    index_t subsample;
};

/// Bytes of fit_thresholds' scratch, for n rows of the sample.
template <class T>
index_t thresholds_scratch(index_t n, index_t n_columns, bool weighted,
                           int n_threads) noexcept;

/// Thresholds of every column, from all rows or from a sample of them.
///
///   X          [n_rows, n_columns] T, NaN = missing, +-inf ordinary extremes   in
///   weights    [n_rows] f64, finite, >= 0; null data: all 1                    in
///   thresholds [n_columns, max_bin - 1] T, strictly increasing, +inf behind    out,
///              overwritten
///   counts     [n_columns] i64, how many of them are real                      out,
///              overwritten
///   sample     see RowsScratch                                                 scratch
///   scratch    [thresholds_scratch(...)] bytes, aligned as int64               scratch
///
/// Rows of weight 0 do not exist. Others count by their masses, as select_rows makes
/// them: integer weights give the cuts of repeat(X, weights).
///
/// A bin is left < value <= right, its two neighbouring thresholds. -0.0 counts as 0.0.
/// With at most max_bin distinct values every value has a bin of its own. With more, a
/// value of at least 1 / max_bin of the mass has a bin of its own, and the rest is
/// shared out greedily: a bin ends where its mass is nearest to (mass left) / (bins
/// left), the smaller bin where two are as near. 2 <= max_bin <= 255.
///
/// A threshold between neighbours left < right is 0.5 left + 0.5 right in float64, or
/// the number below right if that is not below right (as for right = inf), rounded down
/// to T, so left <= threshold < right; and float32 values get the same bins whether
/// they come as float32 or float64. A column without values has no thresholds.
///
/// Cost: a radix sort of each column's sample, 11 bits a pass, 8 where it is small.
/// The result does not depend on n_threads. Source: histogram binning as in Ke et al.
/// 2017, "LightGBM", section 3.
template <class T>
void fit_thresholds(View2<const T> X, View1<const double> weights, std::uint64_t seed,
                    View2<T> thresholds, View1<std::int64_t> counts, RowsScratch sample,
                    void* scratch, int n_threads) noexcept;

} // namespace fastnotes::boosting
