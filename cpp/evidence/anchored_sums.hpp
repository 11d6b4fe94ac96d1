/// Sums of exp(x - anchor), lane by lane, in one pass: the arithmetic of the room.
///
/// The anchor follows the running maximum at a distance of at most `slack`, and the
/// sums are rescaled when it moves. Exponentials and sums of 8 are in T, the rest in
/// double.
#pragma once

#include "common/simd.hpp"
#include "common/simd_math.hpp"
#include "common/view.hpp"

#include <array>
#include <limits>

namespace fastnotes::evidence {

/// The doubles that stand beside a Vec<T>: two registers for float, one for double.
template <class T> struct Wide {
    static constexpr int parts = sizeof(double) / sizeof(T);
    using Part = simd::Vec<double>;

    std::array<Part, parts> part;

    FASTNOTES_INLINE static Wide load(const double* p) noexcept {
        Wide wide;
        for (int i = 0; i < parts; ++i) {
            wide.part[i] = simd::load<Part>(p + i * Part::size);
        }
        return wide;
    }
    FASTNOTES_INLINE void store(double* p) const noexcept {
        for (int i = 0; i < parts; ++i) simd::store(p + i * Part::size, part[i]);
    }
    FASTNOTES_INLINE static Wide widen(simd::Vec<T> v) noexcept {
        if constexpr (parts == 1) {
            return {{v}};
        } else {
            return {{simd::widen_low(v), simd::widen_high(v)}};
        }
    }
    FASTNOTES_INLINE simd::Vec<T> narrow() const noexcept {
        if constexpr (parts == 1) {
            return part[0];
        } else {
            return simd::narrow(part[0], part[1]);
        }
    }
    /// f(part...) for each register, over any number of wide values.
    template <class F, class... Other>
    FASTNOTES_INLINE static Wide map(F&& f, const Other&... other) noexcept {
        Wide wide;
        for (int i = 0; i < parts; ++i) wide.part[i] = f(other.part[i]...);
        return wide;
    }
    FASTNOTES_INLINE double reduce_add() const noexcept {
        Part sum = part[0];
        for (int i = 1; i < parts; ++i) sum += part[i];
        return simd::reduce_add(sum);
    }
};

/// x - anchor, 0 also for an infinite x at its own anchor.
template <class V> FASTNOTES_INLINE V shift(V x, V anchor) noexcept {
    return select(x == anchor, V(0), x - anchor);
}

/// exp(x - anchor), 1 also for an infinite x at its own anchor.
template <class V> FASTNOTES_INLINE V exp_from(V x, V anchor) noexcept {
    return simd::exp(shift(x, anchor));
}

template <class V> FASTNOTES_INLINE auto is_infinite(V v) noexcept {
    return simd::abs(v) == V(std::numeric_limits<simd::value_of<V>>::infinity());
}

/// How far the maximum may rise above the anchor: small enough that x - anchor is as
/// exact as x - maximum, large enough that random input moves the anchor rarely.
inline constexpr int slack = 2;

/// Elements of one lane that are summed in T before double takes over.
inline constexpr int step_size = 8;

/// Per lane: anchor, largest x, sum of e and of e^2 where e = exp(x - anchor).
///
/// While every x is -inf so is the anchor, and the sums count the elements: whoever
/// reads them must ask for that case. NaN stays in the sums, never in the anchor.
template <class T> struct AnchoredSums {
    using V = simd::Vec<T>;

    V anchor{-std::numeric_limits<T>::infinity()};
    V largest{-std::numeric_limits<T>::infinity()};
    Wide<T> sum{};
    Wide<T> square{};

    /// Takes in x[0..R) of every lane, with `factor` before each exponential if given.
    /// `Shared`: all lanes keep one anchor. `Squares`: keep the sum of squares too.
    template <bool Shared, bool Squares, int R>
    FASTNOTES_INLINE void absorb(const V (&x)[R], const V* factor = nullptr) noexcept {
        for (int r = 0; r < R; ++r) largest = simd::max(x[r], largest); // passes NaN by
        // Rare: a rise, or two infinities, whose difference is NaN.
        if (__builtin_expect(!simd::all(largest - anchor <= V(slack)), 0)) {
            if (simd::any(largest > anchor + V(slack))) move_anchor<Shared>();
            if (simd::any(is_infinite(anchor))) {
                return add<Squares, R>(x, factor, exp_from<V>);
            }
        }
        if (factor == nullptr) {
            add<Squares, R>(x, factor,
                            [](V v, V from) { return simd::exp_raised<0>(v - from); });
        } else { // such a sum may cancel: what is far below counts
            add<Squares, R>(x, factor, [](V v, V from) { return simd::exp(v - from); });
        }
    }

    /// Puts the anchor at `target`, lane by lane.
    FASTNOTES_INLINE void rebase(V target) noexcept {
        using Part = typename Wide<T>::Part;
        Wide<T> factor{}; // 0 while there is nothing but -inf, and NaN stays NaN
        if (simd::any(anchor > V(-std::numeric_limits<T>::infinity()))) {
            factor = Wide<T>::map([](Part from, Part to) { return exp_from(from, to); },
                                  Wide<T>::widen(anchor), Wide<T>::widen(target));
        }
        const auto times = [](Part a, Part b) { return a * b; };
        sum = Wide<T>::map(times, sum, factor);
        square = Wide<T>::map(times, Wide<T>::map(times, square, factor), factor);
        anchor = target;
    }

  private:
    /// Sums in T of value(r) and of its square: a tree, walked so that few of the
    /// values are alive at a time.
    struct Pair {
        V sum, square;
    };
    template <bool Squares, int R, class Value>
    FASTNOTES_INLINE static Pair fold(Value&& value, int first = 0) noexcept {
        if constexpr (R == 2) {
            const V a = value(first), b = value(first + 1);
            return {a + b, Squares ? simd::fma(a, a, b * b) : V(0)};
        } else {
            const Pair a = fold<Squares, R / 2>(value, first);
            const Pair b = fold<Squares, R / 2>(value, first + R / 2);
            return {a.sum + b.sum, Squares ? a.square + b.square : V(0)};
        }
    }

    template <bool Shared> FASTNOTES_INLINE void move_anchor() noexcept {
        if constexpr (Shared) {
            rebase(V(simd::reduce_max(largest)));
        } else {
            rebase(select(largest > anchor + V(slack), largest, anchor));
        }
    }

    /// `exp_of(x, anchor)` is an exponential.
    template <bool Squares, int R, class Exp>
    FASTNOTES_INLINE void add(const V* x, const V* factor, Exp&& exp_of) noexcept {
        using Part = typename Wide<T>::Part;
        const auto plus = [](Part a, Part b) { return a + b; };
        const auto term = [&](int r) __attribute__((always_inline)) {
            const V e = exp_of(x[r], anchor);
            return factor == nullptr ? e : e * factor[r];
        };
        const Pair step = fold<Squares, R>(term);
        sum = Wide<T>::map(plus, sum, Wide<T>::widen(step.sum));
        if constexpr (Squares) {
            square = Wide<T>::map(plus, square, Wide<T>::widen(step.square));
        }
    }
};

} // namespace fastnotes::evidence
