#include "boosting/ranking.hpp"

#include "boosting/objectives.hpp"
#include "common/parallel.hpp"
#include "common/simd_math.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

namespace fastnotes::boosting {
namespace {

using V = simd::Vec<double>;

constexpr index_t grain =
    1 << 9; ///< rows that are worth a thread: a row has many pairs

/// Sorts before another: the larger score, then the earlier row. Integers, so that NaN
/// has a place too.
struct Entry {
    std::int64_t key; ///< the larger the score, the smaller
    index_t row;      ///< within the list

    friend bool operator<(Entry a, Entry b) {
        return a.key < b.key || (a.key == b.key && a.row < b.row);
    }
};
static_assert(sizeof(Entry) == 2 * sizeof(double), "entries live in scratch");

std::int64_t falling_key(double score) noexcept {
    const double unsigned_zero = score + 0.0; // -0 and 0 are one score
    std::int64_t bits;
    __builtin_memcpy(&bits, &unsigned_zero, sizeof(bits));
    // As integers, the bits of negative numbers fall while the numbers rise.
    return ~(bits < 0 ? bits ^ std::numeric_limits<std::int64_t>::max() : bits);
}

/// Scratch of one thread: columns of a list in the order of the ranks, whole vectors.
struct Sorted {
    Entry* entries;
    double *score, *gain, *g, *h;

    Sorted(double* scratch, index_t longest, int thread) {
        const index_t size = round_up(longest, V::size);
        double* const own = scratch + thread * 6 * size;
        entries = reinterpret_cast<Entry*>(own);
        score = own + 2 * size;
        gain = score + size;
        g = gain + size;
        h = g + size;
    }

    void sort(const double* scores, index_t n) const noexcept {
        for (index_t i = 0; i < n; ++i) entries[i] = {falling_key(scores[i]), i};
        std::sort(entries, entries + n);
    }

    void gather(const double* scores, const double* gains, index_t n) const noexcept {
        for (index_t i = 0; i < n; ++i) {
            score[i] = scores[entries[i].row];
            gain[i] = gains[entries[i].row];
        }
        const index_t size = round_up(n, V::size);
        std::fill(score + n, score + size, 0.0);
        std::fill(gain + n, gain + size, 0.0);
        std::fill_n(g, size, 0.0);
        std::fill_n(h, size, 0.0);
    }
};

/// Pairs of rank i with all ranks behind it; returns the sum of q delta.
double add_pairs(const Sorted& list, const double* discounts, index_t i, index_t n,
                 double inverse_ideal, const RankingRules& rules) noexcept {
    const V one(1.0), zero(0.0), two(2.0), floor(smallest_hessian), apart(0.01);
    const V score(list.score[i]), gain(list.gain[i]), discount(discounts[i]);
    const V scale(inverse_ideal), size(V::size), last(static_cast<double>(n - 1));
    const bool normalize = rules.normalize_scores && list.score[0] != list.score[n - 1];
    V sum_g = zero, sum_h = zero, sum = zero;
    // Whole vectors at fixed places: a step forward would meet stores half written.
    const index_t first = (i + 1) / V::size * V::size;
    V rank = V(static_cast<double>(first - i)) +
             simd::convert<double>(simd::iota<simd::Vec<std::int64_t>>());
    for (index_t j = first; j < n; j += V::size, rank += size) {
        const V gap = gain - simd::load<V>(list.gain + j);
        const V d = score - simd::load<V>(list.score + j);
        const V distance = simd::abs(d);
        // q = 1 / (1 + exp(d)), d taken from the item of larger gain. One division
        // serves it and the normalisation.
        const V e = simd::exp(-distance), both = one + e;
        const V spread = normalize ? apart + distance : one;
        const V inverse = one / (both * spread), larger = inverse * spread;
        const V q = select((gap > zero) ^ (d > zero), one, e) * larger;
        V delta = inverse * both;
        if (rules.ndcg) {
            const auto count = static_cast<std::size_t>(n - j);
            const V other = simd::load_partial<V>(discounts + j, count);
            delta *= simd::abs(gap) * simd::abs(discount - other) * scale;
        }
        const auto behind = (rank > zero) & (rank <= last - V(static_cast<double>(i)));
        delta = select((gap != zero) & behind, delta, zero);
        const V pull = q * delta;
        const V g = select(gap > zero, -pull, pull); // of rank i
        const V h = two * delta * simd::max(e * larger * larger, floor);
        simd::store(list.g + j, simd::load<V>(list.g + j) - g);
        simd::store(list.h + j, simd::load<V>(list.h + j) + h);
        sum_g += g;
        sum_h += h;
        sum += pull;
    }
    list.g[i] += reduce_add(sum_g);
    list.h[i] += reduce_add(sum_h);
    return reduce_add(sum);
}

/// The factor that a list's sum of |g| asks for.
double list_scale(double sum, const RankingRules& rules) noexcept {
    if (!rules.normalize_lists || !(sum > 0.0)) return 1.0;
    return std::log2(1.0 + sum) / sum;
}

} // namespace

index_t ranking_scratch(index_t longest, int n_threads) noexcept {
    return 6 * round_up(longest, V::size) * n_threads;
}

index_t lambdarank_gradients(const Lists& lists, const RankingRules& rules,
                             View1<const double> inverse_ideal,
                             View1<const double> discounts, View1<const float> weight,
                             View1<const double> margins, View1<float> grad,
                             View1<float> hess, double* scratch,
                             int n_threads) noexcept {
    const index_t n_lists = inverse_ideal.size;
    const int threads = worthwhile_threads(margins.size, grain, n_threads);
    std::atomic<bool> finite{true};
    parallel_blocks(n_lists, threads, [&](index_t l, int thread) {
        const index_t first = lists.offsets(l), n = lists.offsets(l + 1) - first;
        const Sorted list(scratch, lists.longest, thread);
        list.sort(margins.data + first, n);
        list.gather(margins.data + first, lists.gains.data + first, n);
        double sum = 0.0;
        if (inverse_ideal(l) > 0.0) {
            for (index_t i = 0; i < std::min(rules.truncation, n); ++i) {
                sum += add_pairs(list, discounts.data, i, n, inverse_ideal(l), rules);
            }
        }
        const double scale = list_scale(2.0 * sum, rules);
        float poison = 0.0f; // x - x is 0, or NaN for NaN and infinity
        for (index_t i = 0; i < n; ++i) {
            const index_t row = first + list.entries[i].row;
            const float own = weight.data == nullptr ? 1.0f : weight(row);
            const double w = scale * static_cast<double>(own);
            grad(row) = static_cast<float>(w * list.g[i]);
            hess(row) = static_cast<float>(w * list.h[i]);
            poison += (grad(row) - grad(row)) + (hess(row) - hess(row));
        }
        if (!(poison == 0.0f)) finite.store(false, std::memory_order_relaxed);
    });
    if (finite) return -1;
    index_t row = 0;
    while (std::isfinite(grad(row)) && std::isfinite(hess(row))) ++row;
    return row;
}

void discounted_gain(const Lists& lists, index_t truncation,
                     View1<const double> discounts, View1<const double> scores,
                     View1<double> out, double* scratch, int n_threads) noexcept {
    const int threads = worthwhile_threads(scores.size, grain, n_threads);
    parallel_blocks(out.size, threads, [&](index_t l, int thread) {
        const index_t first = lists.offsets(l), n = lists.offsets(l + 1) - first;
        const Sorted list(scratch, lists.longest, thread);
        list.sort(scores.data + first, n);
        double sum = 0.0;
        for (index_t i = 0; i < std::min(truncation, n); ++i) {
            sum += lists.gains(first + list.entries[i].row) * discounts(i);
        }
        out(l) = sum;
    });
}

} // namespace fastnotes::boosting
