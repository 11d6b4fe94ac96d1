#include "boosting/binning.hpp"

#include "common/parallel.hpp"

#include <algorithm>

namespace fastnotes::boosting {
namespace {

using std::uint8_t;

constexpr index_t block_rows = 64;
constexpr index_t grain = index_t{1} << 15; ///< values that are worth a thread

template <class T>
void assign_column(const T* values, index_t stride, index_t n_rows, const T* lookup,
                   uint8_t missing_code, uint8_t* codes) noexcept {
    for (index_t i = 0; i < n_rows; ++i) {
        const T value = values[i * stride];
        const int code = find_bin(lookup, value);
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
