/// bfloat16 in vectors of float.
///
/// It is read in pairs: words of 32 bits hold a lane of one vector below a lane of the
/// next, so that a shift and a mask widen two registers of one load, at every level.
#pragma once

#include "common/bfloat16.hpp"
#include "common/simd.hpp"

namespace fastnotes::simd {

/// The float32 words of what bfloat16 holds: nearest, ties to even. Infinities stay,
/// NaN stays NaN; 2^128 - 2^119 and above, half-way past the largest, is infinity.
template <int N>
FASTNOTES_INLINE Vec<std::uint32_t, N> bfloat16_words(Vec<float, N> v) {
    using U = Vec<std::uint32_t, N>;
    const auto word = bit_cast<std::uint32_t>(v);
    const U nearest = word + U(0x7FFF) + ((word >> 16) & U(1));
    const U quiet_nan = word | U(0x00400000);
    return select(v == v, nearest, quiet_nan) & U(0xFFFF0000);
}

/// Registers 2 i and 2 i + 1 as a pair.
template <int N>
FASTNOTES_INLINE void store_pair(Bfloat16* pair, Vec<float, N> even,
                                 Vec<float, N> odd) {
    const auto words = (bfloat16_words(even) >> 16) | bfloat16_words(odd);
    __builtin_memcpy(pair, &words.raw, sizeof(words.raw));
}

/// Register v of consecutive ones: values as they are, or in pairs.
template <class V>
FASTNOTES_INLINE V load_register(const value_of<V>* row, std::ptrdiff_t v) {
    return load<V>(row + v * V::size);
}
template <class V>
FASTNOTES_INLINE V load_register(const Bfloat16* row, std::ptrdiff_t v) {
    using U = Vec<std::uint32_t, V::size>;
    U words;
    __builtin_memcpy(&words.raw, row + v / 2 * (2 * V::size), sizeof(words.raw));
    return bit_cast<float>(v % 2 == 0 ? words << 16 : words & U(0xFFFF0000));
}

} // namespace fastnotes::simd
