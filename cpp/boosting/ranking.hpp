/// Learning to rank: gradients of LambdaRank, and the discounted gain they climb.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// Rows of one list each, one list after another.
struct Lists {
    View1<const double> gains;         ///< [n_rows], >= 0: what an item is worth
    View1<const std::int64_t> offsets; ///< [n_lists + 1], ascending from 0 to n_rows
    index_t longest;                   ///< rows of the longest list
};

struct RankingRules {
    index_t truncation;    ///< pairs have an item among the first so many; >= 1
    bool ndcg;             ///< weight pairs by |delta NDCG|; else all alike
    bool normalize_scores; ///< divide a pair's weight by 0.01 + |difference of margins|
    bool normalize_lists;  ///< scale a list by log2(1 + s) / s, s the sum of all |g|
};

/// Orders each list by margin, largest first (equal margins in row order), and sums
/// over its pairs of unequal gain, one of them among the first `truncation`: with d =
/// margin of the item of larger gain - margin of the other, q = 1 / (1 + exp(d)) and
/// the pair's weight delta,
///
///   g of the better item -= q delta, g of the other += q delta,
///   h of both            += 2 delta max(q (1 - q), 1e-16).
///
/// delta = |gain_i - gain_j| |1/log2(r_i + 2) - 1/log2(r_j + 2)| inverse_ideal for
/// ranks r from 0, or 1 without ndcg.
///
///   inverse_ideal [n_lists] f64, 1 / ideal gain; 0: the list has no pairs    in
///   weight [n_rows] f32 or no data (1): a row's g and h are multiplied       in
///   discounts [longest] f64, 1/log2(r + 2)                                   in
///   margins [n_rows] f64                                                     in
///   grad, hess [n_rows] f32                                                  out
///   scratch [ranking_scratch(longest, n_threads)] f64                        scratch
///
/// Float64 inside. Lists in parallel, each on its own: the same bytes for any
/// n_threads. Returns the first row where g or h is NaN or infinite, else -1. A NaN
/// margin makes its list NaN. Cost: O(n log n + n truncation) for a list of n. Source:
/// Burges 2010, "From RankNet to LambdaRank to LambdaMART", section 4.
index_t lambdarank_gradients(const Lists& lists, const RankingRules& rules,
                             View1<const double> inverse_ideal,
                             View1<const double> discounts, View1<const float> weight,
                             View1<const double> margins, View1<float> grad,
                             View1<float> hess, double* scratch,
                             int n_threads) noexcept;

/// Doubles of scratch, for both functions.
index_t ranking_scratch(index_t longest, int n_threads) noexcept;

/// out[l] = sum of gain / log2(rank + 2) over the first `truncation` rows of list l,
/// ordered as above.
///
///   scores [n_rows] f64, discounts as above    in
///   out [n_lists] f64                          out
void discounted_gain(const Lists& lists, index_t truncation,
                     View1<const double> discounts, View1<const double> scores,
                     View1<double> out, double* scratch, int n_threads) noexcept;

} // namespace fastnotes::boosting
