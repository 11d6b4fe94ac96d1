/// A group of columns, one to a lane: its samples, the heavy ones and the sums of the
/// light ones.
#pragma once

#include "evidence/jackknife_sums.hpp"

#include <algorithm>
#include <limits>

namespace fastnotes::evidence::jvi {

/// A sample is heavy above this share of the sum without the `order - 1` largest.
inline constexpr double heavy_share = 1.0 / 16;

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// The M + 1 largest of what came, in descending order; no NaN.
template <int M> struct Ranks {
    V value[M + 1];

    Ranks() noexcept {
        for (V& each : value) each = V(-infinity);
    }
    FASTNOTES_INLINE void insert(V x) noexcept {
        for (V& each : value) {
            const V smaller = simd::min(x, each);
            each = simd::max(x, each);
            x = smaller;
        }
    }
};

/// The heavy samples of every lane, by falling log-weight.
template <int M> struct Heavy {
    static constexpr int capacity = M + 15;

    alignas(64) double value[capacity][width];
    alignas(64) double e[capacity][width] = {}; // in unit M; 0 where a lane has fewer
    index_t index[capacity][width];
    int size[width] = {};
    int most = 0; // of any lane

    void insert(int lane, double x, double exponential, index_t k) noexcept {
        if (size[lane] == capacity) return; // sums of non-finite garbage alone
        int at = size[lane]++;
        most = std::max(most, size[lane]);
        for (; at > 0 && value[at - 1][lane] < x; --at) {
            value[at][lane] = value[at - 1][lane];
            e[at][lane] = e[at - 1][lane];
            index[at][lane] = index[at - 1][lane];
        }
        value[at][lane] = x, e[at][lane] = exponential, index[at][lane] = k;
    }
    V exponential(int i) const noexcept { return simd::load<V>(e[i]); }
    /// Lanes that have a heavy sample i.
    Mask has(int i) const noexcept {
        V count;
        for (int lane = 0; lane < width; ++lane) count.raw[lane] = size[lane];
        return V(double(i)) < count;
    }
};

/// What the subsets need to know of `width` columns. Ranks are sorted log-weights from
/// 0 on; ranks below M are the tops. Unit f: relative to the weight of rank f.
template <int M> struct Column {
    V rank[M + 1];
    V top[M + 1][M + 1];   // [f][g], g >= f: weight of rank g in unit f
    V kept[1u << M];       // the sum without the tops of a bit mask, in the unit of the
                           // first rank that is not in it
    V sum, ess;            // of all, in unit 0
    V tail[M];             // [f]: the sum without the M - 1 largest, in unit f
    V n_light, light_mean; // the mean in unit M
    Heavy<M> heavy;
    Mask dead, positive; // NaN; bound +inf
    Mask has_nan;
};

/// Replaces lanes without an ordinary answer by some with one; keeps their marks.
template <int M>
void repair(double* x, index_t count, Mask has_nan, Column<M>& column) noexcept {
    column.has_nan = has_nan;
    column.positive = (column.rank[0] == V(infinity)) & !has_nan;
    Ranks<M> ranks;
    for (index_t k = 0; k < count; ++k) { // weights 1 and 0 beside an infinite one
        const V value = simd::load<V>(x + k * width);
        const V among = select(value == V(infinity), V(0.0), V(-infinity));
        const V kept = select(has_nan, V(0.0), select(column.positive, among, value));
        simd::store(x + k * width, kept);
        ranks.insert(kept);
    }
    const Mask few = ranks.value[M] == V(-infinity);
    column.dead = has_nan | few;
    for (index_t k = 0; k < count; ++k) {
        const V value = simd::load<V>(x + k * width);
        simd::store(x + k * width, select(few, V(0.0), value));
    }
    for (int g = 0; g <= M; ++g) {
        column.rank[g] = select(few, V(0.0), ranks.value[g]);
    }
}

template <int M> void find_ranks(double* x, index_t count, Column<M>& column) noexcept {
    Ranks<M> ranks;
    Mask has_nan{};
    for (index_t k = 0; k < count; ++k) {
        const V value = simd::load<V>(x + k * width);
        has_nan = has_nan | (value != value);
        ranks.insert(value);
    }
    for (int g = 0; g <= M; ++g) column.rank[g] = ranks.value[g];
    column.dead = column.positive = column.has_nan = Mask{};
    const V top = column.rank[0], last = column.rank[M];
    if (simd::any(has_nan | (top == V(infinity)) | (last == V(-infinity)))) {
        repair(x, count, has_nan, column);
    }
}

/// e = exp(x - rank M), and the sums of all. The tops are far above 1, or clamped.
template <int M>
void exponentiate(const double* x, double* e, index_t count,
                  Column<M>& column) noexcept {
    const V unit = column.rank[M], largest(600.0);
    V even(0.0), odd(0.0), squares(0.0); // two chains of additions
    const auto take = [&](index_t k, V& sum) __attribute__((always_inline)) {
        const V value = simd::load<V>(x + k * width);
        const V distance = simd::min(value - unit, largest);
        const V power =
            select(value == V(-infinity), V(0.0), simd::exp_raised<0>(distance));
        const V rest = select(value > unit, V(0.0), power);
        simd::store(e + k * width, power);
        sum += rest;
        squares = fma(rest, rest, squares);
    };
    for (index_t k = 0; k + 1 < count; k += 2) take(k, even), take(k + 1, odd);
    if (count % 2 == 1) take(count - 1, even);
    V ties(0.0); // tops that count as rest above
    for (int g = 0; g < M; ++g) {
        ties += select(column.rank[g] == unit, V(1.0), V(0.0));
    }
    const V rest = even + odd - ties;
    for (int f = 0; f <= M; ++f) {
        for (int g = f; g <= M; ++g) {
            column.top[f][g] = simd::exp(column.rank[g] - column.rank[f]);
        }
    }
    for (unsigned set = 0; set < 1u << M; ++set) {
        int f = 0;
        while (set >> f & 1u) ++f;
        V kept = rest * column.top[f][M];
        for (int g = M - 1; g >= f; --g) {
            if (!(set >> g & 1u)) kept += column.top[f][g];
        }
        column.kept[set] = kept;
    }
    for (int f = 0; f < M; ++f) {
        column.tail[f] = column.top[f][M - 1] + rest * column.top[f][M];
    }
    column.sum = column.kept[0];
    V all = (squares - ties) * column.top[0][M] * column.top[0][M];
    for (int g = M - 1; g >= 0; --g) {
        all = fma(column.top[0][g], column.top[0][g], all);
    }
    column.ess = column.sum * column.sum / all;
}

/// The heavy samples, and x = (e - mean) / tail of the light ones, 0 for the heavy.
template <int M>
void separate(double* x, double* e, index_t count, Column<M>& column) noexcept {
    const V rest = column.kept[(1u << M) - 1]; // in unit M
    const V reach = simd::exp(simd::min(column.rank[M - 1] - column.rank[M], V(600.0)));
    const V tail = reach + rest, limit = V(heavy_share) * tail;
    V sum(0.0);
    for (index_t k = 0; k < count; ++k) {
        const V power = simd::load<V>(e + k * width);
        const Mask is_heavy = power > limit;
        sum += select(is_heavy, V(0.0), power);
        if (auto bits = simd::mask_bits(is_heavy)) {
            for (; bits != 0; bits &= bits - 1) {
                const int lane = __builtin_ctz(bits);
                const index_t at = k * width + lane;
                column.heavy.insert(lane, x[at], e[at], k);
            }
        }
    }
    for (int lane = 0; lane < width; ++lane) {
        column.n_light.raw[lane] = static_cast<double>(count - column.heavy.size[lane]);
    }
    column.light_mean = sum / simd::max(column.n_light, V(1.0));
    const V scale = V(1.0) / tail, shift = -column.light_mean * scale;
    for (index_t k = 0; k < count; ++k) {
        const V power = simd::load<V>(e + k * width);
        const V centred = fma(power, scale, shift);
        simd::store(x + k * width, select(power > limit, V(0.0), centred));
    }
}

} // namespace fastnotes::evidence::jvi
