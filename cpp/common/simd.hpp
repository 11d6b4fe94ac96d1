/// One SIMD vector class for every kernel, on GCC/Clang vector extensions.
///
/// Vec<T, N> holds N lanes of T; N defaults to lanes<T>, the register width of the
/// level this file is compiled for: 64 bytes with AVX-512 (F, BW, DQ, VL), 32 with AVX,
/// else 16. Everything is inlined; nothing here branches on the machine at run time.
///
///     using V = simd::Vec<float>;
///     for (std::size_t i = 0; i < n; i += V::size) {
///         const std::size_t count = n - i;                  // load_partial reads
///         const V x = simd::load_partial<V>(in + i, count); // min(count, V::size)
///         simd::store_partial(out + i, simd::fma(x, V(2), V(1)), count);
///     }
///
/// The classes and conversions are in simd_vector.hpp, loads and stores in
/// simd_memory.hpp; instructions and reductions follow here.
///
/// Same arithmetic in every lane: a value's result does not depend on its place in a
/// vector, nor on whether it was read by load or load_partial.
///
/// Levels may differ from each other in two ways, both fixed at compile time: the shape
/// of reduce_add's tree (it follows N), and fma, which rounds once where `has_fma` and
/// rounds product and sum separately where it is not. Code whose correctness needs the
/// single rounding asks `if constexpr (simd::has_fma)`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "common/simd_memory.hpp"
#include "common/simd_vector.hpp"

