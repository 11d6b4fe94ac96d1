#include "boosting/sparse_binning.hpp"

#include "boosting/lookup.hpp"
#include "common/parallel.hpp"

#include <algorithm>
#include <atomic>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;
using std::uint64_t;
using std::uint8_t;

constexpr index_t grain = index_t{1} << 14; ///< entries that are worth a thread
constexpr index_t group_columns = 16;       ///< handed out at a time
constexpr index_t radix_from = 1024;        ///< items; fewer are compared
constexpr index_t small_column = 8;         ///< entries; fewer need no lookup

/// Calls f(column, thread) for every column.
template <class F>
void for_columns(index_t n_columns, index_t n_entries, int n_threads, F&& f) noexcept {
    const int threads = worthwhile_threads(n_entries + n_columns, grain, n_threads);
    parallel_blocks(ceil_div(n_columns, group_columns), threads,
                    [&](index_t group, int thread) {
                        const index_t first = group * group_columns;
                        const index_t last = std::min(first + group_columns, n_columns);
                        for (index_t c = first; c < last; ++c) f(c, thread);
                    });
}

/// How often each row of the sample counts.
struct RowMasses {
    const int64_t* mass; ///< [n_rows]; null: once
    index_t total;

    int64_t operator()(int32_t row) const noexcept {
        return mass == nullptr ? 1 : mass[row];
    }
};

RowMasses choose_rows(index_t n_rows, View1<const double> weights, uint64_t seed,
                      RowsScratch sample, View1<int64_t> mass) noexcept {
    if (sample.rows.data == nullptr) return {nullptr, n_rows};
    index_t n = sample.rows.size;
    if (weights.data == nullptr) {
        sample_strata(n_rows, seed, sample.rows);
    } else {
        n = select_rows(weights, seed, sample.subsample, sample.rows.data,
                        sample.masses.data);
    }
    std::fill_n(mass.data, n_rows, int64_t{0});
    index_t total = 0;
    for (index_t i = 0; i < n; ++i) {
        const int64_t count = weights.data == nullptr ? 1 : sample.masses(i);
        mass(sample.rows(i)) = count;
        total += count;
    }
    return {mass.data, total};
}

/// The known values of a column that rows of the sample have; returns how many.
template <class T>
index_t collect(const SparseColumns<T>& X, index_t c, const RowMasses& masses,
                bool absent_is_zero, Heavy<Key<T>>* items) noexcept {
    index_t n = 0;
    index_t stored = 0;
    for (index_t i = X.offsets(c); i < X.offsets(c + 1); ++i) {
        const int64_t mass = masses(X.rows(i));
        stored += mass;
        const Key<T> key = to_key(X.values(i));
        items[n] = {key, mass};
        n += mass > 0 && key != missing_key<T>;
    }
    if (absent_is_zero && stored < masses.total) {
        items[n++] = {to_key(T(0)), masses.total - stored};
    }
    return n;
}

template <class T>
index_t cut_items(Heavy<Key<T>>* items, Heavy<Key<T>>* spare, index_t n,
                  index_t max_bin, T* thresholds) noexcept {
    auto* sorted = items;
    if (n < radix_from) {
        std::sort(items, items + n,
                  [](const auto& a, const auto& b) { return a.key < b.key; });
    } else {
        sorted = radix_sort(items, spare, n);
    }
    return cut_column<T>(sorted, n, max_bin, sorted == items ? spare : items,
                         thresholds);
}

} // namespace

template <class T> bool is_valid(const SparseColumns<T>& X, int n_threads) noexcept {
    const index_t n_entries = X.rows.size;
    const index_t n_columns = X.n_columns();
    if (X.offsets(0) != 0 || X.offsets(n_columns) != n_entries) return false;
    for (index_t c = 0; c < n_columns; ++c) {
        if (X.offsets(c) > X.offsets(c + 1)) return false;
    }
    std::atomic<bool> valid{true};
    for_columns(n_columns, n_entries, n_threads, [&](index_t c, int) {
        bool good = true;
        index_t before = -1;
        for (index_t i = X.offsets(c); i < X.offsets(c + 1); ++i) {
            good &= X.rows(i) > before;
            before = X.rows(i);
        }
        if (!good || before >= X.n_rows) valid.store(false, std::memory_order_relaxed);
    });
    return valid;
}

