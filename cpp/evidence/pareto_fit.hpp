/// The generalised Pareto distribution: fit to a tail, and its quantiles.
#pragma once

#include "common/simd.hpp"
#include "common/simd_math.hpp"
#include "common/view.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fastnotes::evidence::pareto {

using V = simd::Vec<double>;
inline constexpr index_t width = V::size;

struct Fit {
    double shape, scale;
};

inline index_t grid_size(index_t n) noexcept {
    return 30 + static_cast<index_t>(std::sqrt(static_cast<double>(n)));
}

/// mean_i log(1 - b x_i), x [n] ascending. Two factors to a logarithm, as
/// (1 + s)(1 + t) - 1, a small x with a large one: only the largest come near 1 / b.
inline V mean_log(const double* x, index_t n, V b) noexcept {
    V sum(0.0);
    for (index_t i = 0; i < n / 2; ++i) {
        const V s = -b * V(x[i]), t = -b * V(x[n - 1 - i]);
        sum += simd::log1p(fma(s, t, s + t));
    }
    if (n % 2 == 1) sum += simd::log1p(-b * V(x[n / 2]));
    return sum / V(static_cast<double>(n));
}

/// Sum of f(V of values, V of a second array) over n values of two arrays.
template <class F>
double sum_over(const double* a, const double* b, index_t n, F&& f) noexcept {
    V sum(0.0);
    for (index_t i = 0; i < n; i += width) {
        const auto count = static_cast<std::size_t>(n - i);
        const V value =
            f(simd::load_partial<V>(a + i, count), simd::load_partial<V>(b + i, count));
        sum += select(simd::first_lanes<V>(count), value, V(0.0));
    }
    return simd::reduce_add(sum);
}

/// Fits x [n], ascending, n >= 5, its lower quarter's last value positive.
/// `grid` [2 * round_up(grid_size(n), width)] is scratch.
inline Fit fit(const double* x, index_t n, double* grid) noexcept {
    const index_t size = grid_size(n);
    double* const b = grid;
    double* const weight = grid + round_up(size, width);
    const double quarter =
        x[static_cast<index_t>(static_cast<double>(n) / 4 + 0.5) - 1];
    const auto points = static_cast<double>(size), count = static_cast<double>(n);
    double largest = -std::numeric_limits<double>::infinity();
    for (index_t j = 0; j < size; j += width) {
        const V rank = simd::iota<V>() + V(static_cast<double>(j) + 0.5);
        const V point = (V(1.0) - simd::sqrt(V(points) / rank)) / V(3 * quarter) +
                        V(1.0 / x[n - 1]);
        const V k = mean_log(x, n, point);
        const V likelihood = V(count) * (simd::log(-point / k) - k - V(1.0));
        simd::store(b + j, point);
        simd::store(weight + j, likelihood);
    }
    for (index_t j = 0; j < size; ++j) {
        if (weight[j] > largest) largest = weight[j];
    }
    for (index_t j = 0; j < size; j += width) {
        const V likelihood = simd::load<V>(weight + j);
        const V power = simd::exp(likelihood - V(largest));
        simd::store(weight + j, select(likelihood == likelihood, power, V(0.0)));
    }
    const double total = sum_over(weight, b, size, [](V w, V) { return w; });
    const V least(10 * std::numeric_limits<double>::epsilon() *
                  total); // negligible below
    const auto kept = [least](V w) { return select(w >= least, w, V(0.0)); };
    const double kept_total =
        sum_over(weight, b, size, [=](V w, V) { return kept(w); });
    const double mean =
        sum_over(weight, b, size, [=](V w, V point) { return kept(w) * point; }) /
        kept_total;
    const double shape = mean_log(x, n, V(mean))[0];
    return {(count * shape + 5) / (count + 10), -shape / mean};
}

/// out[i] = min(log(cutoff + quantile (i + 1/2) / n), 0)
inline void log_quantiles(const Fit& fit, double cutoff, double* out,
                          index_t n) noexcept {
    const V shape(fit.shape), scale(fit.scale);
    for (index_t i = 0; i < n; i += width) {
        const V rank = simd::iota<V>() + V(static_cast<double>(i) + 0.5);
        const V survival = simd::log1p(-rank / V(static_cast<double>(n)));
        const V excess = fit.shape == 0.0
                             ? -scale * survival
                             : scale * simd::expm1(-shape * survival) / shape;
        const V value = simd::log(V(cutoff) + excess);
        simd::store_partial(out + i, simd::min(value, V(0.0)),
                            static_cast<std::size_t>(n - i));
    }
}

} // namespace fastnotes::evidence::pareto
