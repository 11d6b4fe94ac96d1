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

/// x and its factor at p[0..n), padded with terms of 0.
template <bool Factors, class T>
FASTNOTES_INLINE void load_term(const Terms<T>& terms, index_t at, index_t n,
                                simd::Vec<T>& x, simd::Vec<T>& factor) noexcept {
    using V = simd::Vec<T>;
    const auto size = static_cast<std::size_t>(n);
    const V nothing(-std::numeric_limits<T>::infinity());
    x = simd::load_partial<V>(terms.a + at, size);
    if (n < V::size) x = select(simd::first_lanes<V>(size), x, nothing);
    if constexpr (Factors) {
        factor = simd::load_partial<V>(terms.factors + at, size);
        x = select(factor == V(0), nothing, x);
    }
}

/// Takes R vectors, `step` elements apart, the last lanes beyond n left out.
template <bool Shared, bool Squares, bool Factors, int R, class T>
FASTNOTES_INLINE void absorb_at(AnchoredSums<T>& sums, const Terms<T>& terms,
                                index_t at, index_t step, index_t n) noexcept {
    simd::Vec<T> x[R], factor[R];
    for (int r = 0; r < R; ++r) {
        load_term<Factors>(terms, at + r * step, n, x[r], factor[r]);
    }
    sums.template absorb<Shared, Squares>(x, Factors ? factor : nullptr);
}

/// Sums of columns: rows `at + k * stride` for k in range, `width` columns wide.
template <bool Squares, bool Factors, class T>
void reduce_columns(const Terms<T>& terms, index_t at, index_t stride, index_t rows,
                    index_t width, Strip<T>& strip) noexcept {
    strip.clear(width);
    const auto absorb_rows = [&](auto n_rows, index_t k) {
        constexpr int R = decltype(n_rows)::value;
        for (index_t c = 0; c < width; c += simd::lanes<T>) {
            AnchoredSums<T> sums = strip.load(c);
            absorb_at<false, Squares, Factors, R>(sums, terms, at + k * stride + c,
                                                  stride, width - c);
            strip.store(c, sums);
        }
    };
    index_t k = 0;
    for (; k + step_size <= rows; k += step_size) {
        absorb_rows(std::integral_constant<int, step_size>(), k);
    }
    for (; k < rows; ++k) absorb_rows(std::integral_constant<int, 1>(), k);
}

/// Sum of one contiguous row of n elements, into place i of the strip.
template <bool Squares, bool Factors, class T>
void reduce_row(const Terms<T>& terms, index_t at, index_t n, Strip<T>& strip,
                index_t i) noexcept {
    constexpr index_t lanes = simd::lanes<T>;
    AnchoredSums<T> sums;
    index_t k = 0;
    for (; k + step_size * lanes <= n; k += step_size * lanes) {
        absorb_at<true, Squares, Factors, step_size>(sums, terms, at + k, lanes, lanes);
    }
    for (; k < n; k += lanes) {
        absorb_at<true, Squares, Factors, 1>(sums, terms, at + k, lanes, n - k);
    }
    strip.anchor[i] = sums.anchor[0];
    strip.largest[i] = simd::reduce_max(sums.largest);
    strip.sum[i] = sums.sum.reduce_add();
    strip.square[i] = sums.square.reduce_add();
}

/// out = f(x, largest, term) over n contiguous elements; `at(i)` gives the last two.
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
