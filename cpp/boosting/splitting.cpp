#include "boosting/splitting.hpp"

#include "boosting/split_gain.hpp"
#include "common/parallel.hpp"

#include <algorithm>
#include <atomic>

namespace fastnotes::boosting {
namespace {

constexpr index_t most_slots = 256;
constexpr index_t grain = index_t{1} << 14; ///< bins that are worth a thread
constexpr Split no_split{-1, 0, 0.0, false, 0.0, 0.0, 0.0, 0.0};

/// Prefix sums of the known bins; behind them zeros up to a whole vector.
struct Prefix {
    alignas(64) double G[most_slots];
    alignas(64) double H[most_slots];
    bool finite;
};

void sum_prefix(const double* column, index_t n_known, Prefix& prefix) noexcept {
    Sums sum{0.0, 0.0};
    double poison = 0.0; // x - x is 0, or NaN for NaN and infinity
    for (index_t b = 0; b <= n_known; ++b) {
        const double g = column[2 * b], h = column[2 * b + 1];
        poison += (g - g) + (h - h);
        if (b == n_known) break; // missing: looked at, not summed
        prefix.G[b] = sum.G += g;
        prefix.H[b] = sum.H += h;
    }
    std::fill(prefix.G + n_known, prefix.G + round_up(n_known, Reals::size), 0.0);
    std::fill(prefix.H + n_known, prefix.H + round_up(n_known, Reals::size), 0.0);
    prefix.finite = poison == 0.0;
}

/// The best of the bins [0, n) for one direction of missing.
Candidate best_bin(const Prefix& prefix, index_t n, Sums to_left,
                   const Gain& gain) noexcept {
    const Reals G(to_left.G), H(to_left.H);
    return best_place(
        n,
        [&](index_t b) {
            return SumsVector{simd::load<Reals>(prefix.G + b) + G,
                              simd::load<Reals>(prefix.H + b) + H};
        },
        gain);
}

Split make_split(index_t feature, Candidate candidate, bool default_left, Sums left,
                 Sums total) noexcept {
    return {feature, candidate.place, candidate.gain,   default_left,
            left.G,  left.H,          total.G - left.G, total.H - left.H};
}

/// The better of both directions of missing; false if the column is not finite.
bool split_column(const double* column, index_t feature, index_t n_bins,
                  const SplitRules& rules, Split& best) noexcept {
    const index_t n_known = n_bins - 1;
    Prefix prefix;
    sum_prefix(column, n_known, prefix);
    best = no_split;
    if (!prefix.finite) return false;
    const Sums missing{column[2 * n_known], column[2 * n_known + 1]};
    const Sums total{prefix.G[n_known - 1] + missing.G,
                     prefix.H[n_known - 1] + missing.H};
    if (!(total.H + rules.reg_lambda > 0.0)) return true;

    const Gain gain(total, rules);
    const Candidate right = best_bin(prefix, n_known, {0.0, 0.0}, gain);
    Candidate left;
    if (missing.G != 0.0 || missing.H != 0.0) {
        left = best_bin(prefix, n_known - 1, missing, gain);
    }
    const bool default_left = left.beats(right);
    const Candidate chosen = default_left ? left : right;
    if (chosen.place < 0) return true;
    const Sums sums{prefix.G[chosen.place] + (default_left ? missing.G : 0.0),
                    prefix.H[chosen.place] + (default_left ? missing.H : 0.0)};
    best = make_split(feature, chosen, default_left, sums, total);
    return true;
}

} // namespace

SplitStatus find_best_split(View3<const double> histogram, const SplitRules& rules,
                            Split& best, Split* of_column, int n_threads) noexcept {
    const index_t n_columns = histogram.planes, n_bins = histogram.rows;
    std::atomic<bool> finite{true};
    parallel_for(n_columns, worthwhile_threads(n_columns * n_bins, grain, n_threads),
                 [&](index_t c) {
                     const double* const column = histogram.plane(c).data;
                     if (!split_column(column, c, n_bins, rules, of_column[c])) {
                         finite.store(false, std::memory_order_relaxed);
                     }
                 });
    best = no_split;
    if (!finite) return SplitStatus::not_finite;
    for (index_t c = 0; c < n_columns; ++c) {
        if (of_column[c].gain > best.gain) best = of_column[c];
    }
    return SplitStatus::ok;
}

} // namespace fastnotes::boosting
