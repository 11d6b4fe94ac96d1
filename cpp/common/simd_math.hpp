/// Elementary functions on simd::Vec<float> and simd::Vec<double>.
///
/// Every lane runs the same polynomial, so a value's result depends on nothing but the
/// value; a ragged end is read by load_partial and computed like a full vector. NaN
/// gives NaN. Overflow gives inf, underflow is gradual down to 0, subnormal arguments
/// are exact inputs.
///
/// Largest error measured, in ULP of the result, over float (every 1021st bit pattern;
/// log1p every 61st) and double (1 to 2 million over the full range), with AVX-512,
/// AVX2 + FMA, SSE4.2:
///
///              exp  expm1   log  log1p  tanh  sigmoid  softplus
///     float   0.96   1.39  0.88   1.01  1.88     1.55      1.50
///     double  0.96   1.59  0.84   0.95  1.92     1.73      1.65
///
/// Method: exp and its relatives reduce x = n ln 2 + r by a two-part ln 2 (Cody and
/// Waite, Software Manual for the Elementary Functions, 1980) and use exp(r) = 1 + r +
/// r^2 q(r) with a minimax q; log and its relatives write the argument as 2^k (1 + f),
/// 3/4 <= 1 + f < 3/2 (log1p with the rounding error of 1 + x carried along, after
/// Sun's fdlibm s_log1p.c).
#pragma once

#include "common/simd.hpp"

#include <limits>

