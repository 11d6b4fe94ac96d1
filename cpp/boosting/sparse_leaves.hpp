/// Which leaves the rows of a sparse table fall into.
#pragma once

#include "boosting/growth.hpp"
#include "boosting/sparse_binning.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// leaf_of_row[r] = the leaf that row r falls into.
///
///   entries      valid columns of codes                                    in
///   absent_codes [n_columns] u8, of entries not stored                     in
///   tree         children behind their parents, columns in range           in
///   leaf_of_row  [n_rows] i32                                              out,
///                overwritten
///
/// Level by level: a pass over the stored entries of the columns it is cut at, and one
/// over all rows. Parallel over columns and over rows. Throws std::bad_alloc.
void find_sparse_leaves(const SparseColumns<std::uint8_t>& entries,
                        View1<const std::uint8_t> absent_codes, const GrownView& tree,
                        std::uint8_t missing_code, View1<std::int32_t> leaf_of_row,
                        int n_threads);

} // namespace fastnotes::boosting
