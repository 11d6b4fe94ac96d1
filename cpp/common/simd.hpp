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
#include <utility>

#include "common/simd_level.hpp"

namespace fastnotes::simd {

/// Lanes of T in one register of this level.
template <class T>
inline constexpr int lanes = native_bytes / static_cast<int>(sizeof(T));

template <std::size_t Bytes>
using int_of_size = std::conditional_t<Bytes == 4, std::int32_t, std::int64_t>;

// ---------------------------------------------------------------- mask and vector

namespace detail {
/// A type of its own: GCC confuses T with a dependent vector of T when overloading.
template <class T, int N> struct Register {
    typedef T type __attribute__((vector_size(sizeof(T) * N)));
};

/// The type whose +, - and * mean for T's bits what hardware does: unsigned for
/// integers.
template <class T, bool = std::is_integral_v<T>> struct Modular {
    using type = T;
};
template <class T> struct Modular<T, true> {
    using type = std::make_unsigned_t<T>;
};
template <class T> using modular = typename Modular<T>::type;
} // namespace detail

/// Per lane true (all bits set) or false (zero), for lanes of Bytes bytes.
template <std::size_t Bytes, int N> struct Mask {
    using raw_type = typename detail::Register<int_of_size<Bytes>, N>::type;
    raw_type raw;

    FASTNOTES_INLINE friend Mask operator&(Mask a, Mask b) { return {a.raw & b.raw}; }
    FASTNOTES_INLINE friend Mask operator|(Mask a, Mask b) { return {a.raw | b.raw}; }
    FASTNOTES_INLINE friend Mask operator^(Mask a, Mask b) { return {a.raw ^ b.raw}; }
    FASTNOTES_INLINE friend Mask operator!(Mask a) { return {~a.raw}; }
};

template <class T, int N = lanes<T>> struct Vec {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "lanes are 4 or 8 bytes");
    using raw_type = typename detail::Register<T, N>::type;
    using value_type = T;
    using mask_type = Mask<sizeof(T), N>;
    static constexpr int size = N;

    raw_type raw;

    // Integer lanes wrap around, which for signed integers the language leaves
    // undefined.
    using modular_type = typename detail::Register<detail::modular<T>, N>::type;

    Vec() = default;
    FASTNOTES_INLINE Vec(raw_type value) : raw(value) {}
    // Every lane = value. (value - 0, unlike value + 0, also keeps the sign of -0.)
    FASTNOTES_INLINE Vec(T value) : raw(value - raw_type{}) {}

    FASTNOTES_INLINE T operator[](int lane) const { return raw[lane]; }

    FASTNOTES_INLINE friend Vec operator+(Vec a, Vec b) {
        return (raw_type)((modular_type)a.raw + (modular_type)b.raw);
    }
    FASTNOTES_INLINE friend Vec operator-(Vec a, Vec b) {
        return (raw_type)((modular_type)a.raw - (modular_type)b.raw);
    }
    FASTNOTES_INLINE friend Vec operator*(Vec a, Vec b) {
        return (raw_type)((modular_type)a.raw * (modular_type)b.raw);
    }
    FASTNOTES_INLINE friend Vec operator/(Vec a, Vec b) { return a.raw / b.raw; }
    FASTNOTES_INLINE friend Vec operator-(Vec a) {
        return (raw_type)(-(modular_type)a.raw);
    }
    FASTNOTES_INLINE Vec& operator+=(Vec b) { return *this = *this + b; }
    FASTNOTES_INLINE Vec& operator-=(Vec b) { return *this = *this - b; }
    FASTNOTES_INLINE Vec& operator*=(Vec b) { return *this = *this * b; }

    // Integers only.
    FASTNOTES_INLINE friend Vec operator&(Vec a, Vec b) { return a.raw & b.raw; }
    FASTNOTES_INLINE friend Vec operator|(Vec a, Vec b) { return a.raw | b.raw; }
    FASTNOTES_INLINE friend Vec operator^(Vec a, Vec b) { return a.raw ^ b.raw; }
    FASTNOTES_INLINE friend Vec operator<<(Vec a, int bits) {
        return (raw_type)((modular_type)a.raw << bits);
    }
    FASTNOTES_INLINE friend Vec operator>>(Vec a, int bits) { return a.raw >> bits; }

    FASTNOTES_INLINE friend mask_type operator<(Vec a, Vec b) {
        return {(typename mask_type::raw_type)(a.raw < b.raw)};
    }
    FASTNOTES_INLINE friend mask_type operator<=(Vec a, Vec b) {
        return {(typename mask_type::raw_type)(a.raw <= b.raw)};
    }
    FASTNOTES_INLINE friend mask_type operator>(Vec a, Vec b) { return b < a; }
    FASTNOTES_INLINE friend mask_type operator>=(Vec a, Vec b) { return b <= a; }
    FASTNOTES_INLINE friend mask_type operator==(Vec a, Vec b) {
        return {(typename mask_type::raw_type)(a.raw == b.raw)};
    }
    FASTNOTES_INLINE friend mask_type operator!=(Vec a, Vec b) {
        return {(typename mask_type::raw_type)(a.raw != b.raw)};
    }

    // mask ? a : b, lane by lane.
    FASTNOTES_INLINE friend Vec select(mask_type mask, Vec a, Vec b) {
        return mask.raw ? a.raw : b.raw;
    }
};

// ---------------------------------------------------------------- bits and conversions

/// The same bits seen as lanes of U, which may differ in size from T's.
template <class U, class T, int N> FASTNOTES_INLINE auto bit_cast(Vec<T, N> v) {
    using R = Vec<U, N* static_cast<int>(sizeof(T)) / static_cast<int>(sizeof(U))>;
    return R((typename R::raw_type)v.raw);
}

/// static_cast<U> of each lane (towards zero from floating point to integer; the value
/// must fit). int64 <-> double is slow below AVX-512: see round_to_int and int_to_real.
template <class U, class T, int N> FASTNOTES_INLINE Vec<U, N> convert(Vec<T, N> v) {
    return __builtin_convertvector(v.raw, typename Vec<U, N>::raw_type);
}

namespace detail {
template <class T>
struct Magic; // 1.5 * 2^(mantissa bits): adding it rounds to an integer
template <> struct Magic<float> {
    static constexpr float value = 12582912.0f;
    static constexpr std::int32_t bits = 0x4B400000;
};
template <> struct Magic<double> {
    static constexpr double value = 6755399441055744.0;
    static constexpr std::int64_t bits = 0x4338000000000000;
};
} // namespace detail

/// Nearest integer (ties to even) as the integer type of the same size;
/// |v| <= 2^22 (float) or 2^51 (double).
template <class T, int N> FASTNOTES_INLINE auto round_to_int(Vec<T, N> v) {
    using I = int_of_size<sizeof(T)>;
    const Vec<T, N> shifted = v + Vec<T, N>(detail::Magic<T>::value);
    return bit_cast<I>(shifted) - Vec<I, N>(detail::Magic<T>::bits);
}

/// An integer of |v| <= 2^22 (int32) or 2^51 (int64) as the real type of the same size.
template <class I, int N> FASTNOTES_INLINE auto int_to_real(Vec<I, N> v) {
    using T = std::conditional_t<sizeof(I) == 4, float, double>;
    return bit_cast<T>(v + Vec<I, N>(static_cast<I>(detail::Magic<T>::bits))) -
           Vec<T, N>(detail::Magic<T>::value);
}

namespace detail {
template <int First, class T, int N, int... I>
FASTNOTES_INLINE Vec<T, N / 2> half(Vec<T, N> v, std::integer_sequence<int, I...>) {
#if defined(__has_builtin) && __has_builtin(__builtin_shufflevector)
    return __builtin_shufflevector(v.raw, v.raw, (First + I)...);
#else
    return typename Vec<T, N / 2>::raw_type{v.raw[First + I]...};
#endif
}
template <class T, int N, int... I>
FASTNOTES_INLINE Vec<T, 2 * N> join(Vec<T, N> a, Vec<T, N> b,
                                    std::integer_sequence<int, I...>) {
#if defined(__has_builtin) && __has_builtin(__builtin_shufflevector)
    return __builtin_shufflevector(a.raw, b.raw, I...);
#else
    return typename Vec<T, 2 * N>::raw_type{(I < N ? a.raw[I % N] : b.raw[I % N])...};
#endif
}
template <int First, class V, int... I>
FASTNOTES_INLINE V zip(V a, V b, std::integer_sequence<int, I...>) {
#if defined(__has_builtin) && __has_builtin(__builtin_shufflevector)
    constexpr int N = V::size;
    return V(__builtin_shufflevector(a.raw, b.raw, ((First + I) / 2 + (I % 2) * N)...));
#else
    return V(typename V::raw_type{
        (I % 2 == 0 ? a.raw[(First + I) / 2] : b.raw[(First + I) / 2])...});
#endif
}
} // namespace detail

/// The first and the last N/2 lanes, and their join.
template <class T, int N> FASTNOTES_INLINE Vec<T, N / 2> low_half(Vec<T, N> v) {
    return detail::half<0>(v, std::make_integer_sequence<int, N / 2>());
}
template <class T, int N> FASTNOTES_INLINE Vec<T, N / 2> high_half(Vec<T, N> v) {
    return detail::half<N / 2>(v, std::make_integer_sequence<int, N / 2>());
}
template <class T, int N>
FASTNOTES_INLINE Vec<T, 2 * N> join_halves(Vec<T, N> low, Vec<T, N> high) {
    return detail::join(low, high, std::make_integer_sequence<int, 2 * N>());
}

/// Vec<float, N> as two Vec<double, N / 2> (exact), for sums that widen, and back
/// (rounded).
template <int N> FASTNOTES_INLINE Vec<double, N / 2> widen_low(Vec<float, N> v) {
    return convert<double>(low_half(v));
}
template <int N> FASTNOTES_INLINE Vec<double, N / 2> widen_high(Vec<float, N> v) {
    return convert<double>(high_half(v));
}
template <int N>
FASTNOTES_INLINE Vec<float, 2 * N> narrow(Vec<double, N> low, Vec<double, N> high) {
    return join_halves(convert<float>(low), convert<float>(high));
}

/// a0 b0 a1 b1 ... in two vectors.
template <class V> struct Interleaved {
    V low, high;
};
template <class T, int N>
FASTNOTES_INLINE Interleaved<Vec<T, N>> interleave(Vec<T, N> a, Vec<T, N> b) {
    const std::make_integer_sequence<int, N> all;
    return {detail::zip<0>(a, b, all), detail::zip<N>(a, b, all)};
}

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

// ---------------------------------------------------------------- memory

template <class V> using value_of = typename V::value_type;

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
