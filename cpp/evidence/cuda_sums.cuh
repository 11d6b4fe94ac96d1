/// Sums of exp(x - anchor) of one thread, and the results they give: the arithmetic of
/// anchored_sums.hpp and totals.hpp on a CUDA device.
#pragma once

#include "common/cuda.cuh"

#include <limits>

namespace fastnotes::evidence::cuda {

/// How far the maximum may rise above the anchor before the sums are rescaled.
inline constexpr int slack = 2;

/// Elements that are summed in T before double takes over.
inline constexpr int step_size = 8;

template <class T> inline constexpr T infinite = std::numeric_limits<T>::infinity();

__device__ inline float exp_of(float x) { return expf(x); }
__device__ inline double exp_of(double x) { return exp(x); }
__device__ inline float larger(float a, float b) { return fmaxf(a, b); } // never NaN
__device__ inline double larger(double a, double b) { return fmax(a, b); }
__device__ inline float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ inline double fused(double a, double b, double c) { return fma(a, b, c); }

/// exp(x) of a term of a sum, for x <= slack: where it is large its error is 2 ULP; far
/// below, where it grows to |x| ULP, the term no longer counts.
__device__ inline float term_of(float x) {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x * 1.44269504f)); // log2 e
    return result;
}
__device__ inline double term_of(double x) { return exp(x); }

/// x - largest, 0 also for an infinite x that is the largest. NaN is lost: it is in the
/// sums, from where it reaches every result.
__device__ inline float shift(float x, float largest) {
    return fminf(x - largest, 0.0f);
}
__device__ inline double shift(double x, double largest) {
    return fmin(x - largest, 0.0);
}

/// join(join(v[0], v[1]), join(v[2], v[3])) and so on: a fixed tree over 8.
template <class T, class Join> __device__ inline T fold(const T* v, Join join) {
    return join(join(join(v[0], v[1]), join(v[2], v[3])),
                join(join(v[4], v[5]), join(v[6], v[7])));
}

/// Largest term of a sum, and the sums of e and e^2 for e = exp(x - largest).
template <class T> struct Totals {
    T largest;
    double sum, square;

    /// Every x was -inf (or there was none), and none NaN.
    __device__ bool nothing() const { return largest == -infinite<T> && sum == sum; }

    /// Without factors the largest term alone contributes 1; NaN stays.
    __device__ Totals positive() const {
        return {largest, sum < 1.0 ? 1.0 : sum, square};
    }
    /// largest + log(sum / count).
    __device__ T log_mean(double count) const {
        return nothing() ? largest : static_cast<T>(largest + log(sum / count));
    }
    /// 1 / sum, 0 where there is no weight at all.
    __device__ T scale() const { return nothing() ? T(0) : static_cast<T>(1.0 / sum); }
    /// log sum, +inf where there is no weight at all.
    __device__ T log_sum() const {
        return nothing() ? infinite<T> : static_cast<T>(log(sum));
    }
    /// sum^2 / square, which rounding may not take out of [1, count]; NaN stays.
    __device__ T effective_size(double count) const {
        if (nothing()) return T(0);
        const double size = sum * sum / square;
        const double capped = size > count ? count : size;
        return static_cast<T>(capped < 1.0 ? 1.0 : capped);
    }
};

/// What one thread has taken in of one sum.
///
/// The anchor follows the largest x at a distance of at most `slack`. While every x is
/// -inf so is the anchor, and the sums are 0; NaN stays in the sums, never in the
/// anchor.
template <class T> struct Sums {
    T anchor = -infinite<T>, largest = -infinite<T>;
    double sum = 0.0, square = 0.0;

    /// Takes in eight x, each exponential times its factor if there are factors;
    /// `Squares`: keeps the sum of squares too. Padding: x = -inf, factor = 0.
    template <bool Factors, bool Squares>
    __device__ void absorb(const T (&x)[step_size], const T (&factor)[step_size]) {
        const T peak = fold(x, [](T a, T b) { return larger(a, b); });
        largest = larger(peak, largest);
        if (peak > anchor + T(slack)) move_anchor(largest);
        T e[step_size];
        if (anchor == infinite<T>) {
            for (int r = 0; r < step_size; ++r) {
                e[r] = x[r] == anchor ? T(1) : x[r] != x[r] ? x[r] : T(0);
            }
        } else {
            const T from = anchor == -infinite<T> ? T(0) : anchor; // exp(-inf) is 0
#pragma unroll
            for (int r = 0; r < step_size; ++r) e[r] = term_of(x[r] - from);
        }
        if constexpr (Factors) {
            for (int r = 0; r < step_size; ++r) e[r] *= factor[r];
        }
        sum += static_cast<double>(fold(e, [](T a, T b) { return a + b; }));
        if constexpr (Squares) square += static_cast<double>(fold_squares(e));
    }

  private:
    /// What was summed so far shrinks by exp(-slack) at least, so that the rounding of
    /// the factor in T does not matter.
    __device__ void move_anchor(T target) {
        if (anchor > -infinite<T>) {
            const double factor = static_cast<double>(exp_of(anchor - target));
            sum *= factor;
            square = square * factor * factor;
        }
        anchor = target;
    }

    __device__ static T fold_squares(const T* e) {
        T pair[step_size / 2];
        for (int r = 0; r < step_size / 2; ++r) {
            pair[r] = fused(e[2 * r], e[2 * r], e[2 * r + 1] * e[2 * r + 1]);
        }
        return (pair[0] + pair[1]) + (pair[2] + pair[3]);
    }
};

/// exp(anchor - largest) for anchor <= largest, 1 also at an infinite one.
template <class T> __device__ inline double rescaling(T anchor, T largest) {
    return exp(shift(static_cast<double>(anchor), static_cast<double>(largest)));
}

/// The second pass of weights and softmax: exp(x - largest) / sum.
template <class T> struct Weigh {
    __device__ static T term(const Totals<T>& totals) { return totals.scale(); }
    __device__ static T apply(T x, T largest, T scale) {
        return exp_of(shift(x, largest)) * scale;
    }
};

/// The second pass of log_softmax: (x - largest) - log sum.
template <class T> struct LogWeigh {
    __device__ static T term(const Totals<T>& totals) { return totals.log_sum(); }
    __device__ static T apply(T x, T largest, T log_sum) {
        return shift(x, largest) - log_sum;
    }
};

} // namespace fastnotes::evidence::cuda
