/// Sparse columns of bin codes, their entries in the order of their codes.
#pragma once

#include "boosting/sparse_binning.hpp"
#include "common/aligned.hpp"
#include "common/view.hpp"

#include <cstdint>
#include <vector>

namespace fastnotes::boosting {

/// A sparse table of codes.
struct SparseGrowthTable {
    SparseColumns<std::uint8_t> entries;
    View1<const std::uint8_t> absent_codes; ///< [n_columns] of entries not stored
    View1<const std::int32_t> column_bins;  ///< codes 0 .. column_bins[c] - 1 are known
    View1<const std::uint8_t> categorical;  ///< [n_columns] 0 or 1
    std::uint8_t missing_code;
};

/// Whether the columns are valid, and every code is known or missing.
bool is_valid(const SparseGrowthTable& table, int n_threads) noexcept;

/// Entries of one code.
struct CodeRun {
    std::int32_t code;
    std::int32_t last; ///< behind its last entry, from the column's first on
};

/// A column without the entries that have the code of absent ones.
struct CodeColumn {
    index_t first_entry, n_entries;
    index_t first_run, n_runs; ///< of known codes, ascending
    bool has_missing;          ///< stored while absent is known: one run more
    bool categorical;
    std::uint8_t absent;
    index_t known; ///< codes

    index_t n_stored_runs() const noexcept { return n_runs + (has_missing ? 1 : 0); }
};

/// A copy of a valid table, sorted. Memory: 4 bytes an entry, 8 a run.
class CodeColumns {
  public:
    /// Throws std::bad_alloc.
    CodeColumns(const SparseGrowthTable& table, int n_threads);

    index_t size() const noexcept { return static_cast<index_t>(columns_.size()); }
    index_t most_entries() const noexcept; ///< of a column
    const CodeColumn& operator[](index_t c) const noexcept {
        return columns_[static_cast<std::size_t>(c)];
    }
    /// Rows of a column, run after run, ascending within one.
    const std::int32_t* rows(const CodeColumn& column) const noexcept {
        return rows_.data() + column.first_entry;
    }
    const CodeRun* runs(const CodeColumn& column) const noexcept {
        return runs_.data() + column.first_run;
    }

  private:
    std::vector<CodeColumn> columns_;
    AlignedBuffer<std::int32_t> rows_;
    AlignedBuffer<CodeRun> runs_;
};

} // namespace fastnotes::boosting
