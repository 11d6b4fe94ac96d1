/// Gradients as 16-bit integers, two of them in one 64-bit sum: see histogram.hpp.
#pragma once

#include "common/simd.hpp"
#include "common/view.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace fastnotes::boosting {

inline constexpr int quantized_bits = 15;

template <class T>
using bits_of = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

/// Bits of |v|: their order is that of |v|, with NaN above infinity above the rest.
template <class T> FASTNOTES_INLINE bits_of<T> magnitude_bits(T value) {
    bits_of<T> bits;
    std::memcpy(&bits, &value, sizeof(T));
    return bits & std::numeric_limits<bits_of<T>>::max();
}

template <class T> struct LargestBits {
    bits_of<T> grad = 0, hess = 0;
};

/// Raises `largest` by both arrays at [first, first + n) and [second, second + n): four
/// streams come in at a rate that one does not.
template <class T>
void raise_largest(const T* grad, const T* hess, index_t first, index_t second,
                   index_t n, LargestBits<T>& largest) noexcept {
    bits_of<T> g0 = 0, g1 = 0, h0 = 0, h1 = 0;
    for (index_t i = 0; i < n; ++i) {
        g0 = std::max(g0, magnitude_bits(grad[first + i]));
        h0 = std::max(h0, magnitude_bits(hess[first + i]));
        g1 = std::max(g1, magnitude_bits(grad[second + i]));
        h1 = std::max(h1, magnitude_bits(hess[second + i]));
    }
    largest.grad = std::max({largest.grad, g0, g1});
    largest.hess = std::max({largest.hess, h0, h1});
}

/// v -> nearest integer to v 2^exponent; in two factors, either of which is in range.
struct Scale {
    double first, second;
};

inline Scale scale_of(int exponent) noexcept {
    const int half = exponent / 2;
    return {std::ldexp(1.0, half), std::ldexp(1.0, exponent - half)};
}

/// The least exponent with |v| < 2^exponent, by the bits of |v|.
template <class T> int exponent_of(bits_of<T> magnitude) noexcept {
    T value;
    std::memcpy(&value, &magnitude, sizeof(T));
    int exponent = 0;
    (void)std::frexp(static_cast<double>(value), &exponent);
    return exponent;
}

template <class T> Scale make_scale(bits_of<T> largest_bits) noexcept {
    return scale_of(quantized_bits - exponent_of<T>(largest_bits));
}

/// Adding it to |x| < 2^51 leaves the integer nearest to x in the low bits.
inline constexpr double integer_magic = 6755399441055744.0; // 1.5 * 2^52
inline constexpr std::int64_t magic_bits = 0x4338000000000000;

FASTNOTES_INLINE std::uint64_t integer_bits(double scaled) {
    const double shifted = scaled + integer_magic;
    std::uint64_t bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    return bits;
}

/// packed[i] = quantised grad[i] 2^32 + quantised hess[i].
template <class T>
void pack(const T* grad, const T* hess, index_t n, const Scale& of_grad,
          const Scale& of_hess, std::int64_t* packed) noexcept {
    const Scale by_g = of_grad, by_h = of_hess;
    for (index_t i = 0; i < n; ++i) {
        const double g = static_cast<double>(grad[i]) * by_g.first * by_g.second;
        const double h = static_cast<double>(hess[i]) * by_h.first * by_h.second;
        packed[i] = static_cast<std::int64_t>((integer_bits(g) << 32) +
                                              (integer_bits(h) - magic_bits));
    }
}

} // namespace fastnotes::boosting
