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

/// Sums of `width` columns: rows at, at + stride, ..., `rows` of them.
template <bool Squares, bool Factors, class T>
void reduce_columns(const Terms<T>& terms, index_t at, index_t stride, index_t rows,
                    index_t width, Strip<T>& strip) noexcept {
    constexpr index_t lanes = simd::lanes<T>;
    const index_t last = rows - 1;
    strip.clear(width);
    for_each_step(rows, [&](auto size, auto full, index_t k) {
        constexpr int R = decltype(size)::value;
        index_t c = 0;
        const auto absorb = [&](auto n) __attribute__((always_inline)) {
            const auto place = [&](index_t row) { return at + row * stride + c; };
            for (int r = 0; r < R; ++r) {
                simd::prefetch(terms.a + place(std::min(k + R + r, last)));
            }
            AnchoredSums<T> sums = strip.load(c);
            absorb_step<false, Squares, Factors, R>(
                sums, terms,
                [&](int r) { return place(full ? k + r : std::min(k + r, last)); },
                [&](int r) { return full || k + r <= last ? index_t(n) : 0; });
            strip.store(c, sums);
        };
        if constexpr (decltype(full)::value) {
            constexpr std::integral_constant<index_t, lanes> whole;
            for (; c + lanes <= width; c += lanes) absorb(whole);
        }
        for (; c < width; c += lanes) absorb(width - c);
    });
}

/// Sum of one contiguous row of n elements, into place i of the strip.
template <bool Squares, bool Factors, class T>
void reduce_row(const Terms<T>& terms, index_t at, index_t n, Strip<T>& strip,
                index_t i) noexcept {
    constexpr index_t lanes = simd::lanes<T>;
    AnchoredSums<T> sums;
    for_each_step(ceil_div(n, lanes), [&](auto size, auto, index_t v) {
        absorb_step<true, Squares, Factors, decltype(size)::value>(
            sums, terms, [&](int r) { return at + std::min((v + r) * lanes, n); },
            [&](int r) { return n - (v + r) * lanes; });
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
