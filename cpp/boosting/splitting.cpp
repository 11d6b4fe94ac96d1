#include "boosting/splitting.hpp"

#include "common/parallel.hpp"
#include "common/simd.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

namespace fastnotes::boosting {
namespace {

using V = simd::Vec<double>;

constexpr index_t most_slots = 256;
constexpr index_t grain = index_t{1} << 14; ///< bins that are worth a thread
constexpr Split no_split{-1, 0, 0.0, false, 0.0, 0.0, 0.0, 0.0};

struct Sums {
    double G, H;
};

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
    std::fill(prefix.G + n_known, prefix.G + round_up(n_known, V::size), 0.0);
    std::fill(prefix.H + n_known, prefix.H + round_up(n_known, V::size), 0.0);
    prefix.finite = poison == 0.0;
}

/// T(G)^2 / (H + lambda), for vectors.
FASTNOTES_INLINE V score(V G, V H, V reg_lambda, V reg_alpha) {
    const V reduced = simd::abs(G) - reg_alpha;
    const V shrunk = select(reduced > V(0.0), reduced, V(0.0));
    return shrunk * shrunk / (H + reg_lambda);
}

double score(Sums sums, const SplitRules& rules) noexcept {
    const double shrunk = std::max(std::abs(sums.G) - rules.reg_alpha, 0.0);
    return shrunk * shrunk / (sums.H + rules.reg_lambda);
}

/// The best of the bins [0, n) for one direction of missing: per lane, then over lanes.
struct Candidate {
    double gain = 0.0;
    index_t bin = -1;
};

Candidate best_bin(const Prefix& prefix, index_t n, Sums to_left, Sums total,
                   const SplitRules& rules) noexcept {
    const V lambda(rules.reg_lambda), alpha(rules.reg_alpha), gamma(rules.gamma);
    const V least(rules.min_child_weight), zero(0.0), half(0.5);
    const V parent(score(total, rules));
    V best_gain = zero, best_bin(-1.0);
    V bin = simd::convert<double>(simd::iota<simd::Vec<std::int64_t>>());
    for (index_t b = 0; b < n; b += V::size, bin += V(V::size)) {
        const V G_left = simd::load<V>(prefix.G + b) + V(to_left.G);
        const V H_left = simd::load<V>(prefix.H + b) + V(to_left.H);
        const V G_right = V(total.G) - G_left, H_right = V(total.H) - H_left;
        const V lighter = select(H_left < H_right, H_left, H_right);
        const V both = score(G_left, H_left, lambda, alpha) +
                       score(G_right, H_right, lambda, alpha);
        const V gain = half * (both - parent) - gamma;
        const auto better = (gain > best_gain) & (lighter >= least) &
                            (lighter + lambda > zero) &
                            (bin < V(static_cast<double>(n)));
        best_gain = select(better, gain, best_gain);
        best_bin = select(better, bin, best_bin);
    }
    Candidate best;
    for (int i = 0; i < V::size; ++i) {
        const Candidate lane{best_gain[i], static_cast<index_t>(best_bin[i])};
        const bool better =
            lane.gain > best.gain || (lane.gain == best.gain && lane.bin < best.bin);
        if (lane.bin >= 0 && better) best = lane;
    }
    return best;
}

Split make_split(index_t feature, Candidate candidate, bool default_left, Sums left,
                 Sums total) noexcept {
    return {feature, candidate.bin, candidate.gain,   default_left,
            left.G,  left.H,        total.G - left.G, total.H - left.H};
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

    const Candidate right = best_bin(prefix, n_known, {0.0, 0.0}, total, rules);
    Candidate left;
    if (missing.G != 0.0 || missing.H != 0.0) {
        left = best_bin(prefix, n_known - 1, missing, total, rules);
    }
    const bool default_left =
        left.gain > right.gain || (left.gain == right.gain && left.bin < right.bin);
    const Candidate chosen = default_left ? left : right;
    if (chosen.bin < 0) return true;
    const Sums sums{prefix.G[chosen.bin] + (default_left ? missing.G : 0.0),
                    prefix.H[chosen.bin] + (default_left ? missing.H : 0.0)};
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
