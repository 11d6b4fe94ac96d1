/// Best split of a gradient histogram.
#pragma once

#include "common/cuda.hpp"
#include "common/view.hpp"

namespace fastnotes::boosting {

struct SplitRules {
    double reg_lambda;       ///< >= 0
    double reg_alpha;        ///< >= 0
    double gamma;            ///< >= 0
    double min_child_weight; ///< >= 0, on the sum of hessians
};

/// feature = -1: no admissible split.
struct Split {
    index_t feature;
    index_t bin;
    double gain;
    bool default_left;
    double G_left, H_left, G_right, H_right;
};

enum class SplitStatus { ok, not_finite };

/// The split of largest gain: codes <= bin go left, missing where default_left says.
///
///   histogram [n_columns, n_bins, 2] f64, (G, H); code n_bins - 1 = missing   in
///   best                                                                      out
///   of_column [n_columns] Split                                               scratch
///
/// 2 <= n_bins <= 256. Gain = 1/2 [S(G_L, H_L) + S(G_R, H_R) - S(G, H)] - gamma with
/// S(G, H) = T(G)^2 / (H + lambda), T(G) = G moved towards 0 by alpha. G_L, H_L are
/// sums of codes 0..bin in this order, then missing if it goes left; right = total -
/// left, and the total is the column's own. Both directions of missing are tried for
/// bins 0..n_bins-3, and "all known left, missing right" as bin n_bins - 2.
///
/// Admissible: gain > 0; both H >= min_child_weight; both H and the total's have
/// H + lambda > 0 (else the leaf's quadratic has no minimum). Largest gain wins; on
/// equal gains the lower column, then the lower bin, then missing to the right. Columns
/// without missing values therefore say right. A gain that overflows to NaN never wins.
///
/// NaN or infinity in the histogram: not_finite. No columns: no split.
/// Cost: O(n_columns n_bins); parallel over columns, the same result for any n_threads.
/// Source: Chen & Guestrin 2016, "XGBoost", equation 7 and algorithm 3.
SplitStatus find_best_split(View3<const double> histogram, const SplitRules& rules,
                            Split& best, Split* of_column, int n_threads) noexcept;

namespace cuda {

/// Bytes of scratch.
index_t split_scratch(index_t n_columns) noexcept;

/// The same split, bit for bit, of a histogram of T in device memory.
///
///   scratch [split_scratch(n_columns)] bytes, aligned to 16    scratch
///   answer  [1] Split, scratch, in pinned host memory that the device writes to
///   best, found                                                out, on the host
///
/// The rest as above. Waits for the stream, since the split is read back; it means
/// something only if the Status is ok. One block per column; prefix sums in bin order.
template <class T>
fastnotes::cuda::Status find_best_split(View3<const T> histogram,
                                        const SplitRules& rules, void* scratch,
                                        Split* answer, Split& best, SplitStatus& found,
                                        fastnotes::cuda::Stream stream) noexcept;

} // namespace cuda

} // namespace fastnotes::boosting
