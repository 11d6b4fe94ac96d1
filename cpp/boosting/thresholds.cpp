#include "boosting/thresholds.hpp"

#include "common/parallel.hpp"

#include <algorithm>
#include <limits>

namespace fastnotes::boosting {
namespace {

using std::int64_t;
using std::uint64_t;

constexpr index_t group_columns = 32; ///< sorted at a time: bounds the scratch
constexpr index_t gather_rows = 64;
constexpr index_t grain = index_t{1} << 14; ///< sampled values that are worth a thread

/// The rows that columns are cut by.
struct Rows {
    index_t n;
    const int64_t* rows;   ///< null: 0 .. n - 1
    const int64_t* masses; ///< null: 1 each

    index_t row(index_t i) const noexcept { return rows == nullptr ? i : rows[i]; }
};

template <class T>
void make_item(T value, const Rows&, index_t, Key<T>& item) noexcept {
    item = to_key(value);
}
template <class T>
void make_item(T value, const Rows& rows, index_t i, Heavy<Key<T>>& item) noexcept {
    item = {to_key(value), rows.masses[i]};
}

template <class T>
index_t cut_items(Key<T>* items, Key<T>* spare, index_t n, index_t max_bin,
                  T* thresholds) noexcept {
    return cut_column<T>(radix_sort(items, spare, n), n, max_bin, thresholds);
}
template <class T>
index_t cut_items(Heavy<Key<T>>* items, Heavy<Key<T>>* spare, index_t n,
                  index_t max_bin, T* thresholds) noexcept {
    auto* const sorted = radix_sort(items, spare, n);
    return cut_column<T>(sorted, n, max_bin, sorted == items ? spare : items,
                         thresholds);
}

/// Items i of [first, last), column by column: items[c * n + i].
template <class T, class Item>
void gather_items(View2<const T> X, const Rows& rows, index_t first, index_t last,
                  index_t column, index_t n_columns, Item* items) noexcept {
    for (index_t c = 0; c < n_columns; ++c) {
        for (index_t i = first; i < last; ++i) {
            make_item(X(rows.row(i), column + c), rows, i, items[c * rows.n + i]);
        }
    }
}

template <class Item, class T>
void cut_columns(View2<const T> X, const Rows& rows, View2<T> thresholds,
                 View1<int64_t> counts, Item* items, int n_threads) noexcept {
    const index_t n = rows.n;
    const index_t max_bin = thresholds.columns + 1;
    Item* const spare = items + n * std::min(X.columns, group_columns);
    const int threads = worthwhile_threads(n * X.columns, grain, n_threads);
    for (index_t column = 0; column < X.columns; column += group_columns) {
        const index_t width = std::min(group_columns, X.columns - column);
        parallel_for(ceil_div(n, gather_rows), threads, [&](index_t block) {
            const index_t first = block * gather_rows;
            gather_items(X, rows, first, std::min(n, first + gather_rows), column,
                         width, items);
        });
        parallel_blocks(width, threads, [&](index_t c, int thread) {
            counts(column + c) = cut_items<T>(items + c * n, spare + thread * n, n,
                                              max_bin, thresholds.row(column + c));
        });
    }
}

} // namespace

template <class T>
index_t thresholds_scratch(index_t n, index_t n_columns, bool weighted,
                           int n_threads) noexcept {
    const auto item = weighted ? sizeof(Heavy<Key<T>>) : sizeof(Key<T>);
    return static_cast<index_t>(item) * n *
           (std::min(n_columns, group_columns) + n_threads);
}

template <class T>
void fit_thresholds(View2<const T> X, View1<const double> weights, uint64_t seed,
                    View2<T> thresholds, View1<int64_t> counts, RowsScratch sample,
                    void* scratch, int n_threads) noexcept {
    std::fill_n(thresholds.data, thresholds.size(), std::numeric_limits<T>::infinity());
    if (weights.data != nullptr) {
        const index_t n = select_rows(weights, seed, sample.subsample, sample.rows.data,
                                      sample.masses.data);
        cut_columns(X, {n, sample.rows.data, sample.masses.data}, thresholds, counts,
                    static_cast<Heavy<Key<T>>*>(scratch), n_threads);
        return;
    }
    if (sample.rows.data != nullptr) sample_strata(X.rows, seed, sample.rows);
    const index_t n = sample.rows.data == nullptr ? X.rows : sample.rows.size;
    cut_columns(X, {n, sample.rows.data, nullptr}, thresholds, counts,
                static_cast<Key<T>*>(scratch), n_threads);
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template index_t thresholds_scratch<T>(index_t, index_t, bool, int) noexcept;      \
    template void fit_thresholds<T>(View2<const T>, View1<const double>, uint64_t,     \
                                    View2<T>, View1<int64_t>, RowsScratch, void*,      \
                                    int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting
