/// Products of many factors near or far from 1, and symmetric sums over subsets.
#pragma once

#include "common/simd.hpp"
#include "common/simd_math.hpp"
#include "common/view.hpp"

#include <algorithm>

namespace fastnotes::evidence::jvi {

using V = simd::Vec<double>;
using Mask = V::mask_type;

inline constexpr int width = V::size;

/// Lane by lane sum of log(1 + d), one logarithm for 8 of them.
///
/// Small d are multiplied as (1 + a)(1 + b) - 1, which keeps their relative precision;
/// others as the factors themselves, which keeps that of a factor near 0.
class LogProduct {
  public:
    /// d = factor * exp(offset) - 1. Lanes that are not `valid` count as d = 0.
    FASTNOTES_INLINE void multiply(V d, V factor, V offset, Mask valid) noexcept {
        const Mask small = valid & (simd::abs(d) <= V(0.125));
        const V term = select(small, d, V(0.0));
        near_ += fma(near_, term, term);
        const Mask large = valid & !small;
        if (simd::any(large)) {
            any_far_ = true;
            far_ *= select(large, factor, V(1.0));
            log_ += select(large, offset, V(0.0));
        }
        if (++count_ == 8) flush();
    }

    V log() noexcept {
        flush();
        return log_;
    }

  private:
    void flush() noexcept {
        log_ += simd::log1p(near_);
        if (any_far_) log_ += simd::log(far_); // of 1 elsewhere
        near_ = V(0.0), far_ = V(1.0), count_ = 0, any_far_ = false;
    }

    V near_{0.0}, far_{1.0}, log_{0.0};
    int count_ = 0;
    bool any_far_ = false;
};

/// C(n, k), exact while it is below 2^53.
FASTNOTES_INLINE V binomial(V n, int k) noexcept {
    V result(1.0);
    for (int i = 0; i < k; ++i) {
        result = result * simd::max(n - V(double(i)), V(0.0)) / V(double(i + 1));
    }
    return result;
}

/// sum_k x_k^n, n = First + 2 .. First + Count + 1, for rows of `width` lanes.
template <int First, int Count>
void some_power_sums(const double* x, index_t count, V* power) noexcept {
    V sum[Count];
    for (V& each : sum) each = V(0.0);
    for (index_t k = 0; k < count; ++k) {
        const V value = simd::load<V>(x + k * width), square = value * value;
        V term = square;
        for (int i = 0; i < First; i += 2) term *= square;
        for (int i = 0; i < Count; i += 2) {
            sum[i] += term;
            sum[i + 1] = fma(term, value, sum[i + 1]);
            term *= square;
        }
    }
    for (int i = 0; i < Count; ++i) power[First + i] = sum[i];
}

/// power[n - 2] = sum_k x_k^n, n = 2 .. N + 1: as many at a time as registers hold.
template <int N, int First = 0>
void power_sums(const double* x, index_t count, V* power) noexcept {
    constexpr int step = N % 8 == 0 ? 8 : 6;
    some_power_sums<First, std::min(step, N - First)>(x, count, power);
    if constexpr (First + step < N) power_sums<N, First + step>(x, count, power);
}

} // namespace fastnotes::evidence::jvi
