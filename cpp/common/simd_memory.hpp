/// Between memory and simd::Vec: whole, partial and streaming accesses.
/// Included by simd.hpp alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/simd_vector.hpp"

namespace fastnotes::simd {

template <class V> FASTNOTES_INLINE V broadcast(value_of<V> value) { return V(value); }

/// Lanes 0, 1, 2, ...
template <class V> FASTNOTES_INLINE V iota() {
    V v(value_of<V>(0));
    for (int i = 0; i < V::size; ++i) v.raw[i] = static_cast<value_of<V>>(i);
    return v;
}

/// load<V>(p): V::size values from any address aligned to the value's own type.
template <class V> FASTNOTES_INLINE V load(const value_of<V>* p) {
    V v;
    __builtin_memcpy(&v.raw, p, sizeof(v.raw));
    return v;
}
template <class T, int N> FASTNOTES_INLINE void store(T* p, Vec<T, N> v) {
    __builtin_memcpy(p, &v.raw, sizeof(v.raw));
}

namespace detail {
/// maskload's operand for the first n of N lanes: -1 there, 0 beyond.
template <class I> FASTNOTES_INLINE const I* first_lanes(std::size_t n) {
    alignas(64) static constexpr I table[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return table + 8 - n;
}
} // namespace detail

/// min(n, N) values, zeros beyond; memory beyond them is not touched.
template <class V>
FASTNOTES_INLINE V load_partial(const value_of<V>* p, std::size_t n) {
    constexpr std::size_t N = V::size;
    if (n >= N) return load<V>(p);
#if FASTNOTES_AVX512
    const auto bits = (1u << n) - 1u;
    if constexpr (sizeof(V) == 64 && N == 16) {
        const auto k = static_cast<__mmask16>(bits);
        return V((typename V::raw_type)_mm512_maskz_loadu_epi32(k, p));
    } else if constexpr (sizeof(V) == 64 && N == 8) {
        const auto k = static_cast<__mmask8>(bits);
        return V((typename V::raw_type)_mm512_maskz_loadu_epi64(k, p));
    }
#endif
#if defined(__AVX__)
    if constexpr (sizeof(V) == 32 && N == 8) {
        const auto* const m = detail::first_lanes<std::int32_t>(n);
        const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(m));
        const auto* const q = reinterpret_cast<const float*>(p);
        return V((typename V::raw_type)_mm256_maskload_ps(q, mask));
    } else if constexpr (sizeof(V) == 32 && N == 4) {
        const auto* const m = detail::first_lanes<std::int64_t>(n);
        const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(m));
        const auto* const q = reinterpret_cast<const double*>(p);
        return V((typename V::raw_type)_mm256_maskload_pd(q, mask));
    }
#endif
    V v(value_of<V>(0));
    for (std::size_t i = 0; i < n; ++i) v.raw[i] = p[i];
    return v;
}

/// The first min(n, N) lanes; memory beyond them is not touched.
template <class T, int N>
FASTNOTES_INLINE void store_partial(T* p, Vec<T, N> v, std::size_t n) {
    if (n >= static_cast<std::size_t>(N)) return store(p, v);
#if FASTNOTES_AVX512
    const auto bits = (1u << n) - 1u;
    if constexpr (sizeof(v.raw) == 64 && N == 16) {
        const auto k = static_cast<__mmask16>(bits);
        return _mm512_mask_storeu_epi32(p, k, (__m512i)v.raw);
    } else if constexpr (sizeof(v.raw) == 64 && N == 8) {
        const auto k = static_cast<__mmask8>(bits);
        return _mm512_mask_storeu_epi64(p, k, (__m512i)v.raw);
    }
#endif
#if defined(__AVX__)
    if constexpr (sizeof(v.raw) == 32 && N == 8) {
        const auto* const m = detail::first_lanes<std::int32_t>(n);
        const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(m));
        return _mm256_maskstore_ps(reinterpret_cast<float*>(p), mask, (__m256)v.raw);
    } else if constexpr (sizeof(v.raw) == 32 && N == 4) {
        const auto* const m = detail::first_lanes<std::int64_t>(n);
        const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(m));
        return _mm256_maskstore_pd(reinterpret_cast<double*>(p), mask, (__m256d)v.raw);
    }
#endif
    for (std::size_t i = 0; i < n; ++i) p[i] = v.raw[i];
}

/// Non-temporal store: p aligned to sizeof(Vec). End a run of them with stream_fence()
/// before another thread may read.
template <class T, int N> FASTNOTES_INLINE void stream(T* p, Vec<T, N> v) {
#if defined(__x86_64__) || defined(__i386__)
    if constexpr (sizeof(T) == 4) {
        detail::stream_raw(reinterpret_cast<float*>(p), bit_cast<float>(v).raw);
    } else {
        detail::stream_raw(reinterpret_cast<double*>(p), bit_cast<double>(v).raw);
    }
#else
    store(p, v);
#endif
}
FASTNOTES_INLINE void stream_fence() {
#if defined(__x86_64__) || defined(__i386__)
    _mm_sfence();
#endif
}

/// Asks for the cache line of p, to be read soon.
FASTNOTES_INLINE void prefetch(const void* p) { __builtin_prefetch(p, 0, 3); }

/// The same for later: it leaves the first-level cache to what is in use.
FASTNOTES_INLINE void prefetch_far(const void* p) { __builtin_prefetch(p, 0, 2); }

} // namespace fastnotes::simd
