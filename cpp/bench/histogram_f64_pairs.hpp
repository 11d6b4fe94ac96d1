/// Yardstick for boosting/histogram: the usual loop over pairs of float64 sums.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::bench {

/// Sums of gradients and hessians per column and bin code, in float64.
///
///   bins    [n_rows, n_columns] u8                                    in
///   grad    [n_rows] f32                                              in
///   hess    [n_rows] f32                                              in
///   rows    [m] i64, 0 <= row < n_rows; null data: every row          in
///   out     [n_columns, 256, 2] f64                                   out, overwritten
///   partial [n_threads - 1, n_columns, 256, 2] f64                    scratch
///
/// Row-major, one 128-bit add per (row, column), rows prefetched: the best float64 loop
/// we know. Its rounding, unlike the kernel's, depends on n_threads. Benchmarks only.
void histogram_f64_pairs(View2<const std::uint8_t> bins, View1<const float> grad,
                         View1<const float> hess, View1<const std::int64_t> rows,
                         View3<double> out, double* partial, int n_threads) noexcept;

} // namespace fastnotes::bench
