#include "boosting/binning.hpp"

#include "common/parallel.hpp"
#include "common/simd.hpp"

#include <algorithm>
#include <limits>

namespace fastnotes::boosting {
namespace {

using std::uint8_t;

constexpr index_t block_rows = 64;
constexpr index_t grain = index_t{1} << 15; ///< values that are worth a thread

/// Fine cut i of a column is its threshold i, +inf behind the last; coarse cut j is the
/// last fine cut of group j, so the first group not wholly below a value holds its bin.
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
    int count = 0;
    for (int i = 0; i < 16; i += V::size) {
        count += __builtin_popcount(
            simd::mask_bits(simd::load<V>(cuts + i) < simd::broadcast<V>(value)));
    }
    return count;
}

template <class T>
void assign_column(const T* values, index_t stride, index_t n_rows, const T* lookup,
                   uint8_t missing_code, uint8_t* codes) noexcept {
    for (index_t i = 0; i < n_rows; ++i) {
        const T value = values[i * stride];
        const int group = count_below(lookup, value);
        const int code = 16 * group + count_below(lookup + 16 + 16 * group, value);
        codes[i * stride] = value == value ? static_cast<uint8_t>(code) : missing_code;
    }
}

} // namespace

template <class T>
void assign_bins(View2<const T> X, View2<const T> thresholds, uint8_t missing_code,
                 View2<uint8_t> bins, T* lookup, int n_threads) noexcept {
    const index_t n_columns = X.columns;
    for (index_t c = 0; c < n_columns; ++c) {
        make_lookup(thresholds.row(c), thresholds.columns, lookup + c * lookup_size);
    }
    const int threads = worthwhile_threads(X.size(), grain, n_threads);
    parallel_for(ceil_div(X.rows, block_rows), threads, [&](index_t block) {
        const index_t first = block * block_rows;
        const index_t n = std::min(block_rows, X.rows - first);
        for (index_t c = 0; c < n_columns; ++c) {
            assign_column(X.row(first) + c, n_columns, n, lookup + c * lookup_size,
                          missing_code, bins.row(first) + c);
        }
    });
}

template void assign_bins<float>(View2<const float>, View2<const float>, uint8_t,
                                 View2<uint8_t>, float*, int) noexcept;
template void assign_bins<double>(View2<const double>, View2<const double>, uint8_t,
                                  View2<uint8_t>, double*, int) noexcept;

} // namespace fastnotes::boosting
