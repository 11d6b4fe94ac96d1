/// The classes Vec and Mask, their operators, and conversions between vectors.
/// Included by simd.hpp, which says what holds for all of them, and by its parts.
#pragma once

#include <cstddef>
#include <cstdint>
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

template <class V> using value_of = typename V::value_type;

// ---------------------------------------------------------------- bits and conversions

/// The same bits seen as lanes of U, which may differ in size from T's.
template <class U, class T, int N> FASTNOTES_INLINE auto bit_cast(Vec<T, N> v) {
    using R = Vec<U, N* static_cast<int>(sizeof(T)) / static_cast<int>(sizeof(U))>;
    return R((typename R::raw_type)v.raw);
}

/// static_cast<U> of each lane (towards zero from floating point to integer; the value
/// must fit). int64 <-> double is slow below AVX-512: see round_to_int and int_to_real.
template <class U, class T, int N> FASTNOTES_INLINE Vec<U, N> convert(Vec<T, N> v) {
#if defined(__x86_64__) || defined(__i386__)
    if constexpr (std::is_same_v<T, float> && std::is_same_v<U, double> &&
                  N * sizeof(U) <= native_bytes) {
        return Vec<U, N>(detail::widen_raw(v.raw));
    }
#endif
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

/// rows[i][j] <-> rows[j][i]: each round rotates the bits of (i, j) by one.
template <class V> FASTNOTES_INLINE void transpose(V (&rows)[V::size]) {
    constexpr int half = V::size / 2;
#pragma GCC unroll 8
    for (int round = 1; round < V::size; round *= 2) {
        V next[V::size];
#pragma GCC unroll 16
        for (int i = 0; i < half; ++i) {
            const auto both = interleave(rows[i], rows[i + half]);
            next[2 * i] = both.low;
            next[2 * i + 1] = both.high;
        }
#pragma GCC unroll 16
        for (int i = 0; i < V::size; ++i) rows[i] = next[i];
    }
}

} // namespace fastnotes::simd
