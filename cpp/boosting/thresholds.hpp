/// Bin thresholds of numeric columns: exact midpoints, or cuts of equal mass.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

inline constexpr int most_bins = 255;

/// Philox purpose of the rows that thresholds are fitted on ("boo", 1).
inline constexpr std::uint32_t sample_purpose = 0x626F6F01;

/// Scratch of fit_thresholds, in elements of an unsigned integer as wide as T.
index_t thresholds_scratch(index_t n_sampled, index_t n_columns,
                           int n_threads) noexcept;

/// Thresholds of every column, from all rows or from a sample of them.
///
///   X          [n_rows, n_columns] T, NaN = missing, +-inf ordinary extremes   in
///   thresholds [n_columns, max_bin - 1] T, strictly increasing, +inf behind    out,
///              overwritten
///   counts     [n_columns] i64, how many of them are real                      out,
///              overwritten
///   sample     [n] i64, 0 < n <= n_rows; null data: every row is used          scratch
///   scratch    [thresholds_scratch(...)]                                       scratch
///
/// The sample is one row from each of n strata: stratum i is [i N / n, (i + 1) N / n),
/// N = n_rows, and its row is first + floor(draw size / 2^32), with draw the first word
/// of Philox4x32-10 keyed on (seed, sample_purpose, i).
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
/// Cost: a radix sort of each column's sample, 11 bits a pass. The result does not
/// depend on n_threads. Source: histogram binning as in Ke et al. 2017, "LightGBM",
/// section 3.
template <class T>
void fit_thresholds(View2<const T> X, std::uint64_t seed, View2<T> thresholds,
                    View1<std::int64_t> counts, View1<std::int64_t> sample,
                    void* scratch, int n_threads) noexcept;

} // namespace fastnotes::boosting
