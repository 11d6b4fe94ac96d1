/// The number of a column's cuts below a value, by two looks at 16 cuts each.
#pragma once

#include "common/simd.hpp"
#include "common/view.hpp"

#include <algorithm>
#include <limits>

namespace fastnotes::boosting {

/// Elements of a column's lookup: 16 coarse cuts, then 16 x 16 fine ones.
inline constexpr index_t lookup_size = 16 + 256;

/// Fine cut i of a column is its threshold i, +inf behind the last; coarse cut j is the
/// last fine cut of group j, so the first group not wholly below a value holds its bin.
/// The n <= 255 thresholds ascend.
template <class T>
void make_lookup(const T* thresholds, index_t n, T* lookup) noexcept {
    T* const fine = lookup + 16;
    std::copy_n(thresholds, n, fine);
    std::fill(fine + n, fine + 256, std::numeric_limits<T>::infinity());
    for (int j = 0; j < 16; ++j) lookup[j] = fine[16 * j + 15];
}

/// How many of 16 cuts lie below the value; 0 for NaN.
template <class T> FASTNOTES_INLINE int count_below(const T* cuts, T value) {
    using V = simd::Vec<T>;
    const auto below = [&](int i) {
        return simd::load<V>(cuts + i) < simd::broadcast<V>(value);
    };
    if constexpr (V::size == 16) {
        return __builtin_popcount(simd::mask_bits(below(0)));
    } else {
        int count = 0;
        for (int i = 0; i < 16; i += 2 * V::size) {
            count += simd::count_true(below(i), below(i + V::size));
        }
        return count;
    }
}

/// How many of all cuts lie below the value; 0 for NaN.
template <class T> FASTNOTES_INLINE int find_code(const T* lookup, T value) {
    const int group = count_below(lookup, value);
    return 16 * group + count_below(lookup + 16 + 16 * group, value);
}

} // namespace fastnotes::boosting
