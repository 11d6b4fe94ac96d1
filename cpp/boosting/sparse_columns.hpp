/// Sparse columns of bin codes.
#pragma once

#include "boosting/sparse_binning.hpp"
#include "common/view.hpp"

#include <cstdint>
#include <vector>

namespace fastnotes::boosting {

/// A sparse table of codes, which must outlive its grower.
struct SparseGrowthTable {
    SparseColumns<std::uint8_t> entries;
    View1<const std::uint8_t> absent_codes; ///< [n_columns] of entries not stored
    View1<const std::int32_t> column_bins;  ///< codes 0 .. column_bins[c] - 1 are known
    View1<const std::uint8_t> categorical;  ///< [n_columns] 0 or 1
    std::uint8_t missing_code;
};

/// Whether the columns are valid, and every code is known or missing.
bool is_valid(const SparseGrowthTable& table, int n_threads) noexcept;

struct CodeColumn {
    const std::int32_t* rows;  ///< [n_entries]
    const std::uint8_t* codes; ///< [n_entries]
    index_t n_entries;
    index_t known; ///< codes
    std::uint8_t absent, missing;
    bool absent_is_known;
    bool has_missing; ///< stored, while absent is known
    bool categorical;
};

/// The columns of a valid table. Throws std::bad_alloc.
std::vector<CodeColumn> list_code_columns(const SparseGrowthTable& table,
                                          int n_threads);

} // namespace fastnotes::boosting
