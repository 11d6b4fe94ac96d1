/// What one tree adds to the margins of binned rows.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// A tree on bin codes, as growth gives it; all [n_nodes], in.
///
/// column < 0 is a leaf. Children lie behind their parent and within the tree. A row
/// goes left if its code is missing and default_left, or known and in the first bin + 1
/// codes, or, where is_categorical, in the set left_codes.
struct BinTree {
    View1<const std::int32_t> column, bin, left, right;
    View1<const bool> default_left, is_categorical;
    View1<const float> value;
    View2<const std::uint32_t> left_codes; ///< [n_nodes, 8]
};

/// margins[i] += value of the leaf that row i reaches.
///
///   bins    [n_rows, n_columns] u8   in; missing_code means missing
///   margins [n_rows] f64             in-out, adds
///
/// Cost: some cycles per row and level, rows in blocks over the threads; a row's result
/// depends on that row alone.
void add_tree_by_bins(const BinTree& tree, View2<const std::uint8_t> bins,
                      std::uint8_t missing_code, View1<double> margins,
                      int n_threads) noexcept;

} // namespace fastnotes::boosting
