/// What dense and sparse thresholds share: keys in the order of values, their sorting,
/// and the cuts of one sorted column.
#pragma once

#include "common/view.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace fastnotes::boosting {

inline constexpr int most_bins = 255;

template <class T>
using Key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
template <class T> constexpr int key_bits = 8 * static_cast<int>(sizeof(T));
template <class T> constexpr Key<T> sign_bit = Key<T>{1} << (key_bits<T> - 1);
/// Above the key of +inf.
template <class T> constexpr Key<T> missing_key = ~Key<T>{0};

/// Unsigned keys in the order of the values; -0.0 as 0.0, every NaN last.
template <class T> Key<T> to_key(T value) noexcept {
    if (value != value) return missing_key<T>;
    const T canonical = value + T(0);
    Key<T> bits;
    std::memcpy(&bits, &canonical, sizeof bits);
    return (bits & sign_bit<T>) != 0 ? ~bits : bits | sign_bit<T>;
}

template <class T> T from_key(Key<T> key) noexcept {
    const Key<T> bits = (key & sign_bit<T>) != 0 ? key & ~sign_bit<T> : ~key;
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

/// A key that stands for `mass` > 0 rows.
template <class K> struct Heavy {
    K key;
    std::int64_t mass;
};

template <class K> K key_of(K key) noexcept { return key; }
template <class K> K key_of(Heavy<K> item) noexcept { return item.key; }

/// The threshold between two neighbouring values: left <= threshold < right.
template <class T> T midpoint(T left, T right) noexcept {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const auto low = static_cast<double>(left);
    const auto high = static_cast<double>(right);
    double middle = 0.5 * low + 0.5 * high;
    if (!(middle < high)) middle = std::nextafter(high, -infinity);
    middle = std::max(middle, low);
    const T rounded = static_cast<T>(middle);
    return static_cast<double>(rounded) > middle
               ? std::nextafter(rounded, -std::numeric_limits<T>::infinity())
               : rounded;
}

template <int digit_bits, class Item>
Item* sort_by_digits(Item* items, Item* other, index_t n) noexcept {
    using K = decltype(key_of(*items));
    constexpr index_t digits = index_t{1} << digit_bits;
    constexpr int passes =
        (8 * static_cast<int>(sizeof(K)) + digit_bits - 1) / digit_bits;
    index_t counts[passes][digits] = {};
    for (index_t i = 0; i < n; ++i) {
        for (int p = 0; p < passes; ++p) {
            ++counts[p][(key_of(items[i]) >> (p * digit_bits)) % digits];
        }
    }
    for (int p = 0; p < passes; ++p) {
        const int shift = p * digit_bits;
        index_t* const place = counts[p];
        if (n == 0 || place[(key_of(items[0]) >> shift) % digits] == n) continue;
        index_t sum = 0;
        for (index_t d = 0; d < digits; ++d) sum += std::exchange(place[d], sum);
        for (index_t i = 0; i < n; ++i) {
            other[place[(key_of(items[i]) >> shift) % digits]++] = items[i];
        }
        std::swap(items, other);
    }
    return items;
}

/// Sorts n items by key, least significant digits first; uses other[n], returns where
/// they ended up.
template <class Item> Item* radix_sort(Item* items, Item* other, index_t n) noexcept {
    constexpr index_t few = 4096; // fewer than pay for clearing more counts
    return n < few ? sort_by_digits<8>(items, other, n)
                   : sort_by_digits<11>(items, other, n);
}

/// First position of [first, last) whose key is above (or, with Equal, not below) key.
template <bool Equal, class K>
index_t gallop(const K* keys, index_t first, index_t last, K key) noexcept {
    const auto before = [&](index_t i) {
        return Equal ? keys[i] < key : keys[i] <= key;
    };
    index_t step = 1;
    while (first < last && before(std::min(first + step, last) - 1)) {
        first = std::min(first + step, last);
        step *= 2;
    }
    index_t count = std::min(step, last - first);
    while (count > 0) {
        const index_t half = count / 2;
        if (before(first + half)) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first;
}

template <class K> index_t run_end(const K* keys, index_t at, index_t n) noexcept {
    return gallop<false>(keys, at, n, keys[at]);
}

/// Rows before sorted item i, and the item that holds a row: every item is one row.
struct UnitMass {
    index_t operator()(index_t i) const noexcept { return i; }
    index_t find(index_t row) const noexcept { return row; }
};

/// The same where items stand for several rows.
struct PrefixMass {
    const std::int64_t* before; ///< [n] rows before each item, ascending from 0
    index_t n;
    index_t total;

    index_t operator()(index_t i) const noexcept { return i < n ? before[i] : total; }
    index_t find(index_t row) const noexcept {
        return std::upper_bound(before, before + n, row) - before - 1;
    }
};

/// Sorted keys of one column, none of them missing, and the cuts made so far.
template <class T, class Mass> struct Cutter {
    const Key<T>* keys;
    index_t n;
    Mass mass;
    index_t max_bin;
    T* thresholds;
    index_t n_cuts = 0;

    struct Run {
        index_t first, last;
    };

    void cut(index_t at) noexcept {
        thresholds[n_cuts++] =
            midpoint(from_key<T>(keys[at - 1]), from_key<T>(keys[at]));
    }

    /// Cuts after every distinct value; false, and no cuts, if they are too many.
    bool cut_distinct() noexcept {
        for (index_t at = 0; at < n;) {
            at = run_end(keys, at, n);
            if (at < n && n_cuts == max_bin - 1) {
                n_cuts = 0;
                return false;
            }
            if (at < n) cut(at);
        }
        return true;
    }

    /// Values with at least 1 / max_bin of the mass; at most max_bin of them.
    index_t find_heavy(Run* heavy) const noexcept {
        const index_t total = mass(n);
        const index_t least = ceil_div(total, max_bin);
        index_t n_heavy = 0;
        // A run this long covers a multiple of its least length.
        for (index_t row = 0; row < total; row += least) {
            const index_t known = n_heavy > 0 ? heavy[n_heavy - 1].last : 0;
            if (row < mass(known)) continue;
            const index_t at = mass.find(row);
            const index_t first = gallop<true>(keys, known, at, keys[at]);
            const index_t last = run_end(keys, at, n);
            if (mass(last) - mass(first) >= least) heavy[n_heavy++] = {first, last};
        }
        return n_heavy;
    }

    /// End of the bin that starts at `first` and should hold rows / bins rows.
    index_t nearest_end(index_t first, index_t rows, index_t bins) const noexcept {
        const index_t start = mass(first);
        const index_t at = mass.find(start + ceil_div(rows, bins) - 1);
        const index_t low = gallop<true>(keys, first, at, keys[at]);
        const index_t high = run_end(keys, at, n);
        const bool low_is_nearer =
            (mass(low) + mass(high) - 2 * start) * bins >= 2 * rows;
        return low > first && low_is_nearer ? low : high;
    }

    void cut_equal_mass() noexcept {
        Run heavy[most_bins];
        const index_t n_heavy = find_heavy(heavy);
        index_t rows = mass(n); // of light values not yet in a bin
        for (index_t i = 0; i < n_heavy; ++i) {
            rows -= mass(heavy[i].last) - mass(heavy[i].first);
        }
        index_t bins = max_bin - n_heavy;
        const Run* next = heavy;
        for (index_t first = 0; n_cuts < max_bin - 1;) {
            const bool more_heavy = next < heavy + n_heavy;
            index_t end;
            if (bins == 0 || (more_heavy && next->first == first)) {
                if (!more_heavy) return;
                end = (next++)->last;
            } else {
                end = nearest_end(first, rows, bins);
                if (more_heavy) end = std::min(end, next->first);
                rows -= mass(end) - mass(first);
                --bins;
            }
            if (end >= n) return;
            cut(end);
            first = end;
        }
    }
};

/// Cuts of n sorted keys; missing ones, which sort last, are left out.
template <class T>
index_t cut_column(const Key<T>* keys, index_t n, index_t max_bin,
                   T* thresholds) noexcept {
    const index_t known = gallop<true>(keys, 0, n, missing_key<T>);
    Cutter<T, UnitMass> cutter{keys, known, {}, max_bin, thresholds};
    if (!cutter.cut_distinct()) cutter.cut_equal_mass();
    return cutter.n_cuts;
}

/// The same for items that stand for several rows each: what n such items would give
/// if each were repeated. `other` [n] is scratch apart from the items.
template <class T>
index_t cut_column(const Heavy<Key<T>>* items, index_t n, index_t max_bin,
                   Heavy<Key<T>>* other, T* thresholds) noexcept {
    auto* const before = reinterpret_cast<std::int64_t*>(other);
    auto* const keys = reinterpret_cast<Key<T>*>(before + n);
    index_t total = 0, known = 0;
    for (; known < n && items[known].key != missing_key<T>; ++known) {
        keys[known] = items[known].key;
        before[known] = total;
        total += items[known].mass;
    }
    Cutter<T, PrefixMass> cutter{
        keys, known, {before, known, total}, max_bin, thresholds};
    if (!cutter.cut_distinct()) cutter.cut_equal_mass();
    return cutter.n_cuts;
}

} // namespace fastnotes::boosting
