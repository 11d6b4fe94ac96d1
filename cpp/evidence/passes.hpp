/// The two passes over the elements of a strip: reduce, then (if asked) transform.
#pragma once

#include "evidence/strip.hpp"
#include "evidence/tiling.hpp"

#include <cstdint>

namespace fastnotes::evidence {

/// What is summed: exp(a), or factors * exp(a) if factors are given.
template <class T> struct Terms {
    const T* a;
    const T* factors;
};

/// x and its factor at terms[at..at + n), padded with terms of 0; n may be <= 0.
template <bool Factors, class T>
FASTNOTES_INLINE void load_term(const Terms<T>& terms, index_t at, index_t n,
                                simd::Vec<T>& x, simd::Vec<T>& factor) noexcept {
    using V = simd::Vec<T>;
    const auto size = static_cast<std::size_t>(std::max<index_t>(n, 0));
    const V nothing(-std::numeric_limits<T>::infinity());
    x = simd::load_partial<V>(terms.a + at, size);
    if (n < V::size) x = select(simd::first_lanes<V>(size), x, nothing);
    if constexpr (Factors) {
        factor = simd::load_partial<V>(terms.factors + at, size);
        x = select(factor == V(0), nothing, x);
    }
}

/// Takes in R vectors of one step: vector r stands at(r) and has n(r) elements.
template <bool Shared, bool Squares, bool Factors, int R, class T, class At, class Size>
FASTNOTES_INLINE void absorb_step(AnchoredSums<T>& sums, const Terms<T>& terms, At&& at,
                                  Size&& n) noexcept {
    simd::Vec<T> x[R], factor[R];
    for (int r = 0; r < R; ++r) load_term<Factors>(terms, at(r), n(r), x[r], factor[r]);
    sums.template absorb<Shared, Squares>(x, Factors ? factor : nullptr);
}

/// Calls f(size, full, first), the first two as constants, until n vectors are taken:
/// full steps, then padded ones for what is left.
template <class F> FASTNOTES_INLINE void for_each_step(index_t n, F&& f) noexcept {
    constexpr std::integral_constant<int, step_size> whole;
    constexpr std::integral_constant<int, 2> part;
    index_t i = 0;
    for (; i + step_size <= n; i += step_size) f(whole, std::true_type(), i);
    for (; i + step_size / 2 < n; i += step_size) f(whole, std::false_type(), i);
    for (; i < n; i += part.value) f(part, std::false_type(), i);
}

/// Takes R rows, from terms[at] on and `stride` apart, into `width` columns. Only the
/// first `present` rows exist if not Full; those `ahead` elements further come next.
template <int R, bool Full, bool Squares, bool Factors, class T>
void absorb_rows(Terms<T> terms, index_t at, index_t stride, index_t present,
                 index_t ahead, index_t width, Strip<T>& strip) noexcept {
    using V = simd::Vec<T>;
    index_t place[R];
    for (int r = 0; r < R; ++r) {
        place[r] = at + (Full ? r : std::min<index_t>(r, present - 1)) * stride;
    }
    const auto absorb = [&](index_t c, auto n) __attribute__((always_inline)) {
        for (int r = 0; r < R; ++r) simd::prefetch(terms.a + place[r] + ahead + c);
        auto sums = strip.template load<Squares>(c);
        absorb_step<false, Squares, Factors, R>(
            sums, terms, [&](int r) { return place[r] + c; },
            [&](int r) { return Full || r < present ? index_t(n) : 0; });
        strip.template store<Squares>(c, sums);
    };
    index_t c = 0;
    if constexpr (Full) {
        constexpr std::integral_constant<index_t, V::size> whole;
        for (; c + V::size <= width; c += V::size) absorb(c, whole);
    }
    for (; c < width; c += V::size) absorb(c, width - c);
}

/// Elements of a column that are looked at before the first is summed: the anchor then
/// starts so high that few columns outgrow it, and each of those costs its vector a
/// pair of exponentials in double.
inline constexpr index_t seen_first = 64;

/// Raises `largest` of `width` columns to that of their first `rows` elements.
template <bool Factors, class T>
void look_ahead(const Terms<T>& terms, index_t at, index_t stride, index_t rows,
                index_t width, Strip<T>& strip) noexcept {
    using V = simd::Vec<T>;
    for (index_t k = 0; k < rows; ++k) {
        const index_t row = at + k * stride, next = k + 1 < rows ? row + stride : row;
        for (index_t c = 0; c < width; c += V::size) {
            simd::prefetch(terms.a + next + c);
            V x, factor;
            load_term<Factors>(terms, row + c, width - c, x, factor);
            const V largest = simd::load<V>(strip.largest + c);
            simd::store(strip.largest + c, simd::max(x, largest));
        }
    }
}

/// Sums of `width` columns: rows at, at + stride, ..., `rows` of them.
template <bool Squares, bool Factors, class T>
void reduce_columns(const Terms<T>& terms, index_t at, index_t stride, index_t rows,
                    index_t width, Strip<T>& strip) noexcept {
    strip.clear(width);
    look_ahead<Factors>(terms, at, stride, std::min(rows, seen_first), width, strip);
    for_each_step(rows, [&](auto size, auto full, index_t k) {
        constexpr int R = decltype(size)::value;
        const index_t left = rows - k;
        const index_t ahead = std::clamp<index_t>(left - R, 0, R) * stride;
        absorb_rows<R, decltype(full)::value, Squares, Factors>(
            terms, at + k * stride, stride, left, ahead, width, strip);
    });
}

/// Sum of one contiguous row of n elements, into place i of the strip.
template <bool Squares, bool Factors, class T>
void reduce_row(const Terms<T>& terms, index_t at, index_t n, Strip<T>& strip,
                index_t i) noexcept {
    using V = simd::Vec<T>;
    AnchoredSums<T> sums;
    for_each_step(ceil_div(n, V::size), [&](auto size, auto, index_t v) {
        constexpr int R = decltype(size)::value;
        if (v + R <= n / V::size) { // no masks
            absorb_step<true, Squares, Factors, R>(
                sums, terms, [&](int r) { return at + (v + r) * V::size; },
                [](int) { return index_t{V::size}; });
        } else {
            absorb_step<true, Squares, Factors, R>(
                sums, terms, [&](int r) { return at + std::min((v + r) * V::size, n); },
                [&](int r) { return n - (v + r) * V::size; });
        }
    });
    strip.anchor[i] = sums.anchor[0];
    strip.largest[i] = simd::reduce_max(sums.largest);
    strip.sum[i] = sums.sum.reduce_add();
    strip.square[i] = sums.square.reduce_add();
}

/// out[i] = map(x[i], i) over n contiguous elements, a vector from place i at a time.
/// `stream` writes past the cache.
template <class T, class Map>
FASTNOTES_INLINE void transform_run(const T* x, T* out, index_t n, bool stream,
                                    Map&& map) noexcept {
    using V = simd::Vec<T>;
    index_t i = 0;
    const auto partial = [&](index_t count) {
        const auto size = static_cast<std::size_t>(count);
        simd::store_partial(out + i, map(simd::load_partial<V>(x + i, size), i), size);
        i += count;
    };
    if (stream) {
        const auto past = reinterpret_cast<std::uintptr_t>(out) % sizeof(V) / sizeof(T);
        if (past != 0) partial(std::min(n, V::size - static_cast<index_t>(past)));
        for (; i + V::size <= n; i += V::size) {
            simd::stream(out + i, map(simd::load<V>(x + i), i));
        }
    } else {
        for (; i + V::size <= n; i += V::size) {
            simd::store(out + i, map(simd::load<V>(x + i), i));
        }
    }
    if (i < n) partial(n - i);
}

} // namespace fastnotes::evidence