namespace fastnotes::simd {

namespace detail {

// ---------------------------------------------------------------- constants

template <class T> struct MathConstants;

template <> struct MathConstants<float> {
    using Int = std::int32_t;
    static constexpr int mantissa_bits = 23;
    static constexpr Int exponent_bias = 127;
    static constexpr Int three_quarters_bits = 0x3F400000;
    static constexpr Int smallest_normal_bits = 0x00800000;
    static constexpr bool careful_tanh = false; // 2 ULP are kept without
    static constexpr float log2_e = 0x1.715476p+0f;
    // ln 2 in two parts; the first has so few bits that its product with k is exact.
    static constexpr float ln2_high = 0x1.62e4p-1f;
    static constexpr float ln2_low = 0x1.7f7d1cp-20f;
    static constexpr float exp_min = -105.0f;   // exp rounds to 0 below,
    static constexpr float exp_max = 89.0f;     // to inf above
    static constexpr float exp_normal = -87.0f; // exp is a normal number from here on
    static constexpr float expm1_min = -20.0f;  // expm1 rounds to -1 below
    static constexpr float tanh_max = 10.0f;    // tanh rounds to 1 above
    static constexpr float tiny = 0x1p-40f;     // expm1(x) rounds to x below
    // (exp(r) - 1 - r) / r^2 on |r| <= ln(2) / 2, lowest power first
    static constexpr float exp_q[] = {0x1p-1f,        0x1.555554p-3f,  0x1.5554bp-5f,
                                      0x1.11118ap-7f, 0x1.6d7296p-10f, 0x1.a032c8p-13f};
    // (log(1 + f) - f + f^2 / 2) / f^3 on [-1/4, 1/2]
    static constexpr float log_p[] = {0x1.5555a4p-2f,  -0x1.00004p-2f, 0x1.9969bp-3f,
                                      -0x1.54efdcp-3f, 0x1.28847ap-3f, -0x1.0d8a9p-3f,
                                      0x1.ac90ecp-4f,  -0x1.714118p-5f};
    /// sin(pi x / 2) / x and cos(pi x / 2) on |x| <= 1/2, in x^2
    static constexpr float sin_s[] = {0x1.921fb6p+0f, -0x1.4abbbap-1f, 0x1.465ec4p-4f,
                                      -0x1.2d9b3p-8f};
    static constexpr float cos_c[] = {0x1p+0f, -0x1.3bd3ccp+0f, 0x1.03c1dcp-2f,
                                      -0x1.55c578p-6f, 0x1.d9c29p-11f};
};

template <> struct MathConstants<double> {
    using Int = std::int64_t;
    static constexpr int mantissa_bits = 52;
    static constexpr Int exponent_bias = 1023;
    static constexpr Int three_quarters_bits = 0x3FE8000000000000;
    static constexpr Int smallest_normal_bits = 0x0010000000000000;
    static constexpr bool careful_tanh = true;
    static constexpr double log2_e = 0x1.71547652b82fep+0;
    static constexpr double ln2_high = 0x1.62e42feep-1;
    static constexpr double ln2_low = 0x1.a39ef35793c76p-33;
    static constexpr double exp_min = -746.0;
    static constexpr double exp_max = 710.0;
    static constexpr double exp_normal = -708.0;
    static constexpr double expm1_min = -40.0;
    static constexpr double tanh_max = 20.0;
    static constexpr double tiny = 0x1p-70;
    static constexpr double exp_q[] = {0x1p-1,
                                       0x1.5555555555559p-3,
                                       0x1.555555555553ep-5,
                                       0x1.111111110f6aap-7,
                                       0x1.6c16c16c1f15cp-10,
                                       0x1.a01a01afe9aap-13,
                                       0x1.a01a017b98b3fp-16,
                                       0x1.71ddf841fbab6p-19,
                                       0x1.27e53659de9e4p-22,
                                       0x1.af5ee853ec50ep-26,
                                       0x1.1ee890c634156p-29};
    // (log((1 + s) / (1 - s)) / s - 2) / s^2 as a polynomial in s^2, -1/7 <= s <= 1/5
    static constexpr double log_l[] = {0x1.555555555554fp-1, 0x1.999999999c0fep-2,
                                       0x1.24924921eba4dp-2, 0x1.c71c7489341eep-3,
                                       0x1.745c4c65cce82p-3, 0x1.3b358e59fd888p-3,
                                       0x1.0dcee72b2ffd6p-3, 0x1.1b6b1882ab65bp-3};
    static constexpr double sin_s[] = {0x1.921fb54442d18p+0,  -0x1.4abbce625be53p-1,
                                       0x1.466bc6775aad9p-4,  -0x1.32d2cce62ac1bp-8,
                                       0x1.50783485cb20bp-13, -0x1.e3074b4ec826bp-19,
                                       0x1.e8eed03fe8393p-25, -0x1.6c5b3cea694a5p-31};
    static constexpr double cos_c[] = {0x1p+0,
                                       -0x1.3bd3cc9be45dep+0,
                                       0x1.03c1f081b5aacp-2,
                                       -0x1.55d3c7e3c90e5p-6,
                                       0x1.e1f5068353fe1p-11,
                                       -0x1.a6d1ec777c3a8p-16,
                                       0x1.f9cc3fd7ea72ap-22,
                                       -0x1.b264576b35c1p-28};
};

template <class T, int N, std::size_t K>
FASTNOTES_INLINE Vec<T, N> polynomial(Vec<T, N> x, const T (&coefficients)[K]) {
    Vec<T, N> sum(coefficients[K - 1]);
    for (std::size_t k = K - 1; k-- > 0;) sum = fma(sum, x, Vec<T, N>(coefficients[k]));
    return sum;
}

// ---------------------------------------------------------------- cores

/// x = n ln 2 + r, n an integer held three ways, |r| <= ln(2) / 2.
template <class T, int N> struct ReducedExponent {
    using C = MathConstants<T>;
    using V = Vec<T, N>;
    using I = Vec<typename C::Int, N>;
    V r, n, shifted; // shifted: Magic + n, so that n stands in its lowest bits

    FASTNOTES_INLINE explicit ReducedExponent(V x)
        : r(x), n(x), shifted(fma(x, V(C::log2_e), V(Magic<T>::value))) {
        n = shifted - V(Magic<T>::value);
        r = fma(n, V(-C::ln2_high), x); // exact
    }

    // 2^(n - down), which must be a normal number
    FASTNOTES_INLINE V power_of_two(int down = 0) const {
        const I bias(C::exponent_bias - down);
        return bit_cast<T>((bit_cast<typename C::Int>(shifted) + bias)
                           << C::mantissa_bits);
    }

    // y 2^n, rounded once also where it is subnormal
    FASTNOTES_INLINE V scale(V y) const {
#if FASTNOTES_AVX512
        if constexpr (sizeof(V) == 64) return V(scale_raw(y.raw, n.raw));
#endif
        const I integer = bit_cast<typename C::Int>(shifted) - I(Magic<T>::bits);
        const I half = integer >> 1, bias(C::exponent_bias);
        return y * bit_cast<T>((half + bias) << C::mantissa_bits) *
               bit_cast<T>((integer - half + bias) << C::mantissa_bits);
    }
};

/// exp(r) - 1 for the reduced r of `reduced`. `Careful` also takes up what rounding
/// takes from r (a quarter of an ULP of the result, for four more instructions).
template <bool Careful, class T, int N>
FASTNOTES_INLINE Vec<T, N> expm1_of_reduced(const ReducedExponent<T, N>& reduced) {
    using C = MathConstants<T>;
    using V = Vec<T, N>;
    if constexpr (Careful) {
        const V step = reduced.n * V(C::ln2_low), r = reduced.r - step;
        const V r_low = (reduced.r - r) - step;
        return r + fma(r * r, polynomial(r, C::exp_q), r_low);
    } else {
        const V r = fma(reduced.n, V(-C::ln2_low), reduced.r);
        return fma(r * r, polynomial(r, C::exp_q), r);
    }
}

/// exp(x) for x <= exp_max.
template <class T, int N> FASTNOTES_INLINE Vec<T, N> exp_below_overflow(Vec<T, N> x) {
    using C = MathConstants<T>;
    const ReducedExponent<T, N> reduced(max(Vec<T, N>(C::exp_min), x));
    return reduced.scale(Vec<T, N>(T(1)) + expm1_of_reduced<false>(reduced));
}

/// k ln 2 + log(1 + f) + small, for f in [-1/4, 1/2] and |small| far below an ULP of
/// the rest.
template <class T, int N>
FASTNOTES_INLINE Vec<T, N> log_of_reduced(Vec<T, N> f, Vec<T, N> k, Vec<T, N> small) {
    using C = MathConstants<T>;
    using V = Vec<T, N>;
    const V low = fma(k, V(C::ln2_low), small);
    const V half_square = V(T(0.5)) * f * f;
    if constexpr (sizeof(T) == 4) {
        const V tail = fma(f * f * f, polynomial(f, C::log_p), low);
        return fma(k, V(C::ln2_high), f + (tail - half_square));
    } else {
        const V s = f / (V(2.0) + f), z = s * s;
        const V tail = fma(s, fma(z, polynomial(z, C::log_l), half_square), low);
        return fma(k, V(C::ln2_high), f - (half_square - tail));
    }
}

/// A positive normal u as 2^k m with m in [3/4, 3/2).
template <class T, int N> struct ReducedLog {
    using C = MathConstants<T>;
    using I = Vec<typename C::Int, N>;
    Vec<T, N> m;
    I k;

    FASTNOTES_INLINE explicit ReducedLog(Vec<T, N> u) : m(u), k(0) {
        const I offset = bit_cast<typename C::Int>(u) - I(C::three_quarters_bits);
        k = offset >> C::mantissa_bits;
        m = bit_cast<T>(bit_cast<typename C::Int>(u) - (k << C::mantissa_bits));
    }
};

/// log(1 + e) for e in [0, 1].
template <class T, int N> FASTNOTES_INLINE Vec<T, N> log1p_of_unit(Vec<T, N> e) {
    using V = Vec<T, N>;
    const auto big = e >= V(T(0.5)); // then 1 + e = 2 (1 + (e - 1) / 2), exactly
    const V f = select(big, fma(e, V(T(0.5)), V(T(-0.5))), e);
    return log_of_reduced(f, select(big, V(T(1)), V(T(0))), V(T(0)));
}

} // namespace detail

// ---------------------------------------------------------------- functions

template <class T, int N> FASTNOTES_INLINE Vec<T, N> exp(Vec<T, N> x) {
    using C = detail::MathConstants<T>;
    return detail::exp_below_overflow(min(Vec<T, N>(C::exp_max), x));
}

/// exp(x) 2^Raised for x <= 600, at two thirds of the cost of exp. Raised = 0: the
/// value of exp down to exp_normal, and that of exp_normal below. Raised = 64: down to
/// where exp rounds to 0, so that a product with 2^-64 y is exp(x) y with gradual
/// underflow.
template <int Raised, class T, int N>
FASTNOTES_INLINE Vec<T, N> exp_raised(Vec<T, N> x) {
    static_assert(Raised == 0 || Raised == 64, "2^n must be a normal number");
    using C = detail::MathConstants<T>;
    const Vec<T, N> lowest(Raised == 0 ? C::exp_normal : C::exp_min);
    const detail::ReducedExponent<T, N> reduced(max(lowest, x));
    const Vec<T, N> power = reduced.power_of_two(-Raised);
    return fma(power, detail::expm1_of_reduced<false>(reduced), power);
}

/// exp(x) - 1, to full relative accuracy near 0; expm1(-0) = -0.
template <class T, int N> FASTNOTES_INLINE Vec<T, N> expm1(Vec<T, N> x) {
    using C = detail::MathConstants<T>;
    using V = Vec<T, N>;
    const V clamped = max(V(C::expm1_min), min(V(C::exp_max), x));
    const detail::ReducedExponent<T, N> reduced(clamped);
    const V e = detail::expm1_of_reduced<true>(reduced);
    // 2^n e + 2^n - 1, at half size so that 2^n cannot overflow before the result does
    const V half_power = reduced.power_of_two(1);
    const V half = fma(half_power, e, half_power - V(T(0.5)));
    return select(abs(x) < V(C::tiny), x, half + half);
}

/// log(0) = -inf, log of a negative number is NaN.
template <class T, int N> FASTNOTES_INLINE Vec<T, N> log(Vec<T, N> x) {
    using C = detail::MathConstants<T>;
    using V = Vec<T, N>;
    using I = Vec<typename C::Int, N>;
    using limits = std::numeric_limits<T>;
    const auto subnormal = x < bit_cast<T>(I(C::smallest_normal_bits));
    const V raised = x * V(static_cast<T>(std::int64_t(1) << C::mantissa_bits));
    const detail::ReducedLog<T, N> reduced(select(subnormal, raised, x));
    const V k = int_to_real(reduced.k) -
                select(subnormal, V(static_cast<T>(C::mantissa_bits)), V(T(0)));
    const V y = detail::log_of_reduced(reduced.m - V(T(1)), k, V(T(0)));
    const V negative = select(x < V(T(0)), V(limits::quiet_NaN()), x);
    const V edge = select(x == V(T(0)), V(-limits::infinity()), negative);
    return select((x > V(T(0))) & (x < V(limits::infinity())), y, edge);
}

/// log(1 + x), to full relative accuracy near 0; log1p(-1) = -inf, log1p(-0) = -0.
template <class T, int N> FASTNOTES_INLINE Vec<T, N> log1p(Vec<T, N> x) {
    using C = detail::MathConstants<T>;
    using V = Vec<T, N>;
    using I = Vec<typename C::Int, N>;
    using limits = std::numeric_limits<T>;
    const V one(T(1)), u = one + x;
    const V lost = min(one, x) - (u - max(one, x)); // 1 + x = u + lost, exactly
    const detail::ReducedLog<T, N> reduced(u);
    const V k = int_to_real(reduced.k);
    const auto near_zero = k == V(T(0));
    const V f = select(near_zero, x, reduced.m - one);
    // log(m + d) = log(m) + d / m + ..., d = lost / 2^k; 1 - f + f^2 serves for 1 / m
    const I k_clamped =
        select(reduced.k < I(C::exponent_bias - 1), reduced.k, I(C::exponent_bias - 1));
    const V scale = bit_cast<T>((I(C::exponent_bias) - k_clamped) << C::mantissa_bits);
    const V correction = lost * scale * fma(f, f - one, one);
    const V y = detail::log_of_reduced(f, k, select(near_zero, V(T(0)), correction));
    const V below = select(x < -one, V(limits::quiet_NaN()), x);
    const V edge = select(x == -one, V(-limits::infinity()), below);
    const auto inside = (x > -one) & (x < V(limits::infinity())) & (x != V(T(0)));
    return select(inside, y, edge);
}

/// -e / (e + 2) with e = exp(-2 |x|) - 1, under the sign of x.
template <class T, int N> FASTNOTES_INLINE Vec<T, N> tanh(Vec<T, N> x) {
    using C = detail::MathConstants<T>;
    using V = Vec<T, N>;
    const V a = min(V(C::tanh_max), abs(x));
    const detail::ReducedExponent<T, N> reduced(a * V(T(-2)));
    const V e = detail::expm1_of_reduced<C::careful_tanh>(reduced),
            power = reduced.power_of_two();
    const V numerator = fma(power, e, power - V(T(1)));
    const V denominator = fma(power, e, power + V(T(1)));
    return copysign(numerator / denominator, x);
}

/// 1 / (1 + exp(-x)), to full relative accuracy also where it is small.
template <class T, int N> FASTNOTES_INLINE Vec<T, N> sigmoid(Vec<T, N> x) {
    using V = Vec<T, N>;
    const V one(T(0x1p64)); // raised, so that small results are rounded once, at last
    const V e = exp_raised<64>(-abs(x));
    // with y = e / (1 + e): 1 - y, or e - e y = y, which loses less than y itself
    const V y = e / (one + e);
    const V start = select(x < V(T(0)), e, one);
    return fma(-start, y, start) * V(T(0x1p-64));
}

/// log(1 + exp(x)), to full relative accuracy also where it is small.
template <class T, int N> FASTNOTES_INLINE Vec<T, N> softplus(Vec<T, N> x) {
    using V = Vec<T, N>;
    const V e = detail::exp_below_overflow(-abs(x));
    return max(V(T(0)), x) + detail::log1p_of_unit(e);
}

template <class V> struct SinCos {
    V sin, cos;
};

/// sin(2 pi v) and cos(2 pi v) for 0 <= v <= 1: v counts turns, so its reduction to an
/// eighth of a turn is exact. Absolute error below 1.5 ULP of 1.
template <class T, int N> FASTNOTES_INLINE SinCos<Vec<T, N>> sincos_turns(Vec<T, N> v) {
    using C = detail::MathConstants<T>;
    using V = Vec<T, N>;
    using I = Vec<typename C::Int, N>;
    const V quarters = v * V(T(4));
    const I quadrant = round_to_int(quarters);
    const V x = quarters - int_to_real(quadrant), z = x * x;
    const V sin = x * detail::polynomial(z, C::sin_s);
    const V cos = detail::polynomial(z, C::cos_c);
    const auto odd = (quadrant & I(1)) != I(0);
    const I sin_sign = quadrant >> 1, cos_sign = (quadrant + I(1)) >> 1;
    constexpr int to_sign = 8 * static_cast<int>(sizeof(T)) - 1;
    const auto flip = [](V value, I sign) {
        return bit_cast<T>(bit_cast<typename C::Int>(value) ^ (sign << to_sign));
    };
    return {flip(select(odd, cos, sin), sin_sign),
            flip(select(odd, sin, cos), cos_sign)};
}

} // namespace fastnotes::simd