void sparse_threshold_capacity(View1<const int64_t> offsets, index_t max_bin,
                               View1<int64_t> capacity) noexcept {
    capacity(0) = 0;
    for (index_t c = 0; c + 1 < offsets.size; ++c) {
        const index_t entries = offsets(c + 1) - offsets(c);
        capacity(c + 1) = capacity(c) + std::min(entries, max_bin - 1);
    }
}

template <class T>
index_t sparse_thresholds_scratch(index_t most_entries, int n_threads) noexcept {
    return 2 * static_cast<index_t>(sizeof(Heavy<Key<T>>)) * (most_entries + 1) *
           n_threads;
}

template <class T>
void fit_sparse_thresholds(const SparseColumns<T>& X, bool absent_is_zero,
                           index_t max_bin, View1<const double> weights, uint64_t seed,
                           View1<const int64_t> capacity, T* thresholds,
                           View1<int64_t> counts, RowsScratch sample,
                           View1<int64_t> mass, void* scratch, int n_threads) noexcept {
    using Item = Heavy<Key<T>>;
    const RowMasses masses = choose_rows(X.n_rows, weights, seed, sample, mass);
    index_t most = 0;
    for (index_t c = 0; c < X.n_columns(); ++c) {
        most = std::max<index_t>(most, X.offsets(c + 1) - X.offsets(c));
    }
    for_columns(X.n_columns(), X.rows.size, n_threads, [&](index_t c, int thread) {
        Item* const items = static_cast<Item*>(scratch) + 2 * (most + 1) * thread;
        const index_t n = collect(X, c, masses, absent_is_zero, items);
        counts(c) =
            cut_items<T>(items, items + most + 1, n, max_bin, thresholds + capacity(c));
    });
}

template <class T>
void assign_sparse_bins(View1<const T> values, View1<const int64_t> offsets,
                        const T* thresholds, View1<const int64_t> cut_offsets,
                        uint8_t missing_code, uint8_t* bins, uint8_t* zero_bins,
                        int n_threads) noexcept {
    const index_t n_columns = offsets.size - 1;
    for_columns(n_columns, values.size, n_threads, [&](index_t c, int) {
        const T* const cuts = thresholds + cut_offsets(c);
        const index_t n_cuts = cut_offsets(c + 1) - cut_offsets(c);
        const auto search = [&](T value) {
            return static_cast<uint8_t>(std::lower_bound(cuts, cuts + n_cuts, value) -
                                        cuts);
        };
        zero_bins[c] = search(T(0));
        const index_t first = offsets(c), last = offsets(c + 1);
        if (last - first < small_column) {
            for (index_t i = first; i < last; ++i) {
                bins[i] = values(i) == values(i) ? search(values(i)) : missing_code;
            }
            return;
        }
        T lookup[lookup_size];
        make_lookup(cuts, n_cuts, lookup);
        for (index_t i = first; i < last; ++i) {
            const auto code = static_cast<uint8_t>(find_code(lookup, values(i)));
            bins[i] = values(i) == values(i) ? code : missing_code;
        }
    });
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template bool is_valid<T>(const SparseColumns<T>&, int) noexcept;                  \
    template index_t sparse_thresholds_scratch<T>(index_t, int) noexcept;              \
    template void fit_sparse_thresholds<T>(                                            \
        const SparseColumns<T>&, bool, index_t, View1<const double>, uint64_t,         \
        View1<const int64_t>, T*, View1<int64_t>, RowsScratch, View1<int64_t>, void*,  \
        int) noexcept;                                                                 \
    template void assign_sparse_bins<T>(View1<const T>, View1<const int64_t>,          \
                                        const T*, View1<const int64_t>, uint8_t,       \
                                        uint8_t*, uint8_t*, int) noexcept;
template bool is_valid<uint8_t>(const SparseColumns<uint8_t>&, int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting
