#include "boosting/sparse_columns.hpp"

#include "boosting/histogram.hpp"
#include "common/parallel.hpp"

#include <algorithm>
#include <atomic>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::uint8_t;

constexpr index_t entry_grain = index_t{1} << 16; ///< entries that are worth a thread
constexpr index_t chunk_columns = 16;

template <class F>
void for_columns(const SparseGrowthTable& table, int n_threads, F f) noexcept {
    const index_t n_columns = table.entries.n_columns();
    parallel_blocks(ceil_div(n_columns, chunk_columns),
                    worthwhile_threads(table.entries.rows.size, entry_grain, n_threads),
                    [&](index_t chunk, int) {
                        const index_t last =
                            std::min((chunk + 1) * chunk_columns, n_columns);
                        for (index_t c = chunk * chunk_columns; c < last; ++c) f(c);
                    });
}

bool is_code(const SparseGrowthTable& table, index_t c, uint8_t code) noexcept {
    return code < table.column_bins(c) || code == table.missing_code;
}

/// How many entries of a column have each code.
struct CodeCounts {
    int32_t of[code_slots] = {};

    CodeCounts(const SparseColumns<uint8_t>& X, index_t c) noexcept {
        for (index_t i = X.offsets(c); i < X.offsets(c + 1); ++i) ++of[X.values(i)];
    }
};

CodeColumn describe(const SparseGrowthTable& table, index_t c) noexcept {
    CodeCounts counts(table.entries, c);
    CodeColumn column{};
    column.absent = table.absent_codes(c);
    column.known = table.column_bins(c);
    column.categorical = table.categorical(c) != 0;
    counts.of[column.absent] = 0;
    for (index_t code = 0; code < code_slots; ++code) {
        column.n_entries += counts.of[code];
        if (counts.of[code] > 0 && code != table.missing_code) ++column.n_runs;
    }
    column.has_missing = counts.of[table.missing_code] > 0;
    return column;
}

void sort_entries(const SparseGrowthTable& table, index_t c, const CodeColumn& column,
                  int32_t* rows, CodeRun* runs) noexcept {
    const SparseColumns<uint8_t>& X = table.entries;
    CodeCounts counts(X, c);
    counts.of[column.absent] = 0;
    int32_t places[code_slots];
    int32_t at = 0;
    for (int32_t code = 0; code < code_slots; ++code) {
        places[code] = at;
        at += counts.of[code];
        if (counts.of[code] > 0) *runs++ = {code, at};
    }
    for (index_t i = X.offsets(c); i < X.offsets(c + 1); ++i) {
        const uint8_t code = X.values(i);
        if (code != column.absent) rows[places[code]++] = X.rows(i);
    }
}

} // namespace

bool is_valid(const SparseGrowthTable& table, int n_threads) noexcept {
    const SparseColumns<uint8_t>& X = table.entries;
    if (!is_valid(X, n_threads)) return false;
    std::atomic<bool> valid{true};
    for_columns(table, n_threads, [&](index_t c) {
        bool good = is_code(table, c, table.absent_codes(c));
        for (index_t i = X.offsets(c); i < X.offsets(c + 1); ++i) {
            good &= is_code(table, c, X.values(i));
        }
        if (!good) valid.store(false, std::memory_order_relaxed);
    });
    return valid;
}

CodeColumns::CodeColumns(const SparseGrowthTable& table, int n_threads)
    : columns_(static_cast<std::size_t>(table.entries.n_columns())) {
    for_columns(table, n_threads, [&](index_t c) {
        columns_[static_cast<std::size_t>(c)] = describe(table, c);
    });
    index_t n_entries = 0, n_runs = 0;
    for (CodeColumn& column : columns_) {
        column.first_entry = n_entries;
        column.first_run = n_runs;
        n_entries += column.n_entries;
        n_runs += column.n_stored_runs();
    }
    rows_ = AlignedBuffer<int32_t>(n_entries);
    runs_ = AlignedBuffer<CodeRun>(n_runs);
    for_columns(table, n_threads, [&](index_t c) {
        const CodeColumn& column = (*this)[c];
        sort_entries(table, c, column, rows_.data() + column.first_entry,
                     runs_.data() + column.first_run);
    });
}

index_t CodeColumns::most_entries() const noexcept {
    index_t most = 0;
    for (const CodeColumn& column : columns_) most = std::max(most, column.n_entries);
    return most;
}

} // namespace fastnotes::boosting
