#include "boosting/thresholds.hpp"

#include "common/parallel.hpp"
#include "common/philox.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace fastnotes::boosting {
namespace {

using std::int64_t;
using std::uint64_t;

constexpr index_t group_columns = 32; ///< sorted at a time: bounds the scratch
constexpr index_t gather_rows = 64;
constexpr index_t grain = index_t{1} << 14; ///< sampled values that are worth a thread
constexpr int digit_bits = 11;
constexpr index_t digits = index_t{1} << digit_bits;

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

/// Sorts n keys by least significant digits; uses other[n], returns where they ended
/// up.
template <class T> Key<T>* radix_sort(Key<T>* keys, Key<T>* other, index_t n) noexcept {
    constexpr int passes = (key_bits<T> + digit_bits - 1) / digit_bits;
    index_t counts[passes][digits] = {};
    for (index_t i = 0; i < n; ++i) {
        for (int p = 0; p < passes; ++p) {
            ++counts[p][(keys[i] >> (p * digit_bits)) % digits];
        }
    }
    for (int p = 0; p < passes; ++p) {
        const int shift = p * digit_bits;
        index_t* const place = counts[p];
        if (n == 0 || place[(keys[0] >> shift) % digits] == n) continue;
        index_t sum = 0;
        for (index_t d = 0; d < digits; ++d) sum += std::exchange(place[d], sum);
        for (index_t i = 0; i < n; ++i) {
            other[place[(keys[i] >> shift) % digits]++] = keys[i];
        }
        std::swap(keys, other);
    }
    return keys;
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

struct Run {
    index_t first, last;
};

/// Sorted keys of one column and the cuts made so far.
template <class T> struct Cutter {
    const Key<T>* keys;
    index_t n;
    index_t max_bin;
    T* thresholds;
    index_t n_cuts = 0;

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
        const index_t least = ceil_div(n, max_bin);
        index_t n_heavy = 0;
        // A run this long covers a multiple of its least length.
        for (index_t at = 0; at < n; at += least) {
            const index_t known = n_heavy > 0 ? heavy[n_heavy - 1].last : 0;
            if (at < known) continue;
            const index_t first = gallop<true>(keys, known, at, keys[at]);
            const index_t last = run_end(keys, at, n);
            if (last - first >= least) heavy[n_heavy++] = {first, last};
        }
        return n_heavy;
    }

    /// End of the bin that starts at `first` and should hold mass / bins values.
    index_t nearest_end(index_t first, index_t mass, index_t bins) const noexcept {
        const index_t at = first + ceil_div(mass, bins) - 1;
        const index_t low = gallop<true>(keys, first, at, keys[at]);
        const index_t high = run_end(keys, at, n);
        const bool low_is_nearer = (low + high - 2 * first) * bins >= 2 * mass;
        return low > first && low_is_nearer ? low : high;
    }

    void cut_equal_mass() noexcept {
        Run heavy[most_bins];
        const index_t n_heavy = find_heavy(heavy);
        index_t mass = n; // of light values not yet in a bin
        for (index_t i = 0; i < n_heavy; ++i) mass -= heavy[i].last - heavy[i].first;
        index_t bins = max_bin - n_heavy;
        const Run* next = heavy;
        for (index_t first = 0; n_cuts < max_bin - 1;) {
            const bool more_heavy = next < heavy + n_heavy;
            index_t end;
            if (bins == 0 || (more_heavy && next->first == first)) {
                if (!more_heavy) return;
                end = (next++)->last;
            } else {
                end = nearest_end(first, mass, bins);
                if (more_heavy) end = std::min(end, next->first);
                mass -= end - first;
                --bins;
            }
            if (end >= n) return;
            cut(end);
            first = end;
        }
    }
};

template <class T>
index_t cut_column(const Key<T>* keys, index_t n, index_t max_bin,
                   T* thresholds) noexcept {
    // Missing values sort last.
    const index_t known = gallop<true>(keys, 0, n, missing_key<T>);
    Cutter<T> cutter{keys, known, max_bin, thresholds};
    if (!cutter.cut_distinct()) cutter.cut_equal_mass();
    return cutter.n_cuts;
}

/// Keys of rows [first, last) of the sample, column by column: keys[c * n + i].
template <class T>
void gather_keys(View2<const T> X, View1<const int64_t> sample, index_t first,
                 index_t last, index_t column, index_t n_columns, index_t n,
                 Key<T>* keys) noexcept {
    for (index_t c = 0; c < n_columns; ++c) {
        for (index_t i = first; i < last; ++i) {
            const index_t row = sample.data == nullptr ? i : sample(i);
            keys[c * n + i] = to_key(X(row, column + c));
        }
    }
}

void sample_rows(index_t n_rows, uint64_t seed, View1<int64_t> sample) noexcept {
    const RandomStream stream{seed, sample_purpose};
    for (index_t i = 0; i < sample.size; ++i) {
        const index_t first = i * n_rows / sample.size;
        const index_t size = (i + 1) * n_rows / sample.size - first;
        const uint64_t draw = stream.block(static_cast<uint64_t>(i))[0];
        sample(i) =
            first + static_cast<index_t>(draw * static_cast<uint64_t>(size) >> 32);
    }
}

} // namespace

index_t thresholds_scratch(index_t n_sampled, index_t n_columns,
                           int n_threads) noexcept {
    return n_sampled * (std::min(n_columns, group_columns) + n_threads);
}

template <class T>
void fit_thresholds(View2<const T> X, uint64_t seed, View2<T> thresholds,
                    View1<int64_t> counts, View1<int64_t> sample, void* scratch,
                    int n_threads) noexcept {
    if (sample.data != nullptr) sample_rows(X.rows, seed, sample);
    const index_t n = sample.data == nullptr ? X.rows : sample.size;
    const index_t max_bin = thresholds.columns + 1;
    auto* const keys = static_cast<Key<T>*>(scratch);
    Key<T>* const spare = keys + n * std::min(X.columns, group_columns);
    const int threads = worthwhile_threads(n * X.columns, grain, n_threads);
    std::fill_n(thresholds.data, thresholds.size(), std::numeric_limits<T>::infinity());
    for (index_t column = 0; column < X.columns; column += group_columns) {
        const index_t width = std::min(group_columns, X.columns - column);
        parallel_for(ceil_div(n, gather_rows), threads, [&](index_t block) {
            const index_t first = block * gather_rows;
            gather_keys(X, sample, first, std::min(n, first + gather_rows), column,
                        width, n, keys);
        });
        parallel_blocks(width, threads, [&](index_t c, int thread) {
            const Key<T>* const sorted =
                radix_sort<T>(keys + c * n, spare + thread * n, n);
            counts(column + c) =
                cut_column<T>(sorted, n, max_bin, thresholds.row(column + c));
        });
    }
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template void fit_thresholds<T>(View2<const T>, uint64_t, View2<T>,                \
                                    View1<int64_t>, View1<int64_t>, void*,             \
                                    int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting
