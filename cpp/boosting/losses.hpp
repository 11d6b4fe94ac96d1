/// The losses of objectives.hpp on vectors: derivatives(y, m) and value(y, m).
///
/// Derivatives are those of double rows, or, of the loss that most fits use, of twice
/// as many rows in float.
#pragma once

#include "boosting/objectives.hpp"
#include "common/simd_math.hpp"

#include <cmath>

namespace fastnotes::boosting::losses {

using V = simd::Vec<double>;
using Single = simd::Vec<float, 2 * V::size>;

/// Doubles for as many rows as a Single has.
struct Wide {
    V low, high;

    FASTNOTES_INLINE Single single() const { return simd::narrow(low, high); }
};

struct Derivatives {
    V g, h;
};

struct SingleDerivatives {
    Single g, h;
};

struct Squared {
    explicit Squared(double) {}

    FASTNOTES_INLINE Derivatives derivatives(V y, V m) const { return {m - y, V(1.0)}; }
    FASTNOTES_INLINE V value(V y, V m) const { return V(0.5) * (m - y) * (m - y); }
};

struct Absolute {
    explicit Absolute(double) {}

    FASTNOTES_INLINE Derivatives derivatives(V y, V m) const {
        const V side = select(m < y, V(-1.0), select(y < m, V(1.0), m - y));
        return {side, V(1.0)};
    }
    FASTNOTES_INLINE V value(V y, V m) const { return simd::abs(m - y); }
};

struct PseudoHuber {
    V slope, inverse;

    explicit PseudoHuber(double a) : slope(a), inverse(1.0 / a) {}

    FASTNOTES_INLINE Derivatives derivatives(V y, V m) const {
        // Beyond these bounds r / sqrt(1 + r^2) is a sign, and r^2 must not overflow.
        const V r = simd::max(V(-1e100), simd::min(V(1e100), (m - y) * inverse));
        const V u = simd::fma(r, r, V(1.0)), root = simd::sqrt(u);
        return {slope * (r / root), V(1.0) / (u * root)};
    }
    FASTNOTES_INLINE V value(V y, V m) const {
        const V z = m - y, r = z * inverse;
        return z * (z / (V(1.0) + simd::sqrt(simd::fma(r, r, V(1.0)))));
    }
};

struct Quantile {
    V below, above;

    explicit Quantile(double a) : below(-a), above(1.0 - a) {}

    FASTNOTES_INLINE V slope(V z) const {
        return select(z < V(0.0), below, select(z >= V(0.0), above, z));
    }
    FASTNOTES_INLINE Derivatives derivatives(V y, V m) const {
        return {slope(m - y), V(1.0)};
    }
    FASTNOTES_INLINE V value(V y, V m) const { return slope(m - y) * (m - y); }
};

struct Poisson {
    V factor;

    explicit Poisson(double a) : factor(std::exp(a)) {}

    FASTNOTES_INLINE Derivatives derivatives(V y, V m) const {
        const V mean = simd::exp(m);
        return {mean - y, mean * factor};
    }
    FASTNOTES_INLINE V value(V y, V m) const { return simd::exp(m) - y * m; }
};

struct Gamma {
    explicit Gamma(double) {}

    FASTNOTES_INLINE Derivatives derivatives(V y, V m) const {
        const V ratio = y * simd::exp(-m);
        return {V(1.0) - ratio, ratio};
    }
    FASTNOTES_INLINE V value(V y, V m) const { return y * simd::exp(-m) + m; }
};

struct Tweedie {
    V p1, p2; // 1 - a < 0 and 2 - a > 0

    explicit Tweedie(double a) : p1(1.0 - a), p2(2.0 - a) {}

    FASTNOTES_INLINE Derivatives derivatives(V y, V m) const {
        const V s = y * simd::exp(p1 * m), t = simd::exp(p2 * m);
        return {t - s, p2 * t - p1 * s};
    }
    FASTNOTES_INLINE V value(V y, V m) const {
        return simd::exp(p2 * m) / p2 - y * simd::exp(p1 * m) / p1;
    }
};

struct Logistic {
    explicit Logistic(double) {}

    // In the smaller of p and 1 - p, so that neither g nor h cancels.
    FASTNOTES_INLINE SingleDerivatives derivatives(Wide y, Wide m) const {
        const V far(200.0); // exp(-far) is 0, and far - float(far) is not NaN
        const Wide a{simd::min(far, simd::abs(m.low)),
                     simd::min(far, simd::abs(m.high))};
        const Single one(1.0f), zero(0.0f), rounded = a.single(), target = y.single();
        // What rounding took from the exponent is put back: exp(-x) = 1 - x there.
        const Wide lost{a.low - widen_low(rounded), a.high - widen_high(rounded)};
        const Single rough = simd::exp(-rounded);
        const Single e = simd::fma(-lost.single(), rough, rough);
        const Single small = e / (one + e);
        const auto negative = m.single() < zero;
        const Single g = select(negative, small - target, (one - target) - small);
        return {g, small * (one - small)};
    }
    FASTNOTES_INLINE V value(V y, V m) const { return simd::softplus(m) - y * m; }
};

/// f(loss{a}) for the loss's own class.
template <class F> decltype(auto) dispatch(Loss loss, double a, F&& f) noexcept {
    switch (loss) {
    case Loss::absolute:
        return f(Absolute(a));
    case Loss::pseudo_huber:
        return f(PseudoHuber(a));
    case Loss::quantile:
        return f(Quantile(a));
    case Loss::poisson:
        return f(Poisson(a));
    case Loss::gamma:
        return f(Gamma(a));
    case Loss::tweedie:
        return f(Tweedie(a));
    case Loss::logistic:
        return f(Logistic(a));
    case Loss::squared:
        break;
    }
    return f(Squared(a));
}

} // namespace fastnotes::boosting::losses