namespace fastnotes::simd {

// ---------------------------------------------------------------- wrapped instructions

/// The 64-bit products of the low 32 bits of each lane.
template <int N>
FASTNOTES_INLINE Vec<std::uint64_t, N> multiply_low_halves(Vec<std::uint64_t, N> a,
                                                           Vec<std::uint64_t, N> b) {
    using V = Vec<std::uint64_t, N>;
#if FASTNOTES_AVX512
    if constexpr (sizeof(V) == 64) {
        const auto product =
            _mm512_maskz_mul_epu32(0xFF, (__m512i)a.raw, (__m512i)b.raw);
        return V((typename V::raw_type)product);
    }
#endif
#if defined(__AVX2__)
    if constexpr (sizeof(V) == 32) {
        return V(
            (typename V::raw_type)_mm256_mul_epu32((__m256i)a.raw, (__m256i)b.raw));
    }
#endif
    const V low(0xFFFFFFFFu);
    return (a & low) * (b & low);
}

/// a * b + c, rounded once where has_fma (see the top of the file).
template <class T, int N>
FASTNOTES_INLINE Vec<T, N> fma(Vec<T, N> a, Vec<T, N> b, Vec<T, N> c) {
#if FASTNOTES_FMA
    return Vec<T, N>(detail::fma_raw(a.raw, b.raw, c.raw));
#else
    return a * b + c;
#endif
}

/// The smaller and the larger lane; the second argument where either is NaN.
template <class T, int N> FASTNOTES_INLINE Vec<T, N> min(Vec<T, N> a, Vec<T, N> b) {
#if defined(__x86_64__) || defined(__i386__)
    if constexpr (std::is_floating_point_v<T>) {
        return Vec<T, N>(detail::min_raw(a.raw, b.raw));
    }
#endif
    return select(a < b, a, b);
}
template <class T, int N> FASTNOTES_INLINE Vec<T, N> max(Vec<T, N> a, Vec<T, N> b) {
#if defined(__x86_64__) || defined(__i386__)
    if constexpr (std::is_floating_point_v<T>) {
        return Vec<T, N>(detail::max_raw(a.raw, b.raw));
    }
#endif
    return select(b < a, a, b);
}

template <class T, int N> FASTNOTES_INLINE Vec<T, N> sqrt(Vec<T, N> v) {
    return Vec<T, N>(detail::sqrt_raw(v.raw));
}

/// Lanes with the sign bit cleared; the magnitude of a with the sign bit of b.
template <class T, int N> FASTNOTES_INLINE Vec<T, N> abs(Vec<T, N> v) {
    using I = int_of_size<sizeof(T)>;
    if constexpr (std::is_floating_point_v<T>) {
        return bit_cast<T>(bit_cast<I>(v) & Vec<I, N>(std::numeric_limits<I>::max()));
    } else {
        return select(v < Vec<T, N>(T(0)), -v, v);
    }
}
template <class T, int N>
FASTNOTES_INLINE Vec<T, N> copysign(Vec<T, N> a, Vec<T, N> b) {
    using I = int_of_size<sizeof(T)>;
    const Vec<I, N> sign(std::numeric_limits<I>::min());
    return bit_cast<T>(bit_cast<I>(abs(a)) | (bit_cast<I>(b) & sign));
}

/// Nearest integer, ties to even, for any value (NaN and infinities pass).
template <class T, int N> FASTNOTES_INLINE Vec<T, N> round(Vec<T, N> v) {
#if defined(FASTNOTES_HAS_ROUND)
    return Vec<T, N>(detail::round_raw(v.raw));
#else
    constexpr T limit = detail::Magic<T>::value / T(1.5); // 2^23, 2^52: integers beyond
    const Vec<T, N> near = copysign((abs(v) + Vec<T, N>(limit)) - Vec<T, N>(limit), v);
    return select(abs(v) < Vec<T, N>(limit), near, v);
#endif
}

// ---------------------------------------------------------------- masks and reductions

/// Bit i is lane i.
template <std::size_t Bytes, int N>
FASTNOTES_INLINE std::uint32_t mask_bits(Mask<Bytes, N> m) {
    [[maybe_unused]] constexpr std::size_t total = Bytes * N;
#if FASTNOTES_AVX512
    if constexpr (total == 64 && Bytes == 4)
        return _mm512_movepi32_mask((__m512i)m.raw);
    if constexpr (total == 64 && Bytes == 8)
        return _mm512_movepi64_mask((__m512i)m.raw);
#endif
#if defined(__AVX__)
    if constexpr (total == 32 && Bytes == 4)
        return static_cast<std::uint32_t>(_mm256_movemask_ps((__m256)m.raw));
    if constexpr (total == 32 && Bytes == 8)
        return static_cast<std::uint32_t>(_mm256_movemask_pd((__m256d)m.raw));
#endif
#if defined(__x86_64__) || defined(__i386__)
    if constexpr (total == 16 && Bytes == 4)
        return static_cast<std::uint32_t>(_mm_movemask_ps((__m128)m.raw));
    if constexpr (total == 16 && Bytes == 8)
        return static_cast<std::uint32_t>(_mm_movemask_pd((__m128d)m.raw));
#endif
    std::uint32_t bits = 0;
    for (int i = 0; i < N; ++i) bits |= static_cast<std::uint32_t>(m.raw[i] & 1) << i;
    return bits;
}
template <std::size_t Bytes, int N> FASTNOTES_INLINE bool any(Mask<Bytes, N> m) {
    return mask_bits(m) != 0;
}
template <std::size_t Bytes, int N> FASTNOTES_INLINE bool all(Mask<Bytes, N> m) {
    return mask_bits(!m) == 0;
}

/// How many lanes of two masks are true.
template <std::size_t Bytes, int N>
FASTNOTES_INLINE int count_true(Mask<Bytes, N> a, Mask<Bytes, N> b) {
#if defined(__AVX2__)
    if constexpr (Bytes == 4 && N == 8) { // two bits a lane
        const __m256i both = _mm256_packs_epi32((__m256i)a.raw, (__m256i)b.raw);
        return __builtin_popcount(
                   static_cast<std::uint32_t>(_mm256_movemask_epi8(both))) /
               2;
    }
#endif
    return __builtin_popcount(mask_bits(a)) + __builtin_popcount(mask_bits(b));
}

/// True in the first n lanes of V.
template <class V> FASTNOTES_INLINE typename V::mask_type first_lanes(std::size_t n) {
    using I = int_of_size<sizeof(value_of<V>)>;
    const auto count = static_cast<I>(n < V::size ? n : V::size);
    return iota<Vec<I, V::size>>() < Vec<I, V::size>(count);
}

/// A fixed tree: the upper half of the lanes onto the lower half, until one is left.
template <class T, int N> FASTNOTES_INLINE T reduce_add(Vec<T, N> v) {
    if constexpr (N == 2) {
        return v[0] + v[1];
    } else {
        return reduce_add(low_half(v) + high_half(v));
    }
}
/// The largest and the smallest lane (no lane NaN).
template <class T, int N> FASTNOTES_INLINE T reduce_max(Vec<T, N> v) {
    if constexpr (N == 2) {
        return v[0] < v[1] ? v[1] : v[0];
    } else {
        const auto low = low_half(v), high = high_half(v);
        return reduce_max(select(low < high, high, low));
    }
}
template <class T, int N> FASTNOTES_INLINE T reduce_min(Vec<T, N> v) {
    if constexpr (N == 2) {
        return v[1] < v[0] ? v[1] : v[0];
    } else {
        const auto low = low_half(v), high = high_half(v);
        return reduce_min(select(high < low, high, low));
    }
}

} // namespace fastnotes::simd
