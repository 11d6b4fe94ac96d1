/// Gradient histograms of one tree node, summed as integers.
#pragma once

#include "common/cuda.hpp"
#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// Bin codes are bytes: accumulators have a slot for each, whatever n_bins is, so that
/// no code can point outside them.
inline constexpr index_t code_slots = 256;

enum class HistogramStatus {
    ok,
    gradient_not_finite,
    hessian_not_finite,
    row_out_of_range,
    row_repeated,
    code_out_of_range,
};

/// How build_histogram cuts its work; decides speed and scratch, never the result.
struct HistogramPlan {
    int n_threads;
    index_t group_columns; ///< columns that one accumulator holds
    index_t n_groups;
    index_t row_shares; ///< parts the rows of a group are cut into
    index_t n_gathered; ///< listed rows, where they are few: their values are gathered
};

/// n_listed < 0: every row.
HistogramPlan plan_histogram(index_t n_rows, index_t n_listed, index_t n_columns,
                             int n_threads) noexcept;

/// Scratch of one call, in elements.
struct HistogramScratchSize {
    index_t packed;   ///< int64
    index_t partial;  ///< double
    index_t gathered; ///< T
    index_t seen;     ///< uint64, where rows are listed
};
HistogramScratchSize histogram_scratch(const HistogramPlan& plan, index_t n_rows,
                                       index_t n_columns, index_t n_bins) noexcept;

template <class T> struct HistogramScratch {
    std::int64_t* packed;
    double* partial;
    T* gathered;
    std::uint64_t* seen;
};

/// Sums of gradients and hessians per column and bin code, over the rows of a node.
///
///   bins [n_rows, n_columns] u8, each < n_bins                          in
///   grad [n_rows] T, finite                                             in
///   hess [n_rows] T, finite, any sign                                   in
///   rows [m] i64, distinct, 0 <= row < n_rows; null data: every row     in
///   out  [n_columns, n_bins, 2] f64, (sum of grad, sum of hess)         out,
///   overwritten scratch, sized by histogram_scratch scratch
///
/// Nothing may overlap. 2 <= n_bins <= 256, n_bins = out.rows. On any status but ok the
/// content of out is undefined; no memory beyond the arrays is read or written even
/// then.
///
/// Each value v becomes the integer nearest to v 2^e (ties to even), e such that the
/// largest |v| of the *whole* array has |v| 2^e in [2^14, 2^15); grad and hess have an
/// e each. Both go into one 64-bit integer, gradient high and hessian low (two's
/// complement), so one add moves both; at most 65,535 rows later the halves, which then
/// still fit 32 bits, are added to float64 sums of integers, exact below 2^53.
///
/// Precision: a sum over `count` rows is within count max|v| 2^-15 of the exact one.
/// Sums are integers times 2^-e without rounding (as long as they are normal numbers),
/// so they depend neither on the order of rows nor on n_threads; every column adds up
/// to the same totals; and over disjoint row sets with the same grad and hess,
/// histogram(a) + histogram(b) = histogram(a and b) exactly.
///
/// Cost: a pass over grad and hess for their magnitudes, whatever the rows; then the
/// node's codes and values once, one 64-bit add to memory per (row, column).
/// No rows: zeros. Source: quantised sums as in Shi et al. 2022, "Quantized Training of
/// Gradient Boosting Decision Trees", here at 15 bits and without stochastic rounding.
template <class T>
HistogramStatus build_histogram(View2<const std::uint8_t> bins, View1<const T> grad,
                                View1<const T> hess, View1<const std::int64_t> rows,
                                View3<double> out, const HistogramPlan& plan,
                                const HistogramScratch<T>& scratch) noexcept;

namespace cuda {

/// What a call found, read back from the device.
struct HistogramOutcome {
    HistogramStatus status;
    std::int64_t bad_row; ///< the first row number out of range, if status says so
};

/// Bytes of scratch; `listed`: a list of rows is given.
index_t histogram_scratch(index_t n_rows, index_t n_columns, index_t n_bins,
                          bool listed) noexcept;

/// The same sums, bit for bit, of arrays in device memory; Row is i32 or i64.
///
///   scratch [histogram_scratch(...)] bytes, aligned to 16                scratch
///   outcome                                                              out, on the
///   host
///
/// The rest as above. Waits for the stream, since the outcome is read back; it means
/// something only if the Status is ok.
///
/// Cost: two passes over grad and hess, one over the codes of the rows, two 32-bit adds
/// to shared memory per (row, column), and 16 bytes of scratch traffic per block and
/// slot of out. Lanes of a warp always add to different banks, so that neither constant
/// nor missing-heavy columns are slower.
template <class T, class Row>
fastnotes::cuda::Status build_histogram(View2<const std::uint8_t> bins,
                                        View1<const T> grad, View1<const T> hess,
                                        View1<const Row> rows, View3<double> out,
                                        void* scratch, HistogramOutcome& outcome,
                                        fastnotes::cuda::Stream stream) noexcept;

} // namespace cuda

} // namespace fastnotes::boosting
