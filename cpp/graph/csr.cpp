#include "graph/csr.hpp"

#include "common/parallel.hpp"

#include <algorithm>
#include <atomic>

namespace fastnotes::graph {
namespace {

constexpr index_t entries_per_block = 1 << 16;
constexpr index_t rows_per_block = 1 << 12;
constexpr int most_transpose_threads = 8;

/// Lowers `lowest` to `value` if that is smaller.
void lower_to(std::atomic<index_t>& lowest, index_t value) noexcept {
    index_t seen = lowest.load(std::memory_order_relaxed);
    while (value < seen &&
           !lowest.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
}

template <class Index>
CsrFault copy_starts(View1<const Index> indptr, std::int64_t entries,
                     View1<std::int64_t> out) noexcept {
    std::int64_t previous = 0;
    for (index_t i = 0; i < indptr.size; ++i) {
        const std::int64_t start = indptr(i);
        if (i == 0 && start != 0) return {CsrFault::Kind::first_start, 0, start};
        if (start < previous) return {CsrFault::Kind::decreasing, i, start};
        out(i) = previous = start;
    }
    if (previous != entries) {
        return {CsrFault::Kind::last_start, indptr.size - 1, previous};
    }
    return {CsrFault::Kind::none, 0, 0};
}

} // namespace

template <class Index>
CsrFault check_and_copy_csr(View1<const Index> indptr, View1<const Index> indices,
                            index_t columns, View1<std::int64_t> indptr_out,
                            View1<std::int32_t> indices_out, int n_threads) noexcept {
    const CsrFault fault = copy_starts(indptr, indices.size, indptr_out);
    if (fault.kind != CsrFault::Kind::none) return fault;

    std::atomic<index_t> first_bad{indices.size};
    const index_t n_blocks = ceil_div(indices.size, entries_per_block);
    parallel_blocks(n_blocks, n_threads, [&](index_t block, int) {
        const index_t first = block * entries_per_block;
        const index_t last = std::min(first + entries_per_block, indices.size);
        bool bad = false;
        for (index_t e = first; e < last; ++e) {
            const std::int64_t column = indices(e);
            bad |= column < 0 || column >= columns;
            indices_out(e) = static_cast<std::int32_t>(column);
        }
        if (!bad) return;
        for (index_t e = first; e < last; ++e) {
            const std::int64_t column = indices(e);
            if (column < 0 || column >= columns) return lower_to(first_bad, e);
        }
        lower_to(first_bad, first); // the caller has changed it meanwhile
    });
    const index_t bad = first_bad.load();
    if (bad == indices.size) return {CsrFault::Kind::none, 0, 0};
    return {CsrFault::Kind::column, bad, indices(bad)};
}

void transpose_csr(const Csr& a, std::int64_t* indptr_t, std::int32_t* indices_t,
                   std::int64_t* order, std::int64_t* scratch, int n_threads) noexcept {
    const index_t entries = a.entries();
    n_threads = worthwhile_threads(entries, entries_per_block,
                                   std::min(n_threads, most_transpose_threads));
    parallel_region(n_threads, [&](const Team& team) {
        // Count the columns of this thread's equal share.
        const auto [first, last] = team.share(a.columns);
        std::fill(indptr_t + first + 1, indptr_t + last + 1, 0);
        for (index_t e = 0; e < entries; ++e) {
            const index_t column = a.indices[e];
            if (column >= first && column < last) ++indptr_t[column + 1];
        }
        team.barrier();
        if (team.index == 0) {
            indptr_t[0] = 0;
            for (index_t j = 0; j < a.columns; ++j) {
                scratch[j] = indptr_t[j];
                indptr_t[j + 1] += indptr_t[j];
            }
        }
        team.barrier();
        // Hand out the entries of this thread's share, equal by entries.
        const auto column_at = [&](int thread) -> index_t {
            if (thread == team.size) return a.columns;
            const std::int64_t wanted = entries * thread / team.size;
            return std::lower_bound(indptr_t, indptr_t + a.columns, wanted) - indptr_t;
        };
        const index_t begin = column_at(team.index), end = column_at(team.index + 1);
        for (index_t i = 0; i < a.rows; ++i) {
            for (index_t e = a.indptr[i]; e < a.indptr[i + 1]; ++e) {
                const index_t column = a.indices[e];
                if (column < begin || column >= end) continue;
                const std::int64_t slot = scratch[column]++;
                if (indices_t != nullptr)
                    indices_t[slot] = static_cast<std::int32_t>(i);
                if (order != nullptr) order[slot] = e;
            }
        }
    });
}

void count_with_diagonal(const Csr& a, std::int64_t* indptr_out) noexcept {
    indptr_out[0] = 0;
    for (index_t i = 0; i < a.rows; ++i) {
        const auto* const first = a.indices + a.indptr[i];
        const auto* const last = a.indices + a.indptr[i + 1];
        const bool stored =
            std::binary_search(first, last, static_cast<std::int32_t>(i));
        indptr_out[i + 1] = indptr_out[i] + (last - first) + (stored ? 0 : 1);
    }
}

template <class T>
void add_diagonal(const Csr& a, const T* values, const T* diagonal,
                  const std::int64_t* indptr_out, std::int32_t* indices_out,
                  T* values_out, int n_threads) noexcept {
    const index_t n_blocks = ceil_div(a.rows, rows_per_block);
    parallel_blocks(n_blocks, n_threads, [&](index_t block, int) {
        const index_t first = block * rows_per_block;
        const index_t last = std::min(first + rows_per_block, a.rows);
        for (index_t i = first; i < last; ++i) {
            index_t slot = indptr_out[i];
            index_t e = a.indptr[i];
            const index_t end = a.indptr[i + 1];
            const auto copy_while = [&](auto&& wanted) {
                for (; e < end && wanted(a.indices[e]); ++e, ++slot) {
                    indices_out[slot] = a.indices[e];
                    values_out[slot] = values[e];
                }
            };
            copy_while([&](std::int32_t column) { return column < i; });
            T own = diagonal == nullptr ? T(0) : diagonal[i];
            if (e < end && a.indices[e] == i) own += values[e++];
            indices_out[slot] = static_cast<std::int32_t>(i);
            values_out[slot++] = own;
            copy_while([](std::int32_t) { return true; });
        }
    });
}

bool is_canonical(const Csr& a) noexcept {
    for (index_t i = 0; i < a.rows; ++i) {
        for (index_t e = a.indptr[i] + 1; e < a.indptr[i + 1]; ++e) {
            if (a.indices[e] <= a.indices[e - 1]) return false;
        }
    }
    return true;
}

template CsrFault check_and_copy_csr(View1<const std::int32_t>,
                                     View1<const std::int32_t>, index_t,
                                     View1<std::int64_t>, View1<std::int32_t>,
                                     int) noexcept;
template CsrFault check_and_copy_csr(View1<const std::int64_t>,
                                     View1<const std::int64_t>, index_t,
                                     View1<std::int64_t>, View1<std::int32_t>,
                                     int) noexcept;
template void add_diagonal(const Csr&, const float*, const float*, const std::int64_t*,
                           std::int32_t*, float*, int) noexcept;
template void add_diagonal(const Csr&, const double*, const double*,
                           const std::int64_t*, std::int32_t*, double*, int) noexcept;

} // namespace fastnotes::graph
