#include "boosting/sparse_columns.hpp"

#include "common/parallel.hpp"

#include <algorithm>
#include <atomic>

namespace fastnotes::boosting {
namespace {

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

std::vector<CodeColumn> list_code_columns(const SparseGrowthTable& table,
                                          int n_threads) {
    const SparseColumns<uint8_t>& X = table.entries;
    std::vector<CodeColumn> columns(static_cast<std::size_t>(X.n_columns()));
    for_columns(table, n_threads, [&](index_t c) {
        const index_t first = X.offsets(c);
        CodeColumn& column = columns[static_cast<std::size_t>(c)];
        column.rows = X.rows.data + first;
        column.codes = X.values.data + first;
        column.n_entries = X.offsets(c + 1) - first;
        column.known = table.column_bins(c);
        column.absent = table.absent_codes(c);
        column.missing = table.missing_code;
        column.absent_is_known = column.absent != table.missing_code;
        column.has_missing =
            column.absent_is_known &&
            std::find(column.codes, column.codes + column.n_entries,
                      table.missing_code) != column.codes + column.n_entries;
        column.categorical = table.categorical(c) != 0;
    });
    return columns;
}

} // namespace fastnotes::boosting
